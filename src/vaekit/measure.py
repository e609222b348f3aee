"""A dataset through a model: prepared as in training, scored with noise that is always the same."""

from __future__ import annotations

__all__ = ["measure", "measure_loader", "prepared", "score_items"]

import dataclasses
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.data import Dataset
from vaekit.evaluation import bound_numbers, nll_numbers, shared_log_likelihoods
from vaekit.memory import keep_freed_memory
from vaekit.messages import Mistake, require_count
from vaekit.models import Model
from vaekit.noise import forked
from vaekit.training import Batch, ForeignLoader, Loader, binarize_tensor
from vaekit.training.progress import counted

BINARIZE_SEED = 777  # held-out data is binarised once, with this seed, in every run
SCORE_BATCH = 32
SCORE_ROWS = 8192  # items on the device at a time; `shared_log_likelihoods` cuts them further


def frozen(x: Tensor, how: str | None) -> Tensor:
    """Data binarised once with the fixed seed."""
    if how is None:
        return x
    with forked(BINARIZE_SEED, torch.device("cpu")):
        return binarize_tensor(x, how)


def frozen_alike(x: Tensor, how: str | None) -> Tensor:
    """Data binarised with one draw for all items, so that an item keeps its values in any company."""
    if how != "dynamic":
        return binarize_tensor(x, how)
    level = torch.rand(x.shape[1:], generator=torch.Generator().manual_seed(BINARIZE_SEED))
    if x.dtype == torch.uint8:
        return (level * 255 < x).to(torch.uint8) * 255
    return torch.where(x.isnan(), x, (level < x).to(x.dtype))


def loader(model: Model, dataset: Dataset, how: str | None, *, batch_size: int, device: torch.device) -> Loader:
    """A loader of a dataset, binarised once."""
    y = model.to_context(dataset.context or None, len(dataset)) if model.context is not None else None
    return Loader(frozen(dataset.x, how), y, model, batch_size=batch_size, seed=0, device=device)


def prepared(
    model: Model, dataset: Dataset, how: str | None, *, batch_size: int, device: torch.device
) -> Iterator[Batch]:
    """The batches of a dataset in order, in the model's units; shape, context and missing values are checked first."""
    require_fitting(model, dataset)
    return loader(model, dataset, how, batch_size=batch_size, device=device).in_order(batch_size)


def require_fitting(model: Model, dataset: Dataset) -> None:
    """Refuse items of another shape, and gaps that the model does not take."""
    model.to_model(dataset.x[:1])
    if not model.takes_missing and dataset.x.is_floating_point():
        gaps = dataset.x.flatten(1).isnan().any(1).nonzero().flatten()
        if len(gaps):
            raise Mistake(
                f"{len(gaps)} of {len(dataset)} items of {dataset.name!r} have missing values (NaN), the first is item "
                f"{int(gaps[0])}, and this model takes none: fill or drop them, or train a recipe such as 'miwae'."
            )


@torch.no_grad()
def score_items(
    model: Model, dataset: Dataset, how: str | None, *, samples: int, device: torch.device, seed: int = 0
) -> Tensor:
    """The NLL of each item, (N,) float64 on the CPU; all items share their noise, so that none depends on another."""
    require_count("samples", samples)
    require_fitting(model, dataset)
    keep_freed_memory()
    alike = dataclasses.replace(dataset, x=frozen_alike(dataset.x, how))
    batches = loader(model, alike, None, batch_size=SCORE_ROWS, device=device).in_order(SCORE_ROWS)
    found = [-shared_log_likelihoods(model, b.x, samples, y=b.y, seed=seed).cpu() for b in batches]
    return torch.cat(found)


def measure(
    model: Model,
    dataset: Dataset,
    how: str | None,
    *,
    samples: int,
    limit: int,
    seed: int,
    device: torch.device,
    show: bool = False,
) -> dict[str, Any]:
    """The numbers of `bound_numbers` over all items and of `nll_numbers` over at most `limit` random ones.

    Args:
        model: in evaluation mode.
        dataset: the items, in the user's units.
        how: their binarisation.
        samples: K, the draws for each item's likelihood.
        limit: the items whose likelihood is estimated, at most.
        seed: of the choice of items and of the draws.
        device: the model's.
        show: progress on stderr.
    """
    require_count("samples", samples)
    require_count("limit", limit)
    keep_freed_memory()
    with forked(seed, device):
        found = bound_numbers(model, prepared(model, dataset, how, batch_size=512, device=device))
        rows = np.sort(np.random.default_rng(seed).permutation(len(dataset))[:limit])
        whole = loader(model, dataset, how, batch_size=SCORE_BATCH, device=device)
        parts = counted(torch.from_numpy(rows).split(SCORE_BATCH), len(rows), "measuring the NLL", show=show)
        found |= nll_and_bits(model, (whole.rows(part.to(whole.x.device)) for part in parts), samples)
    return found


def measure_loader(model: Model, batches: ForeignLoader, *, samples: int, limit: int, seed: int = 0) -> dict[str, Any]:
    """The same numbers on the items of a DataLoader, the NLL on the first `limit` that it gives."""
    with forked(seed, batches.device):
        found = bound_numbers(model, batches.in_order(0))
        found |= nll_and_bits(model, _first(batches, limit), samples)
    return found


def _first(batches: ForeignLoader, limit: int) -> Iterator[Batch]:
    """The first `limit` items in small batches."""
    left = limit
    for batch in batches.in_order(0):
        for part in batch.chunks(math.ceil(len(batch) / SCORE_BATCH)):
            few = part.first(left)
            yield few
            left -= len(few)
            if left == 0:
                return


def nll_and_bits(model: Model, batches: Iterable[Batch], samples: int) -> dict[str, Any]:
    """`nll_numbers`, and the NLL in bits for each number that is scored, where the likelihood gives probabilities."""
    likelihood: Any = model.likelihood
    discrete, scored = dataset_is_discrete(model), 0

    def counting() -> Iterator[Batch]:
        nonlocal scored
        for batch in batches:
            scored += int(likelihood.scored(batch.x).sum()) if discrete else 0
            yield batch

    found = nll_numbers(model, counting(), samples)
    bits = found["nll"] * found["nll_items"] / (scored * math.log(2)) if scored else None
    return found | {"bits_per_dim": bits}


def dataset_is_discrete(model: Any) -> bool:
    """Whether the likelihood gives probabilities, not densities."""
    return bool(getattr(model.likelihood, "discrete", False))
