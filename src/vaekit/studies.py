"""Studies: groups of numbers on a trained model beyond its bound and likelihood, each on request."""

from __future__ import annotations

__all__ = ["STUDIES", "Material", "flat", "study"]

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.data import Dataset
from vaekit.evaluation.clusters import cluster_numbers
from vaekit.evaluation.features import Features, digit_features
from vaekit.evaluation.fidelity import sample_numbers
from vaekit.evaluation.number import Number, flat, mean_number
from vaekit.evaluation.probes import knn_probe, linear_probe
from vaekit.evaluation.regularity import regularity_numbers
from vaekit.evaluation.similarity import feature_distances, reconstruction_numbers
from vaekit.evaluation.surgery import gap_numbers, surgery_numbers
from vaekit.evaluation.tables import table_numbers
from vaekit.measure import prepared
from vaekit.messages import Mistake, reject_unknown
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
        return self._some(self.held)

    def _some(self, dataset: Dataset) -> Dataset:
        rows = np.random.default_rng(self.seed).permutation(len(dataset))[: self.limit]
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
        x, y = self.encoded
        with torch.no_grad():
            z = self.model._posterior(x, y).mean
        return torch.cat([level.flatten(1) for level in z], -1) if isinstance(z, tuple) else z.flatten(1)

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


def samples(given: Material) -> dict[str, Number]:
    """How like the data samples are: of pictures the likelihood's means, of tables draws."""
    unit = given.peak() if given.pictures else 1.0  # pictures on a scale of 1
    real = given.some.x.float() / unit
    made = given.drawn(len(real)).float() / unit
    train = None if given.train is None else given._some(given.train).x.float() / unit
    found = sample_numbers(real, made, features=given.feature_net(), train=train, seed=given.seed)
    if not given.pictures:
        found |= table_numbers(real, made, columns=given.some.columns, seed=given.seed)
    return found


def reconstruction(given: Material) -> dict[str, Number]:
    """How near the means of reconstructions are to held-out items."""
    x, y = given.encoded
    with torch.no_grad():
        px = given.model._likelihood(given.model._posterior(x, y).mean, y)
        made = px.mean if given.model.transform is None else given.model.transform.inverse(px.mean)
    features = given.feature_net() if given.pictures else None
    peak = given.peak()
    found = reconstruction_numbers(given.some.x.float(), made.cpu().float(), peak=peak)
    if features is not None:
        lost = feature_distances(given.some.x.float() / peak, made.cpu().float() / peak, features=features)
        found["feature_distance"] = mean_number(lost, "squared distance of unit features", str(features))
    return found


def latents(given: Material) -> dict[str, Number]:
    """Where the rate goes, and whether the latents of all items together follow the prior."""
    x, y = given.encoded
    return {
        **surgery_numbers(given.model, x, y, seed=given.seed),
        **gap_numbers(given.model, x, y, limit=given.limit, seed=given.seed),
    }


def regularity(given: Material) -> dict[str, Number]:
    """Continuity and completeness of the latent space."""
    x, y = given.encoded
    reference = None if given.train is None else given.in_model_units(given._some(given.train))[0]
    return regularity_numbers(given.model, x, y, reference=reference, seed=given.seed)


def representation(given: Material) -> dict[str, Number]:
    """How much of the labels the posterior means hold.

    Raises:
        Mistake: without labels.
    """
    labels = given.some.labels
    if labels is None:
        raise Mistake("the representation is measured against labels and this data has none: train with labels=.")
    return {
        **linear_probe(given.codes, labels, seed=given.seed),
        **knn_probe(given.codes, labels, seed=given.seed),
        **cluster_numbers(given.codes, labels, seed=given.seed),
    }


STUDIES: dict[str, Callable[[Material], dict[str, Number]]] = {
    "samples": samples,
    "reconstruction": reconstruction,
    "latents": latents,
    "regularity": regularity,
    "representation": representation,
}


def study(names: Iterable[str], material: Material) -> dict[str, Number]:
    """The numbers of these studies, as study.number: one name may mean other things in two studies.

    Raises:
        Mistake: for a name that is none of STUDIES.
    """
    found: dict[str, Number] = {}
    for name in names:
        reject_unknown("the list of metrics", [name], STUDIES)
        found |= {f"{name}.{number}": value for number, value in STUDIES[name](material).items()}
    return found
