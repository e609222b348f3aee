"""The tables that the laws are checked on: a new part is one row here."""

from __future__ import annotations

__all__ = [
    "DISTRIBUTIONS", "KL_PAIRS", "LIKELIHOODS", "NETWORKS", "POSTERIORS", "PRIORS", "RECIPES", "TRANSFORMS", "Family",
    "LikelihoodRow", "RecipeRow", "numbers", "recipe_data",
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
from vaekit.data import Context
from vaekit.data.transforms import Levels, Rescale, Standardize, Transform
from vaekit.likelihoods import FixedScale, LearnedScale, NetworkScale, OptimalScale, PerDimensionScale

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
    "bernoulli-bernoulli": (lambda: d.Bernoulli(numbers(6, 4, 3)), lambda: d.Bernoulli(numbers(7, 3))),
    "straight-through-bernoulli": (
        lambda: d.StraightThroughBernoulli(numbers(6, 4, 3)), lambda: d.Bernoulli(numbers(7, 3))),
}  # fmt: skip

# -- conditionals -------------------------------------------------------------------------------------------

PRIORS: dict[str, tuple[Callable[[], Any], str]] = {
    "StandardNormal": (lambda: priors.StandardNormal(1), "real"),
    "FairBernoulli": (lambda: priors.FairBernoulli(1), "binary"),
}


def _net(inputs: Any, width: int = 7) -> networks.MLP:
    return networks.MLP(inputs, [width], activation=nn.Tanh)


POSTERIORS: dict[str, Callable[[], Any]] = {
    "Gaussian": lambda: posteriors.Gaussian(_net(4), 3),
    "FullGaussian": lambda: posteriors.FullGaussian(_net(4), 3),
    "Point": lambda: posteriors.Point(_net(4), 3),
    "StraightThroughBernoulli": lambda: posteriors.StraightThroughBernoulli(_net(4), 3),
    "RelaxedBernoulli": lambda: posteriors.RelaxedBernoulli(_net(4), 3, temperature=TEMPERATURE),
    "RelaxedCategorical": lambda: posteriors.RelaxedCategorical(_net(4), 3, levels=3, temperature=TEMPERATURE),
    "GaussianCategorical": lambda: posteriors.GaussianCategorical(_net(4), 3, levels=2, temperature=TEMPERATURE),
    "StraightThroughCategorical": lambda: posteriors.StraightThroughCategorical(_net(4), 3, levels=3),
    "Quantized": lambda: posteriors.Quantized(_net(4), networks.Codebook(5, 1), 3),
    "Quantized-FSQ": lambda: posteriors.Quantized(_net(4), networks.FSQ([6]), 3),
    "Rotated": lambda: posteriors.Rotated(_net(4), networks.Codebook(5, 1), 3),
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
    "ZeroFill": (lambda: networks.ZeroFill(networks.MLP(5, [6], context=CONTEXT)), (5,), (6,), True),
}  # fmt: skip

# -- transforms: (make, data in the user's units) ----------------------------------------------------------------


def _fitted(t: Transform, x: Tensor) -> Transform:
    t = t.double()
    t.before_fit(x, {}, len(x))
    return t


