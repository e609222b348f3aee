"""Latents that are no real vectors: categories, points on a sphere, points of the hyperbolic plane."""

from __future__ import annotations

__all__ = ["ROWS"]

from collections.abc import Mapping
from typing import Any

from vaekit.recipes.choose import recipe
from vaekit.reproductions.row import Row
from vaekit.run import fit


def measured(
    name: str, data: str, arguments: Mapping[str, Any], training: Mapping[str, Any], samples: int, items: int
) -> dict[str, float]:
    """ELBO over all test items and NLL on random ones, nats."""
    run = fit(recipe(name, data, **arguments), data, verbose=False, **training)
    found = run.evaluate(samples=samples, limit=items)
    return {"-ELBO, nats": -found["elbo"], "NLL, nats": found["nll"], "NLL: its error": found["nll_se"]}


ROWS = [
    Row(
        "gumbel_categorical", "jang2017", ("gumbel_vae",),
        "-ELBO 101.5 nats of 20 categorical variables of 10 values (static MNIST)",
        "a -ELBO of at most 103 nats, of draws that are one-hot", lambda f: f["-ELBO, nats"] <= 103, measured,
        {
            "name": "gumbel_vae", "data": "mnist_static_binary", "samples": 500, "items": 1000,
            "arguments": {"variables": 20, "levels": 10, "hidden": [512, 256]},
            "training": {"epochs": 60, "batch_size": 100, "lr": 1e-3, "seed": 0},
        },
        8,
    ),
    Row(
        "svae_mnist", "davidson2018", ("svae",),
        "NLL 93.16 +- 0.31 nats, d = 10, 500 draws (MNIST, binarised anew at every step)",
        "at most 95 nats after 60 epochs", lambda f: f["NLL, nats"] <= 95, measured,
        {  # the sphere of 10 dimensions lies in 11
            "name": "svae", "data": "mnist", "samples": 500, "items": 1000,
            "arguments": {"latent_dim": 11, "hidden": [256, 128]},
            "training": {"epochs": 60, "batch_size": 64, "lr": 1e-3, "seed": 0, "binarize": "dynamic"},
        },
        15,
    ),
    Row(
        "poincare_mnist", "mathieu2019", ("poincare_vae",),
        "NLL 101.47 +- 0.01 nats, d = 10, c = 0.7, 500 draws (MNIST, binarised once)",
        "101.5 nats to 0.8, or better", lambda f: f["NLL, nats"] <= 102.3, measured,
        {
            "name": "poincare_vae", "data": "mnist_static_binary", "samples": 500, "items": 1000,
            "arguments": {"latent_dim": 10, "hidden": [600], "curvature": 0.7},
            "training": {"epochs": 80, "batch_size": 128, "lr": 5e-4, "seed": 0},
        },
        15,
    ),
]  # fmt: skip
