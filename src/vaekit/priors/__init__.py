"""Priors p(z|y): what the latents are before any data."""

from __future__ import annotations

__all__ = [
    "Autoregressive",
    "Blocks",
    "FairBernoulli",
    "GaussianMixture",
    "HypersphericalUniform",
    "Prior",
    "StandardNormal",
    "UniformCategorical",
    "UniformCodes",
    "VampPrior",
    "WrappedNormal",
]

from vaekit.priors.base import Prior
from vaekit.priors.bernoulli import FairBernoulli
from vaekit.priors.blocks import Blocks
from vaekit.priors.categorical import UniformCategorical
from vaekit.priors.chain import Autoregressive
from vaekit.priors.codes import UniformCodes
from vaekit.priors.hyperbolic import WrappedNormal
from vaekit.priors.mixture import GaussianMixture, VampPrior
from vaekit.priors.normal import StandardNormal
from vaekit.priors.sphere import HypersphericalUniform
