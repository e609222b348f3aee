"""The tables that the laws are checked on: a new part is one row here."""

from __future__ import annotations

__all__ = [
    "DISTRIBUTIONS", "KL_PAIRS", "LIKELIHOODS", "NETWORKS", "POSTERIORS", "PRIORS", "RECIPES", "TRANSFORMS", "Family",
    "LikelihoodRow", "RecipeRow", "linked", "numbers", "recipe_data",
]  # fmt: skip

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributions as td
from torch.distributions import Distribution

from vaekit import distributions as d
from vaekit import likelihoods, networks, posteriors, priors, recipes
from vaekit.data import ByModality, Context, Modalities
from vaekit.data.transforms import Levels, Rescale, Standardize, Transform
from vaekit.likelihoods import FixedScale, LearnedScale, NetworkScale, OptimalScale, PerDimensionScale
from vaekit.networks import flows

LEVELS = 5
TEMPERATURE = 0.8


def numbers(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Standard normal numbers that never change."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


# -- distributions: raw numbers (parameters, *batch, *event) and event_dims -> a distribution ----------------


@dataclass(frozen=True)
class Family:
    """One family: how raw numbers become a distribution, and where it lives."""

    name: str
    make: Callable[..., Distribution]
    support: str  # "real", "unit", "binary", "names" or "grid"
    parameters: int = 1
    twin: Callable[[Tensor], Distribution] | None = None  # torch's own, for an event of one axis
    moments: bool = True  # whether mean (and variance) are those of what log_prob scores
    pathwise: bool = False  # whether rsample's gradient is that of the expectation
    observed: bool = True  # whether it scores what is there
    extremes: tuple[tuple[float, ...], ...] = ()  # parameters that must not overflow in float32
    mean_tolerance: float = 1e-6  # the quadrature's own error

    def __repr__(self) -> str:
        return self.name


def _full(raw: Tensor, event_dims: int = 1) -> d.FullGaussian:
    below = (0.3 * raw[0].unsqueeze(-1) * raw[1].unsqueeze(-2)).tril(-1)
    return d.FullGaussian(raw[0], below + torch.diag_embed((0.5 * raw[1]).exp()))


def _grid_logistic(raw: Tensor, event_dims: int = 1) -> d.DiscretizedLogistic:
    return d.DiscretizedLogistic(0.7 * raw[0], raw[1] - 1.5, LEVELS, event_dims)


LOGITS = ((80.0,), (-80.0,), (0.0,))
DISTRIBUTIONS = [
    Family("DiagonalGaussian", lambda r, e=1: d.DiagonalGaussian(r[0], 0.5 * r[1], e), "real", 2, pathwise=True,
           twin=lambda r: td.Independent(td.Normal(r[0], (0.5 * r[1]).exp()), 1),
           extremes=((1e4, -20.0), (-1e4, 20.0), (0.0, 12.0), (0.0, -12.0))),
    Family("StandardGaussian", lambda r, e=1: d.StandardGaussian(torch.zeros_like(r[0])), "real", observed=False),
    Family("FullGaussian", _full, "real", 2, pathwise=True, observed=False,
           twin=lambda r: td.MultivariateNormal(_full(r).loc, scale_tril=_full(r).scale_tril),
           extremes=((1e3, -20.0), (-1e3, 20.0))),
    Family("Bernoulli", lambda r, e=1: d.Bernoulli(r[0], e), "binary", extremes=LOGITS,
           twin=lambda r: td.Independent(td.Bernoulli(logits=r[0]), 1)),
    Family("StraightThroughBernoulli", lambda r, e=1: d.StraightThroughBernoulli(r[0], e), "binary", extremes=LOGITS,
           twin=lambda r: td.Independent(td.Bernoulli(logits=r[0]), 1)),
    Family("BinaryConcrete", lambda r, e=1: d.BinaryConcrete(r[0], TEMPERATURE, e), "unit", moments=False,
           pathwise=True,
           twin=lambda r: td.Independent(td.RelaxedBernoulli(torch.tensor(TEMPERATURE).to(r), logits=r[0]), 1),
           extremes=LOGITS, mean_tolerance=1e-5),  # log_prob clamps the value at 1e-7: 3e-6 of the mass lies there
    Family("ContinuousBernoulli", lambda r, e=1: d.ContinuousBernoulli(3 * r[0], e), "unit",
           twin=lambda r: td.Independent(td.ContinuousBernoulli(logits=3 * r[0]), 1), extremes=(*LOGITS, (0.003,))),
    Family("LogCosh", lambda r, e=1: d.LogCosh(r[0], 0.5 * r[1] - 1.0, 3.0, e), "real", 2,
           extremes=((1e4, -20.0), (-1e4, 20.0), (0.0, 12.0))),
    Family("DiscretizedLogistic", _grid_logistic, "grid", 2, extremes=((0.0, -5.5), (1.5, 4.5), (-1.5, -5.5)),
           mean_tolerance=0.5 / (LEVELS - 1) * 2),  # the mean is a closed form, right to half a level
    Family("Categorical", lambda r, e=1: d.Categorical(r.movedim(0, -1 - e), e), "names", LEVELS, moments=False,
           twin=lambda r: td.Independent(td.Categorical(logits=r.movedim(0, -1)), 1),
           extremes=((80.0, 0.0, 0.0, 0.0, -80.0),)),
]  # fmt: skip

KL_PAIRS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "diagonal-diagonal": (
        lambda: d.DiagonalGaussian(numbers(1, 4, 3), 0.3 * numbers(2, 4, 3)),
        lambda: d.DiagonalGaussian(numbers(3, 3), 0.3 * numbers(4, 3))),
    "diagonal-standard": (
        lambda: d.DiagonalGaussian(numbers(1, 4, 3), 0.3 * numbers(2, 4, 3)),
        lambda: d.StandardGaussian(torch.zeros(3, dtype=torch.float64))),
    "full-diagonal": (
        lambda: _full(numbers(5, 2, 4, 3)), lambda: d.DiagonalGaussian(numbers(3, 3), 0.3 * numbers(4, 3))),
    "full-standard": (
        lambda: _full(numbers(5, 2, 4, 3)), lambda: d.StandardGaussian(torch.zeros(3, dtype=torch.float64))),
    "diagonal-full": (
        lambda: d.DiagonalGaussian(numbers(1, 4, 3), 0.3 * numbers(2, 4, 3)), lambda: _full(numbers(5, 2, 3))),
    "full-full": (lambda: _full(numbers(5, 2, 4, 3)), lambda: _full(numbers(6, 2, 3))),
    "classed-classed": (
        lambda: d.ClassedGaussian(numbers(5, 4, 3), numbers(1, 4, 3, 2), 0.3 * numbers(2, 4, 3, 2)),
        lambda: d.ClassedGaussian(numbers(6, 3), numbers(3, 3, 2), 0.3 * numbers(4, 3, 2))),
    "bernoulli-bernoulli": (lambda: d.Bernoulli(numbers(6, 4, 3)), lambda: d.Bernoulli(numbers(7, 3))),
    "straight-through-bernoulli": (
        lambda: d.StraightThroughBernoulli(numbers(6, 4, 3)), lambda: d.Bernoulli(numbers(7, 3))),
}  # fmt: skip

