"""vk.recipe: a recipe filled with what the data knows."""

from __future__ import annotations

__all__ = ["binarization", "default_likelihood_for", "recipe", "transform_for"]

import difflib
import importlib
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from vaekit import networks, posteriors, priors
from vaekit.data import ByModality, Context, Dataset, Modalities, read
from vaekit.data.transforms import Levels, Rescale, Standardize, Transform
from vaekit.likelihoods import (
    Bernoulli,
    Categorical,
    ContinuousBernoulli,
    DiscretizedLogistic,
    FixedScale,
    Gaussian,
    Joint,
    Laplace,
    Likelihood,
    LogCosh,
    NetworkScale,
    OptimalScale,
    PerDimensionScale,
)
from vaekit.messages import Mistake, reject_unknown
from vaekit.objectives import Recipe
from vaekit.recipes import RECIPES

# The names of the command line; in Python the parts themselves are given.
LIKELIHOODS: dict[str, Callable[[], Likelihood]] = {
    "bernoulli": Bernoulli,
    "continuous_bernoulli": ContinuousBernoulli,
    "gaussian": Gaussian,
    "gaussian_fixed": lambda: Gaussian(scale=FixedScale(1.0)),
    "gaussian_per_dimension": lambda: Gaussian(scale=PerDimensionScale()),
    "gaussian_optimal": lambda: Gaussian(scale=OptimalScale()),
    "gaussian_network": lambda: Gaussian(scale=NetworkScale(), link=nn.Sigmoid),
    "laplace": Laplace,
    "log_cosh": LogCosh,
    "discretized_logistic": DiscretizedLogistic,
    "categorical": Categorical,
}
POSTERIORS = {
    "bernoulli": posteriors.Bernoulli,
    "gaussian": posteriors.Gaussian,
    "full_gaussian": posteriors.FullGaussian,
    "laplace": posteriors.Laplace,
    "point": posteriors.Point,
    "relaxed_bernoulli": posteriors.RelaxedBernoulli,
    "straight_through_bernoulli": posteriors.StraightThroughBernoulli,
}
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "silu": nn.SiLU, "elu": nn.ELU}
NETWORKS = {"dense": networks.Dense, "conv": networks.Convolutional, "residual": networks.Residual}
PROCESSES = {kind.__name__: kind for kind in (priors.CauchyProcess, priors.SquaredExponentialProcess)}


def recipe(
    name: str | Callable[..., Recipe], data: Any, *, labels: Any = None, y: Any = None, **arguments: Any
) -> Recipe:
    """A recipe with the shape, the likelihood, the transform and the context that the data asks for.

    Args:
        name: of a recipe, "auto", or a function that returns a Recipe.
        data: anything that `vk.fit` takes.
        labels: as for `vk.fit`; not given to the model.
        y: what the model is conditioned on.
        arguments: of the recipe; they win over what the data says.

    Raises:
        Mistake: for an unknown recipe or argument, the near miss named.

    Example:
        >>> model, objective = recipe("vae", "digits", latent_dim=4)
        >>> model.shape, model.likelihood.describe()
        ((8, 8), 'Gaussian, one learned scale')
    """
    dataset = read(data, labels=labels, condition=y) if not isinstance(data, Dataset) or y is not None else data
    function = _find(name, dataset)
    options = inspect.signature(function).parameters
    arguments = {key: _named(key, value) for key, value in arguments.items()}
    anything = any(p.kind is p.VAR_KEYWORD for p in options.values())
    if not anything:
        reject_unknown(f"recipe {getattr(function, '__name__', name)!r}", arguments, [o for o in options])
    linear = "likelihood" not in options
    likelihood = arguments.get("likelihood")
    if likelihood is None:
        likelihood = Gaussian() if linear else default_likelihood_for(dataset)
    facts: dict[str, Any] = {
        "shape": dataset.shape,
        "likelihood": likelihood,
        "transform": _transform(dataset, likelihood, arguments.get("modalities"), linear),
        "context": Context.fit(dataset.context) if dataset.context else None,
    }
    if dataset.context and "context" not in options:
        raise Mistake(f"recipe {name!r} takes no context: leave y= (--condition) out, or use 'conditional_vae'.")
    known = {key: value for key, value in facts.items() if (key in options or anything) and value is not None}
    return function(**{**known, **arguments})


