"""Autoencoders with a map of latents, and what they are judged by: layers of a frozen network, and an adversary."""

from __future__ import annotations

__all__ = ["against_patches", "on_map", "require_weight", "seen_by"]

import math
from collections.abc import Callable, Sequence

from torch import nn

from vaekit.data import Context
from vaekit.data.transforms import Transform
from vaekit.likelihoods import Likelihood
from vaekit.messages import Mistake, require_count
from vaekit.models import VAE, Model
from vaekit.networks import Convolutional, Mapped, PatchCritic
from vaekit.objectives import (
    Balanced,
    BesideErrors,
    DiscriminatePatches,
    FeatureDistance,
    FoolPatches,
    Game,
    Schedule,
    Term,
)
from vaekit.objectives.schedules import Switch
from vaekit.posteriors import Posterior
from vaekit.recipes.compose import compose
from vaekit.recipes.hou2017 import frozen


def on_map(
    shape: Sequence[int],
    latents: int,
    networks: Convolutional | Mapped,
    posterior: Callable[..., Posterior],
    *,
    likelihood: Likelihood | None,
    transform: Transform | None,
    context: Context | None,
) -> VAE:
    """A VAE whose latents are a map.

    Args:
        shape: of one picture.
        latents: at each place of the map.
        networks: make encoder and decoder, with no layer of all places.
        posterior: one on a map.
        likelihood: a template; as for `compose` where it is None.
        transform, context: as for VAE.
    """
    width = sum(context.widths.values()) if context is not None else 0
    encoder = networks.encoder(shape, width)
    places: tuple[int, ...] = tuple(encoder.features)[1:]  # type: ignore[arg-type]
    return compose(
        shape, require_count("latents", latents), encoder=encoder,
        decoder=networks.decoder(shape, (latents, *places), width),
        posterior=posterior, likelihood=likelihood, transform=transform, context=context,
    )  # fmt: skip


def seen_by(features: nn.Module | None, term: Term, shape: Sequence[int], weight: float) -> Term:
    """A term and the distance in the layers of a network, which is frozen, for each of a picture's elements.

    Args:
        features: the network, or None for the term alone.
        term: such as Reconstruction(), of a Laplace likelihood.
        shape: of one picture.
        weight: of the distance beside the absolute error of each element, 0 or more.
    """
    if features is None:
        return term
    distance = BesideErrors(FeatureDistance(frozen(features)))
    return term + require_weight("perceptual", weight) * math.prod(shape) * distance


def require_weight(name: str, given: object) -> float:
    """A number, 0 or more."""
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given < math.inf:
        raise Mistake(f"got {name}={given!r} and wanted a number, 0 or more.")
    return float(given)


def against_patches(model: Model, term: Term, *, weight: float, start: float, width: int) -> Game:
    """A game of the model and a judge of patches.

    Args:
        model: of pictures.
        term: what the model is trained for otherwise.
        weight: of the adversary, where 1 is a gradient at the last layer as large as the term's.
        start: steps before the judge plays, below 1 a share of the run.
        width: channels of the judge's first layer.
    """
    weight, start = require_weight("weight", weight), require_weight("start", start)

    def later(value: float) -> float | Schedule:
        return Switch(0.0, value, steps=start) if start else value

    judge = PatchCritic(model.shape, width=width)
    return Game(
        model=Balanced(term, FoolPatches(judge), later(weight)),
        discriminator=later(1.0) * DiscriminatePatches(judge),
        owns={"discriminator": [judge]},
    )