# -- conditionals -------------------------------------------------------------------------------------------

PRIORS: dict[str, tuple[Callable[[], Any], str]] = {
    "StandardNormal": (lambda: priors.StandardNormal(1), "real"),
    "FullGaussian": (lambda: priors.FullGaussian(1), "real"),
    "FairBernoulli": (lambda: priors.FairBernoulli(1), "binary"),
    "Exemplars": (lambda: priors.Exemplars(1, 3), "real"),
    "CauchyProcess": (lambda: priors.CauchyProcess(1), "real"),
    "FlowPrior": (lambda: priors.FlowPrior(1, [flows.Reversed(flows.Autoregressive(1, hidden=[4]))]), "real"),
}


def _net(inputs: Any, width: int = 7) -> networks.MLP:
    return networks.MLP(inputs, [width], activation=nn.Tanh)


def _to_map() -> nn.Sequential:
    return nn.Sequential(_net(4, 21), nn.Unflatten(1, (7, 1, 3)))


def _experts() -> tuple[dict[str, Any], Modalities]:
    each = {name: posteriors.Gaussian(_net(2), 3) for name in ("left", "right")}
    return each, Modalities((4,), {"left": (2,), "right": (2,)})


def _flow(layer: Callable[..., Any], base: Any = posteriors.Gaussian) -> Callable[[], Any]:
    def make() -> Any:
        q = base(_net(4), 3)
        return posteriors.Flow(q, [layer(3, q.head.features) for _ in range(2)])

    return make


