"""Recipes: one composition a paper, loaded when it is asked for."""

from __future__ import annotations

__all__ = ["RECIPES", "names", "recipe"]

import importlib
from typing import Any

# name: (file, what it is, in one line)
RECIPES: dict[str, tuple[str, str]] = {
    "pca": ("pearson1901", "principal components, at their closed form"),
    "ppca": ("tipping1999", "probabilistic PCA: the linear VAE at its closed form"),
    "linear_autoencoder": ("baldi1989", "a linear autoencoder, trained by gradient: PCA's subspace, not its axes"),
    "autoencoder": ("hinton2006", "a deep autoencoder: no prior, no rate, holes in the latent space"),
    "vae": ("kingma2014", "the VAE with fully connected networks"),
    "vae_conv": ("kingma2014", "the VAE with convolutional networks, for pictures of any size"),
    "beta_vae": ("higgins2017", "the VAE with its rate weighed by beta"),
    "conditional_vae": ("sohn2015", "a VAE given a class or covariates: draws what you ask for"),
    "iwae": ("burda2016", "the importance-weighted bound, tighter with every draw"),
    "vq_vae": ("oord2017", "codes from a codebook in place of real latents: compression, and priors over codes"),
    "factor_vae": ("kim2018", "a VAE whose latents are pushed to be independent, by a discriminator"),
    "ladder_vae": ("sonderby2016", "several levels of latents, inferred from the top down"),
    "miwae": ("mattei2019", "a VAE for tables with missing values, by the importance-weighted bound"),
}


def names() -> list[str]:
    """The names of all recipes."""
    return list(RECIPES)


def __getattr__(name: str) -> Any:
    if name in RECIPES:
        return getattr(importlib.import_module(f"vaekit.recipes.{RECIPES[name][0]}"), name)
    if name == "recipe":
        return importlib.import_module("vaekit.recipes.choose").recipe
    raise AttributeError(f"vaekit.recipes has no {name!r}; it has {', '.join(RECIPES)}")


def __dir__() -> list[str]:
    return sorted([*RECIPES, *__all__])
