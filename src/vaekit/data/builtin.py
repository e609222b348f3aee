"""Data sets known by name: digits comes with scikit-learn, some are drawn, the others are read from files."""

from __future__ import annotations

__all__ = ["BUILTINS", "Builtin", "datasets", "read_builtin"]

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vaekit.data.adjacency import BlockModel
from vaekit.data.archives import headers, load, read_npz
from vaekit.data.dataset import Dataset
from vaekit.data.decoded import cache
from vaekit.data.download import fetch_mnist
from vaekit.data.factors import ITEMS, Bars
from vaekit.data.scenes import Scenes
from vaekit.data.splits import join
from vaekit.data.sprites import Sprites
from vaekit.messages import Mistake


@dataclass(frozen=True)
class Builtin:
    """What is known of a data set without reading it; `files` are alternatives of one or two archives."""

    items: int
    shape: tuple[int, ...]
    labels: str | None
    licence: str
    files: tuple[tuple[str, ...], ...]
    arrays: str


DRAWN_LICENCE = "Apache-2.0 (drawn by vaekit)"
MNIST_LICENCE = "CC BY-SA 3.0 (as usually given)"
BUILTINS = {
    "digits": Builtin(1797, (8, 8), "digit", "CC BY 4.0 (UCI)", (), ""),
    "mnist": Builtin(
        70000,
        (28, 28),
        "digit",
        MNIST_LICENCE,
        (("mnist.npz",),),
        "x_train, y_train, x_test, y_test: uint8, (N, 28, 28)",
    ),
    "mnist_static_binary": Builtin(
        70000,
        (28, 28),
        None,
        MNIST_LICENCE,
        (("mnist_static_binary.npz",),),
        "train, valid, test: uint8 of 0 and 1, (N, 28, 28)",
    ),
    "omniglot28": Builtin(
        32460,
        (28, 28),
        "alphabet",
        "MIT",
        (("omniglot28.npz",),),
        "x: uint8, (N, 28, 28), with alphabet, drawer: (N,) and alphabet_names",
    ),
    "frey_faces": Builtin(1965, (28, 20), None, "none stated", (("frey_faces.npz",),), "x: uint8, (1965, 28, 20)"),
    "cifar10": Builtin(
        60000,
        (3, 32, 32),
        "class",
        "none stated",
        (("cifar10.npz",), ("cifar10_train15k.npz", "cifar10_test.npz")),
        "x_train, y_train, x_test, y_test: uint8, (N, 32, 32, 3), and class_names",
    ),
    "dsprites": Builtin(len(Sprites()), Sprites.shape, Sprites.label, DRAWN_LICENCE, (), ""),
    "scenes": Builtin(len(Scenes()), Scenes.shape, Scenes.label, DRAWN_LICENCE, (), ""),
    "bars": Builtin(ITEMS, (8, 8), None, DRAWN_LICENCE, (), ""),
    "blocks": Builtin(ITEMS, (12, 12), None, DRAWN_LICENCE, (), ""),
}
DRAWN: dict[str, Sprites | Scenes | Bars | BlockModel] = {
    "dsprites": Sprites(), "scenes": Scenes(), "bars": Bars(), "blocks": BlockModel(),
}  # fmt: skip
SOURCES = {"digits": "comes with scikit-learn"} | {
    name: f"drawn here; {ITEMS:,} at random are read" for name in DRAWN
}  # what is always there
DOWNLOADS = {"mnist": fetch_mnist}


def read_builtin(name: str) -> Dataset:
    """The data set of that name: from $VAEKIT_DATA, else the cache, else its publisher.

    Of what is drawn, 20,000 items at random with seed 0; `Sprites().dataset(items, seed=...)` gives others.

    Raises:
        Mistake: where it is in none of these places; the message says which file to put where.
    """
    if name == "digits":
        return _digits()
    if name in DRAWN:
        return DRAWN[name].dataset()
    found = _find(name)
    if found is None and name in DOWNLOADS:
        target = cache() / BUILTINS[name].files[0][0]
        try:
            DOWNLOADS[name](target)
        except OSError as error:
            raise Mistake(f"{name!r} could not be downloaded ({error}): {_remedy(name)}") from error
        found = (target,)
    if found is None:
        raise Mistake(f"{name!r} is not on this computer and has no download: {_remedy(name)}")
    data = replace(_assemble(name, found), name=name, origin="builtin")
    field = BUILTINS[name].labels
    extras = dict(data.extras)
    if field is not None and data.labels is not None:
        extras[field] = data.labels
    return replace(data, extras=extras)


def datasets() -> list[dict[str, Any]]:
    """A row for each built-in data set: name, items, shape, labels, licence, source, available.

    Example:
        >>> datasets()[0]["name"], datasets()[0]["items"], datasets()[0]["available"]
        ('digits', 1797, True)
    """
    rows = []
    for name, known in BUILTINS.items():
        found = _find(name)
        if name in SOURCES:
            source = SOURCES[name]
        elif found:
            source = ", ".join(map(str, found))
        elif name in DOWNLOADS:
            source = f"downloaded to {cache()} on first use"
        else:
            source = f"put {' and '.join(known.files[-1])} into {_home()}"
        rows.append(
            {
                "name": name,
                "items": known.items,
                "shape": known.shape,
                "labels": known.labels,
                "licence": known.licence,
                "source": source,
                "available": name in SOURCES or found is not None,
            }
        )
    return rows


def _home() -> Path:
    given = os.environ.get("VAEKIT_DATA")
    return Path(given) if given else cache()


def _find(name: str) -> tuple[Path, ...] | None:
    for folder in dict.fromkeys((_home(), cache())):
        for files in BUILTINS[name].files:
            if all((folder / file).is_file() for file in files):
                return tuple(folder / file for file in files)
    return None


def _remedy(name: str) -> str:
    where = _home() if os.environ.get("VAEKIT_DATA") else f"{cache()} (or into a folder that $VAEKIT_DATA names)"
    known = BUILTINS[name]
    return f"put {known.files[0][0]}, a NumPy archive of {known.arrays}, into {where}."


def _assemble(name: str, paths: tuple[Path, ...]) -> Dataset:
    data = read_npz(paths[0])
    if len(paths) == 2:
        data = join(data, test=read_npz(paths[1]))
    if name == "cifar10" and data.labels is not None and "class_names" in headers(paths[0]):
        data = replace(data, labels=load(paths[0], "class_names")[data.labels])
    if name == "omniglot28" and {"alphabet", "drawer"} <= data.extras.keys():
        late = data.extras["drawer"] > 15
        alphabet = load(paths[0], "alphabet_names")[data.extras["alphabet"]]
        data = replace(data, labels=alphabet, parts={"train": np.flatnonzero(~late), "test": np.flatnonzero(late)})
    return data


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    loaded = load_digits()
    labels = loaded.target.astype(np.int64)
    x = torch.from_numpy(loaded.images.astype(np.float32))  # (1797, 8, 8), 0..16
    return Dataset("digits", x, "image", labels=labels, index=range(len(x)), origin="builtin", extras={"digit": labels})
