"""Progress on stderr: a bar on a terminal, and now and then a plain line where stderr goes to a file."""

from __future__ import annotations

__all__ = ["Progress", "counted", "say_risen"]

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from tqdm import tqdm

LINE_SECONDS = 10.0
Part = TypeVar("Part")
RISE = 0.1  # of the first loss: what noise and schedules may add without being said


class Progress:
    """Shows how far a run has come.

    Args:
        total: its steps.
        at: the step it begins with.
        show: whether to show anything.
        unit: what is counted.
    """

    def __init__(self, total: int, at: int, *, show: bool, unit: str = "step") -> None:
        self.total, self.at, self.unit = total, at, unit
        terminal = sys.stderr.isatty()
        self.bar = tqdm(
            total=total, initial=at, disable=not (show and terminal), unit=unit, dynamic_ncols=True, smoothing=0.1
        )
        self.lines, self.said = show and not terminal, time.monotonic()

    def update(self, at: int, text: str) -> None:
        """Tell the step that was reached."""
        self.bar.set_postfix_str(text, refresh=False)
        self.bar.update(at - self.at)
        self.at = at
        if self.lines and time.monotonic() - self.said >= LINE_SECONDS:
            self._line(text)

    def close(self, text: str) -> None:
        """Show the end."""
        self.bar.close()
        if self.lines and self.at:
            self._line(text)

    def _line(self, text: str) -> None:
        print(f"{self.unit} {self.at:,} of {self.total:,}: {text}", file=sys.stderr, flush=True)
        self.said = time.monotonic()


def counted(parts: Iterable[Part], total: int, text: str, *, show: bool) -> Iterator[Part]:
    """The parts as they come, with a bar over their `total` items, such as "measuring the NLL"."""
    progress = Progress(total, 0, show=show, unit="item")
    for part in parts:
        yield part
        progress.update(progress.at + len(part), text)  # type: ignore[arg-type]
    progress.bar.close()


def say_risen(first: float | None, rows: list[dict[str, Any]]) -> None:
    """One sentence where the last epoch's loss is above that of the first step."""
    last = rows[-1].get("loss") if rows else None
    if first is not None and last is not None and last > first + max(1.0, RISE * abs(first)):
        print(f"the loss rose from {first:.4g} to {last:.4g} in training: lower lr", file=sys.stderr)
