"""Panels: the pictures of a figure, drawn together on one matplotlib Figure or each for itself on a page."""

from __future__ import annotations

__all__ = ["BLUE", "GREY", "ORANGE", "Panel", "grid", "new_figure", "plain"]

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

# Mid tones, so that they are seen on white and on nearly black.
BLUE, ORANGE, GREY = "#3f86c9", "#dd7a24", "#8a8f98"


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
        draw: draws it on matplotlib Axes; what is ink takes its colour from rcParams.
        size: width and height in inches.
        alt: what it shows, in words.
    """

    draw: Callable[[Any], None]
    size: tuple[float, float]
    alt: str


def new_figure(width: float, height: float) -> Any:
    """An empty matplotlib Figure that pyplot does not know and that a notebook shows all the same."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1)  # the labels beside pictures of a fixed aspect need it
    FigureCanvasAgg(figure)

    def png() -> bytes:
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=120)
        return stream.getvalue()

    figure._repr_png_ = png  # without pyplot, IPython has no formatter for Figures
    return figure


def grid(panels: Sequence[Panel], columns: int) -> Any:
    """The panels on one Figure, row by row."""
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    width, height = (max(panel.size[axis] for panel in panels) for axis in (0, 1))
    figure = new_figure(width * columns, height * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, ax in zip(panels, axes, strict=False):
        panel.draw(ax)
    for ax in axes[len(panels) :]:
        ax.remove()
    return figure


def plain(text: Any, most: int = 28) -> str:
    """A name as matplotlib prints it letter by letter: no mathematics, no newlines, no more than `most` letters.

    Example:
        >>> plain("cost ($)"), plain("a" * 40, 8)
        ('cost (\\\\$)', 'aaaaaaa…')
    """
    line = " ".join(str(text).split())
    line = line if len(line) <= most else line[: most - 1] + "…"
    return line.replace("$", r"\$")
