"""Distributions that torch lacks, or has only slowly; log-probabilities in nats, summed over the event."""

from __future__ import annotations

__all__ = [
    "Bernoulli",
    "BinaryConcrete",
    "Blocks",
    "Categorical",
    "Codes",
    "ContinuousBernoulli",
    "DiagonalGaussian",
    "DiscretizedLogistic",
    "Factorised",
    "FullGaussian",
    "GaussianChain",
    "GaussianMixture",
    "OneHot",
    "PointMass",
    "RelaxedCodes",
    "RelaxedOneHot",
    "SoftCodes",
    "StandardGaussian",
    "StraightThroughBernoulli",
    "StraightThroughOneHot",
    "UniformCodes",
    "frozen",
]

from vaekit.distributions.base import Factorised, frozen
from vaekit.distributions.bernoulli import Bernoulli, BinaryConcrete, ContinuousBernoulli, StraightThroughBernoulli
from vaekit.distributions.blocks import Blocks
from vaekit.distributions.chain import GaussianChain
from vaekit.distributions.codes import Codes, UniformCodes
from vaekit.distributions.discrete import Categorical, DiscretizedLogistic
from vaekit.distributions.gaussian import DiagonalGaussian, FullGaussian, StandardGaussian
from vaekit.distributions.mixture import GaussianMixture
from vaekit.distributions.onehot import OneHot, RelaxedOneHot, StraightThroughOneHot
from vaekit.distributions.point import PointMass
from vaekit.distributions.soft_codes import RelaxedCodes, SoftCodes
