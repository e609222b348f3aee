"""From what the user gave to the dataset with its parts and the loaders of a run; and items back in the user's kind."""

from __future__ import annotations

__all__ = [
    "batches_of", "is_loader", "items_of", "loaders", "peek", "read_alike", "read_parts", "refuse", "repeatable",
    "value_like",
]  # fmt: skip

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vaekit.data import Dataset, check, join, read, restore, split
from vaekit.measure import loader
from vaekit.messages import ArgumentMistake, Mistake
from vaekit.objectives import Recipe
from vaekit.run.record import centred
from vaekit.training import Augmentation, ForeignLoader, Loader, Settings, binarize_tensor
from vaekit.training.loader import NO_BATCHES, loader_items

READING = {".csv": ("id", "drop"), ".parquet": ("id", "drop"), ".npz": ("key", "layout"), ".npy": ("layout",)}


def is_loader(data: Any) -> bool:
    """Whether the user brings batches of their own."""
    return isinstance(data, torch.utils.data.DataLoader)


def refuse_torch(data: Any) -> None:
    """A torch Dataset says neither how its items are batched nor what they are."""
    if isinstance(data, torch.utils.data.Dataset):
        raise ArgumentMistake(
            f"got a {type(data).__name__} of torch: wrap it, torch.utils.data.DataLoader(dataset, batch_size=128), or "
            "give its tensor."
        )


def items_of(dataset: Dataset, *loaders: Any) -> dict[str, int]:
    """part -> its number of items; of DataLoaders, the first to train on and the second to validate on."""
    if not is_loader(loaders[0]):
        return {part: len(rows) for part, rows in dataset.parts.items()}
    parts = zip(("train", "valid"), loaders, strict=False)
    return {part: loader_items(given) for part, given in parts if given is not None}


def refuse(**given: Any) -> None:
    """What a DataLoader decides itself."""
    for name, value in given.items():
        if value is not None:
            raise Mistake(f"got {name}= with a DataLoader, whose batches are used as they are: leave it out.")


def batches_of(loader: Any, *, conditional: bool) -> Iterator[tuple[torch.Tensor, Any]]:
    """x and, for a conditional model, y of each batch of a DataLoader."""
    for given in loader:
        x, *more = given if isinstance(given, (tuple, list)) else (given,)
        yield torch.as_tensor(x), more[0] if more and conditional else None


def peek(data: Any) -> Dataset:
    """What a foreign loader's first batch tells."""
    given = next(iter(data), None)
    if given is None:
        raise Mistake(NO_BATCHES)
    x = given[0] if isinstance(given, (tuple, list)) else given
    found = read(x)
    return dataclasses.replace(found, name="DataLoader", parts={"train": np.arange(len(found))})


def read_parts(
    data: Any, labels: Any, y: Any, valid: Any, test: Any, by: Any, reading: Mapping[str, Any] | None, training: Any
) -> tuple[Dataset, dict[str, Any] | None]:
    """The dataset with its parts, and the arguments of the split where they are JSON."""
    refuse_torch(data)
    dataset = read(data, labels=labels, condition=y, workers=training.get("workers"), **(reading or {}))
    check(dataset)
    held = {"valid": valid, "test": test}
    given = {name: v for name, v in held.items() if v is not None and not isinstance(v, (int, float))}
    others = {name: _read_held_out(value, labels, y, reading or {}, training) for name, value in given.items()}
    if others:
        dataset = join(dataset, **others)
    fractions = {name: v for name, v in held.items() if name not in given}
    arguments = {**fractions, "seed": int(training.get("seed") or 0), "by": by}
    parts = split(dataset, **arguments)
    plain = all(isinstance(v, Dataset) for v in given.values()) and (by is None or isinstance(by, str))
    _require_learnable(dataset, parts["train"])
    return dataclasses.replace(dataset, parts=parts), arguments if plain else None


def _read_held_out(value: Any, labels: Any, y: Any, reading: Mapping[str, Any], training: Any) -> Dataset:
    """Data given as valid= or test=, read as the training data was."""
    named = isinstance(value, (str, Path)) or _is_frame(value)  # what has columns to take labels from
    return read(
        value,
        labels=labels if named and isinstance(labels, str) else None,
        condition=y if isinstance(y, (str, list)) else None,
        workers=training.get("workers"),
        **_fitting(value, reading),
    )


