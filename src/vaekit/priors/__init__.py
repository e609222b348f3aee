"""Priors p(z|y): what the latents are before any data."""

from __future__ import annotations

__all__ = [
    "Autoregressive",
    "AutoregressiveCodes",
    "Blocks",
    "CauchyProcess",
    "Classed",
    "ClassedMixture",
    "ConditionalGaussian",
    "DirichletLogits",
    "Energy",
    "Exemplars",
    "FairBernoulli",
    "FlowMatching",
    "FlowPrior",
    "FullGaussian",
    "FullGaussianMixture",
    "GaussianMixture",
    "HypersphericalUniform",
    "Laplace",
    "PixelCodes",
    "Prior",
    "Process",
    "Resampled",
    "SecondStage",
    "SquaredExponentialProcess",
    "Stacked",
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
from vaekit.priors.classed import Classed, ClassedMixture
from vaekit.priors.codes import AutoregressiveCodes, PixelCodes, UniformCodes
from vaekit.priors.conditional import ConditionalGaussian
from vaekit.priors.dirichlet import DirichletLogits
from vaekit.priors.energy import Energy
from vaekit.priors.exemplars import Exemplars
from vaekit.priors.flow import FlowPrior
from vaekit.priors.flow_matching import FlowMatching
from vaekit.priors.hyperbolic import WrappedNormal
from vaekit.priors.laplace import Laplace
from vaekit.priors.mixture import FullGaussianMixture, GaussianMixture, VampPrior
from vaekit.priors.normal import FullGaussian, StandardNormal
from vaekit.priors.process import CauchyProcess, Process, SquaredExponentialProcess
from vaekit.priors.resampled import Resampled
from vaekit.priors.second_stage import SecondStage
from vaekit.priors.sphere import HypersphericalUniform
from vaekit.priors.stacked import Stacked
