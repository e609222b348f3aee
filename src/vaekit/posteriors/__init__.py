"""Posteriors q(z|x,y): what the latents are after one item is seen."""

from __future__ import annotations

__all__ = [
    "AnyPosterior",
    "AnyQuantized",
    "Bernoulli",
    "Categorical",
    "FullGaussian",
    "Gaussian",
    "GaussianCategorical",
    "NormalisedGaussian",
    "Point",
    "Posterior",
    "Quantized",
    "Refined",
    "RelaxedBernoulli",
    "RelaxedCategorical",
    "Rotated",
    "StochasticallyQuantized",
    "StraightThroughBernoulli",
    "StraightThroughCategorical",
    "TwoLevelQuantized",
]

from vaekit.posteriors.base import AnyPosterior, Posterior
from vaekit.posteriors.bernoulli import Bernoulli, RelaxedBernoulli, StraightThroughBernoulli
from vaekit.posteriors.categorical import Categorical, RelaxedCategorical, StraightThroughCategorical
from vaekit.posteriors.gaussian import FullGaussian, Gaussian
from vaekit.posteriors.joint import GaussianCategorical
from vaekit.posteriors.normalised import NormalisedGaussian
from vaekit.posteriors.point import Point
from vaekit.posteriors.quantized import AnyQuantized, Quantized, Rotated, StochasticallyQuantized
from vaekit.posteriors.refined import Refined
from vaekit.posteriors.two_levels import TwoLevelQuantized
