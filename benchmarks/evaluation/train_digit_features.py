"""Train the small network whose features come with the library, and write it to the package.

It learns the ten digits from MNIST's 60,000 training pictures, half of each batch binarised at random, since models of
digits make grey pictures and black-and-white ones; then its features are scaled to mean square 1. The accuracy on the
test pictures, grey and binarised, is printed.

    VAEKIT_DATA=... OMP_NUM_THREADS=1 python benchmarks/evaluation/train_digit_features.py
"""

from __future__ import annotations

import argparse
import json

import torch
from torch import Tensor, nn

from vaekit.data import read
from vaekit.evaluation.features import DIGIT_WEIGHTS, DigitNet, weights_hash
from vaekit.storage import write_tensors

BATCH = 128


def half_binarised(x: Tensor) -> Tensor:
    """The second half of a batch in 0..1 as black-and-white draws with its grey levels as probabilities."""
    half = len(x) // 2
    return torch.cat([x[:half], torch.bernoulli(x[half:])])


def train(x: Tensor, y: Tensor, *, epochs: int, seed: int) -> DigitNet:
    torch.manual_seed(seed)
    net = DigitNet()
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=epochs * (len(x) // BATCH))
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH)[: len(x) // BATCH]:
            loss = nn.functional.cross_entropy(net.classify(half_binarised(x[rows])), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


@torch.no_grad()
def scale(net: DigitNet, x: Tensor) -> None:
    """Features of mean square 1, so that polynomial kernels are not all cube; the classifier stays what it is."""
    last = net.body[-1]
    assert isinstance(last, nn.Linear)
    root = torch.cat([net(part) for part in x.split(1000)]).square().mean().sqrt()
    last.weight /= root
    last.bias /= root
    net.head.weight *= root  # a rectifier passes a positive factor on


@torch.no_grad()
def accuracy(net: DigitNet, x: Tensor, y: Tensor) -> float:
    return float(torch.cat([net.classify(part).argmax(1) for part in x.split(1000)]).eq(y).double().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    data = read("mnist")
    parts = {name: data.take(data.parts[name]) for name in ("train", "test")}
    (x, y), (x_test, y_test) = ((d.x.float() / 255, torch.as_tensor(d.labels).long()) for d in parts.values())
    net = train(x, y, epochs=given.epochs, seed=given.seed)
    scale(net, x)
    write_tensors(DIGIT_WEIGHTS, net.state_dict())
    torch.manual_seed(given.seed)
    print(json.dumps({
        "weights": sum(p.numel() for p in net.parameters()), "hash": weights_hash(net),
        "kilobytes": DIGIT_WEIGHTS.stat().st_size / 1000,
        "accuracy": accuracy(net, x_test, y_test), "accuracy_binarised": accuracy(net, torch.bernoulli(x_test), y_test),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
