"""Train, valid and test: disjoint rows of one Dataset, at random, in blocks of time, or by groups."""

from __future__ import annotations

__all__ = ["join", "split"]

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from vaekit.data.arrays import as_column
from vaekit.data.dataset import Dataset
from vaekit.messages import Mistake, near_miss

DEFAULT = 0.1
HELD_OUT = ("valid", "test")


def split(
    dataset: Dataset,
    *,
    valid: float | None = None,
    test: float | None = None,
    seed: int = 0,
    by: str | np.ndarray | Sequence[Any] | None = None,
) -> dict[str, np.ndarray]:
    """Row numbers of "train", "valid" and "test": disjoint, sorted, together all rows.

    Args:
        dataset: the data; parts that it names itself are kept.
        valid: the fraction of the rows outside named parts; 0 for none; None for the named part, else 0.1, and none of
            a single graph.
        test: the same for the test part.
        seed: of the random permutation.
        by: None draws rows at random; "time" keeps their order (train, then valid, then test); the name of a
            column, or an array with a value for each row, keeps rows of one value together.

    Raises:
        Mistake: where a fraction is no fraction or meets a named part, or a part would be left without rows.

    Example:
        >>> data = Dataset("array", torch.zeros(20, 2), "table", index=range(20))
        >>> parts = split(data, by="time")
        >>> len(parts["train"]), parts["valid"].tolist(), parts["test"].tolist()
        (16, [16, 17], [18, 19])
    """
    fractions = {"valid": valid, "test": test}
    named = {part: dataset.parts[part] for part in HELD_OUT if part in dataset.parts}
    for part, fraction in fractions.items():
        if part in named and fraction is not None:
            raise Mistake(
                f"{part}={fraction} was asked for, but {dataset.name!r} names a {part} part of its own, of "
                f"{len(named[part])} rows: leave {part}= out to use it."
            )
        if fraction is not None and not 0 <= fraction < 1:
            raise Mistake(f"{part}={fraction} is no fraction of the rows: give a number from 0 up to 1, such as 0.1.")
    pool = np.arange(len(dataset))
    if named:
        pool = np.setdiff1d(pool, np.concatenate([*named.values()]))
    counts = {}
    for part in HELD_OUT:
        usual = 0.0 if dataset.kind == "graph" and len(pool) == 1 else DEFAULT  # of one graph none can be held out
        fraction = usual if fractions[part] is None else fractions[part]
        counts[part] = 0 if part in named or not fraction else max(1, round(fraction * len(pool)))
    if sum(counts.values()) >= len(pool):
        raise Mistake(
            f"{len(pool)} rows of {dataset.name!r} cannot be split into train, {counts['valid']} valid and "
            f"{counts['test']} test with rows in each: give more rows, or smaller fractions (0 for none)."
        )
    places = _places(dataset, pool, counts, seed, by)
    drawn = {part: pool[places == place] for place, part in enumerate(("train", *HELD_OUT))}
    return drawn | {part: np.sort(rows) for part, rows in named.items()}


def join(dataset: Dataset, *, valid: Dataset | None = None, test: Dataset | None = None) -> Dataset:
    """One Dataset of data that came apart, with the given ones as its named parts.

    Raises:
        Mistake: where items, columns or context differ, or the data name such a part already.
    """
    given = {part: data for part, data in (("valid", valid), ("test", test)) if data is not None}
    pieces = [dataset, *given.values()]
    for part, other in given.items():
        if part in dataset.parts:
            raise Mistake(
                f"{dataset.name!r} names a {part} part of its own, of {len(dataset.parts[part])} rows: "
                f"leave {part}= out to use it."
            )
        if other.shape != dataset.shape or other.columns != dataset.columns:
            raise Mistake(
                f"the {part} data hold {_items(other)}, the training data {_items(dataset)}: give the same for both."
            )
        if other.context.keys() != dataset.context.keys():
            raise Mistake(
                f"the {part} data have the context {sorted(other.context)}, the training data "
                f"{sorted(dataset.context)}: give the same fields for both."
            )
    ends = np.cumsum([0, *map(len, pieces)])
    rows = {part: np.arange(a, b) for part, a, b in zip(given, ends[1:], ends[2:], strict=False)}
    inner = dataset.parts or {"train": np.arange(len(dataset))}
    shared = [key for key in dataset.extras if all(key in piece.extras for piece in pieces)]
    return replace(
        dataset,
        x=torch.cat([piece.x for piece in pieces]),
        labels=_join_labels(pieces),
        context={key: np.concatenate([piece.context[key] for piece in pieces]) for key in dataset.context},
        extras={key: np.concatenate([piece.extras[key] for piece in pieces]) for key in shared},
        parts={**inner, **rows},
        index=_join_index(pieces),
    )


