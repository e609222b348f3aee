"""Posteriors q(z|x,y): what the latents are after one item is seen."""

from __future__ import annotations

__all__ = [
    "Experts",
    "FullGaussian",
    "Gaussian",
    "AnyPosterior",
    "JointOrExperts",
    "MixtureOfExperts",
    "Point",
    "Posterior",
    "ProductOfExperts",
    "Quantized",
    "RelaxedBernoulli",
    "SharedAndPrivate",
    "StraightThroughBernoulli",
]

from vaekit.posteriors.base import AnyPosterior, Posterior
from vaekit.posteriors.bernoulli import RelaxedBernoulli, StraightThroughBernoulli
from vaekit.posteriors.experts import (
    Experts,
    JointOrExperts,
    MixtureOfExperts,
    ProductOfExperts,
    SharedAndPrivate,
)
from vaekit.posteriors.gaussian import FullGaussian, Gaussian
from vaekit.posteriors.point import Point
from vaekit.posteriors.quantized import Quantized
