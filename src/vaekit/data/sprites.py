"""Sprites: all 737,280 pictures of the dSprites grid, drawn here and not copied from the published file."""

from __future__ import annotations

__all__ = ["Sprites"]

from collections.abc import Mapping
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaekit.data.factors import FactorData, Levels

SIDE = 64
STEPS = 32  # places along each axis, a pixel apart
CENTRE = 16  # the pixel of the first place
TURN = 39  # steps in a full turn
OFF = (0.33, 0.21)  # of a pixel, right and up from its middle: so no two angles of a square give the same pixels
HALF_SIDE = 11.0  # of the largest square, in pixels
AXES = (15.2, 7.6)  # of the largest ellipse
HEART = 12.1  # pixels to the unit of the largest heart's curve
LIFT = 0.29  # moves the heart's curve so that it turns about its middle

Grid = NDArray[np.float64]


class Sprites(FactorData):
    """White squares, ellipses and hearts on black, 64 x 64, uint8 of 0 and 1, in the order of dSprites.

    The factors and their order are those of Matthey et al. 2017 (github.com/google-deepmind/dsprites-dataset): 1
    colour, 3 shapes, 6 scales from 0.5 to 1, 40 orientations from 0 to 2 pi, 32 places across and 32 down. The
    pictures are drawn here, with outlines of our own, so that scores are near those on the published file and not
    equal to them.

    One step of position is one pixel, so that pictures which differ in position only are exact translates. The last
    orientation is the first again, as in the published grid; all else differs, since no two of the 39 angles are a
    quarter or half turn apart, though a square's may be but 2.3 degrees from looking alike.

    Example:
        >>> data = Sprites()
        >>> data.index([[0, 2, 5, 39, 31, 31]]).tolist(), int(data.items([0]).sum())
        ([737279], 121)
    """

    name: ClassVar[str] = "dsprites"
    factor_names: ClassVar[tuple[str, ...]] = ("color", "shape", "scale", "orientation", "position_x", "position_y")
    factor_sizes: ClassVar[tuple[int, ...]] = (1, 3, 6, 40, STEPS, STEPS)
    shape: ClassVar[tuple[int, ...]] = (SIDE, SIDE)
    values: ClassVar[Mapping[str, tuple[str, ...]]] = {"shape": ("square", "ellipse", "heart")}
    label: ClassVar[str | None] = "shape"

    def draw(self, factors: Levels) -> Tensor:
        """(n, 6) -> (n, 64, 64); a larger position_x is further right, a larger position_y further down."""
        _, shape, scale, turn, x, y = factors.T
        windows = np.lib.stride_tricks.sliding_window_view(_sheet(), (SIDE, SIDE), axis=(3, 4))
        return torch.from_numpy(windows[shape, scale, turn, STEPS - 1 - y, STEPS - 1 - x])


@cache
def _sheet() -> NDArray[np.uint8]:
    """Each shape, scale and orientation in the middle of a sheet that a window of 64 x 64 slides over."""
    side = SIDE + STEPS - 1
    line = np.arange(side) - (CENTRE + STEPS - 1.0)
    scale = np.linspace(0.5, 1.0, 6)[:, None, None, None]
    angle = 2 * np.pi * (np.arange(40) % TURN)[:, None, None] / TURN
    across, up = line[None, :] - OFF[0], -line[:, None] - OFF[1]
    u = (np.cos(angle) * across + np.sin(angle) * up) / scale  # (6, 40, side, side), pixels of the largest shape
    v = (np.cos(angle) * up - np.sin(angle) * across) / scale
    return np.stack([_square(u, v), _ellipse(u, v), _heart(u, v)]).astype(np.uint8)


def _square(u: Grid, v: Grid) -> NDArray[np.bool_]:
    return np.maximum(np.abs(u), np.abs(v)) <= HALF_SIDE


def _ellipse(u: Grid, v: Grid) -> NDArray[np.bool_]:
    return (u / AXES[0]) ** 2 + (v / AXES[1]) ** 2 <= 1


def _heart(u: Grid, v: Grid) -> NDArray[np.bool_]:
    u, v = u / HEART, v / HEART + LIFT
    return (u**2 + v**2 - 1) ** 3 <= u**2 * v**3
