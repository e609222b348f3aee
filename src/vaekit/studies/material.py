"""Material: a model, its items and how they are read, as every study takes them."""

from __future__ import annotations

__all__ = ["Material"]

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.data import Dataset
from vaekit.evaluation.features import Features, digit_features
from vaekit.measure import prepared
from vaekit.models.model import latent_mean
from vaekit.noise import forked

BATCH = 250


@dataclass(frozen=True)
class Material:
    """What studies look at.

    Args:
        model: in evaluation mode.
        held: the items that numbers are taken on.
        train: items it was trained on, or None.
        how: the data's binarisation.
        features: what pictures are compared in; None for the digits' own network at 28 x 28 and else the values.
        limit: items of each part that are looked at, random ones.
        seed: of all choices and draws.
    """

    model: Any
    held: Dataset
    train: Dataset | None = None
    how: str | None = None
    features: Features | None = None
    limit: int = 1000
    seed: int = 0

    @cached_property
    def some(self) -> Dataset:
        """The held-out items that are looked at."""
        return self.some_of(self.held, self.limit)

    def some_of(self, dataset: Dataset, limit: int) -> Dataset:
        """At most `limit` random items; fewer are some of the same."""
        rows = np.random.default_rng(self.seed).permutation(len(dataset))[:limit]
        return dataset.take(np.sort(rows))

    @property
    def device(self) -> torch.device:
        return next((p.device for p in self.model.parameters()), torch.device("cpu"))

    @cached_property
    def encoded(self) -> tuple[Tensor, dict[str, Tensor] | None]:
        """Held-out items in the model's units and their context."""
        return self.in_model_units(self.some)

    def in_model_units(self, dataset: Dataset) -> tuple[Tensor, dict[str, Tensor] | None]:
        """All items of a dataset in the model's units and their context."""
        with forked(self.seed, self.device):
            batches = list(prepared(self.model, dataset, self.how, batch_size=BATCH, device=self.device))
        x = torch.cat([batch.x for batch in batches])
        if batches[0].y is None:
            return x, None
        return x, {name: torch.cat([batch.y[name] for batch in batches]) for name in batches[0].y}  # type: ignore[index]

    @cached_property
    def codes(self) -> Tensor:
        """The posterior means of the held-out items, (N, D)."""
        return self.codes_of(self.some)

    @torch.no_grad()
    def codes_of(self, dataset: Dataset) -> Tensor:
        """The posterior means of all items of a dataset, (N, D), the levels of a hierarchy side by side."""
        found = []
        with forked(self.seed, self.device):
            for batch in prepared(self.model, dataset, self.how, batch_size=BATCH, device=self.device):
                z = latent_mean(self.model._posterior(batch.x, batch.y))
                found.append(torch.cat([level.flatten(1) for level in (z if isinstance(z, tuple) else (z,))], -1))
        return torch.cat(found)

    @property
    def pictures(self) -> bool:
        return len(self.model.shape) > 1

    def feature_net(self) -> Features | None:
        """The features asked for, or those that fit."""
        if self.features is None and tuple(self.model.shape[-2:]) == (28, 28) and self.pictures:
            return digit_features()
        return self.features

    def peak(self) -> float:
        """The width of the data's range of values, in the user's units."""
        if self.held.x.dtype == torch.uint8:
            return 255.0 if int(self.held.x.max()) > 1 else 1.0
        x = self.held.x[~self.held.x.isnan()]
        return float(x.max() - x.min()) or 1.0

    def drawn(self, n: int) -> Tensor:
        """n samples in the user's units; contexts are those of the held-out items."""
        given = None
        if self.model.context is not None:
            rows = np.resize(np.arange(len(self.some)), n)
            given = {name: np.asarray(values)[rows] for name, values in self.some.context.items()}
        with torch.no_grad(), forked(self.seed, self.device):
            made: Tensor = self.model.sample(n, given, mean=self.pictures).cpu()
        return made
