"""Likelihoods p(x|z,y): how an item is made from its latents."""

from __future__ import annotations

__all__ = [
    "Autoregressive",
    "Bernoulli",
    "Categorical",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "FixedScale",
    "Gaussian",
    "Joint",
    "Laplace",
    "LearnedScale",
    "Likelihood",
    "Links",
    "LogCosh",
    "NetworkScale",
    "OptimalScale",
    "PerDimensionScale",
]

from vaekit.likelihoods.autoregressive import Autoregressive
from vaekit.likelihoods.base import Likelihood
from vaekit.likelihoods.binary import Bernoulli, ContinuousBernoulli
from vaekit.likelihoods.discrete import Categorical, DiscretizedLogistic
from vaekit.likelihoods.gaussian import Gaussian
from vaekit.likelihoods.joint import Joint
from vaekit.likelihoods.laplace import Laplace
from vaekit.likelihoods.links import Links
from vaekit.likelihoods.logcosh import LogCosh
from vaekit.likelihoods.scales import FixedScale, LearnedScale, NetworkScale, OptimalScale, PerDimensionScale
