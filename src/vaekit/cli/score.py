"""`vaekit score`: how strange each item is."""

from __future__ import annotations

__all__ = ["PARSERS", "columns", "score"]

import argparse
import importlib
import sys
from collections.abc import Callable
from typing import Any

import vaekit as vk
from vaekit.cli.options import add_imports, add_output, add_reading
from vaekit.cli.parser import Parser
from vaekit.cli.runs import items, load, output
from vaekit.messages import Mistake


def parser() -> tuple[Parser, Callable[[argparse.Namespace], int]]:
    """The options of `score`."""
    p = Parser(
        "score", "Write for each item its negative log-likelihood in nats (nll), how far that is above the median of "
        "all (anomaly, high is strange), and whether it is among the most strange (is_anomaly).",
        examples=("vaekit score runs/demo digits --out scores.csv", "vaekit score a b.npy --out c.npz",
                  "vaekit score runs/good photographs/ --strange broken --out scores.csv"),
    )  # fmt: skip
    p.add_argument("run", metavar="RUN", help="A run's folder or a saved model's.")
    p.add_argument("data", metavar="DATA", help="A built-in name, or the path of the items.")
    p.add_argument(
        "--contamination", metavar="F", type=float, default=0.05, help="The share of items called strange (0.05)."
    )
    p.add_argument(
        "--importance-samples",
        metavar="K",
        type=int,
        default=64,
        help="Draws for each item, the same noise for all (64).",
    )
    p.add_argument(
        "--strange", metavar="LABEL", help="The label of DATA's items that are strange: prints how well the scores "
        "rank them (AUROC and AUPRC with 95 %% intervals).",
    )  # fmt: skip
    add_output(p, ".csv, .parquet or .npz")
    add_imports(p)
    add_reading(p, table=False)
    return p, score


def score(options: argparse.Namespace) -> int:
    """Score and write."""
    if not 0 <= options.contamination < 1:
        raise Mistake(f"got --contamination {options.contamination} and wanted a share from 0 up to 1, such as 0.05.")
    if options.importance_samples < 1:
        raise Mistake(f"got --importance-samples {options.importance_samples} and wanted 1 or more.")
    out, run = output(options, suffixes=(".csv", ".parquet", ".npz")), load(options)
    data = items(run, options)
    truth = None if options.strange is None else is_strange(data, options.strange)
    found = columns(run.score(data, samples=options.importance_samples), options.contamination)
    path = vk.data.write(out, found, dataset=data)
    strange = int(found["is_anomaly"].sum())
    print(f"wrote {len(data):,} scores to {path}; {strange:,} items are called strange", file=sys.stderr)
    if truth is not None:
        ranked: Any = importlib.import_module("vaekit.evaluation.ranking").ranking_numbers(truth, found["nll"])
        for name in ("auroc", "auprc"):
            low, high = ranked[f"{name}_low"].value, ranked[f"{name}_high"].value
            print(f"{name.upper()} {ranked[name].value:.3f}, 95 % interval {low:.3f} to {high:.3f}, "
                  f"{int(truth.sum()):,} strange among {len(truth):,} items")  # fmt: skip
    return 0


def is_strange(data: Any, label: str) -> Any:
    """Which items have the label.

    Raises:
        Mistake: for data without labels, and where none or all of the items have it.
    """
    import numpy as np

    if data.labels is None:
        raise Mistake(f"--strange {label}: {data.name!r} has no labels: give data with labels, or leave it out.")
    found = np.asarray(data.labels).astype(str) == label
    if not found.any() or found.all():
        have = ", ".join(map(str, np.unique(data.labels)[:12]))
        raise Mistake(f"--strange {label}: {'all' if found.any() else 'none'} of the items have it; labels are {have}.")
    return found


def columns(nll: Any, contamination: float) -> dict[str, Any]:
    """nll, nll minus its median, and whether an item is among the highest round(contamination * n).

    Example:
        >>> found = columns([1.0, 5.0, 2.0], 0.3)
        >>> found["anomaly"].tolist(), found["is_anomaly"].tolist()
        ([-1.0, 3.0, 0.0], [False, True, False])
    """
    import numpy as np

    values = np.asarray(nll, dtype=np.float64)
    strange = np.zeros(len(values), dtype=bool)
    strange[np.argsort(-values, kind="stable")[: round(contamination * len(values))]] = True
    return {"nll": values, "anomaly": values - np.median(values), "is_anomaly": strange}


PARSERS = {"score": parser}