POSTERIORS: dict[str, Callable[[], Any]] = {
    "Gaussian": lambda: posteriors.Gaussian(_net(4), 3),
    "FullGaussian": lambda: posteriors.FullGaussian(_net(4), 3),
    "ProductOfExperts": lambda: posteriors.ProductOfExperts(*_experts()),
    "MixtureOfExperts": lambda: posteriors.MixtureOfExperts(*_experts()),
    "Banded": lambda: posteriors.Banded(_net(4), 3, steps=3),
    "Point": lambda: posteriors.Point(_net(4), 3),
    "StraightThroughBernoulli": lambda: posteriors.StraightThroughBernoulli(_net(4), 3),
    "Implicit": lambda: posteriors.Implicit(_net(4), 3),
    "RelaxedBernoulli": lambda: posteriors.RelaxedBernoulli(_net(4), 3, temperature=TEMPERATURE),
    "RelaxedCategorical": lambda: posteriors.RelaxedCategorical(_net(4), 3, levels=3, temperature=TEMPERATURE),
    "GaussianCategorical": lambda: posteriors.GaussianCategorical(_net(4), 3, levels=2, temperature=TEMPERATURE),
    "StraightThroughCategorical": lambda: posteriors.StraightThroughCategorical(_net(4), 3, levels=3),
    "Laplace": lambda: posteriors.Laplace(_net(4), 3),
    "Flow-planar": _flow(flows.Planar),
    "Flow-planar-full": _flow(flows.Planar, posteriors.FullGaussian),
    "Flow-radial": _flow(flows.Radial),
    "Flow-sylvester": _flow(flows.Sylvester),
    "Flow-householder-sylvester": _flow(flows.HouseholderSylvester),
    "Flow-inverse-autoregressive": _flow(flows.InverseAutoregressive),
    "Flow-sigmoidal": _flow(flows.Sigmoidal),
    "Flow-autoregressive": _flow(flows.Autoregressive),
    "Flow-coupling": _flow(flows.Coupling),
    "Flow-spline-coupling": _flow(flows.SplineCoupling),
    # a Householder flow leaves the norm as it is, whose gradient one law looks at: its oracles are in test_flows.py
    "VonMisesFisher": lambda: posteriors.VonMisesFisher(_net(4), 3),
    "WrappedNormal": lambda: posteriors.WrappedNormal(_net(4), 3, curvature=0.7),
    "PowerSpherical": lambda: posteriors.PowerSpherical(_net(4), 3),
    "GaussianMap": lambda: posteriors.GaussianMap(_to_map(), 1, features=(7, 1, 3)),
    "PointMap": lambda: posteriors.PointMap(_to_map(), 1, features=(7, 1, 3)),
    "Quantized": lambda: posteriors.Quantized(_net(4), networks.Codebook(5, 1), 3),
    "Quantized-FSQ": lambda: posteriors.Quantized(_net(4), networks.FSQ([6]), 3),
    "Rotated": lambda: posteriors.Rotated(_net(4), networks.Codebook(5, 1), 3),
    "PathQuantized": lambda: posteriors.PathQuantized(_net(4), networks.RefiningCodes(5, 1, 3), 1),
    "StochasticallyQuantized": lambda: posteriors.StochasticallyQuantized(
        _net(4), networks.Codebook(5, 1, decay=None), 3
    ),
}


@dataclass(frozen=True)
class LikelihoodRow:
    """A likelihood without its network, and data it can score, from standard normal numbers."""

    name: str
    template: Callable[[], Any]
    data: Callable[[Tensor], Tensor]

    def __repr__(self) -> str:
        return self.name

    def make(self, shape: tuple[int, ...], latent: int = 2) -> Any:
        torch.manual_seed(0)
        return self.template().with_net(_net(latent), shape)


def _gaussian(scale: Callable[[], Any], **more: Any) -> Callable[[], Any]:
    return lambda: likelihoods.Gaussian(scale=scale(), **more)


LIKELIHOODS = [
    LikelihoodRow("Gaussian-fixed", _gaussian(lambda: FixedScale(0.3)), lambda x: x),
    LikelihoodRow("Gaussian-learned", _gaussian(LearnedScale), lambda x: x),
    LikelihoodRow("Gaussian-per-dimension", _gaussian(PerDimensionScale), lambda x: x),
    LikelihoodRow("Gaussian-network", _gaussian(NetworkScale, link=nn.Sigmoid), lambda x: x),
    LikelihoodRow("Gaussian-optimal", _gaussian(OptimalScale), lambda x: x),
    LikelihoodRow("Laplace", likelihoods.Laplace, lambda x: x),
    LikelihoodRow("LogCosh", likelihoods.LogCosh, lambda x: x),
    LikelihoodRow("Bernoulli", likelihoods.Bernoulli, lambda x: (x > 0).to(x.dtype)),
    LikelihoodRow("ContinuousBernoulli", likelihoods.ContinuousBernoulli, torch.sigmoid),
    LikelihoodRow("DiscretizedLogistic", lambda: likelihoods.DiscretizedLogistic(levels=9),
                  lambda x: (4 * x).round().clamp(-4, 4) / 4),
    LikelihoodRow("Categorical", lambda: likelihoods.Categorical(levels=3), lambda x: (x + 1).round().clamp(0, 2)),
]  # fmt: skip

# -- networks: (make, input shape, output shape), context of width 3 --------------------------------------------

