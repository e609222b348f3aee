"""Row: a published figure, the experiment that is to give it again, and what came out."""

from __future__ import annotations

__all__ = ["Row", "page", "reproduced"]

import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from vaekit.version import VERSION

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Row:
    """An experiment of a paper.

    Attributes:
        name: of the row.
        paper: its key among the references.
        recipes: what it trains.
        published: the paper's figure, with its setting.
        wanted: what has to come out, in words.
        met: whether it did, from the figures.
        run: does it; settings -> figure's name with its unit -> value.
        settings: all that it hangs on: data, sizes, epochs, seeds.
        minutes: about how long it takes on two cores.
        cause: why it misses what is wanted, where it does and that is known.
    """

    name: str
    paper: str
    recipes: tuple[str, ...]
    published: str
    wanted: str
    met: Callable[[Figures], bool]
    run: Callable[..., Figures]
    settings: Mapping[str, Any]
    minutes: float
    cause: str = ""


def reproduced(row: Row) -> dict[str, Any]:
    """Run a row's experiment: what it gave, beside what was published, as JSON."""
    began = time.monotonic()
    figures = {name: float(value) for name, value in row.run(**row.settings).items()}
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}"
    return {
        "row": row.name, "paper": row.paper, "recipes": list(row.recipes), "published": row.published,
        "wanted": row.wanted, "met": bool(row.met(figures)), "figures": figures, "settings": dict(row.settings),
        "seconds": round(time.monotonic() - began, 1), "machine": f"{machine}, torch {torch.__version__}",
        "vaekit": VERSION,
    }  # fmt: skip


def page(rows: Mapping[str, Row], kept: Iterable[Mapping[str, Any]]) -> str:
    """A Markdown table of kept results, in the order of the rows; rows without one are said to be not run."""
    found = {result["row"]: result for result in kept}
    lines = ["| row | published | wanted | figures | |", "|---|---|---|---|---|"]
    for name, row in rows.items():
        result = found.get(name)
        if result is None:
            figures, end = "", "not run"
        else:
            told = [f"{what} {value:.4g}" for what, value in result["figures"].items()]
            figures = "; ".join(told[:12]) + (f"; and {len(told) - 12} more" if len(told) > 12 else "")
            end = f"met, {result['seconds']:.0f} s" if result["met"] else f"missed: {row.cause}"
        lines.append(f"| `{name}` | {row.published} | {row.wanted} | {figures} | {end} |")
    return "\n".join(lines)
