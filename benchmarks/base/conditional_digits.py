"""Are the digits that `conditional_vae` draws the digits that were asked for?

The model is trained on MNIST with beta = 4; a classifier is trained on the real training images; of 1,000 mean images,
a hundred a digit, the share that is classified as asked is printed, on average and for each digit.

    VAEKIT_DATA=... python benchmarks/base/conditional_digits.py
"""

from __future__ import annotations

import argparse
import json

import torch
from torch import Tensor, nn

import vaekit as vk
from vaekit.data import read


def classifier(x: Tensor, y: Tensor, epochs: int = 3) -> nn.Module:
    """A small convolutional network trained on real images in [0, 1]."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * 49, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(128):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[rows].unsqueeze(1)), y[rows]).backward()
            optimizer.step()
    return net.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--beta", type=float, default=4.0)
    given = parser.parse_args()
    data = read("mnist", condition="digit")
    train, test = data.take(data.parts["train"]), data.take(data.parts["test"])
    net = classifier(train.x.float() / 255, torch.from_numpy(train.labels.astype("int64")))
    with torch.no_grad():
        real = net(test.x.float().unsqueeze(1) / 255).argmax(1).numpy()
    recipe = vk.recipe("conditional_vae", data, beta=given.beta)
    run = vk.fit(recipe, data, labels="digit", epochs=given.epochs, seed=0)
    asked = torch.arange(10).repeat_interleave(100)
    drawn = torch.as_tensor(run.sample(1000, {"digit": asked.numpy()}, seed=0)).float() / 255
    with torch.no_grad():
        right = (net(drawn.unsqueeze(1)).argmax(1) == asked).float().view(10, 100).mean(1)
    print(json.dumps({
        "classifier_on_real_test": float((real == test.labels).mean()), "epochs": given.epochs, "beta": given.beta,
        "seconds": run.metrics["seconds"], "average": float(right.mean()), "by_digit": right.tolist(),
        "elbo": run.metrics["elbo"], "rate": run.metrics["rate"],
    }))  # fmt: skip


if __name__ == "__main__":
    main()
