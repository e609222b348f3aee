"""Latents as a user gives and gets them: rows of numbers with names."""

from __future__ import annotations

__all__ = ["as_latents", "flat_latents", "latent_names"]

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.messages import ArgumentMistake, Mistake
from vaekit.models import HierarchicalVAE, Model
from vaekit.models.model import latent_mean


@torch.no_grad()
def as_latents(z: Any, model: Model) -> Tensor:
    """Latents given as an array, a tensor or a DataFrame, as a floating tensor (items, latents).

    Raises:
        Mistake: for text, missing values, and latents that the model has not.
    """
    try:
        tensor = torch.as_tensor(z if isinstance(z, Tensor) else np.array(z, dtype=np.float32))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentMistake(f"got latents that are no numbers ({error}): give an array (items, latents).") from error
    widths = latent_widths(model)
    if tensor.ndim != 2 or tensor.shape[1] not in widths:
        wanted = " or ".join(map(str, widths))
        raise Mistake(f"got latents of shape {tuple(tensor.shape)} and wanted (items, latents), of {wanted} latents.")
    if not bool(tensor.isfinite().all()):
        raise Mistake("got latents that are missing (NaN) or infinite: give numbers.")
    return tensor


def latent_widths(model: Model) -> tuple[int, ...]:
    """How many numbers stand for one item: all latents or, of a hierarchy, the top level alone."""
    if isinstance(model, HierarchicalVAE):
        sizes = [block.latent_dim for block in model.levels]
        return sum(sizes), sizes[0]
    return (int(model.posterior.latent_shape[0]),)  # type: ignore[union-attr, index]


def latent_names(n: int) -> list[str]:
    """z1, z2, ...

    Example:
        >>> latent_names(2)
        ['z1', 'z2']
    """
    return [f"z{i + 1}" for i in range(n)]


def flat_latents(q: Any, what: str) -> Tensor:
    """The mean of a posterior, a draw, or "moments": mean and deviation; the levels of a hierarchy side by side."""
    z = q.rsample() if what == "sample" else latent_mean(q)
    flat = torch.cat([level.flatten(1) for level in z], -1) if isinstance(z, tuple) else z.flatten(1)
    return torch.cat([flat, q.variance.sqrt()], -1) if what == "moments" else flat
