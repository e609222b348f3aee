"""`vaekit reproduce`: a paper's experiment again, its figure beside the published one."""

from __future__ import annotations

__all__ = ["PARSERS"]

import argparse
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vaekit.cli.lists import aligned, paper
from vaekit.cli.options import add_imports
from vaekit.cli.parser import Parser
from vaekit.cli.runs import import_all
from vaekit.messages import Mistake, near_miss


def parser() -> tuple[Parser, Callable[[argparse.Namespace], int]]:
    """The options of `reproduce`."""
    p = Parser(
        "reproduce", "Run a paper's experiment at a size for two cores, and put its figure beside the published one.",
        examples=("vaekit reproduce --list", "vaekit reproduce miwae_iris", "vaekit reproduce frey_bits --out out/"),
    )  # fmt: skip
    p.add_argument("row", metavar="ROW", nargs="?", help="One of --list.")
    p.add_argument("--list", action="store_true", help="The rows, what each is to show and about how long it takes.")
    add_imports(p)
    p.add_argument("--kept", metavar="FOLDER", help="The results that were kept there, as a Markdown table.")
    p.add_argument("--out", metavar="FOLDER", help="Write ROW.json there, with settings, seconds and figures.")
    return p, reproduce


def reproduce(options: argparse.Namespace) -> int:
    """List, tell what was kept, or run."""
    import_all(options.imports)
    reproductions: Any = importlib.import_module("vaekit.reproductions")
    rows = reproductions.ROWS
    if options.list:
        known = [(row.name, paper(row.paper), row.wanted, f"{row.minutes:g} min") for row in rows.values()]
        print(aligned([("row", "paper", "what has to come out", "takes"), *known]))
        return 0
    if options.kept is not None:
        kept = [Path(options.kept).expanduser() / f"{name}.json" for name in rows]  # what else lies there is passed by
        found = [json.loads(file.read_text()) for file in kept if file.exists()]
        if not found:
            raise Mistake(f"{options.kept} holds no results: give a folder that --out was given.")
        print(reproductions.page(rows, found))
        return 0
    if options.row is None:
        raise Mistake("got no row and wanted one of `vaekit reproduce --list`.")
    if options.row not in rows:
        meant = near_miss(options.row, rows)
        guess = f"did you mean {meant!r}?" if meant else "`vaekit reproduce --list` has all."
        raise Mistake(f"there is no row {options.row!r}: {guess}")
    found = reproductions.reproduced(rows[options.row])
    print(aligned([(name, f"{value:.4g}") for name, value in found["figures"].items()]))
    print(f"published: {found['published']}")
    print(f"wanted: {found['wanted']}: {'met' if found['met'] else 'missed'}, after {found['seconds']:.0f} s")
    if not found["met"] and rows[options.row].cause:
        print(f"known cause: {rows[options.row].cause}")
    if options.out is not None:
        write: Any = importlib.import_module("vaekit.storage").write_json
        folder = Path(options.out).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / f"{options.row}.json", found)
    return 0


PARSERS = {"reproduce": parser}
