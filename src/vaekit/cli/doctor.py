"""`vaekit doctor`: what is wrong with a run, with the evidence and the remedy."""

from __future__ import annotations

__all__ = ["PARSERS", "doctor"]

import argparse
import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

from vaekit.cli.options import add_imports
from vaekit.cli.parser import Parser
from vaekit.cli.runs import json_line, load


def parser() -> tuple[Parser, Callable[[argparse.Namespace], int]]:
    """The options of `doctor`."""
    p = Parser(
        "doctor", "Say in plain sentences what is wrong with a run: posterior collapse, holes in the prior, over- and "
        "underfitting, the wrong likelihood for the data, and more, each with its evidence and remedy. Several RUNs "
        "that differ in their seed are also held against each other.",
        examples=("vaekit doctor runs/digits-vae-1", "vaekit doctor runs/seed-0 runs/seed-1 runs/seed-2 --json"),
    )  # fmt: skip
    p.add_argument("runs", metavar="RUN", nargs="+", help="A run's folder; its data must be where it was.")
    p.add_argument("--json", action="store_true", help="Print the findings as one JSON object.")
    add_imports(p)
    return p, doctor


def doctor(options: argparse.Namespace) -> int:
    """Examine and say."""
    runs = [load(argparse.Namespace(run=name, imports=options.imports)) for name in options.runs]
    examine: Any = importlib.import_module("vaekit.doctor").examine
    health: Any = importlib.import_module("vaekit.report.health")
    found = examine([health.case_of(run._subject()) for run in runs])
    if options.json:
        print(json_line({"findings": [dataclasses.asdict(finding) for finding in found]}))
        return 0
    for finding in found:
        print(f"- {finding}")
    if not found:
        print(f"{health.CLEAN}.")
    without = [name for name, run in zip(options.runs, runs, strict=True) if run.data is None]
    if without:
        print(f"Note: the data of {', '.join(without)} is not at hand, so that little could be looked at.")
    return 0


PARSERS = {"doctor": parser}
