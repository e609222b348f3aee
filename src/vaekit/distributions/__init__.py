"""Distributions that torch lacks, or has only slowly; log-probabilities in nats, summed over the event."""

from __future__ import annotations

__all__ = [
    "Autoregressive",
    "AutoregressiveCodes",
    "Auxiliary",
    "BandedGaussian",
    "Bernoulli",
    "BinaryConcrete",
    "Blocks",
    "Categorical",
    "Chained",
    "ClassedGaussian",
    "Codes",
    "ContinuousBernoulli",
    "DiagonalGaussian",
    "DiscretizedLogistic",
    "Drawn",
    "EqualMixture",
    "Exemplars",
    "Factorised",
    "Flow",
    "FlowInTime",
    "FullGaussian",
    "FullGaussianMixture",
    "GaussianChain",
    "GaussianMixture",
    "GaussianProcess",
    "GroupedGaussian",
    "Hamiltonian",
    "HypersphericalUniform",
    "Implicit",
    "Laplace",
    "Links",
    "LogCosh",
    "Marginal",
    "OneHot",
    "OtherExemplars",
    "OwnDraws",
    "PointMass",
    "PooledGaussian",
    "PooledMixture",
    "PowerSpherical",
    "RelaxedCodes",
    "RelaxedOneHot",
    "RelaxedPaths",
    "Resampled",
    "RiemannianHamiltonian",
    "SemiImplicit",
    "SoftCodes",
    "SoftPaths",
    "StandardGaussian",
    "StraightThroughBernoulli",
    "StraightThroughOneHot",
    "Tilted",
    "UniformCodes",
    "VonMisesFisher",
    "WrappedNormal",
    "frozen",
]

from vaekit.distributions.autoregressive import Autoregressive
from vaekit.distributions.auxiliary import Auxiliary
from vaekit.distributions.base import Factorised, frozen
from vaekit.distributions.bernoulli import Bernoulli, BinaryConcrete, ContinuousBernoulli, StraightThroughBernoulli
from vaekit.distributions.blocks import Blocks
from vaekit.distributions.chain import GaussianChain
from vaekit.distributions.chained import Chained
from vaekit.distributions.classed import ClassedGaussian
from vaekit.distributions.codes import Codes, UniformCodes
from vaekit.distributions.discrete import Categorical, DiscretizedLogistic
from vaekit.distributions.drawn import Drawn
from vaekit.distributions.estimated import Marginal
from vaekit.distributions.exemplars import Exemplars, OtherExemplars
from vaekit.distributions.experts import EqualMixture, PooledGaussian, PooledMixture
from vaekit.distributions.flow import Flow
from vaekit.distributions.flow_in_time import FlowInTime
from vaekit.distributions.gaussian import DiagonalGaussian, FullGaussian, StandardGaussian
from vaekit.distributions.grouped import GroupedGaussian
from vaekit.distributions.hamiltonian import Hamiltonian
from vaekit.distributions.hyperbolic import WrappedNormal
from vaekit.distributions.implicit import Implicit
from vaekit.distributions.laplace import Laplace
from vaekit.distributions.links import Links
from vaekit.distributions.logcosh import LogCosh
from vaekit.distributions.mixture import FullGaussianMixture, GaussianMixture
from vaekit.distributions.onehot import OneHot, RelaxedOneHot, StraightThroughOneHot
from vaekit.distributions.own import OwnDraws
from vaekit.distributions.point import PointMass
from vaekit.distributions.resampled import Resampled
from vaekit.distributions.riemannian import RiemannianHamiltonian
from vaekit.distributions.rows import AutoregressiveCodes
from vaekit.distributions.semi_implicit import SemiImplicit
from vaekit.distributions.series import BandedGaussian, GaussianProcess
from vaekit.distributions.soft_codes import RelaxedCodes, SoftCodes
from vaekit.distributions.soft_paths import RelaxedPaths, SoftPaths
from vaekit.distributions.sphere import HypersphericalUniform, PowerSpherical, VonMisesFisher
from vaekit.distributions.tilted import Tilted
