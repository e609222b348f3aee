"""load and load_run: a model or a whole run from its folder; run_of: whatever can be measured, as a run."""

from __future__ import annotations

__all__ = ["load", "load_run", "run_of"]

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from vaekit.messages import ArgumentMistake, Mistake
from vaekit.models import Model
from vaekit.run.record import reread
from vaekit.run.run import Run
from vaekit.storage import load_model, read_json
from vaekit.training.history import read_rows

NEEDED = ("binarization", "data", "likelihood", "metrics", "parameters", "recipe", "split")


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


def run_of(given: Any) -> Run:
    """A Run itself, the one in a folder, or a bare model (also a saved one's folder) with a record of what is known.

    Raises:
        Mistake: for all else, and for a damaged record.
    """
    if isinstance(given, Run):
        return given
    if isinstance(given, Model):
        return Run(given, _bare(given, type(given).__name__), [])
    if not isinstance(given, (str, Path)):
        raise ArgumentMistake(
            f"got a {type(given).__name__} and wanted a Run, a run's or a saved model's folder, or a Model."
        )
    folder = Path(given)
    if not folder.is_dir():
        raise Mistake(f"{folder} does not exist: give a run's folder or a saved model's.")
    if not (folder / "run.json").exists() and (folder.parent / "run.json").exists() and folder.name == "model":
        folder = folder.parent
    if not (folder / "run.json").exists():
        model = load(folder)
        return Run(model, _bare(model, folder.resolve().name), [])
    run = load_run(folder)
    lacking = [name for name in NEEDED if name not in run.record]
    if lacking:
        raise Mistake(f"{folder / 'run.json'}, field {lacking[0]!r}: missing; the file was damaged, take a copy of it.")
    return run


def _bare(model: Any, name: str) -> dict[str, Any]:
    """What a record can say of a model whose training is unknown."""
    return {
        "recipe": "saved model", "likelihood": model.likelihood.describe(), "binarization": None,
        "parameters": sum(p.numel() for p in model.parameters()), "split": {"arguments": None, "items": {}},
        "metrics": {}, "settings": {}, "data": {
            "name": name, "kind": "table" if len(model.shape) == 1 else "image", "layout": None,
            "columns": None, "origin": "numpy", "read": {}, "condition": None,
            "source": None, "shape": list(model.shape),
        },
    }  # fmt: skip
