"""What figures read from a subject: its parts, its latents and its contexts, always with the same noise."""

from __future__ import annotations

__all__ = [
    "categories", "column_names", "device_of", "held_out", "items", "latent_count", "latents", "like_data", "quiet",
    "random_rows", "side_by_side", "typical",
]  # fmt: skip

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.data import Dataset
from vaekit.measure import prepared
from vaekit.messages import Mistake
from vaekit.noise import forked
from vaekit.report.subject import Subject

CHUNK = 512  # items encoded at a time
SEED = 0


def device_of(subject: Subject) -> torch.device:
    """Where the model is."""
    return next((p.device for p in subject.model.parameters()), torch.device("cpu"))


@contextmanager
def quiet(subject: Subject) -> Iterator[None]:
    """No gradients, evaluation mode and noise of its own; afterwards all is as it was."""
    model = subject.model
    was = model.training
    model.eval()
    try:
        with torch.no_grad(), forked(SEED, device_of(subject)):
            yield
    finally:
        model.train(was)


def items(subject: Subject, split: str | None = None) -> Dataset:
    """The subject's items, all of them or those of one part.

    Raises:
        Mistake: where they are not at hand.
    """
    if subject.data is None:
        raise Mistake("this figure shows the run's data, which is not at hand: give it to vk.load_run(..., data=...).")
    if split is None:
        return subject.data
    if not len(subject.data.parts.get(split, ())):
        have = ", ".join(name for name, rows in subject.data.parts.items() if len(rows)) or "none"
        raise Mistake(f"this run has no {split!r} items (it has {have}): name one of these, or leave split out.")
    return subject.data.take(subject.data.parts[split])


def held_out(subject: Subject) -> tuple[Dataset, str]:
    """The items that the numbers were measured on, and what to call them."""
    found = items(subject)
    for split, name in (("test", "test"), ("valid", "validation"), ("train", "training")):
        if len(found.parts.get(split, ())):
            return items(subject, split), name
    return found, "given"


def random_rows(dataset: Dataset, most: int) -> Dataset:
    """At most so many random items, in their order."""
    if len(dataset) <= most:
        return dataset
    return dataset.take(np.sort(np.random.default_rng(SEED).permutation(len(dataset))[:most]))


def batches(subject: Subject, dataset: Dataset) -> Iterator[Any]:
    """The items as in training, in the model's units."""
    how = subject.record.get("binarization")
    return prepared(subject.model, dataset, how, batch_size=CHUNK, device=device_of(subject))


def latents(subject: Subject, dataset: Dataset) -> Tensor:
    """The posterior means, (N, D) float64 on the CPU; the levels of a hierarchy side by side."""
    with quiet(subject):
        parts = [side_by_side(subject.model._posterior(b.x, b.y).mean) for b in batches(subject, dataset)]
    return torch.cat(parts).cpu().double()


def side_by_side(z: Any) -> Tensor:
    """Latents as one table, (N, D)."""
    return torch.cat([level.flatten(1) for level in z], -1) if isinstance(z, tuple) else z.flatten(1)


def latent_count(subject: Subject) -> list[int]:
    """The latents of each level, from the top down; one level for a plain VAE."""
    model: Any = subject.model
    if hasattr(model, "levels"):
        return [int(block.latent_dim) for block in model.levels]
    return [int(np.prod(model.posterior.latent_shape))]


def column_names(subject: Subject) -> list[str]:
    """The names of a table's columns."""
    known = subject.record["data"].get("columns")
    return [str(c) for c in known] if known else [f"column {i + 1}" for i in range(subject.model.shape[0])]


def categories(subject: Subject) -> tuple[str, list[Any]] | None:
    """The field and its levels, the most frequent twenty, where one categorical field conditions the model."""
    fields = {} if subject.model.context is None else subject.model.context.fields
    if len(fields) != 1:
        return None
    ((name, field),) = fields.items()
    if "levels" not in field:
        return None
    levels = list(field["levels"])
    if len(levels) > 20 and subject.data is not None:
        values = subject.data.context[name]
        often = sorted(levels, key=lambda level: -int((values == level).sum()))[:20]
        levels = [level for level in levels if level in often]
    return name, levels[:20]


def like_data(subject: Subject, n: int) -> dict[str, np.ndarray] | None:
    """n rows of context as they are in the data; without data the levels in turn and the means."""
    context = subject.model.context
    if context is None:
        return None
    if subject.data is not None and subject.data.context:
        rows = np.random.default_rng(SEED).integers(0, len(subject.data), n)
        return {name: np.asarray(subject.data.context[name])[rows] for name in context.fields}
    return {
        name: np.resize(field["levels"], n) if "levels" in field else np.repeat(np.array([field["mean"]]), n, 0)
        for name, field in context.fields.items()
    }


def typical(subject: Subject) -> dict[str, Any] | None:
    """One row of context: the most frequent levels (the first ones without data) and the means."""
    context = subject.model.context
    if context is None:
        return None
    row: dict[str, Any] = {}
    for name, field in context.fields.items():
        if "levels" not in field:
            row[name] = np.array([field["mean"]])
        elif subject.data is None:
            row[name] = field["levels"][0]
        else:
            values = subject.data.context[name]
            row[name] = max(field["levels"], key=lambda level, v=values: int((v == level).sum()))  # type: ignore[misc]
    return row
