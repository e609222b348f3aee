"""Latents from files, and the straight line between two items' latents."""

from __future__ import annotations

__all__ = ["read_latents", "walk"]

import importlib
import re
from pathlib import Path
from typing import Any

from vaekit.messages import Mistake

LATENT = re.compile(r"[zi]\d+")  # latents, or indices of codes


def read_latents(name: str, run: Any, y: Any) -> tuple[Any, Any]:
    """The latents of a file as an array or, where the run's items are rows of a table, a DataFrame; and their index.

    Whole numbers for a model with codes are indices, and become the latents that they stand for.

    Args:
        y: the context that they will be decoded with, or None.
    """
    z, index = _read(name, run)
    model = run.model
    if hasattr(getattr(model, "posterior", None), "vectors") and _whole(z):
        vectors = model.posterior.vectors(z.to_numpy(copy=True) if hasattr(z, "columns") else z).detach().cpu().numpy()
        z = type(z)(vectors, index=z.index) if hasattr(z, "columns") else vectors
    drawn = model.prior_sample(1, model.to_context(y, 1, inferring=False), 1.0)
    width = sum(part.flatten(1).shape[1] for part in (drawn if isinstance(drawn, tuple) else (drawn,)))
    if z.ndim != 2 or z.shape[1] != width:
        raise Mistake(f"{name} holds latents of shape {tuple(z.shape)} and the model wants (items, {width}).")
    return z, index


def _whole(z: Any) -> bool:
    return all(kind.kind in "iu" for kind in (z.dtypes if hasattr(z, "dtypes") else [z.dtype]))


def _read(name: str, run: Any) -> tuple[Any, Any]:
    import numpy as np

    path = Path(name).expanduser()
    if not path.is_file():
        raise Mistake(f"{path} does not exist: give a .npy array of latents, or a .csv as `vaekit encode` writes it.")
    suffix = path.suffix.lower()
    if suffix == ".npy":
        try:
            z = np.load(path, allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise Mistake(f"{path} is no whole .npy array ({error}): write it again with numpy.save.") from error
        if not isinstance(z, np.ndarray) or z.dtype.kind not in "iuf":
            raise Mistake(f"{path} holds no array of numbers: give latents of shape (items, latents).")
        return z, None
    if suffix != ".csv":
        raise Mistake(f"{path} has the suffix {suffix!r}: give .npy or .csv.")
    read_csv = importlib.import_module("vaekit.data.csvfile").read_csv
    frame = read_csv(path)
    first = frame.columns[0]
    if not LATENT.fullmatch(first):  # ids, as they are written
        frame = read_csv(path, text=[first]).set_index(first)
        frame.index.name = None if first == "Unnamed: 0" else first
    columns = [c for c in frame.columns if LATENT.fullmatch(str(c))]
    if not columns:
        raise Mistake(
            f"{path} has the columns {', '.join(map(str, frame.columns[:8]))} and wanted z1, z2, ..., or i1, i2, ..."
        )
    z = frame[columns]
    return (z if run.record["data"]["columns"] is not None else z.to_numpy()), frame.index


def walk(run: Any, data: Any, start: str, end: str, steps: int, *, given: bool) -> tuple[Any, Any]:
    """Latents (steps, latents) from one item's posterior mean to another's, and the context where it is the same.

    Args:
        start, end: an id, a file name, or a row number.
        given: whether another context is given for the way.
    """
    import numpy as np

    pair = data.take(np.array([_row(data, start), _row(data, end)]))
    ends = np.asarray(run.encode(pair), dtype=np.float64)
    share = np.linspace(0.0, 1.0, steps)[:, None]
    z = (1 - share) * ends[0] + share * ends[1]  # (steps, latents)
    context = {}
    for name, values in pair.context.items() if not given else ():
        if not np.array_equal(values[0], values[1]):
            raise Mistake(
                f"the two items differ in {name!r} ({values[0]} and {values[1]}): say --given {name}=... for the way."
            )
        context[name] = values[:1]
    return z.astype(np.float32), context or None


def _row(data: Any, name: str) -> int:
    """The row of an id or a file name, else of a row number."""
    if not isinstance(data.index, range):
        found = [i for i, value in enumerate(data.index) if str(value) == name]
        if found:
            return found[0]
    if not name.lstrip("-").isdigit() or not 0 <= int(name) < len(data):
        raise Mistake(f"{data.name!r} has no item {name!r}: give an id, or a row number from 0 to {len(data) - 1}.")
    return int(name)
