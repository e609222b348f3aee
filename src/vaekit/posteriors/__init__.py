"""Posteriors q(z|x,y): what the latents are after one item is seen."""

from __future__ import annotations

__all__ = [
    "EachThenAll",
    "Experts",
    "FullGaussian",
    "Gaussian",
    "AnyPosterior",
    "JointOrExperts",
    "MixtureOfExperts",
    "MixtureOfShared",
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
from vaekit.posteriors.experts import Experts, MixtureOfExperts, ProductOfExperts
from vaekit.posteriors.gaussian import FullGaussian, Gaussian
from vaekit.posteriors.joint import EachThenAll, JointOrExperts
from vaekit.posteriors.point import Point
from vaekit.posteriors.quantized import Quantized
from vaekit.posteriors.shared import MixtureOfShared, SharedAndPrivate
