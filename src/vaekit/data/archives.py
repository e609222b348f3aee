"""NumPy files as a Dataset: .npy holds one array, .npz names several; pickled objects are never loaded."""

from __future__ import annotations

__all__ = ["headers", "load", "read_npy", "read_npz"]

import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vaekit.data.arrays import as_column, from_array
from vaekit.data.dataset import Dataset
from vaekit.messages import Mistake, near_miss

SPLITS = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}
SUFFIX = re.compile(r"(.+)_(train|valid|val|validation|test)")
BROKEN = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)
WHOLE = ""
MOST_LISTED = 12
MAPPED = 2**28  # bytes above which a .npy file is mapped to memory and not read
Header = tuple[tuple[int, ...], np.dtype[Any]]


def read_npy(path: Path, *, layout: str | None = None) -> Dataset:
    """The one array of a .npy file."""
    try:
        large = path.stat().st_size > MAPPED
        array = np.load(path, mmap_mode="c" if large else None, allow_pickle=False)  # "c" never writes to the file
    except BROKEN as error:
        raise _broken(path, "its array", error) from error
    if not isinstance(array, np.ndarray):
        raise Mistake(f"{path} is an archive of several arrays: rename it to {path.stem}.npz.")
    return replace(from_array(array, name=path.stem, layout=layout), origin="file")


def read_npz(path: Path, *, key: str | None = None, layout: str | None = None) -> Dataset:
    """The items of a .npz archive, with its named splits, its labels "y" and its other columns as extras.

    The items are `key` where it is given (or `key_train`, `key_test`, ...), else `x_train, x_test, x_valid`, else
    `train, test, valid`, else `x`, else the only array.

    Raises:
        Mistake: where the file is damaged or holds objects, or where its keys leave open which the items are.
    """
    known = headers(path)
    items = _items(path, known, key)
    if WHOLE in items:
        name = items[WHOLE]
        data = from_array(load(path, name), name=path.stem, layout=layout)
        pool = {other: {WHOLE: other} for other in known if other != name}
    else:
        match = SUFFIX.fullmatch(next(iter(items.values())))
        name = match[1] if match else "x"
        parts = {split: load(path, array) for split, array in items.items()}
        _same_shape(path, parts)
        data = from_array(np.concatenate(list(parts.values())), name=path.stem, layout=layout)
        ends = np.cumsum([0, *map(len, parts.values())])
        rows = {split: np.arange(a, b) for split, a, b in zip(parts, ends, ends[1:], strict=False)}
        data = replace(data, parts=rows)
        pool = _by_split(known)
        pool.pop(name, None)
    extras = _extras(path, known, items, pool)
    return replace(data, origin="file", extras=extras, labels=extras.get(_labels_of(name)))


def headers(path: Path) -> dict[str, Header]:
    """The shape and type of every array in a .npz archive, without reading the arrays."""
    found: dict[str, Header] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if member.endswith(".npy"):
                    with archive.open(member) as stream:
                        version = np.lib.format.read_magic(stream)
                        old = version == (1, 0)
                        read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
                        shape, _, dtype = read(stream)
                    found[member.removesuffix(".npy")] = (shape, dtype)
    except BROKEN as error:
        raise _broken(path, "its list of arrays", error) from error
    if not found:
        raise Mistake(f"{path} holds no arrays: write it with numpy.savez(path, x=..., y=...).")
    return found


