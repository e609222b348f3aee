"""Images that a model makes: samples, reconstructions, the sheet of decoded latents, and traversals."""

from __future__ import annotations

__all__ = ["reconstruction_panels", "sample_panels", "sheet_panels", "traversal_panels"]

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.report.panels import Panel, plain
from vaekit.report.paths import Path, decoded, paths, ticks
from vaekit.report.pictures import Ink, ink_of, mosaic_panel
from vaekit.report.reading import batches, categories, held_out, like_data, quiet, random_rows, typical
from vaekit.report.subject import Subject

ROW = 8  # pictures a row, where nothing else decides
SMALL = 64  # the longest side of a picture on a sheet
MOST_TRAVERSED = 10


def sample_panels(subject: Subject, n: int) -> list[Panel]:
    """n samples; a row for each level where one categorical field conditions the model."""
    found = categories(subject)
    rows: list[str] = []
    columns = min(n, ROW)
    given: Any = like_data(subject, n)
    if found is not None:
        name, levels = found
        columns = max(2, min(ROW, -(-n // len(levels))))
        n = columns * len(levels)
        given = {name: np.repeat(np.array(levels), columns)}
        rows = [level_name(subject, name, level) for level in levels]
    with quiet(subject):
        x = subject.model.sample(n, given, mean=True)
    pictures = ink_of(subject, x).pictures(x)
    by = f", a row for each {plain(found[0])}" if found is not None and subject.data is not None else ""
    return [mosaic_panel(pictures, columns, f"{n} samples from the model{by}.", rows=rows if any(rows) else ())]


def level_name(subject: Subject, name: str, level: Any) -> str:
    """How a level of the context is called; nothing where the user's data may not be shown."""
    return "" if subject.data is None else f"{plain(name, 12)} = {plain(level, 14)}"


def reconstruction_panels(subject: Subject, n: int) -> list[Panel]:
    """n random held-out items above their reconstructions."""
    dataset, part = held_out(subject)
    dataset = random_rows(dataset, n)
    model: Any = subject.model
    pairs: list[tuple[Tensor, Tensor]] = []
    with quiet(subject):
        for batch in batches(subject, dataset):
            made = model._likelihood(model._posterior(batch.x, batch.y).mean, batch.y).mean
            pairs.append((in_units(subject, batch.x), in_units(subject, made)))
    original, made = (torch.cat(side) for side in zip(*pairs, strict=True))
    pictures = ink_of(subject, made).pictures(torch.cat([original, made]))
    alt = f"{len(dataset)} {part} items above and their reconstructions below."
    return [mosaic_panel(pictures, len(dataset), alt, rows=["original", "reconstruction"], width=6.0)]


def in_units(subject: Subject, x: Tensor) -> Tensor:
    """From the model's units to the user's, on the CPU."""
    transform = subject.model.transform
    return (x if transform is None else transform.inverse(x)).cpu()


def sheet_panels(subject: Subject, n: int) -> list[Panel]:
    """The images of a grid of latents; a sheet for each level where one categorical field conditions the model."""
    found = categories(subject)
    if found is None:
        return [_sheet(subject, paths(subject, n, 2), typical(subject), "", 5.2)]
    name, levels = found
    n = max(5, n // 2)
    walk = paths(subject, n, 2)
    return [_sheet(subject, walk, {name: level}, level_name(subject, name, level), 2.7) for level in levels]


def _sheet(subject: Subject, path: Path, given: Any, title: str, width: float) -> Panel:
    values = path.values  # (1 or 2, n)
    n = values.shape[1]
    if len(values) == 1:
        z = path.at({0: values[0]})
    else:
        up = values[1].flip(0)  # the second latent grows upwards, as on the map
        z = path.at({0: values[0].repeat(n), 1: up.repeat_interleave(n)})  # (n * n, D)
    x = decoded(subject, z, given)
    ink = Ink(*_ends(ink_of(subject, x)), SMALL)
    pictures = ink.pictures(x)
    columns = n if len(values) == 2 else min(n, 10)

    def decorate(ax: Any, high: int, wide: int) -> None:
        if len(values) == 1:
            return
        cell = (high / n, wide / n)
        at = [0, (n - 1) / 2, n - 1]
        ax.set_xticks([(i + 0.5) * cell[1] - 0.5 for i in at], ticks(values[0]), fontsize=9)
        ax.set_yticks([(n - i - 0.5) * cell[0] - 0.5 for i in at], ticks(values[1]), fontsize=9)
        ax.set_xlabel(path.names[0])
        ax.set_ylabel(path.names[1])

    shown = f"{n} x {n} images" if len(values) == 2 else f"{n} images"
    alt = f"{shown} decoded from latents {path.words}{'; ' + title if title else ''}."
    width = max(width, min(9.0, n * pictures.shape[2] / 100))
    return mosaic_panel(
        pictures,
        columns,
        alt,
        gap=int(pictures.shape[2] <= 16),
        title=title or path.title,
        decorate=decorate,
        width=width,
    )


def _ends(ink: Ink) -> tuple[float, float]:
    return ink.black, ink.white


def traversal_panels(subject: Subject, n: int) -> list[Panel]:
    """A row for each of the ten latents of largest KL: that latent alone moves, the others stay in the middle."""
    path = paths(subject, n, MOST_TRAVERSED)
    z = torch.cat([path.at({i: path.values[i]}) for i in range(len(path.values))])  # (rows * n, D)
    x = decoded(subject, z, typical(subject))
    pictures = Ink(*_ends(ink_of(subject, x)), SMALL).pictures(x)
    alt = f"A row for each of {', '.join(path.names)}: the images as that latent alone moves {path.span}."
    return [mosaic_panel(pictures, n, alt, rows=path.names, title=f"each latent alone, {path.span}")]
