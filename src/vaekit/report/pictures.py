"""Pictures: items that are images as RGBA of 8 bits, and many of them as one mosaic."""

from __future__ import annotations

__all__ = ["Ink", "ink_of", "mosaic", "mosaic_panel"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from vaekit.data.grid import white_of
from vaekit.data.transforms import Levels
from vaekit.likelihoods import Bernoulli
from vaekit.report.panels import Panel
from vaekit.report.subject import Subject

LOOK = 2000  # items that black and white are looked up in


@dataclass(frozen=True)
class Ink:
    """The values of black and white, and the longest side of a picture that is shown."""

    black: float
    white: float
    most: int = 96

    def pictures(self, x: Tensor) -> np.ndarray:
        """Items (N, H, W) or (N, C, H, W) in the user's units as (N, H', W', 4) of uint8.

        Example:
            >>> Ink(0.0, 1.0).pictures(torch.tensor([[[0.0, 1.0]]]))[0, 0].tolist()
            [[0, 0, 0, 255], [255, 255, 255, 255]]
        """
        x = x.detach().cpu().to(torch.float32)
        x = x.unsqueeze(1) if x.ndim == 3 else x  # (N, C, H, W)
        level = ((x - self.black) / ((self.white - self.black) or 1.0)).nan_to_num(0.0).clamp(0, 1)
        factor = -(-max(level.shape[-2:]) // self.most)
        if factor > 1:
            level = avg_pool2d(level, factor, ceil_mode=True)
        if level.shape[1] not in (3, 4):
            level = level.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        if level.shape[1] == 3:
            level = torch.cat([level, torch.ones_like(level[:, :1])], 1)
        return (level * 255).round().to(torch.uint8).movedim(1, -1).numpy()


def ink_of(subject: Subject, made: Tensor, most: int = 96) -> Ink:
    """Black and white of the data; where it is not at hand those of the transform, or of what the model made."""
    transform = subject.model.transform
    if subject.data is not None:
        x = subject.data.x[:LOOK]
        values = x.numpy()
        low = 0.0 if not x.is_floating_point() else float(np.nanmin(values))
        return Ink(0.0, float(white_of(values)), most) if low >= 0 else Ink(low, float(np.nanmax(values)), most)
    if isinstance(transform, Levels):
        return Ink(0.0, float(transform.arguments.get("top", 255.0)), most)
    if transform is None and isinstance(subject.model.likelihood, Bernoulli):
        return Ink(0.0, 1.0, most)
    low, high = np.nanquantile(made.detach().cpu().float().numpy()[:LOOK], [0.01, 0.999])
    return Ink(float(low), float(high), most)


def mosaic(pictures: np.ndarray, columns: int, gap: int) -> np.ndarray:
    """Pictures (N, H, W, 4) row by row in one, with transparent gaps.

    Example:
        >>> mosaic(np.full((3, 4, 4, 4), 255, dtype=np.uint8), 2, 1).shape
        (9, 9, 4)
    """
    n, height, width = pictures.shape[:3]
    rows = -(-n // columns)
    cells = np.zeros((rows * columns, height + gap, width + gap, 4), dtype=np.uint8)
    cells[:n, :height, :width] = pictures
    whole = cells.reshape(rows, columns, height + gap, width + gap, 4).swapaxes(1, 2)
    whole = whole.reshape(rows * (height + gap), columns * (width + gap), 4)
    return whole[: -gap or None, : -gap or None]


def mosaic_panel(
    pictures: np.ndarray, columns: int, alt: str, *, gap: int | None = None, rows: Sequence[str] = (), title: str = "",
    decorate: Any = None, width: float = 4.6,
) -> Panel:  # fmt: skip
    """A panel of one mosaic.

    Args:
        pictures: (N, H, W, 4).
        columns: pictures a row.
        alt: what it shows, in words.
        gap: pixels between pictures; a tenth of their width where nothing is given.
        rows: the name of each row.
        title: above the mosaic.
        decorate: called with the axes and the mosaic's height and width, in place of no axes at all.
        width: of the panel in inches.
    """
    gap = max(1, pictures.shape[2] // 10) if gap is None else gap
    whole = mosaic(pictures, columns, gap)
    high, wide = whole.shape[:2]

    def draw(ax: Any) -> None:
        ax.imshow(whole, interpolation="none")
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
        ax.set_xticks([])
        middles = [(i + 0.5) * (pictures.shape[1] + gap) - gap / 2 - 0.5 for i in range(len(rows))]
        ax.set_yticks(middles if rows else [], list(rows) if rows else [], fontsize=10)
        if title:
            ax.set_title(title, fontsize=11)
        if decorate is not None:
            decorate(ax, high, wide)

    margin = 0.085 * max((len(r) for r in rows), default=0) + (0.5 if decorate else 0.1)
    height = max(0.6, (width - margin) * high / wide) + (0.3 if title else 0.1) + (0.4 if decorate else 0)
    return Panel(draw, (width, height), alt)
