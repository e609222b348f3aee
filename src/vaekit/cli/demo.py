"""`vaekit demo`: the main job on data that come along."""

from __future__ import annotations

__all__ = ["PARSERS", "demo"]

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import vaekit as vk
from vaekit.cli.options import add_imports
from vaekit.cli.parser import Parser
from vaekit.cli.runs import browse, import_all, show
from vaekit.messages import Mistake

EPOCHS, LATENTS, HIDDEN = 100, 8, (256, 128)


def parser() -> tuple[Parser, Callable[[argparse.Namespace], int]]:
    """The options of `demo`."""
    p = Parser(
        "demo", "Train a VAE on the 1,797 digits that come along, print the numbers and write a report.",
        examples=("vaekit demo", "vaekit demo --overwrite --open"),
    )  # fmt: skip
    p.add_argument("--out", metavar="DIR", default="runs/demo", help="The run's folder (runs/demo).")
    p.add_argument("--overwrite", action="store_true", help="Delete the run that is in --out.")
    p.add_argument("--open", action="store_true", help="Show the report in the browser.")
    add_imports(p)
    return p, demo


def demo(options: argparse.Namespace) -> int:
    """Train, measure, write."""
    import_all(options.imports)
    folder = Path(options.out)
    if folder.is_dir() and any(folder.iterdir()) and not options.overwrite:
        raise Mistake(
            f"{folder} exists already: add --overwrite to run the demo anew, or look at {folder}/report.html."
        )
    data = vk.data.read("digits", labels="digit")
    plan = vk.recipe("vae", data, latent_dim=LATENTS, hidden=list(HIDDEN))
    origin = {"source": "digits", "read": {"labels": "digit"}, "command": None}
    torch: Any = importlib.import_module("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for networks this small more threads only wait for each other
    try:
        run = vk.fit(plan, data, epochs=EPOCHS, seed=0, out=folder, overwrite=options.overwrite, origin=origin)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt("interrupted; start anew with `vaekit demo --overwrite`") from error
    finally:
        torch.set_num_threads(threads)
    show(run.metrics, run.record, as_json=False)
    print(f"the report is in {folder / 'report.html'}; what else there is: vaekit --help", file=sys.stderr)
    if options.open:
        browse(folder / "report.html")
    return 0


PARSERS = {"demo": parser}
