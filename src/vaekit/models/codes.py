"""The codes of a model whose latents are vectors with numbers."""

from __future__ import annotations

__all__ = ["indices_of", "quantized"]

from typing import Any

from torch import Tensor

from vaekit.messages import Mistake
from vaekit.posteriors import AnyQuantized


def quantized(model: Any) -> AnyQuantized:
    """The posterior of a model with codes; a model without is refused."""
    posterior = getattr(model, "posterior", None)
    if not isinstance(posterior, AnyQuantized):
        raise Mistake("this model has no codes and so no indices: train one that has, such as the recipe 'vq_vae'.")
    return posterior


def indices_of(model: Any, q: Any) -> Tensor:
    """The indices of a posterior's codes, (B, *places, *shape)."""
    places = quantized(model).places
    found: Tensor = q.indices.unflatten(1, places)
    return found
