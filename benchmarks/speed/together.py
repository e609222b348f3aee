"""Eight seeds of a 784-64-8 VAE trained by `vk.fit_many` against one, and against the stacked step written by hand.

python benchmarks/speed/together.py
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from table import keep
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

import vaekit as vk
from vaekit.objectives import ELBO, Recipe
from vaekit.training import Fitter, Loader, Settings, fit_together

RUNS, HIDDEN, LATENTS, ITEMS, EPOCHS, ROUNDS = 8, 64, 8, 12_800, 5, 5


def images() -> Tensor:
    archive = np.load(Path(os.environ["VAEKIT_DATA"]) / "mnist.npz")
    return torch.from_numpy((archive["x_train"][:ITEMS] > 127).astype(np.uint8))


def fitters(x: Tensor, n: int, batch: int) -> list[Fitter]:
    made = []
    for seed in range(n):
        torch.manual_seed(seed)
        recipe = vk.recipes.vae(
            shape=(28, 28), latent_dim=LATENTS, hidden=[HIDDEN], likelihood=vk.likelihoods.Bernoulli()
        )
        plan = Recipe(recipe.model, ELBO())
        loader = Loader(x, None, plan.model, batch_size=batch, seed=seed, device=torch.device("cpu"))
        made.append(Fitter(plan, loader, None, Settings(epochs=EPOCHS, batch_size=batch, seed=seed), show=False))
    return made


def by_hand(x: Tensor, batch: int) -> Callable[[], None]:
    """An epoch of eight stacked models, each with its own items: batched products, torch's fused loss and Adam."""
    sizes = [(784, HIDDEN), (HIDDEN, 2 * LATENTS), (LATENTS, HIDDEN), (HIDDEN, 784)]
    w = [torch.randn(RUNS, a, b).mul_(a**-0.5).requires_grad_() for a, b in sizes]
    c = [torch.zeros(RUNS, 1, b, requires_grad=True) for _, b in sizes]
    optimizer = torch.optim.Adam([*w, *c], lr=1e-3, fused=True)
    flat = x.flatten(1)

    def epoch() -> None:
        orders = torch.stack([torch.randperm(len(flat)) for _ in range(RUNS)])
        for rows in orders.split(batch, 1):
            items = flat[rows].float()
            h = torch.baddbmm(c[0], items, w[0]).relu()
            mean, log_scale = torch.baddbmm(c[1], h, w[1]).chunk(2, -1)
            z = torch.addcmul(mean, log_scale.exp(), torch.randn_like(mean))
            logits = torch.baddbmm(c[3], torch.baddbmm(c[2], z, w[2]).relu(), w[3])
            lost = binary_cross_entropy_with_logits(logits, items, reduction="none").sum(-1)
            rate = 0.5 * (mean.square() + (2 * log_scale).exp() - 1 - 2 * log_scale).sum(-1)
            optimizer.zero_grad()
            (lost + rate).mean(1).sum().backward()
            optimizer.step()

    return epoch


def seconds(action: Callable[[], None]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def main() -> None:
    x, rows = images(), []
    for batch in (32, 128):
        took: dict[str, list[float]] = {"one": [], "together": [], "by hand": []}
        for _ in range(ROUNDS + 1):
            one, many, hand = fitters(x, 1, batch)[0], fitters(x, RUNS, batch), by_hand(x, batch)
            took["one"].append(seconds(one.run))
            took["together"].append(seconds(lambda many=many: fit_together(many)))  # type: ignore[misc]
            took["by hand"].append(seconds(lambda hand=hand: [hand() for _ in range(EPOCHS)]))  # type: ignore[misc]
        one, many, hand = (statistics.median(values[1:]) for values in took.values())
        rows.append([
            batch, f"{1e3 * one:.0f}", f"{1e3 * many:.0f}", f"{many / one:.2f}",
            "4: met" if many <= 4 * one else f"4: **missed**, {hand / many:.0%} of by hand",
            f"{1e3 * hand:.0f}", f"{hand / one:.2f}",
        ])  # fmt: skip
    keep(
        "together", "Eight runs together",
        f"{EPOCHS} epochs of {ITEMS:,} images, start and end included, 784-{HIDDEN}-{LATENTS}, interleaved, "
        f"medians of {ROUNDS}; by hand is the same stacked step without vaekit.",
        ["batch", "one, ms", "eight, ms", "eight over one", "wanted", "eight by hand, ms", "over one"], rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()