def _places(
    dataset: Dataset, pool: np.ndarray, counts: dict[str, int], seed: int, by: str | np.ndarray | Sequence[Any] | None
) -> np.ndarray:
    """The part of each row of the pool: 0, 1 or 2 for train, valid or test, in a byte, for there may be many rows."""
    train = len(pool) - counts["valid"] - counts["test"]
    in_order = np.repeat(np.arange(3, dtype=np.int8), [train, counts["valid"], counts["test"]])
    if isinstance(by, str) and by == "time":
        return in_order
    random = np.random.default_rng(seed)
    if by is None:
        places = np.empty_like(in_order)
        places[random.permutation(len(pool))] = in_order
        return places
    groups = _groups(dataset, by)[pool]
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    wanted = [part for part in HELD_OUT if counts[part]]
    if len(sizes) <= len(wanted):
        raise Mistake(
            f"splitting {dataset.name!r} by groups needs a group for each of train, {', '.join(wanted)}, "
            f"but there are {len(sizes)}: split by another column, or set valid=0 or test=0."
        )
    order = random.permutation(len(sizes))
    filled = np.cumsum(sizes[order])  # rows in the first groups
    part_of = np.zeros(len(sizes), dtype=np.int8)
    start = 0
    for left, part in enumerate(wanted):
        goal = counts[part] + (filled[start - 1] if start else 0)
        latest = len(sizes) - (len(wanted) - left)  # a group stays for each part to come, and for train
        stop = min(max(start + 1, int(np.abs(filled - goal).argmin()) + 1), latest)
        part_of[order[start:stop]] = 1 + HELD_OUT.index(part)
        start = stop
    return part_of[group]


def _groups(dataset: Dataset, by: str | np.ndarray | Sequence[Any]) -> np.ndarray:
    if not isinstance(by, str):
        groups = as_column(by, "by", len(dataset))
        if groups.ndim != 1:
            raise Mistake(f"by has shape {groups.shape}: give one group a row.")
        return groups
    columns = {str(column): i for i, column in enumerate(dataset.columns or ())}
    known = {**dataset.extras, **dataset.context}
    if by in known and known[by].ndim == 1:
        return known[by]
    if by in columns:
        return dataset.x[:, columns[by]].numpy()
    if dataset.labels is not None and by in ("labels", "label", "y"):
        return dataset.labels
    if by == getattr(dataset.index, "name", None):
        return as_column(dataset.index, "the index", len(dataset))
    options = [*known, *columns, "time"]
    close = near_miss(by, options)
    hint = f"did you mean {close!r}? " if close else ""
    raise Mistake(
        f"{dataset.name!r} has no column {by!r} to split by: {hint}It has {', '.join(options[:12])}; "
        f"a column of text is kept for splitting by drop=[{by!r}] (--drop)."
    )


def _items(dataset: Dataset) -> str:
    """The columns of a table where they have names, else the shape of an item."""
    if dataset.columns is None:
        return f"items of {dataset.shape}"
    return f"the columns {', '.join(map(str, dataset.columns))}"


def _join_labels(pieces: Sequence[Dataset]) -> np.ndarray | None:
    some = next((piece.labels for piece in pieces if piece.labels is not None), None)
    if some is None:
        return None
    text = some.dtype.kind == "U"
    blank: Any = "" if text else -1 if some.dtype.kind in "biu" else np.nan
    return np.concatenate([p.labels if p.labels is not None else np.full(len(p), blank) for p in pieces])


def _join_index(pieces: Sequence[Dataset]) -> Any:
    if all(isinstance(piece.index, range) for piece in pieces):
        return range(sum(map(len, pieces)))
    first = pieces[0].index
    if hasattr(first, "append") and all(hasattr(piece.index, "append") for piece in pieces):
        return first.append([piece.index for piece in pieces[1:]])
    return np.concatenate([np.asarray(piece.index) for piece in pieces])
