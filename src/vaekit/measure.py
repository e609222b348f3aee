"""A dataset through a model: prepared as in training, scored with noise that is always the same."""

from __future__ import annotations

__all__ = ["measure", "prepared", "score_items"]

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.data import Dataset
from vaekit.evaluation import bound_numbers, log_likelihoods, nll_numbers
from vaekit.messages import Mistake
from vaekit.models import Model
from vaekit.training import Batch, Loader, binarize_tensor
from vaekit.training.noise import forked

BINARIZE_SEED = 777  # held-out data is binarised once, with this seed, in every run
SCORE_BATCH = 32


def frozen(x: Tensor, how: str | None) -> Tensor:
    """Data binarised once with the fixed seed."""
    if how is None:
        return x
    with forked(BINARIZE_SEED, torch.device("cpu")):
        return binarize_tensor(x, how)


def loader(model: Model, dataset: Dataset, how: str | None, *, batch_size: int, device: torch.device) -> Loader:
    """A loader of a dataset, binarised once."""
    y = model.to_context(dataset.context or None, len(dataset)) if model.context is not None else None
    return Loader(frozen(dataset.x, how), y, model, batch_size=batch_size, seed=0, device=device)


def prepared(
    model: Model, dataset: Dataset, how: str | None, *, batch_size: int, device: torch.device
) -> Iterator[Batch]:
    """The batches of a dataset in order, in the model's units; shape, context and missing values are checked first."""
    model.to_model(dataset.x[:1])
    if not model.takes_missing and dataset.x.is_floating_point():
        gaps = dataset.x.flatten(1).isnan().any(1).nonzero().flatten()
        if len(gaps):
            raise Mistake(
                f"{len(gaps)} of {len(dataset)} items of {dataset.name!r} have missing values (NaN), the first is item "
                f"{int(gaps[0])}, and this model takes none: fill or drop them, or train a recipe such as 'miwae'."
            )
    return loader(model, dataset, how, batch_size=batch_size, device=device).in_order(batch_size)


@torch.no_grad()
def score_items(
    model: Model, dataset: Dataset, how: str | None, *, samples: int, device: torch.device, seed: int = 0
) -> Tensor:
    """The NLL of each item, (N,) float64 on the CPU."""
    with forked(seed, device):
        batches = prepared(model, dataset, how, batch_size=SCORE_BATCH, device=device)
        return torch.cat([-log_likelihoods(model, b.x, b.y, samples)[0].cpu() for b in batches])


def measure(
    model: Model,
    dataset: Dataset,
    how: str | None,
    *,
    samples: int,
    limit: int,
    seed: int,
    device: torch.device,
) -> dict[str, Any]:
    """The numbers of `bound_numbers` over all items and of `nll_numbers` over at most `limit` random ones."""
    with forked(seed, device):
        found = bound_numbers(model, prepared(model, dataset, how, batch_size=512, device=device))
        rows = np.sort(np.random.default_rng(seed).permutation(len(dataset))[:limit])
        whole = loader(model, dataset, how, batch_size=SCORE_BATCH, device=device)
        parts = torch.from_numpy(rows).split(SCORE_BATCH)
        found |= nll_numbers(model, (whole.rows(part.to(whole.x.device)) for part in parts), samples)
    discrete = dataset_is_discrete(model)
    per_dim = math.prod(model.shape) * math.log(2)
    found["bits_per_dim"] = found["nll"] / per_dim if discrete and found["nll"] is not None else None
    return found


def dataset_is_discrete(model: Any) -> bool:
    """Whether the likelihood gives probabilities, not densities."""
    return bool(getattr(model.likelihood, "discrete", False))
