"""Going on with a run: what is asked for has to be what it was started with."""

from __future__ import annotations

__all__ = ["recorded", "require_same"]

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vaekit.data import Dataset
from vaekit.messages import Mistake
from vaekit.objectives import Recipe
from vaekit.run.record import words
from vaekit.storage import read_json
from vaekit.training import Settings

MAY_CHANGE = ("device", "workers", "save_every", "callbacks")  # nothing of the result hangs on these


def recorded(folder: Path | None, *, resume: bool) -> dict[str, Any] | None:
    """The record of the run to go on with; None where there is none yet."""
    if folder is None or not resume or not (folder / "run.json").exists():
        return None
    record = read_json(folder / "run.json")
    if not isinstance(record, dict) or "recipe" not in record or "data" not in record:
        raise Mistake(f"{folder / 'run.json'} is no record of a run: give another --out.")
    return record


def require_same(
    record: Mapping[str, Any],
    folder: Path,
    plan: Recipe,
    dataset: Dataset,
    training: Mapping[str, Any],
    *,
    items: Mapping[str, int],
) -> None:
    """Compare recipe, data and the training arguments with the record: those given, or all where the run goes on.

    Raises:
        Mistake: naming the first thing that differs.
    """
    known, now = record["data"], Settings.of(plan.defaults, dict(training)).record()
    settings = Settings().record() | record.get("settings", {})  # what a newer version added was at its default
    given = {name for name, value in training.items() if value is not None}
    asked = given if record.get("status") == "finished" else set(now)
    pairs: list[tuple[str, Any, Any]] = [
        ("the recipe", record["recipe"], plan.name),
        ("the data", known["name"], dataset.name),
        ("the shape of an item", known["shape"], list(dataset.shape)),
        ("the number of items", known["items"], sum(items.values())),
        *_arguments(record.get("recipe_arguments", {}), plan),
        ("the objective", record.get("objective"), words(plan.objective)),
        *((name, settings.get(name), now[name]) for name in now if name in asked and name not in MAY_CHANGE),
    ]
    for what, was, value in pairs:
        if _plain(was) != _plain(value):
            raise Mistake(
                f"{what} was {was} when the run in {folder} was started and is {value} now: repeat what it was to go "
                "on, or give another --out."
            )


def _arguments(known: Mapping[str, Any], plan: Recipe) -> list[tuple[str, Any, Any]]:
    """Each argument of the recipe as it was and as it is."""
    now = {name: words(value) for name, value in plan.arguments.items() if name not in ("shape", "context")}
    return [(f"the recipe's {name}", known.get(name), now.get(name)) for name in dict.fromkeys([*known, *now])]


def _plain(value: Any) -> Any:
    """As JSON gives it back, without the addresses of objects in memory."""
    return json.loads(re.sub(r" at 0x[0-9a-fA-F]+", "", json.dumps(value)))
