"""What recipes of two stages share: a model that was fitted before, and its likelihood behind other latents."""

from __future__ import annotations

__all__ = ["behind", "first_stage"]

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vaekit.likelihoods import Likelihood
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.networks import Columns
from vaekit.posteriors import Gaussian
from vaekit.storage import load_model


def first_stage(given: Any, shape: Sequence[int]) -> Any:
    """A copy of a fitted VAE that stays as it is.

    Args:
        given: a run, a model, or the folder of one of them.
        shape: of the items that it has to be of.

    Raises:
        Mistake: for what is no VAE with a Gaussian posterior, for one with a context, and for other items.
    """
    if isinstance(given, str | Path):
        folder = Path(given)
        given = load_model(folder if (folder / "spec.json").exists() else folder / "model")
    model: Any = getattr(given, "model", given)
    if not isinstance(model, VAE) or not isinstance(model.posterior, Gaussian) or model.context is not None:
        got = f"{type(model).__name__} that is given a context" if getattr(model, "context", None) else repr(given)
        raise Mistake(f"got {got:.60} as the first stage and wanted a VAE with a Gaussian posterior, fitted without y.")
    if tuple(model.shape) != tuple(shape):
        raise Mistake(f"the first stage has items of shape {tuple(model.shape)} and the data has {tuple(shape)}.")
    found = copy.deepcopy(model)
    found.settle()
    return found


def behind(likelihood: Likelihood, width: int, latents: int) -> Likelihood:
    """The same likelihood, its numbers kept, with `width` further latents before its own, which it does not read."""
    source: Any = likelihood
    net = Columns([*range(width, width + latents)], source.net)
    features = source.head.features
    made = source.with_net(net, source.shape, features=features)
    state = {f"net.{key}" if key.startswith("net.") else key: value for key, value in source.state_dict().items()}
    made.load_state_dict({**state, "net.columns": net.columns})
    if source.settled:
        made.settle()
    found: Likelihood = made
    return found
