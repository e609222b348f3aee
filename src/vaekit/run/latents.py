"""Latents as a user gives and gets them: rows of numbers with names."""

from __future__ import annotations

__all__ = ["as_latents", "column_names", "latent_names", "latents_of"]

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.messages import ArgumentMistake, Mistake
from vaekit.models import HierarchicalVAE, Model
from vaekit.models.codes import indices_of
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


def column_names(n: int, what: str) -> list[str]:
    """The names of n columns that `Run.encode` gives: z1, ..., with "moments" z1_sd, ... too, with "indices" i1, ...

    Example:
        >>> column_names(4, "moments"), column_names(2, "indices")
        (['z1', 'z2', 'z1_sd', 'z2_sd'], ['i1', 'i2'])
    """
    if what == "indices":
        return [f"i{i + 1}" for i in range(n)]
    names = latent_names(n // 2 if what == "moments" else n)
    return [*names, *(f"{name}_sd" for name in names)] if what == "moments" else names


def latents_of(model: Model, x: Tensor, y: Any, what: str) -> Tensor:
    """Of a batch in the model's units: the posterior's mean, a draw, "moments" (mean and deviation) or "indices".

    The levels of a hierarchy stand side by side; indices are (B, *places), the others (B, columns).
    """
    q: Any = model._posterior(x, y)
    if what == "indices":
        return indices_of(model, q)
    z = q.rsample() if what == "sample" else latent_mean(q)
    flat = torch.cat([level.flatten(1) for level in z], -1) if isinstance(z, tuple) else z.flatten(1)
    return torch.cat([flat, q.variance.sqrt()], -1) if what == "moments" else flat
