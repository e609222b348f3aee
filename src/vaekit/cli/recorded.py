"""The options that a run was started with: read again for --resume and --config."""

from __future__ import annotations

__all__ = ["COMMAND", "PLACES", "command_of", "configure", "resumed"]

import argparse
import importlib
from pathlib import Path
from typing import Any

from vaekit.cli.options import TRAINING
from vaekit.messages import Mistake

RECIPE = ("recipe", "set", "likelihood", "binarize", "imports")
DATA = (
    "data", "labels", "condition", "key", "layout", "id", "drop", "valid", "test", "split_by", "size", "crop", "flip",
    "init_from",
)  # fmt: skip
COMMAND = (*DATA, *RECIPE, *TRAINING)
PLACES = ("data", "valid", "test", "init_from")  # kept as whole paths, so that a run goes on from any folder
MAY_CHANGE = ("device", "workers", "save_every", "imports")  # nothing of the result hangs on these


def command_of(options: argparse.Namespace) -> dict[str, Any]:
    """The options that decide what a run gives, as JSON."""
    found = {name: getattr(options, name, None) for name in COMMAND}
    found["set"] = dict(options.set) if options.set else None
    return {name: value for name, value in found.items() if value not in (None, False)}


def _record(path: Path) -> dict[str, Any]:
    record = importlib.import_module("vaekit.storage").read_json(path)
    if not isinstance(record, dict) or "recipe" not in record:
        raise Mistake(f"{path} is no record of a run: give the run.json of a run.")
    return record


def resumed(options: argparse.Namespace) -> dict[str, Any] | None:
    """Put the options of the run in --out in place of those not given.

    Returns:
        the run's record, whose status is "finished" where there is nothing left to do; None where there is no run yet.
    """
    if options.out is None:
        raise Mistake("--resume goes on with the run in a folder: name it with --out.")
    folder = Path(options.out)
    if not (folder / "run.json").exists():
        if folder.is_dir() and any(folder.iterdir()):
            raise Mistake(f"{folder} holds files that are no run: give the folder of the run to go on with as --out.")
        if options.data is None:
            raise Mistake(f"{folder} holds no run to go on with: give its folder as --out, or DATA to start one.")
        return None
    record = _record(folder / "run.json")
    command = record.get("command")
    wanted = command_of(options)
    finished = record.get("status") == "finished"
    if not isinstance(command, dict):
        if finished and not set(wanted) - set(MAY_CHANGE):
            return record
        raise Mistake(f"{folder} was not started by `vaekit train`: go on with vk.fit(..., out=..., resume=True).")
    plan = importlib.import_module("vaekit.cli.plan")
    for name, value in wanted.items():
        value = plan.locate(value) if name in PLACES and isinstance(value, str) else value
        if value != command.get(name) and name not in MAY_CHANGE:
            was, option = command.get(name, "nothing"), "DATA" if name == "data" else f"--{name.replace('_', '-')}"
            raise Mistake(
                f"{option} was {was} when this run was started and is {value} now: leave it out to go on, or start "
                f"another run with --init-from {folder}."
            )
    if finished and options.data is None:  # nothing is read again
        options.imports = options.imports or command.get("imports")
        return record
    for name, value in {**command, **{k: wanted[k] for k in MAY_CHANGE if k in wanted}}.items():
        setattr(options, name, list(value.items()) if name == "set" else value)
    return record


def configure(options: argparse.Namespace) -> None:
    """Settings of another run as defaults: its recipe with its arguments, likelihood and training arguments."""
    path = Path(options.config)
    record = _record(path / "run.json" if path.is_dir() else path)
    command = record.get("command")
    known = command if isinstance(command, dict) else {"recipe": record["recipe"]}
    other = options.recipe is not None and options.recipe != known.get("recipe")
    for name in () if other else RECIPE:
        if name == "set":
            earlier = known.get("set") or {}
            options.set = [*earlier.items(), *(options.set or ())] or None
        elif getattr(options, name) is None:
            setattr(options, name, known.get(name))
    settings = dict(record.get("settings") or {})
    for one, instead in (("epochs", "steps"), ("steps", "epochs")):
        if getattr(options, one) is not None:
            settings[instead] = None
    for name in TRAINING:
        if getattr(options, name) is None and settings.get(name) is not None:
            setattr(options, name, settings[name])