def load(path: Path, name: str) -> np.ndarray:
    """One array of a .npz archive."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return np.asarray(archive[name])
    except BROKEN as error:
        raise _broken(path, f"its array {name!r}", error) from error


def _items(path: Path, known: Mapping[str, Header], key: str | None) -> dict[str, str]:
    """Split -> name of the array with its items; the split WHOLE stands for an archive without splits."""
    by_split = _by_split(known)
    if key is not None:
        if key in known:
            return {WHOLE: key}
        if key in by_split:
            return by_split[key]
        close = near_miss(key, [*known, *by_split])
        hint = f"did you mean {close!r}? " if close else ""
        raise Mistake(f"{path} has no array {key!r}: {hint}It holds {_listing(known)}.")
    bare = {SPLITS[name]: name for name in known if name in SPLITS}
    for choice in (by_split.get("x"), bare):
        if choice and "train" in choice:
            return choice
    for name in ("x", "X"):
        if name in known:
            return {WHOLE: name}
    if len(known) == 1:
        return {WHOLE: next(iter(known))}
    raise Mistake(f"which array of {path} are the items? It holds {_listing(known)}: say key=NAME (--key).")


def _by_split(known: Mapping[str, Header]) -> dict[str, dict[str, str]]:
    """Base name -> split -> name, for names such as x_train, y_test."""
    found: dict[str, dict[str, str]] = {}
    for name in known:
        if match := SUFFIX.fullmatch(name):
            found.setdefault(match[1], {})[SPLITS[match[2]]] = name
    order = ("train", "valid", "test")
    return {base: {split: names[split] for split in order if split in names} for base, names in found.items()}


def _extras(
    path: Path,
    known: Mapping[str, Header],
    items: Mapping[str, str],
    pool: Mapping[str, Mapping[str, str]],
) -> dict[str, np.ndarray]:
    """The arrays with a value for every item; a split without values is filled with missing ones."""
    extras: dict[str, np.ndarray] = {}
    for base, names in pool.items():
        present = {split: names[split] for split in items if split in names}
        fits = [
            len(known[name][0]) in (1, 2) and known[name][0][0] == known[items[split]][0][0] and _plain(known[name][1])
            for split, name in present.items()
        ]
        if not present or not all(fits):
            continue
        columns = {split: load(path, name) for split, name in present.items()}
        some = next(iter(columns.values()))
        for split in items:
            if split not in columns:
                columns[split] = _missing(some, known[items[split]][0][0])
        column = np.concatenate([columns[split] for split in items])
        extras[base] = as_column(column, f"array {base!r} of {path}", len(column))
    return extras


def _missing(like: np.ndarray, n: int) -> np.ndarray:
    shape = (n, *like.shape[1:])
    if like.dtype.kind in "US":
        return np.zeros(shape, dtype="U1")
    return np.full(shape, np.nan, dtype=like.dtype) if like.dtype.kind == "f" else np.full(shape, -1, dtype=np.int64)


def _labels_of(name: str) -> str:
    """x -> y, x_train -> y_train; other names have no labels by default but "y"."""
    return "y" + name[1:] if name in ("x", "X") or name.startswith(("x_", "X_")) else "y"


def _plain(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "biufUS"


def _same_shape(path: Path, parts: Mapping[str, np.ndarray]) -> None:
    shapes = {split: array.shape[1:] for split, array in parts.items()}
    if len(set(shapes.values())) > 1:
        listing = ", ".join(f"{split} {shape}" for split, shape in shapes.items())
        raise Mistake(f"the splits of {path} hold items of different shapes ({listing}): give items of one shape.")


def _listing(known: Mapping[str, Header]) -> str:
    shapes = [f"{name} {'x'.join(map(str, shape)) or 'scalar'}" for name, (shape, _) in known.items()]
    more = f" and {len(shapes) - MOST_LISTED} more" if len(shapes) > MOST_LISTED else ""
    return ", ".join(shapes[:MOST_LISTED]) + more


def _broken(path: Path, what: str, error: Exception) -> Mistake:
    if "pickle" in str(error) or "Object arrays" in str(error):
        return Mistake(
            f"{path}: {what} holds pickled objects, which are never loaded: save numbers or strings, "
            "with array.astype(float) or astype(str)."
        )
    return Mistake(f"{path}: {what} cannot be read ({error}): the file is cut short or damaged, copy it again.")
