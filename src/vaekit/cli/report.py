"""`vaekit report`: the self-contained HTML page of a run."""

from __future__ import annotations

__all__ = ["PARSERS", "report"]

import argparse
from collections.abc import Callable

from vaekit.cli.options import add_imports
from vaekit.cli.parser import Parser
from vaekit.cli.runs import browse, load
from vaekit.messages import Mistake


def parser() -> tuple[Parser, Callable[[argparse.Namespace], int]]:
    """The options of `report`."""
    p = Parser(
        "report", "Write the self-contained HTML report of a run anew.",
        examples=("vaekit report runs/demo --open", "vaekit report runs/patients --no-data --out share.html"),
    )  # fmt: skip
    p.add_argument("run", metavar="RUN", help="A run's folder.")
    p.add_argument("--no-data", action="store_true", help="Leave out what shows items of the data.")
    p.add_argument("--out", metavar="FILE", help="Where to write it (report.html in the run's folder).")
    p.add_argument("--open", action="store_true", help="Show it in the browser.")
    add_imports(p)
    return p, report


def report(options: argparse.Namespace) -> int:
    """Write and print where."""
    run = load(options)
    if run.dir is None:
        raise Mistake(f"{options.run} holds a model without its run: give the folder that holds run.json.")
    path = run.report(options.out, data=not options.no_data)
    print(path)
    if options.open:
        browse(path)
    return 0


PARSERS = {"report": parser}