CONTEXT = 3
NETWORKS: dict[str, tuple[Callable[[], Any], tuple[int, ...], tuple[int, ...], bool]] = {
    "MLP-vector": (lambda: networks.MLP(5, [8, 6], context=CONTEXT), (5,), (6,), True),
    "MLP-picture": (lambda: networks.MLP((3, 5, 7), [8], context=CONTEXT, layer_norm=True), (3, 5, 7), (8,), True),
    "MLP-empty": (lambda: networks.MLP(5, [], context=CONTEXT), (5,), (8,), True),
    "ConvEncoder-odd": (
        lambda: networks.ConvEncoder((3, 9, 7), [4, 6], width=8, context=CONTEXT), (3, 9, 7), (8,), True),
    "ConvEncoder-grey": (lambda: networks.ConvEncoder((6, 11), [4], width=8, context=CONTEXT), (6, 11), (8,), True),
    "ConvDecoder-odd": (lambda: networks.ConvDecoder((3, 9, 7), 5, [4, 6], context=CONTEXT), (5,), (4, 9, 7), True),
    "ConvDecoder-grey": (lambda: networks.ConvDecoder((6, 11), 5, [4], context=CONTEXT), (5,), (4, 6, 11), True),
    "ResidualEncoder-odd": (
        lambda: networks.ResidualEncoder((3, 9, 7), [4, 6], width=8, context=CONTEXT), (3, 9, 7), (8,), False),
    "ResidualDecoder-odd": (
        lambda: networks.ResidualDecoder((3, 9, 7), 5, [4, 6], context=CONTEXT), (5,), (4, 9, 7), True),
    "MapEncoder-odd": (lambda: networks.MapEncoder((3, 9, 7), [4, 6], context=CONTEXT), (3, 9, 7), (6, 3, 2), False),
    "MapDecoder-odd": (
        lambda: networks.MapDecoder((3, 9, 7), (2, 3, 2), [4, 6], context=CONTEXT), (12,), (4, 9, 7), True),
    "CompressingEncoder-odd": (
        lambda: networks.CompressingEncoder((9, 7), [4, 8], blocks=2, context=CONTEXT), (9, 7), (8, 3, 2), False),
    "CompressingDecoder-odd": (
        lambda: networks.CompressingDecoder((9, 7), (2, 3, 2), [4, 8], context=CONTEXT), (12,), (4, 9, 7), True),
    "Columns": (lambda: networks.Columns([0, 3], networks.MLP(2, [6], context=CONTEXT)), (5,), (6,), True),
    "MADE": (lambda: networks.MADE(5, [8, 6], context=CONTEXT), (5,), (10,), True),
    "Shares": (lambda: networks.Shares(networks.MLP(5, [6], context=CONTEXT)), (5,), (6,), True),
    "SpectralNorm": (
        lambda: networks.SpectralNorm(networks.MLP(5, [8, 6], context=CONTEXT)), (5,), (6,), True),
    "SpectralNorm-conv": (
        lambda: networks.SpectralNorm(networks.ConvDecoder((3, 9, 7), 5, [4, 6], context=CONTEXT)),
        (5,), (4, 9, 7), True),
    "ClassAside": (lambda: networks.ClassAside(networks.MLP(3, [6], context=2 + CONTEXT), 2), (5,), (6,), True),
    "WithoutClass": (lambda: networks.WithoutClass(networks.MLP(3, [6], context=CONTEXT), 2), (5,), (6,), True),
    "Gyroplanes": (lambda: networks.Gyroplanes(5, [8, 6], curvature=0.01, context=CONTEXT), (5,), (6,), True),
    "Hyperboloid": (lambda: networks.Hyperboloid(5, [8, 6], curvature=0.01, context=CONTEXT), (5,), (6,), True),
    "TokenEncoder": (
        lambda: networks.TokenEncoder((3, 9, 7), 5, patch=4, width=8, heads=2, layers=2, context=CONTEXT),
        (3, 9, 7), (5, 8), True),
    "TokenEncoder-grey": (
        lambda: networks.TokenEncoder((6, 11), 5, patch=3, width=8, heads=2, layers=1, context=CONTEXT),
        (6, 11), (5, 8), True),
    "TokenDecoder": (
        lambda: networks.TokenDecoder((3, 9, 7), (5, 2), patch=4, width=8, heads=2, layers=2, context=CONTEXT),
        (10,), (8, 9, 7), True),
    "ZeroFill": (lambda: networks.ZeroFill(networks.MLP(5, [6], context=CONTEXT)), (5,), (6,), True),
    "SummedCodes": (lambda: networks.SummedCodes(networks.MLP(5, [6], context=CONTEXT), 3, 1), (15,), (6,), True),
}  # fmt: skip

# -- transforms: (make, data in the user's units) ----------------------------------------------------------------


def _fitted(t: Transform, x: Tensor) -> Transform:
    t = t.double()
    t.before_fit(x, {}, len(x))
    return t


_TABLE = numbers(8, 50, 3) * torch.tensor([1.0, 20.0, 0.01]) + torch.tensor([5.0, -3.0, 0.0])
_PIECES = Modalities((3,), {"b": (2,), "a": (1,)})
TRANSFORMS: dict[str, tuple[Callable[[], Transform], Tensor]] = {
    "Levels-bernoulli": (lambda: Levels(255.0).double(), torch.arange(256.0, dtype=torch.float64)[:, None]),
    "Levels-logistic": (lambda: Levels(255.0, low=-1.0).double(), torch.arange(256.0, dtype=torch.float64)[:, None]),
    "Rescale": (lambda: Rescale(255.0).double(), 255 * numbers(7, 50, 3).sigmoid()),
    "Standardize": (lambda: _fitted(Standardize((3,)), _TABLE), _TABLE),
    "ByModality": (lambda: _fitted(ByModality(_PIECES, {"a": Standardize((1,))}), _TABLE), _TABLE),
    "Standardize-per-feature": (lambda: _fitted(Standardize((3,), per_feature=True), _TABLE), _TABLE),
}

