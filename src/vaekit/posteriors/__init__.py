"""Posteriors q(z|x,y): what the latents are after one item is seen."""

from __future__ import annotations

__all__ = [
    "Adaptive",
    "AnyPosterior",
    "AnyQuantized",
    "Auxiliary",
    "Average",
    "Banded",
    "Bernoulli",
    "Categorical",
    "Classed",
    "EachThenAll",
    "Experts",
    "Flow",
    "FullGaussian",
    "Gaussian",
    "GaussianCategorical",
    "GaussianMap",
    "Grouped",
    "Hamiltonian",
    "Implicit",
    "JointOrExperts",
    "JointOrFlows",
    "Laplace",
    "MixtureOfExperts",
    "MixtureOfShared",
    "NodeGaussian",
    "NormalisedGaussian",
    "OnMap",
    "PathQuantized",
    "Point",
    "PointMap",
    "Posterior",
    "PowerSpherical",
    "Product",
    "ProductOfExperts",
    "Quantized",
    "QuantizedRow",
    "Refined",
    "RelaxedBernoulli",
    "RelaxedCategorical",
    "RiemannianHamiltonian",
    "Rotated",
    "SemiImplicit",
    "SharedAndPrivate",
    "Skipping",
    "Stacked",
    "StochasticallyQuantized",
    "StraightThroughBernoulli",
    "StraightThroughCategorical",
    "TwoLevelQuantized",
    "VonMisesFisher",
    "WrappedNormal",
]

from vaekit.posteriors.auxiliary import Auxiliary
from vaekit.posteriors.banded import Banded
from vaekit.posteriors.base import AnyPosterior, Posterior
from vaekit.posteriors.bernoulli import Bernoulli, RelaxedBernoulli, StraightThroughBernoulli
from vaekit.posteriors.categorical import Categorical, RelaxedCategorical, StraightThroughCategorical
from vaekit.posteriors.classed import Classed
from vaekit.posteriors.experts import Experts, MixtureOfExperts, ProductOfExperts
from vaekit.posteriors.flow import Flow
from vaekit.posteriors.gaussian import FullGaussian, Gaussian
from vaekit.posteriors.grouped import Adaptive, Average, Grouped, Product
from vaekit.posteriors.hamiltonian import Hamiltonian
from vaekit.posteriors.hyperbolic import WrappedNormal
from vaekit.posteriors.implicit import Implicit, SemiImplicit
from vaekit.posteriors.joint import GaussianCategorical
from vaekit.posteriors.joint_or_experts import EachThenAll, JointOrExperts
from vaekit.posteriors.joint_or_flows import JointOrFlows
from vaekit.posteriors.laplace import Laplace
from vaekit.posteriors.maps import GaussianMap, OnMap, PointMap
from vaekit.posteriors.nodes import NodeGaussian
from vaekit.posteriors.normalised import NormalisedGaussian
from vaekit.posteriors.paths import PathQuantized
from vaekit.posteriors.point import Point
from vaekit.posteriors.quantized import AnyQuantized, Quantized, QuantizedRow, Rotated, StochasticallyQuantized
from vaekit.posteriors.refined import Refined
from vaekit.posteriors.riemannian import RiemannianHamiltonian
from vaekit.posteriors.shared import MixtureOfShared, SharedAndPrivate
from vaekit.posteriors.sphere import PowerSpherical, VonMisesFisher
from vaekit.posteriors.stacked import Skipping, Stacked
from vaekit.posteriors.two_levels import TwoLevelQuantized