def _find(name: str | Callable[..., Recipe], dataset: Dataset) -> Callable[..., Recipe]:
    if callable(name):
        return name
    if name == "auto":
        large = dataset.kind == "image" and min(dataset.shape[-2:]) >= 32
        usual = "conditional_vae" if dataset.context else "vae_conv" if large else "vae"
        name = "vgae" if dataset.kind == "graph" else "miwae" if _has_gaps(dataset) else usual
    if name not in RECIPES:
        close = difflib.get_close_matches(name, list(RECIPES), n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise Mistake(f"unknown recipe {name!r}: {hint}Recipes are {', '.join(RECIPES)}.")
    found: Callable[..., Recipe] = getattr(importlib.import_module(f"vaekit.recipes.{RECIPES[name][0]}"), name)
    return found


def _has_gaps(dataset: Dataset) -> bool:
    return dataset.x.is_floating_point() and bool(torch.isnan(dataset.x).any())


def _named(key: str, value: Any) -> Any:
    """Strings of the command line as parts: likelihood, posterior and networks; of each modality too, by its name."""
    if isinstance(value, Mapping) and key in ("likelihood", "networks"):
        return {name: _named(key, one) for name, one in value.items()}
    if not isinstance(value, str):
        return value
    if key == "likelihood":
        kind, _, c = value.partition(":")
        if kind == "categorical" and c.isdecimal() and int(c):
            return Categorical(levels=int(c))
        if c:
            if kind != "gaussian":
                raise Mistake(
                    f"got likelihood {value!r}: only gaussian takes a variance, such as gaussian:0.1, and categorical "
                    "its levels, such as categorical:10."
                )
            return Gaussian(scale=FixedScale(_positive(value, c)))
        return _of(LIKELIHOODS, "likelihood", value)()
    if key == "posterior":
        return _of(POSTERIORS, "posterior", value)
    if key == "activation":
        return _of(ACTIVATIONS, "activation", value)
    if key == "process":
        return _of(PROCESSES, "process", value)
    if key == "networks":
        return _of(NETWORKS, "networks", value)()
    return value


def _positive(given: str, number: str) -> float:
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not value > 0:
        raise Mistake(f"got likelihood {given!r} and wanted a variance above 0, such as gaussian:0.1.")
    return value


def _of(table: dict[str, Any], what: str, name: str) -> Any:
    if name not in table:
        close = difflib.get_close_matches(name, list(table), n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise Mistake(f"unknown {what} {name!r}: {hint}There are {', '.join(table)}.")
    return table[name]


def _extremes(dataset: Dataset) -> tuple[float, float]:
    x = dataset.x
    if x.is_floating_point():
        x = x[~torch.isnan(x)]
    return (float(x.min()), float(x.max())) if x.numel() else (0.0, 0.0)


def _is_binary(dataset: Dataset) -> bool:
    x = dataset.x
    low, high = _extremes(dataset)
    return low >= 0 and high <= 1 and bool(((x == 0) | (x == 1) | torch.isnan(x.float())).all())


def _is_colour(dataset: Dataset) -> bool:
    return dataset.kind == "image" and len(dataset.shape) == 3 and dataset.shape[0] in (3, 4)


def default_likelihood_for(dataset: Dataset) -> Likelihood:
    """Bernoulli for 0/1 and grey 8-bit pictures, discretised logistic for colour, Gaussian with a learned scale else.

    Bytes in a table are numbers like any other: ages, counts, marks.
    """
    if _is_binary(dataset):
        return Bernoulli()
    if dataset.kind == "image" and dataset.x.dtype == torch.uint8:
        return DiscretizedLogistic() if _is_colour(dataset) else Bernoulli()
    return Gaussian()


def transform_for(dataset: Dataset, likelihood: Likelihood, *, linear: bool = False) -> Transform | None:
    """From the data's units to those that the likelihood is at home in."""
    bytes_ = dataset.x.dtype == torch.uint8 and _extremes(dataset)[1] > 1
    if isinstance(likelihood, Categorical):
        return None
    if isinstance(likelihood, DiscretizedLogistic):
        return Levels(float(likelihood.levels - 1), low=-1.0)
    if isinstance(likelihood, Bernoulli):
        return Levels(255.0) if bytes_ else None
    linked = isinstance(likelihood, Gaussian) and likelihood.arguments["link"]
    if isinstance(likelihood, ContinuousBernoulli) or linked:
        if bytes_ and dataset.kind == "image":
            return Rescale(255.0)
        low, high = _extremes(dataset)
        if low < 0:
            raise Mistake(f"the data goes down to {low:.4g} and this likelihood wants 0 or more: use 'gaussian'.")
        return None if high <= 1 else Rescale(high)
    wide = dataset.x.dtype == torch.float64
    return Standardize(dataset.shape, per_feature=dataset.kind == "table" and not linear, wide=wide)


def _transform(dataset: Dataset, likelihood: Any, modalities: Any, linear: bool) -> Transform | None:
    """The transform of all, or of each modality that has a likelihood of its own."""
    if not isinstance(likelihood, Mapping):
        return transform_for(dataset, likelihood, linear=linear)
    cut = Modalities(dataset.shape, modalities)
    pieces = {name: replace(dataset, x=piece) for name, piece in cut.split(dataset.x).items() if name in likelihood}
    parts = {name: transform_for(piece, likelihood[name]) for name, piece in pieces.items()}
    return ByModality(cut, parts) if any(part is not None for part in parts.values()) else None


def binarization(dataset: Dataset, likelihood: Any, wanted: str | None) -> str | None:
    """How the data is made 0/1: as wanted, else "dynamic" for grey data under a Bernoulli likelihood.

    Raises:
        Mistake: for an unknown word, or data that is not grey.
    """
    if wanted in ("none", "None"):
        return None
    if wanted not in (None, "auto", "dynamic", "threshold"):
        raise Mistake(f"got binarize={wanted!r} and wanted 'dynamic', 'threshold' or 'none'.")
    if _is_binary(dataset):
        return None
    parts = likelihood.parts if isinstance(likelihood, Joint) else [likelihood]
    binary = all(isinstance(getattr(part, "family", part), Bernoulli) for part in parts)
    if wanted in ("dynamic", "threshold") or binary:
        low, high = _extremes(dataset)
        if dataset.x.dtype != torch.uint8 and (low < 0 or high > 1):
            raise Mistake(
                f"a Bernoulli likelihood wants 0/1 or grey data and the data runs from {low:.4g} to {high:.4g}: "
                "scale it to [0, 1], or use another likelihood such as 'gaussian'."
            )
        return "threshold" if wanted == "threshold" else "dynamic"
    return None
