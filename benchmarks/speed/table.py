"""Tables of results: each script keeps its own as JSON, and the page shows them all."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(__file__).parent / "results"


def processor() -> str:
    """Its name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def machine() -> str:
    """Processor, cores and kernels in a few words."""
    kernels = torch.backends.cpu.get_cpu_capability()
    return f"{processor()}, {os.cpu_count()} cores, {kernels}, torch {torch.__version__}"


def keep(name: str, title: str, text: str, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a table and print it."""
    FOLDER.mkdir(exist_ok=True)
    found = {"title": title, "machine": machine(), "text": text, "head": list(head), "rows": [list(r) for r in rows]}
    (FOLDER / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    print("\n".join(markdown(found)), flush=True)


def markdown(table: dict[str, Any]) -> list[str]:
    """Its lines."""
    head, rows = table["head"], table["rows"]
    return [
        f"## {table['title']}", "", f"{table['text']} ({table['machine']})", "",
        f"| {' | '.join(head)} |", f"|{'---|' * len(head)}",
        *(f"| {' | '.join(map(str, row))} |" for row in rows), "",
    ]  # fmt: skip


def tables() -> list[str]:
    """The lines of all tables that are there."""
    files = sorted(FOLDER.glob("*.json"))
    return [line for file in files for line in markdown(json.loads(file.read_text()))]
