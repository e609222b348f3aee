"""Row: a published figure, the experiment that is to give it again, and what came out."""

from __future__ import annotations

__all__ = ["Row", "reproduced"]

import os
import platform
import time
from collections.abc import Callable, Mapping
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