def read_alike(data: Any, y: Any, known: Mapping[str, Any], shape: Sequence[int], **how: Any) -> Dataset:
    """Other data, read as a run's own was: its recorded id, key and layout where the data have them.

    Args:
        data, y: as for `vk.fit`.
        known: what the run's record says of its data.
        shape: of one item.
        how: arguments of `read` that win over the recorded ones.
    """
    refuse_torch(data)
    named = isinstance(data, (str, Path))
    table = _is_frame(data) or str(data).endswith((".csv", ".parquet"))
    crop = None
    if table and known.get("columns"):
        how = {"columns": known["columns"], **how}
    if named and Path(data).is_dir():
        crop = known.get("crop")
        how = {"size": known["read"].get("size") if crop else tuple(shape[-2:]), **how}
    how["condition"] = y if y is not None else known.get("condition") if named or table else None
    own = _fitting(data, known["read"]) if named or isinstance(data, np.ndarray) else {}  # a frame keeps its index
    own.pop("drop", None)  # the columns say it
    try:
        found = read(data, **{**own, **how})
    except Mistake:
        if own.keys() <= how.keys():
            raise
        found = read(data, **how)  # other data may have no such column or array
    return centred(found, crop)


def value_like(x: torch.Tensor, like: Any, known: Mapping[str, Any]) -> Any:
    """Items that a model made, (N, *X), in the kind of a run's data: a tensor or a frame where `like` is one."""
    return restore(
        Dataset(
            name=known["name"], x=x, kind=known["kind"], layout=known["layout"],
            columns=None if known["columns"] is None else tuple(known["columns"]),
            index=like.index if _is_frame(like) else range(len(x)),
            origin="torch" if isinstance(like, torch.Tensor) else known["origin"],
        ),
        x,
    )  # fmt: skip


def _is_frame(data: Any) -> bool:
    return type(data).__name__ == "DataFrame"


def _fitting(data: Any, how: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the arguments of `read` that say something about data of this kind."""
    if isinstance(data, (str, Path)):
        names = ("size",) if Path(data).is_dir() else READING.get(Path(data).suffix.lower(), ())
    else:
        names = READING[".csv"] if _is_frame(data) else ("layout",) if getattr(data, "ndim", 0) == 4 else ()
    return {name: how[name] for name in names if how.get(name) is not None}


def _require_learnable(dataset: Dataset, rows: np.ndarray) -> None:
    """Refuse a training part that the split left with one item, or with constant columns alone."""
    if len(rows) == len(dataset):
        return  # checked already
    try:
        check(dataset.take(rows[:64]))  # nearly always enough
    except Mistake:
        try:
            check(dataset.take(rows))
        except Mistake as error:
            raise Mistake(f"after the split, {len(rows)} items are left to train on: {error}") from error


def loaders(
    plan: Recipe, dataset: Dataset, data: Any, valid: Any, settings: Settings, device: torch.device, how: str | None,
    augmentation: Augmentation | None,
) -> tuple[Any, Any]:  # fmt: skip
    """The loaders of the training and of the validation items, the latter None where there are none."""
    model = plan.model
    if is_loader(data):
        held = ForeignLoader(valid, model, seed=settings.seed, device=device) if is_loader(valid) else None
        return ForeignLoader(data, model, seed=settings.seed, device=device), held
    rows = torch.from_numpy(dataset.parts["train"])
    y = model.to_context(dataset.context or None, len(dataset)) if model.context is not None else None

    def changed(x: torch.Tensor) -> torch.Tensor:
        return binarize_tensor(x if augmentation is None else augmentation(x), how)

    x = dataset.x if augmentation is None or augmentation.wide is None else augmentation.wide
    train = Loader(
        x, y, model, batch_size=settings.batch_size, seed=settings.seed, device=device,
        rows=None if len(rows) == len(dataset) else rows,
        change=changed if how or augmentation else None,
    )  # fmt: skip
    if not len(dataset.parts.get("valid", ())):
        return train, None
    return train, loader(model, dataset.take(dataset.parts["valid"]), how, batch_size=512, device=device)


def repeatable(labels: Any, y: Any, reading: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments of `read` that can be repeated from a record."""
    found = {
        "labels": labels if isinstance(labels, str) else None,
        "condition": y if isinstance(y, (str, list)) else None,
    }
    return {k: v for k, v in {**found, **(reading or {})}.items() if v is not None}
