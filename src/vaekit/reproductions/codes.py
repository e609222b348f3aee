"""Codes in use: finite scalar quantisation (Mentzer et al. 2023, arXiv:2309.15505) against a plain codebook."""

from __future__ import annotations

__all__ = ["ROWS"]

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from vaekit.data import read
from vaekit.likelihoods import Gaussian
from vaekit.networks import Codebook
from vaekit.objectives import Recipe
from vaekit.recipes.mentzer2023 import fsq_vae
from vaekit.recipes.oord2017 import vq_vae
from vaekit.reproductions.row import Row
from vaekit.training import Batch, Step
from vaekit.training.optim import make_optimizers

CODES = 1000


class Plain(Codebook):
    """A codebook as it was first published: small random vectors, moved by gradient, no k-means and no revival."""

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        self.vectors.uniform_(-1 / self.size, 1 / self.size)


def trained(recipe: Recipe, x: Tensor, steps: int, batch_size: int, lr: float) -> Any:
    """The model after some steps on pictures (N, 28, 28) in [0, 1]."""
    model, objective = recipe
    for part in model.walk("before_fit"):
        part.before_fit(x[:256], {}, len(x))
    step = Step(model, objective, make_optimizers({"model": list(model.parameters())}, lr=lr))
    for _ in range(steps):
        step(Batch(x[torch.randint(len(x), (batch_size,))]))
    return model.eval()


@torch.no_grad()
def usage(
    seed: int, levels: Sequence[int], code_dim: int, channels: Sequence[int], steps: int, batch_size: int, lr: float
) -> dict[str, float]:
    """Of each quantiser the share of its codes that any place of the test images has, and the squared error."""
    data = read("mnist")
    train, test = (data.x[torch.from_numpy(data.parts[part])].float() / 255 for part in ("train", "test"))
    figures = {}
    for name in ("FSQ", "plain VQ"):
        torch.manual_seed(seed)
        common: dict[str, Any] = {"shape": (28, 28), "channels": channels, "likelihood": Gaussian()}
        plain = Plain(CODES, code_dim, decay=None)
        recipe = fsq_vae(levels=levels, **common) if name == "FSQ" else vq_vae(codebook=plain, **common)
        with torch.enable_grad():
            model = trained(recipe, train, steps, batch_size, lr)
        found = [(model.encode_indices(x).flatten(), model.reconstruct(x, mean=True) - x) for x in test.split(500)]
        used = torch.bincount(torch.cat([indices for indices, _ in found]), minlength=CODES)
        figures[f"{name}: codes in use"] = float((used > 0).double().mean())
        figures[f"{name}: mean squared error"] = float(torch.cat([gap for _, gap in found]).square().mean())
    return figures


ROWS = [
    Row(
        "fsq_usage", "mentzer2023", ("fsq_vae", "vq_vae"),
        "FSQ uses nearly all codes, VQ under half from 2^11 codes on (figure 3)",
        "of 1,000 codes at least 99 % in use by FSQ and under 50 % by a plain codebook",
        lambda f: f["FSQ: codes in use"] >= 0.99 and f["plain VQ: codes in use"] < 0.5, usage,
        {
            "seed": 0, "levels": [8, 5, 5, 5], "code_dim": 32, "channels": [16, 32], "steps": 4000, "batch_size": 64,
            "lr": 1e-3,
        },
        5,
    ),
]  # fmt: skip
