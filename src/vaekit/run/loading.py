"""load and load_run: a model or a whole run from its folder."""

from __future__ import annotations

__all__ = ["load", "load_run"]

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from vaekit.messages import Mistake
from vaekit.run.record import reread
from vaekit.run.run import Run
from vaekit.storage import load_model, read_json
from vaekit.training.history import read_rows


def load(folder: str | Path, *, modules: Mapping[str, nn.Module] | None = None) -> Any:
    """The model of a run's folder or of a saved model's.

    Args:
        folder: holding spec.json, or model/spec.json.
        modules: your own torch modules by their path, such as {"posterior.net": MyNet()}.

    Raises:
        Mistake: naming the file and the field that is wrong.
    """
    folder = Path(folder)
    if not folder.exists():
        raise Mistake(f"{folder} does not exist: give a run's folder or a saved model's.")
    return load_model(folder if (folder / "spec.json").exists() else folder / "model", modules=modules)


def load_run(folder: str | Path, *, modules: Mapping[str, nn.Module] | None = None, data: Any = None) -> Run:
    """A finished run from its folder.

    Args:
        folder: of the run.
        modules: as for `load`.
        data: what it was trained on; a built-in name or a path is found by itself, and read when it is asked for.
    """
    folder = Path(folder)
    record = read_json(folder / "run.json")
    if not isinstance(record, dict) or "data" not in record or "recipe" not in record:
        raise Mistake(f"{folder / 'run.json'} is no record of a run: give a run's folder, or take a copy of the file.")
    if "metrics" not in record:
        raise Mistake(f"{folder / 'run.json'} is no complete run: train it to its end with --resume.")
    model = load(folder, modules=modules)
    run = Run(model, record, read_rows(folder / "history.jsonl"), dir=folder)
    source = record["data"].get("source") if data is None else data
    if source is not None:
        run.data = reread(source, record, required=data is not None)
    return run
