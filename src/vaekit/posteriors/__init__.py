"""Posteriors q(z|x,y): what the latents are after one item is seen."""

from __future__ import annotations

__all__ = [
    "Adaptive",
    "AnyPosterior",
    "Average",
    "Bernoulli",
    "Categorical",
    "Classed",
    "FullGaussian",
    "Gaussian",
    "GaussianCategorical",
    "Grouped",
    "NormalisedGaussian",
    "Point",
    "Posterior",
    "Product",
    "Quantized",
    "Refined",
    "RelaxedBernoulli",
    "RelaxedCategorical",
    "StraightThroughBernoulli",
    "StraightThroughCategorical",
]

from vaekit.posteriors.base import AnyPosterior, Posterior
from vaekit.posteriors.bernoulli import Bernoulli, RelaxedBernoulli, StraightThroughBernoulli
from vaekit.posteriors.categorical import Categorical, RelaxedCategorical, StraightThroughCategorical
from vaekit.posteriors.classed import Classed
from vaekit.posteriors.gaussian import FullGaussian, Gaussian
from vaekit.posteriors.grouped import Adaptive, Average, Grouped, Product
from vaekit.posteriors.joint import GaussianCategorical
from vaekit.posteriors.normalised import NormalisedGaussian
from vaekit.posteriors.point import Point
from vaekit.posteriors.quantized import Quantized
from vaekit.posteriors.refined import Refined
