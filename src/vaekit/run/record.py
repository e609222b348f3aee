"""The record of a run: all that run.json holds."""

from __future__ import annotations

__all__ = ["centred", "describe", "parts_of", "reread"]

import dataclasses
import platform
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any

import numpy
import torch
from torch import nn

from vaekit.data import Dataset, join, read, split
from vaekit.messages import Mistake
from vaekit.objectives import Recipe
from vaekit.part import Part
from vaekit.recipes import RECIPES
from vaekit.references import PAPERS
from vaekit.storage import SCHEMA
from vaekit.training import Settings
from vaekit.version import VERSION


def describe(
    recipe: Recipe,
    dataset: Dataset,
    settings: Settings,
    *,
    source: Any,
    how: Mapping[str, Any],
    parts: Mapping[str, Any] | None,
    items: Mapping[str, int],
) -> dict[str, Any]:
    """What is known before the first step.

    Args:
        source: the name or the path of the data, or None for data in memory.
        how: the arguments that `read` was given, as JSON.
        parts: the arguments that `split` was given, as JSON, or None where they are no JSON.
        items: part -> its number of items.
    """
    model = recipe.model
    return {
        "schema": SCHEMA,
        "vaekit": VERSION,
        "status": "running",
        "recipe": recipe.name,
        "recipe_arguments": {k: words(v) for k, v in recipe.arguments.items() if k not in ("shape", "context")},
        "objective": words(recipe.objective),
        "papers": papers(recipe),
        "data": {
            "name": dataset.name, "source": source, "read": dict(how), "kind": dataset.kind, "layout": dataset.layout,
            "columns": None if dataset.columns is None else list(dataset.columns), "origin": dataset.origin,
            "shape": list(dataset.shape), "items": sum(items.values()),
            "dtype": str(dataset.x.dtype).removeprefix("torch."), "condition": list(dataset.context) or None,
        },
        "split": {"arguments": parts, "items": dict(items)},
        "settings": settings.record(),
        "likelihood": model.likelihood.describe(),  # type: ignore[operator, union-attr]
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": numpy.__version__},
    }  # fmt: skip


def papers(recipe: Recipe) -> list[str]:
    """The keys of the recipe's own paper and of those behind the parts of its model and its objective."""
    file = RECIPES.get(recipe.name, ("",))[0]
    own = [file] if file in PAPERS else []
    return list(dict.fromkeys([*own, *recipe.model.papers(), *recipe.objective.papers()]))


def parts_of(dataset: Dataset, record: Mapping[str, Any]) -> Dataset:
    """The dataset with the parts that the run had, made again from the record."""
    arguments = record["split"]["arguments"]
    return dataset if arguments is None else dataclasses.replace(dataset, parts=split(dataset, **arguments))


def centred(dataset: Dataset, size: Sequence[int] | None) -> Dataset:
    """The centre of each picture, H x W, where training crops at random; all of it for size None."""
    if size is None:
        return dataset
    (h, w), (height, width) = size, dataset.x.shape[-2:]
    top, left = (height - h) // 2, (width - w) // 2
    return dataclasses.replace(dataset, x=dataset.x[..., top : top + h, left : left + w].contiguous())


def words(value: Any) -> Any:
    """An argument as JSON that a reader understands."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [words(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): words(v) for k, v in value.items()}
    if isinstance(value, (type, FunctionType)):
        return value.__name__
    if isinstance(value, Part):
        inner = ", ".join(f"{k}={words(v)}" for k, v in value.arguments.items() if v is not None and k != "net")
        return f"{type(value).__name__}({inner})"
    return type(value).__name__ if isinstance(value, nn.Module) else str(value)


def reread(source: Any, record: Mapping[str, Any], *, required: bool) -> Dataset | None:
    """The dataset of a run with its parts, read again; None where it is gone or has changed."""
    known = record["data"]
    sources = {"train": source, **known.get("held_out", {})}
    try:
        pieces = {part: centred(read(where, **known["read"]), known.get("crop")) for part, where in sources.items()}
        found = pieces.pop("train")
        found = join(found, **pieces) if pieces else found
    except Mistake:
        if required:
            raise
        return None  # moved or changed since: what needs it will say so
    return parts_of(found, record) if len(found) == record["data"]["items"] else None
