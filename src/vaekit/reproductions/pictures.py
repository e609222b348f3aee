"""Sharpness: perceptual and adversarial terms against the plain VAE, by the energy of samples at high frequencies."""

from __future__ import annotations

__all__ = ["ROWS"]

from collections.abc import Mapping
from typing import Any

import torch

from vaekit.data import read
from vaekit.evaluation.spectrum import sharpness
from vaekit.likelihoods import Gaussian, OptimalScale
from vaekit.networks import Convolutional
from vaekit.recipes.choose import recipe
from vaekit.reproductions.row import Row
from vaekit.run import fit


def sharp(data: str, latent_dim: int, training: Mapping[str, Any]) -> dict[str, float]:
    """Spectral energy of samples' means above half Nyquist over held-out data's: 1 is as sharp, less is blurred."""
    x = read(data).x.numpy()
    figures = {}
    for name in ("vae", "dfc_vae", "vae_gan"):
        more: dict[str, Any] = {"networks": Convolutional()} if name != "dfc_vae" else {}
        if name == "vae":
            more["likelihood"] = Gaussian(scale=OptimalScale())  # which the other two report with
        run = fit(recipe(name, x, latent_dim=latent_dim, **more), x, test=0.1, verbose=False, **training)
        found = sharpness(run.part("test").x, torch.as_tensor(run.sample(1000, seed=0)))["sharpness"]
        figures[f"{name}: sharpness"], figures[f"{name}: its error"] = float(found.value or 0), float(found.se or 0)
    return figures


ROWS = [
    Row(
        "blur", "hou2017", ("vae", "dfc_vae", "vae_gan"),
        "samples of DFC-VAE and VAE-GAN are sharper than the VAE's (pictures, no figure)",
        "a larger share of the data's energy above half Nyquist than the VAE's, by two errors of both",
        lambda f: all(
            f[f"{name}: sharpness"] - f["vae: sharpness"] > 2 * (f[f"{name}: its error"] + f["vae: its error"])
            for name in ("dfc_vae", "vae_gan")
        ),
        sharp,
        {"data": "frey_faces", "latent_dim": 16, "training": {"epochs": 8, "seed": 0}},
        6,
    ),
]  # fmt: skip
