"""What `vaekit train` is to do: data, recipe, change and folder, from the options."""

from __future__ import annotations

__all__ = ["Material", "find_recipe", "free_folder", "locate", "read_material"]

import argparse
import importlib
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import vaekit as vk
from vaekit.cli.options import TRAINING, given
from vaekit.cli.runs import import_all
from vaekit.messages import Mistake, near_miss

READING = ("key", "layout", "id", "drop", "labels", "condition")
WHY = {  # the rules of vk.recipe("auto", ...)
    "miwae": "the data has missing values, which it learns from as they are",
    "conditional_vae": "there are columns to condition on",
    "vae_conv": "pictures of 32 pixels and more are for convolutional networks",
    "vae": "the data is a table or small pictures, without gaps",
}
MARGIN = 9 / 8  # pictures to be cropped at random are decoded this much larger


@dataclass(frozen=True)
class Material:
    """Data to train on: `held_out` are the data sets given for a part."""

    data: Any
    held_out: dict[str, Any]
    read: dict[str, Any]
    source: str
    sources: dict[str, str]
    crop: list[int] | None = None
    augmentation: Any = None


def locate(name: str) -> str:
    """A path as it is known from everywhere; the name of a built-in data set as it is."""
    path = Path(name).expanduser()
    known = importlib.import_module("vaekit.data.builtin").BUILTINS
    return name if name in known or not path.exists() else str(path.resolve())


def read_material(options: argparse.Namespace) -> Material:
    """Read the data and what is held out, at the size that is asked for."""
    how = given(options, READING)
    crop, size = None, getattr(options, "size", None)
    if options.crop not in (None, "center", "random"):
        raise Mistake(f"got --crop {options.crop} and wanted center or random.")
    if size is not None:
        how["size"] = list(importlib.import_module("vaekit.data.folders").parse_size(size))
    if options.crop == "random":
        if size is None or how["size"][0] != how["size"][1]:
            raise Mistake("--crop random needs the side of the square to cut out: give --size N, such as --size 64.")
        crop, how["size"] = how["size"], [round(side * MARGIN) for side in how["size"]]
    workers = getattr(options, "workers", None)
    data = vk.data.read(locate(options.data), workers=workers, **how)
    if options.flip and data.kind != "image":
        raise Mistake(f"--flip mirrors pictures, and {options.data} is a table: leave it out.")
    paths = {part: locate(v) for part in ("valid", "test") if isinstance(v := getattr(options, part, None), str)}
    centred = importlib.import_module("vaekit.run.record").centred
    held_out = {part: centred(vk.data.read(path, workers=workers, **how), crop) for part, path in paths.items()}
    augmentation = None
    if crop or options.flip:
        make = importlib.import_module("vaekit.training.loader").Augmentation
        augmentation = make(bool(options.flip), crop and crop[0], crop and data.x)
    return Material(centred(data, crop), held_out, how, locate(options.data), paths, crop, augmentation)


def find_recipe(options: argparse.Namespace, data: Any) -> Any:
    """The recipe by its name or as module:function, with --set and --likelihood, its model not yet trained."""
    import_all(options.imports)
    arguments: dict[str, Any] = dict(options.set or ())
    for name in arguments:
        if name in TRAINING:
            option = name.replace("_", "-")
            raise Mistake(f"--set {name}=...: this is a training argument, give it as --{option} {arguments[name]}.")
    if options.likelihood is not None:
        arguments["likelihood"] = options.likelihood
    name = options.recipe or "auto"
    if ":" not in name:
        plan = vk.recipe(name, data, **arguments)
        if name == "auto":
            print(f"recipe auto takes {plan.name}: {WHY.get(plan.name, 'it suits the data')}", file=sys.stderr)
        return plan
    module, _, function = name.partition(":")
    import_all([module])
    found = getattr(importlib.import_module(module), function, None)
    if not callable(found):
        close = near_miss(function, dir(importlib.import_module(module)))
        meant = f"did you mean {close!r}? " if close else ""
        raise Mistake(f"--recipe {name}: {module} has no function {function!r}. {meant}".strip())
    importlib.import_module("torch").manual_seed(options.seed or 0)  # a model that is not built again under the seed
    plan = vk.recipe(found, data, **arguments)
    if not hasattr(plan, "objective"):
        raise Mistake(
            f"--recipe {name} returned a {type(plan).__name__}: it has to return vk.Recipe(model, objective)."
        )
    return plan if plan.build is not None else replace(plan, name=function)


def free_folder(stem: str) -> Path:
    """runs/<stem>-<k> with the first k that is free."""
    stem = re.sub(r"[^\w.+-]+", "_", stem)
    k = 1
    while (folder := Path("runs") / f"{stem}-{k}").exists():
        k += 1
    return folder