_TABLE = numbers(8, 50, 3) * torch.tensor([1.0, 20.0, 0.01]) + torch.tensor([5.0, -3.0, 0.0])
TRANSFORMS: dict[str, tuple[Callable[[], Transform], Tensor]] = {
    "Levels-bernoulli": (lambda: Levels(255.0).double(), torch.arange(256.0, dtype=torch.float64)[:, None]),
    "Levels-logistic": (lambda: Levels(255.0, low=-1.0).double(), torch.arange(256.0, dtype=torch.float64)[:, None]),
    "Rescale": (lambda: Rescale(255.0).double(), 255 * numbers(7, 50, 3).sigmoid()),
    "Standardize": (lambda: _fitted(Standardize((3,)), _TABLE), _TABLE),
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
        compiles: False where it differentiates inside its own pass.
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
    compiles: bool = True

    def __repr__(self) -> str:
        return self.name

    def make(self, seed: int = 0, **more: Any) -> Any:
        torch.manual_seed(seed)
        arguments = copy.deepcopy(dict(self.arguments))  # a part belongs to one model: a test may move it
        return getattr(recipes, self.of or self.name)(shape=self.shape, **{**arguments, **more})


_SMALL = {"latent_dim": 2, "hidden": [8]}
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
    RecipeRow("vae_conv", (2, 5, 7), {"latent_dim": 2, "channels": [4], "width": 8}, fall=0.2),
    RecipeRow("beta_vae", arguments=_SMALL),
    RecipeRow("conditional_vae", arguments={**_SMALL, "context": _CONTEXT}),
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
    RecipeRow("sim_vq_vae", arguments={"codes": 16, "code_dim": 2, "places": 3, "hidden": [8]}),
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
    RecipeRow("vq_vae_2", (2, 6, 7), {"codes": 16, "code_dim": 2, "channels": [4]}),
    RecipeRow("vq_vae_2_gradient", (4, 4), {"codes": 3, "code_dim": 2, "channels": [4], "decay": None}, of="vq_vae_2"),
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
    RecipeRow("sliced_wae", arguments=_SMALL),
    RecipeRow("rae_l2", arguments=_SMALL),
    RecipeRow("rae_gp", arguments=_SMALL),
    RecipeRow("denoising_autoencoder", arguments=_SMALL),
    RecipeRow("contractive_autoencoder", arguments=_SMALL),
    RecipeRow("sparse_autoencoder", arguments=_SMALL),
    RecipeRow("geco_vae", arguments=_SMALL, steady=False),
    RecipeRow("control_vae", arguments=_SMALL),
    RecipeRow("vampprior", arguments={**_SMALL, "pseudo": 5}),
    RecipeRow("mixture_vae", arguments={**_SMALL, "components": 3}),
    RecipeRow("factor_vae", arguments=_SMALL),
    RecipeRow("ladder_vae", arguments={"latent_dims": [2, 3], "hidden": [8, 9]}, fall=0.3),
    RecipeRow("gumbel_vae", arguments={"variables": 2, "levels": 3, "hidden": [8]}),
    RecipeRow("straight_through_gumbel_vae", arguments={"variables": 2, "levels": 3, "hidden": [8]}),
    RecipeRow("categorical_vae", arguments={"variables": 2, "levels": 3, "hidden": [8]}),
    RecipeRow("reinforce_vae", arguments=_SMALL),
    RecipeRow("vimco_vae", arguments=_SMALL),
    RecipeRow("disarm_vae", arguments=_SMALL),
    RecipeRow("relax_vae", arguments={**_SMALL, "control": [5]}),
    RecipeRow("rebar_vae", arguments=_SMALL),
    RecipeRow("wake_sleep", arguments=_SMALL),
    RecipeRow("reweighted_wake_sleep", arguments={**_SMALL, "sleep": 0.5}),
    RecipeRow("cyclical_vae", arguments=_SMALL),
    RecipeRow("bn_vae", arguments=_SMALL),
    RecipeRow("delta_vae", arguments=_SMALL),
    RecipeRow("joint_vae", arguments={**_SMALL, "levels": 3}),
    RecipeRow("chi_vae", arguments={**_SMALL, "samples": 5}),
    RecipeRow("lagging_vae", arguments=_SMALL),
    RecipeRow("sa_vae", arguments=_SMALL),
    RecipeRow("miwae", arguments={**_SMALL, "samples": 5}, gaps=True),
]


def recipe_data(row: RecipeRow, model: Any, n: int = 8) -> tuple[Tensor, dict[str, Tensor] | None]:
    """A batch in the model's units and its context."""
    x = numbers(9, n, *row.shape, dtype=torch.float32)
    if isinstance(model.likelihood, likelihoods.Bernoulli):
        x = (x > 0).float()
    if row.gaps:
        x[::2, 1] = float("nan")
    labels = [i % 3 for i in range(n)]
    return x, model.to_context(labels, n) if model.context is not None else None
