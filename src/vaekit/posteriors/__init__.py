"""Posteriors q(z|x,y): what the latents are after one item is seen."""

from __future__ import annotations

__all__ = [
    "AnyPosterior",
    "Bernoulli",
    "Categorical",
    "FullGaussian",
    "Gaussian",
    "GaussianCategorical",
    "Hamiltonian",
    "NormalisedGaussian",
    "Point",
    "Posterior",
    "PowerSpherical",
    "Quantized",
    "Refined",
    "RelaxedBernoulli",
    "RelaxedCategorical",
    "StraightThroughBernoulli",
    "StraightThroughCategorical",
    "VonMisesFisher",
    "WrappedNormal",
]

from vaekit.posteriors.base import AnyPosterior, Posterior
from vaekit.posteriors.bernoulli import Bernoulli, RelaxedBernoulli, StraightThroughBernoulli
from vaekit.posteriors.categorical import Categorical, RelaxedCategorical, StraightThroughCategorical
from vaekit.posteriors.gaussian import FullGaussian, Gaussian
from vaekit.posteriors.hamiltonian import Hamiltonian
from vaekit.posteriors.hyperbolic import WrappedNormal
from vaekit.posteriors.joint import GaussianCategorical
from vaekit.posteriors.normalised import NormalisedGaussian
from vaekit.posteriors.point import Point
from vaekit.posteriors.quantized import Quantized
from vaekit.posteriors.refined import Refined
from vaekit.posteriors.sphere import PowerSpherical, VonMisesFisher
