"""Sampling by a VAE and by an autoregressive model of as many parameters, and how far their seeds are apart.

The autoregressive model is a MADE (Germain et al. 2015, arXiv:1502.03509) with one hidden layer: each pixel is
predicted from those before it, so that an image takes 784 passes. Both are trained on statically binarised MNIST by the
same engine settings, from 5 seeds; the held-out numbers are the ELBO and, exact, log p(x).

    VAEKIT_DATA=... python benchmarks/speed/sampling.py
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from table import keep
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, linear, relu

import vaekit as vk

PIXELS, SEEDS, ROUNDS = 784, 5, 5


class MADE(nn.Module):
    """Logits of each pixel given those before it, (B, 784) -> (B, 784)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(PIXELS, hidden), nn.Linear(hidden, PIXELS)
        degrees, pixels = 1 + torch.arange(hidden) % (PIXELS - 1), torch.arange(1, PIXELS + 1)
        self.register_buffer("into", (degrees[:, None] >= pixels).float())
        self.register_buffer("out", (pixels[:, None] > degrees).float())

    def forward(self, x: Tensor) -> Tensor:
        h = relu(linear(x, self.first.weight * self.into, self.first.bias))
        return linear(h, self.last.weight * self.out, self.last.bias)

    def log_prob(self, x: Tensor) -> Tensor:
        return -binary_cross_entropy_with_logits(self(x), x, reduction="none").sum(1)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """The last layer is taken for one pixel at a time, and the first one's sums grow by a column."""
        x, sums = torch.zeros(n, PIXELS), self.first.bias.expand(n, -1).clone()
        into, out = self.first.weight * self.into, self.last.weight * self.out
        for i in range(PIXELS):
            x[:, i] = torch.bernoulli((relu(sums) @ out[i] + self.last.bias[i]).sigmoid())
            sums.addr_(x[:, i], into[:, i])
        return x


def of_made(hidden: int, train: Tensor, held: Tensor, epochs: int) -> tuple[list[float], MADE]:
    """(held-out log p of each seed, the last model)."""
    found = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        model = MADE(hidden)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        for _ in range(epochs):
            for rows in torch.randperm(len(train)).split(128):
                optimizer.zero_grad()
                (-model.log_prob(train[rows].float()).mean()).backward()
                optimizer.step()
        with torch.no_grad():
            found.append(float(model.log_prob(held).mean()))
    return found, model


def rate(draw: Callable[[int], Any], n: int) -> list[float]:
    """Images/s of each round."""
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        draw(n)
        found.append(n / (time.perf_counter() - began))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=5)
    given = parser.parse_args()
    archive = np.load(Path(os.environ["VAEKIT_DATA"]) / "mnist_static_binary.npz")
    train = torch.from_numpy(archive["train"]).flatten(1)
    held = torch.from_numpy(archive["test"]).flatten(1).float()
    likelihood = vk.likelihoods.Bernoulli()
    runs = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        recipe = vk.recipes.vae(shape=(PIXELS,), latent_dim=16, hidden=[512], likelihood=likelihood)
        runs.append(
            vk.fit(recipe, train, valid=0.01, test=0.01, epochs=given.epochs, lr=1e-3, seed=seed, verbose=False)
        )
    elbos = [_elbo(run.model.eval(), held) for run in runs]
    model = runs[-1].model
    parameters = sum(p.numel() for p in model.parameters())
    hidden = round(parameters / (2 * PIXELS + 1))
    logs, made = of_made(hidden, train, held, given.epochs)
    speeds = {"VAE": rate(model.sample, 20_000), "MADE": rate(made.sample, 1_000)}
    rows = []
    for name, scores, what in (("VAE", elbos, "ELBO"), ("MADE", logs, "log p(x)")):
        net: Any = {"VAE": model, "MADE": made}[name]
        size, speed = sum(p.numel() for p in net.parameters()), statistics.median(speeds[name])
        spread = f"{statistics.stdev(scores):.2f}"
        rows.append([name, f"{size:,}", f"{speed:,.0f}", what, f"{statistics.mean(scores):.2f}", spread])
    ratio = statistics.median(speeds["VAE"]) / statistics.median(speeds["MADE"])
    text = (
        f"Images drawn by a VAE (784-512-16) and by a MADE with {hidden} hidden units, whose sampling takes one pixel "
        f"after the other at the least cost there is: the VAE is {ratio:,.0f} times as fast. Both after {given.epochs} "
        f"epochs on statically binarised MNIST, mean and standard deviation over {SEEDS} seeds on the test images."
    )
    keep("sampling", "Sampling beside an autoregressive model", text,
         ["model", "parameters", "images/s", "held-out", "mean, nats", "spread over seeds, nats"], rows)  # fmt: skip


@torch.no_grad()
def _elbo(model: Any, held: Tensor) -> float:
    torch.manual_seed(0)
    return float(torch.cat([vk.objectives.ELBO().bound(model, model.trace(p)) for p in held.split(1000)]).mean())


if __name__ == "__main__":
    main()
