"""Case: a trained model with its history and its items, and what several diagnoses measure on them, once."""

from __future__ import annotations

__all__ = ["Case"]

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.data import Dataset
from vaekit.evaluation import bound_numbers
from vaekit.measure import prepared
from vaekit.messages import Mistake
from vaekit.noise import forked
from vaekit.training import Batch

ITEMS = 1000  # at most so many training items and so many held-out ones are looked at
BATCH = 250
SEED = 0


class Case:
    """What the doctor looks at.

    Args:
        model: in evaluation mode.
        record: what run.json holds; its metrics may be missing.
        rows: the history.
        train: items it was trained on, or None where they are not at hand.
        held: items it was not trained on, or None.
    """

    def __init__(
        self,
        model: Any,
        record: Mapping[str, Any],
        rows: Sequence[Mapping[str, Any]],
        *,
        train: Dataset | None,
        held: Dataset | None,
    ) -> None:
        self.model, self.record, self.rows = model, record, rows
        self.train, self.held = _some(train), _some(held)
        self.metrics: Mapping[str, Any] = record.get("metrics") or {}

    @property
    def device(self) -> torch.device:
        return next((p.device for p in self.model.parameters()), torch.device("cpu"))

    @property
    def at_hand(self) -> Dataset | None:
        """Training items, or the held-out ones where there are none."""
        return self.train if self.train is not None else self.held

    def batches(self, dataset: Dataset) -> Iterator[Batch]:
        """Its items in the model's units, binarised as in training, with noise of its own."""
        with forked(SEED, self.device):
            how = self.record.get("binarization")
            yield from prepared(self.model, dataset, how, batch_size=BATCH, device=self.device)

    @cached_property
    def x(self) -> Tensor:
        """Items at hand in the model's units, (N, *X); empty where there are none."""
        found = [] if self.at_hand is None else [batch.x for batch in self.batches(self.at_hand)]
        return torch.cat(found) if found else torch.empty(0)

    @cached_property
    def supported(self) -> bool:
        """Whether the likelihood can have produced the items."""
        if not len(self.x):
            return True
        with torch.no_grad(), forked(SEED, self.device):
            batch = next(self.batches(self.at_hand))  # type: ignore[arg-type]
            px = self.model.trace(batch.x, batch.y).px
        return not hasattr(px, "supports") or bool(px.supports(batch.x).all())

    @cached_property
    def numbers(self) -> dict[str, Any] | None:
        """Bounds on the items at hand."""
        return self._bounds(self.at_hand)

    @cached_property
    def held_numbers(self) -> dict[str, Any] | None:
        """Bounds on held-out items."""
        return self._bounds(self.held)

    @cached_property
    def scores(self) -> Tensor | None:
        """The ELBO of each training item, or minus its distortion where it has none, (N,)."""
        return self._scores(self.train, self.numbers)

    @cached_property
    def held_scores(self) -> Tensor | None:
        """The same of held-out items."""
        return self._scores(self.held, self.held_numbers)

    def _scores(self, dataset: Dataset | None, bounds: Mapping[str, Any] | None) -> Tensor | None:
        if dataset is None or bounds is None:
            return None
        found = []
        with torch.no_grad(), forked(SEED, self.device):
            for batch in self.batches(dataset):
                trace = self.model.trace(batch.x, batch.y)
                score = trace.log_px.mean(0).double() + self.model.log_jacobian(batch.x)
                found.append(score - trace.kl.double() if self.model.has_density else score)
        return torch.cat(found)

    def _bounds(self, dataset: Dataset | None) -> dict[str, Any] | None:
        if dataset is None or not self.supported:
            return None
        try:
            with forked(SEED, self.device):
                return bound_numbers(self.model, self.batches(dataset))
        except Mistake:
            return None

    def posteriors(self, dataset: Dataset | None = None) -> Iterator[tuple[Batch, Any]]:
        """Batches of items, those at hand if none are given, with q(z|x); nothing for models with several levels."""
        dataset = self.at_hand if dataset is None else dataset
        if dataset is None or not hasattr(self.model, "posterior"):
            return
        for batch in self.batches(dataset):
            with torch.no_grad():
                yield batch, self.model._posterior(batch.x, batch.y)


def _some(dataset: Dataset | None) -> Dataset | None:
    if dataset is None or len(dataset) == 0:
        return None
    if len(dataset) <= ITEMS:
        return dataset
    return dataset.take(np.sort(np.random.default_rng(SEED).permutation(len(dataset))[:ITEMS]))
