"""`vaekit evaluate`: ELBO and likelihood of a run on held-out or new data."""

from __future__ import annotations

__all__ = ["PARSERS", "evaluate"]

import argparse
import importlib
from collections.abc import Callable
from typing import Any

from vaekit.cli.options import add_imports, add_reading
from vaekit.cli.parser import Parser
from vaekit.cli.runs import items, load, show
from vaekit.messages import Mistake


def parser() -> tuple[Parser, Callable[[argparse.Namespace], int]]:
    """The options of `evaluate`."""
    p = Parser(
        "evaluate", "Measure the ELBO over all items and the likelihood by importance sampling; with --metrics more.",
        examples=(
            "vaekit evaluate runs/digits-vae-1",
            "vaekit evaluate runs/a mnist --split test --limit 500 --json",
            "vaekit evaluate runs/digits-vae-1 --metrics samples,latents,annealed,bdmc",
            "vaekit evaluate runs/dsprites-vae-1 dsprites --metrics disentanglement",
        ),
    )  # fmt: skip
    p.add_argument("run", metavar="RUN", help="A run's folder or a saved model's.")
    p.add_argument("data", metavar="DATA", nargs="?", help="Other data than the run's own: a built-in name or a path.")
    p.add_argument("--split", metavar="PART", help="train, valid or test of the run's own data (test), or of DATA.")
    p.add_argument(
        "--importance-samples", metavar="K", type=int, default=5000, help="Draws for each item's likelihood (5000)."
    )
    p.add_argument(
        "--limit", metavar="N", type=int, default=1000, help="At most this many random items for the likelihood (1000)."
    )
    p.add_argument(
        "--metrics", metavar="A,B", help="Studies to add, with commas between them: samples, reconstruction, latents, "
        "regularity, representation, disentanglement (of data with known factors), annealed (AIS and HIS on 16 items), "
        "bdmc (log p(x) of simulated items from below and above); each number with its unit, error and protocol.",
    )  # fmt: skip
    p.add_argument("--seed", metavar="N", type=int, default=0, help="The seed of the draws (0).")
    p.add_argument("--json", action="store_true", help="Print the numbers as one JSON object.")
    add_imports(p)
    add_reading(p, table=False)
    return p, evaluate


def evaluate(options: argparse.Namespace) -> int:
    """Print the numbers."""
    for name, value in (("--importance-samples", options.importance_samples), ("--limit", options.limit)):
        if value < 1:
            raise Mistake(f"got {name} {value} and wanted a whole number, 1 or more.")
    evaluating: Any = importlib.import_module("vaekit.run.evaluating")
    metrics = [name.strip() for name in (options.metrics or "").split(",") if name.strip()]
    evaluating.require_studies(metrics)  # before anything is read
    run = load(options)
    found = evaluating.evaluation_of(
        run,
        None if options.data is None else items(run, options),
        split=options.split,
        samples=options.importance_samples,
        limit=options.limit,
        metrics=metrics,
        seed=options.seed,
        show=True,
    )
    record = run.record
    facts = {name: record[name] for name in ("recipe", "parameters", "likelihood", "binarization")}
    facts |= {name: record["metrics"].get(name) for name in ("epochs", "steps", "seconds", "items_per_second")}
    split = f"{options.split} of {options.data}" if options.split else options.data
    facts |= {"device": str(run.device), "seed": options.seed, "run": str(options.run)}
    facts["split"] = found.split if options.data is None else split
    values = found.found
    if options.json:
        protocols = {name: str(number) for name, number in {**found.numbers, **found.studied}.items()}
        values = {**values, **evaluating.flat(found.studied), "protocols": protocols}
    show({**facts, **values}, record, as_json=options.json)
    if found.studied and not options.json:
        width = max(map(len, found.studied))
        print("\n".join(f"  {name:<{width}} {number}" for name, number in found.studied.items()))
    return 0


PARSERS = {"evaluate": parser}