# -- recipes at tiny size ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RecipeRow:
    """A recipe at tiny size.

    Attributes:
        gaps: whether its data has gaps.
        of: the recipe's name, where this is one more row of it.
        digits: the shape that it takes digits in; (64,) for vectors and (1, 8, 8) for pictures where that is None.
        steady: whether its loss means the same from the first step to the last; else its distortion is looked at.
        fall: nats by which that falls on digits within 200 steps; below 0 for what begins at its optimum.
        narrow: how far its loss in bf16 may be from float32's, relatively.
    """

    name: str
    shape: tuple[int, ...] = (6,)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    gaps: bool = False
    of: str | None = None
    digits: tuple[int, ...] | None = None
    steady: bool = True
    fall: float = 1.0
    narrow: float = 0.02

    def __repr__(self) -> str:
        return self.name

    def make(self, seed: int = 0, **more: Any) -> Any:
        torch.manual_seed(seed)
        arguments = copy.deepcopy(dict(self.arguments))  # a part belongs to one model: a test may move it
        return getattr(recipes, self.of or self.name)(shape=self.shape, **{**arguments, **more})


_SMALL = {"latent_dim": 2, "hidden": [8]}
_JUDGED = {"channels": [4], "judge_width": 8, "start": 0}
_THREE = {**_SMALL, "modalities": {"wide": (1,), "bit": (1,), "sheet": (2, 2)}}
_CONTEXT = Context({"y": {"levels": [0, 1, 2]}})
RECIPES = [
    RecipeRow("pca", arguments={"latent_dim": 2}, fall=-0.5),
    RecipeRow("ppca", arguments={"latent_dim": 2}, fall=-0.5),
    RecipeRow("linear_autoencoder", arguments={"latent_dim": 2}),
    RecipeRow("autoencoder", arguments=_SMALL),
    RecipeRow("vae", arguments=_SMALL),
    RecipeRow("vae_standardised", arguments={**_SMALL, "transform": Standardize((6,))}, of="vae"),
    RecipeRow("vae_full", arguments={**_SMALL, "posterior": posteriors.FullGaussian}, of="vae"),
    RecipeRow("vae_straight_through", arguments={**_SMALL, "posterior": posteriors.StraightThroughBernoulli}, of="vae"),
    RecipeRow("vae_relaxed", arguments={**_SMALL, "posterior": posteriors.RelaxedBernoulli}, of="vae"),
    RecipeRow("vae_laplace", arguments={**_SMALL, "posterior": posteriors.Laplace}, of="vae"),
    RecipeRow("vae_conv", (2, 5, 7), {"latent_dim": 2, "channels": [4], "width": 8}, fall=0.2),
    RecipeRow("beta_vae", arguments=_SMALL),
    RecipeRow("conditional_vae", arguments={**_SMALL, "context": _CONTEXT}),
    RecipeRow("conditional_prior_vae", arguments={**_SMALL, "prior_hidden": [4], "context": _CONTEXT}),
    RecipeRow("ivae", arguments={**_SMALL, "prior_hidden": [4], "context": _CONTEXT}),
    RecipeRow("m2", arguments={**_SMALL, "context": _CONTEXT}),
    RecipeRow("m1_m2", arguments={**_SMALL, "context": _CONTEXT}),
    RecipeRow("skip_dgm", arguments={**_SMALL, "context": _CONTEXT}),
    RecipeRow("auxiliary_dgm", arguments={**_SMALL, "context": _CONTEXT}),
    RecipeRow("iwae", arguments={**_SMALL, "samples": 5}),
    RecipeRow("vq_vae", arguments={"codes": 16, "code_dim": 2, "places": 3, "hidden": [8]}),
    RecipeRow(
        "vq_vae_gradient", of="vq_vae", arguments={"codes": 5, "code_dim": 2, "places": 3, "hidden": [8], "decay": None}
    ),
    RecipeRow("vq_vae_pictures", (2, 6, 7), {"codes": 16, "code_dim": 2, "channels": [4]}, of="vq_vae"),
    RecipeRow("fsq_vae", arguments={"levels": [4, 3], "places": 3, "hidden": [8]}),
    RecipeRow("fsq_vae_pictures", (2, 6, 7), {"levels": [4, 3], "channels": [4]}, of="fsq_vae"),
    RecipeRow("lfq_vae", arguments={"bits": 3, "places": 3, "hidden": [8]}),
    RecipeRow("bsq_vae", arguments={"bits": 4, "group": 3, "places": 3, "hidden": [8]}),
    RecipeRow("sim_vq_vae", steady=False, arguments={"codes": 16, "code_dim": 2, "places": 3, "hidden": [8]}),
    RecipeRow("rotation_vq_vae", arguments={"codes": 16, "code_dim": 2, "places": 3, "hidden": [8]}),
    RecipeRow("rvq_vae", arguments={"depth": 2, "codes": 5, "code_dim": 2, "places": 3, "hidden": [8]}),
    RecipeRow(
        "rvq_vae_gradient",
        of="rvq_vae",
        arguments={"depth": 2, "codes": 3, "code_dim": 2, "places": 3, "hidden": [8], "decay": None},
    ),
    RecipeRow("grouped_vq_vae", arguments={"groups": 2, "codes": 5, "code_dim": 4, "places": 3, "hidden": [8]}),
    RecipeRow("sq_vae", arguments={"codes": 5, "code_dim": 2, "places": 3, "hidden": [8]}),
    RecipeRow("sq_vae_pictures", (2, 6, 7), {"codes": 5, "code_dim": 2, "channels": [4]}, of="sq_vae"),
    RecipeRow("hrq_vae", arguments={"depth": 2, "codes": 5, "code_dim": 2, "places": 3, "hidden": [8]}),
    RecipeRow("hrq_vae_pictures", (2, 6, 7), {"depth": 2, "codes": 5, "code_dim": 2, "channels": [4]}, of="hrq_vae"),
    RecipeRow("vq_vae_2", (2, 6, 7), {"codes": 16, "code_dim": 2, "channels": [4]}),
    RecipeRow("vq_vae_2_gradient", (4, 4), {"codes": 3, "code_dim": 2, "channels": [4], "decay": None}, of="vq_vae_2"),
    RecipeRow("vqgan", (2, 6, 7), {**_JUDGED, "codes": 16, "code_dim": 2}, steady=False),
    RecipeRow("kl_autoencoder", (2, 6, 7), {**_JUDGED, "latents": 2}, steady=False),
    RecipeRow("kl_autoencoder_grey", (7, 6), {**_JUDGED, "latents": 1}, of="kl_autoencoder", steady=False),
    RecipeRow(
        "kl_autoencoder_conditional", (2, 6, 7), {**_JUDGED, "latents": 2, "context": _CONTEXT}, of="kl_autoencoder"
    ),
    RecipeRow("dc_ae", (2, 6, 7), {"channels": [4, 8], "latents": 2}),
    RecipeRow(
        "titok_vae",
        (2, 6, 7),
        {"tokens": 4, "codes": 16, "code_dim": 4, "patch": 4, "width": 16, "heads": 2, "layers": 1},
        fall=0.5,  # the law's rate is four times its own, and its codes come apart after a hundred steps only
    ),
    RecipeRow(
        "titok_vae_gradient",
        (6, 7),
        of="titok_vae",
        arguments={
            "tokens": 3,
            "codes": 5,
            "code_dim": 2,
            "patch": 3,
            "width": 8,
            "heads": 2,
            "layers": 1,
            "decay": None,
            "context": _CONTEXT,
        },
    ),
    RecipeRow("multiply_iwae", arguments={**_SMALL, "outer": 2, "inner": 3}),
    RecipeRow("ciwae", arguments={**_SMALL, "samples": 5}),
    RecipeRow("piwae", arguments={**_SMALL, "outer": 2, "inner": 3}),
    RecipeRow("renyi_vae", arguments={**_SMALL, "samples": 5}),
    RecipeRow("tvo_vae", arguments={**_SMALL, "samples": 5}),
    RecipeRow("stl_vae", arguments=_SMALL),
    RecipeRow("dreg", arguments={**_SMALL, "samples": 5}),
    RecipeRow("free_bits_vae", arguments={**_SMALL, "free_bits": 0.001}),
    RecipeRow("annealed_vae", arguments=_SMALL),
    RecipeRow("beta_tc_vae", arguments=_SMALL),
    RecipeRow("dip_vae_i", arguments=_SMALL),
    RecipeRow("dip_vae_ii", arguments=_SMALL),
    RecipeRow("info_vae", arguments=_SMALL),
    RecipeRow("wae_mmd", arguments=_SMALL),
    RecipeRow("wae_gan", arguments=_SMALL, steady=False),
    RecipeRow("aae", arguments=_SMALL, steady=False),
    RecipeRow("aae_gaussian", arguments={**_SMALL, "posterior": posteriors.Gaussian}, of="aae"),
    RecipeRow("avb", arguments=_SMALL, steady=False),
    RecipeRow("sivi_vae", arguments=_SMALL),
    RecipeRow("importance_weighted_sivi_vae", arguments={**_SMALL, "samples": 3}),
    RecipeRow("vae_gan", arguments={"latent_dim": 2}, steady=False),
    RecipeRow("vae_gan_pictures", (2, 6, 7), {"latent_dim": 2}, of="vae_gan"),
    RecipeRow("sliced_wae", arguments=_SMALL),
    RecipeRow("sinkhorn_ae", arguments={**_SMALL, "iterations": 20}),
    RecipeRow("rae_l2", arguments=_SMALL),
    RecipeRow("rae_gp", arguments=_SMALL),
    RecipeRow("rae_sn", arguments=_SMALL),
    RecipeRow("denoising_autoencoder", arguments=_SMALL),
    RecipeRow("contractive_autoencoder", arguments=_SMALL),
    RecipeRow("sparse_autoencoder", arguments=_SMALL),
    RecipeRow("geco_vae", arguments={**_SMALL, "distortion": 5.0}, steady=False),
    RecipeRow("dfc_vae", (9, 8), {"latent_dim": 2, "channels": [4], "width": 8}),
    RecipeRow("lpips_vae", (9, 8), {"latent_dim": 2, "channels": [4], "width": 8}),
    RecipeRow("eq_vae", (2, 6, 6), {"latents": 2, "channels": [4]}),
    RecipeRow("eq_vae_oblong", (5, 7), {"latents": 2, "channels": [4], "context": _CONTEXT}, of="eq_vae"),
    RecipeRow("ms_ssim_vae", (2, 9, 8), {"latent_dim": 2, "channels": [4], "width": 8}),
    RecipeRow("focal_frequency_vae", (2, 5, 7), {"latent_dim": 2, "channels": [4], "width": 8}, fall=0.2),
    RecipeRow("log_cosh_vae", arguments=_SMALL),
    RecipeRow("control_vae", arguments=_SMALL),
    RecipeRow("vampprior", arguments={**_SMALL, "pseudo": 5}),
    RecipeRow("exemplar_vae", arguments=_SMALL),
    RecipeRow("mixture_vae", arguments={**_SMALL, "components": 3}),
    RecipeRow("planar_vae", arguments={**_SMALL, "flows": 3}),
    RecipeRow("planar_vae_conditional", arguments={**_SMALL, "flows": 2, "context": _CONTEXT}, of="planar_vae"),
    RecipeRow("radial_vae", arguments={**_SMALL, "flows": 3}),
    RecipeRow("householder_vae", arguments={**_SMALL, "flows": 3}),
    RecipeRow("iaf_vae", arguments={**_SMALL, "flows": 3, "flow_width": 8}),
    RecipeRow(
        "iaf_vae_pictures",
        (2, 5, 7),
        of="iaf_vae",
        arguments={"latent_dim": 2, "networks": networks.Convolutional([4], None), "flow_width": 8},
    ),
    RecipeRow("naf_vae", arguments={**_SMALL, "flows": 2, "flow_width": 8, "units": 3}),
    RecipeRow("sylvester_vae", arguments={**_SMALL, "flows": 2, "flow_width": 2}),
    RecipeRow("householder_sylvester_vae", arguments={**_SMALL, "flows": 2, "reflections": 3}),
    RecipeRow("flow_prior_vae", arguments={**_SMALL, "flows": 2, "flow_width": 8}),
    RecipeRow("realnvp_prior_vae", arguments={**_SMALL, "flows": 2, "flow_width": 8}),
    RecipeRow("spline_prior_vae", arguments={**_SMALL, "flows": 2, "flow_width": 8, "bins": 4}),
    RecipeRow("logistic_normal_vae", arguments={**_SMALL, "latent_dim": 3, "concentration": 0.5}),
    RecipeRow("lars_vae", arguments={**_SMALL, "tries": 5}),
    RecipeRow("energy_prior_vae", arguments=_SMALL),
    RecipeRow("gmvae", arguments={**_SMALL, "components": 3}),
    RecipeRow("vade", arguments={**_SMALL, "components": 3}),
    RecipeRow("ml_vae", arguments={**_SMALL, "context": _CONTEXT}),
    RecipeRow("group_vae", arguments={**_SMALL, "context": _CONTEXT}),
    RecipeRow("ada_gvae", arguments={**_SMALL, "context": _CONTEXT}),
    RecipeRow("ada_ml_vae", arguments={**_SMALL, "context": _CONTEXT}),
    RecipeRow("factor_vae", arguments=_SMALL),
    RecipeRow("vamp_hvae", arguments={"latent_dims": [2, 3], "hidden": [16, 24], "pseudo": 5}, steady=False),
    RecipeRow("vdvae", (2, 6, 7), {"channels": [4, 6], "groups": 2, "latents": 1}),
    RecipeRow("nvae", (6, 7), {"channels": [4, 4], "groups": 1, "latents": 2}),
    RecipeRow("pixel_vae", (3, 4), {"latent_dim": 2, "channels": [4], "width": 8, "masked": 6}),
    RecipeRow(
        "pixel_vae_real",
        (2, 3, 4),
        of="pixel_vae",
        arguments={"latent_dim": 2, "channels": [4], "width": 8, "masked": 6, "likelihood": likelihoods.Gaussian()},
    ),
    RecipeRow(
        "lossy_vae",
        (3, 4),
        {"latent_dim": 2, "channels": [4], "width": 8, "masked": 6, "flows": 2, "flow_width": 8},
    ),
    RecipeRow("vgae", (4, 4), {"latent_dim": 2, "hidden": 4}, digits=(8, 8)),
    RecipeRow("vgae_balanced", (4, 4), {"latent_dim": 2, "hidden": 4, "offset": False, "balanced": True}, of="vgae"),
    RecipeRow("ladder_vae", arguments={"latent_dims": [2, 3], "hidden": [8, 9]}, fall=0.3, steady=False),
    RecipeRow("biva", arguments={"latent_dims": [2, 2, 3], "hidden": [24, 24, 48]}, steady=False),
    RecipeRow("gumbel_vae", arguments={"variables": 2, "levels": 3, "hidden": [8]}),
    RecipeRow("straight_through_gumbel_vae", arguments={"variables": 2, "levels": 3, "hidden": [8]}),
    RecipeRow("categorical_vae", arguments={"variables": 2, "levels": 3, "hidden": [8]}),
    RecipeRow("reinforce_vae", arguments=_SMALL),
    RecipeRow("vimco_vae", arguments=_SMALL),
    RecipeRow("disarm_vae", arguments=_SMALL),
    RecipeRow("relax_vae", arguments={**_SMALL, "control": [5]}),
    RecipeRow("rebar_vae", arguments=_SMALL),
    RecipeRow("wake_sleep", arguments=_SMALL, fall=0.05),
    RecipeRow("reweighted_wake_sleep", arguments={**_SMALL, "sleep": 0.5}),
    RecipeRow("cyclical_vae", arguments=_SMALL, steady=False),
    RecipeRow("bn_vae", arguments=_SMALL),
    RecipeRow("mu_forcing_vae", arguments=_SMALL),
    RecipeRow("delta_vae", arguments=_SMALL),
    RecipeRow("joint_vae", arguments={**_SMALL, "levels": 3}, steady=False),
    RecipeRow("chi_vae", arguments={**_SMALL, "samples": 5}),
    RecipeRow("lagging_vae", arguments=_SMALL),
    RecipeRow("sa_vae", arguments=_SMALL),
    RecipeRow("svae", arguments={**_SMALL, "latent_dim": 3}),
    RecipeRow("power_spherical_vae", arguments={**_SMALL, "latent_dim": 3}),
    RecipeRow("poincare_vae", arguments={**_SMALL, "curvature": 0.7}),
    RecipeRow("hyperbolic_vae", arguments=_SMALL),
    RecipeRow("hamiltonian_vae", arguments=_SMALL),
    RecipeRow("riemannian_hvae", arguments={**_SMALL, "centres": 3}),
    RecipeRow("miwae", arguments={**_SMALL, "samples": 5}, gaps=True),
    RecipeRow("gp_vae", arguments={"channels": 2, "hidden": [8]}, gaps=True),
    RecipeRow("gp_vae_pictures", (4, 2, 3), {"channels": 2, "hidden": [8]}, of="gp_vae"),
    RecipeRow("mvae", arguments=_SMALL),
    RecipeRow("mvae_three", arguments=_THREE, gaps=True, of="mvae"),
    RecipeRow("mvae_random", arguments={**_THREE, "subsets": 2, "weights": {"sheet": 3.0}}, of="mvae"),
    RecipeRow("mmvae", arguments={**_SMALL, "samples": 3}),
    RecipeRow("mmvae_three", arguments={**_THREE, "samples": 3}, gaps=True, of="mmvae"),
    RecipeRow("mopoe_vae", arguments=_SMALL),
    RecipeRow("mopoe_vae_three", arguments=_THREE, gaps=True, of="mopoe_vae"),
    RecipeRow("mvtcae", arguments=_SMALL),
    RecipeRow("jmvae", arguments=_SMALL),
    RecipeRow("jmvae_three", arguments=_THREE, gaps=True, of="jmvae"),
    RecipeRow("jnf", arguments={**_SMALL, "flow_width": 8}),
    RecipeRow("jnf_three", arguments={**_THREE, "flow_width": 8}, gaps=True, of="jnf"),
    RecipeRow("telbo_vae", arguments=_SMALL),
    RecipeRow("mhvae", arguments={"latent_dims": [2, 3], "hidden": [8, 9]}, fall=0.3),
    RecipeRow(
        "mhvae_three",
        of="mhvae",
        arguments={"latent_dims": [2, 3], "hidden": [8, 9], "modalities": _THREE["modalities"]},
        gaps=True,
    ),
    RecipeRow("dmvae", arguments={**_SMALL, "private_dim": 1}),
    RecipeRow("dmvae_three", arguments={**_THREE, "private_dim": 1}, gaps=True, of="dmvae"),
    RecipeRow("mmvae_plus", arguments={**_SMALL, "private_dim": 1, "samples": 3}),
    RecipeRow("mmvae_plus_three", arguments={**_THREE, "private_dim": 1, "samples": 3}, gaps=True, of="mmvae_plus"),
]


def linked(x: Tensor) -> Tensor:
    """Graphs of the signs above the diagonal, (B, N, N)."""
    above = (x > 0).float().triu(1)
    return above + above.mT


def recipe_data(row: RecipeRow, model: Any, n: int = 8) -> tuple[Tensor, dict[str, Tensor] | None]:
    """A batch in the model's units and its context."""
    x = numbers(9, n, *row.shape, dtype=torch.float32)
    if isinstance(model.likelihood.family, likelihoods.Bernoulli):
        x = (x > 0).float()
    if isinstance(model.likelihood, likelihoods.Links):
        x = linked(x)
    if row.gaps:
        x[::2, 1] = float("nan")
    labels = [i % 3 for i in range(n)]
    return x, model.to_context(labels, n) if model.context is not None else None
