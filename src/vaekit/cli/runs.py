"""Runs and data as the command line names them, and where results may be written."""

from __future__ import annotations

__all__ = ["browse", "import_all", "items", "json_line", "load", "output", "show"]

import argparse
import importlib
import json
import os
import sys
import webbrowser
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vaekit.cli.options import given
from vaekit.messages import Mistake

FIELDS = (
    "recipe", "parameters", "epochs", "steps", "seconds", "items_per_second", "device", "seed", "split", "items",
    "likelihood", "binarization", "elbo", "rate", "distortion", "nll", "nll_se", "nll_samples", "bits_per_dim",
    "active_units", "run",
)  # fmt: skip


def import_all(modules: Iterable[str] | None) -> None:
    """Import the user's modules, from the working directory too."""
    for name in modules or ():
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise Mistake(f"--import {name} failed ({error}): give a module that Python finds from here.") from error


def load(options: argparse.Namespace) -> Any:
    """The Run of a run's folder, or of a saved model's."""
    import_all(getattr(options, "imports", None))
    return importlib.import_module("vaekit.run.loading").run_of(options.run)


def items(run: Any, options: argparse.Namespace) -> Any:
    """The Dataset that DATA names, read as the run's own was where the options say nothing else."""
    return run.read(options.data, **given(options, ("key", "layout", "id")))


def output(options: argparse.Namespace, *, suffixes: Iterable[str] | None = None) -> str:
    """The --out file, refused before any work is done where it cannot be written."""
    out, folder = str(options.out), str(options.out).endswith(("/", os.sep)) or Path(options.out).is_dir()
    known = importlib.import_module("vaekit.data.write").SUFFIXES if suffixes is None else tuple(suffixes)
    path = Path(out).expanduser()
    if folder and suffixes is not None:
        raise Mistake(f"--out {out} is a folder and this is a table: give a file, {', '.join(known)}.")
    if not folder and path.suffix.lower() not in known:
        raise Mistake(f"--out {out} has the suffix {path.suffix!r}: give {', '.join(known)}.")
    taken = path.is_dir() and any(path.iterdir()) if folder else path.exists()
    if taken and not options.overwrite:
        raise Mistake(f"{out} exists already: add --overwrite to replace it, or give another --out.")
    return out


def show(metrics: Mapping[str, Any], record: Mapping[str, Any], *, as_json: bool) -> None:
    """The numbers on stdout: a table, or one object as the last line."""
    if as_json:
        print(json_line({name: None for name in FIELDS} | dict(metrics)))
    else:
        print(importlib.import_module("vaekit.report.summary").table({**record, "metrics": metrics}))


def json_line(value: Any) -> str:
    """One line of JSON; what is not finite is null."""
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, (list, tuple)) else value


def browse(path: Path) -> None:
    """Show a page in the browser."""
    if not webbrowser.open(path.resolve().as_uri()):
        print(f"no browser was found: open {path} yourself", file=sys.stderr)
