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
from vaekit.messages import Mistake, reject_unknown


def parser() -> tuple[Parser, Callable[[argparse.Namespace], int]]:
    """The options of `evaluate`."""
    p = Parser(
        "evaluate", "Measure the ELBO over all items and the likelihood by importance sampling; with --metrics more.",
        examples=(
            "vaekit evaluate runs/digits-vae-1",
            "vaekit evaluate runs/a mnist --split test --limit 500 --json",
            "vaekit evaluate runs/digits-vae-1 --metrics samples,latents,regularity",
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
        "regularity, representation; each number with its unit, error and protocol.",
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
    names = [name.strip() for name in (options.metrics or "").split(",") if name.strip()]
    if names:  # before anything is measured
        studies: Any = importlib.import_module("vaekit.studies")
        reject_unknown("--metrics", names, studies.STUDIES)
    run = load(options)
    more = {"samples": options.importance_samples, "limit": options.limit, "seed": options.seed}
    if options.data is None:
        held = run.part(options.split or "test")
        found = run.evaluate(split=options.split or "test", **more)
    else:
        held = part(items(run, options), options.split)
        found = run.evaluate(held, **more)
        found["split"] = f"{options.split} of {options.data}" if options.split else options.data
    record = run.record
    facts = {name: record[name] for name in ("recipe", "parameters", "likelihood", "binarization")}
    facts |= {name: record["metrics"].get(name) for name in ("epochs", "steps", "seconds", "items_per_second")}
    where = {"device": str(run.device), "seed": options.seed, "run": str(options.run)}
    numbers: dict[str, Any] = {}
    if names:
        train = run.part("train") if run.data is not None and len(run.data.parts.get("train", ())) else None
        how, seed = record["binarization"], options.seed
        material = studies.Material(run.model, held, train, how=how, limit=options.limit, seed=seed)
        numbers = studies.study(names, material)
        if options.json:
            found |= {**studies.flat(numbers), "protocols": {name: str(number) for name, number in numbers.items()}}
    show({**facts, **where, **found}, record, as_json=options.json)
    if numbers and not options.json:
        print("\n".join(f"  {name:<32} {number}" for name, number in numbers.items()))
    return 0


def part(data: Any, name: str | None) -> Any:
    """The part of that name of data, or all."""
    if name is None:
        return data
    if not len(data.parts.get(name, ())):
        have = ", ".join(data.parts) or "none"
        raise Mistake(f"{data.name!r} names no part {name!r} (it has {have}): leave --split out to measure all of it.")
    return data.take(data.parts[name])


PARSERS = {"evaluate": parser}
