"""Pictures of images: values as levels of grey or colour, and many images as one grid."""

from __future__ import annotations

__all__ = ["as_levels", "as_pictures", "image_grid", "white_of"]

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from vaekit.messages import Mistake

CHANNELS = (1, 3, 4)
WHITES = (1.0, 16.0, 255.0)  # the levels of white that data come with
GAP = 1  # pixels between the images of a grid


def image_grid(images: np.ndarray, columns: int | None = None, *, white: float | None = None) -> np.ndarray:
    """Images side by side in one picture of uint8, row by row.

    Args:
        images: (N, H, W) or (N, H, W, C); uint8 above 1 is kept, else 0 (or the least value) is black.
        columns: images a row; by default as many as rows, or one more.
        white: the value of white; by default 1, 16 or 255, the first that no value is above.

    Example:
        >>> image_grid(np.ones((5, 8, 8))).shape
        (17, 26)
    """
    n = len(images)
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    levels = as_levels(images, white)
    height, width, rest = images.shape[1], images.shape[2], images.shape[3:]
    if rest == (1,):
        levels, rest = levels[..., 0], ()
    cells = np.zeros((rows * columns, height + GAP, width + GAP, *rest), dtype=np.uint8)
    cells[:n, :height, :width] = levels
    grid = cells.reshape(rows, columns, height + GAP, width + GAP, *rest).swapaxes(1, 2)
    return grid.reshape(rows * (height + GAP), columns * (width + GAP), *rest)[:-GAP, :-GAP]


def as_levels(images: np.ndarray, white: float | None) -> np.ndarray:
    """Images as uint8, from black at 0 or the least value to white."""
    white = white or white_of(images)
    if images.dtype == np.uint8 and white == 255:
        return images
    numbers = np.nan_to_num(images.astype(np.float64), nan=0.0)
    black = min(0.0, float(numbers.min(initial=0.0)))
    return ((numbers - black) / max(white - black, 1e-12) * 255).round().clip(0, 255).astype(np.uint8)


def white_of(images: np.ndarray) -> float:
    """The value of white in data like these: for uint8 1 or 255, else the first usual one that no value is above."""
    if images.dtype == np.uint8:
        return 1.0 if images.max(initial=0) <= 1 else 255.0
    top = float(np.nan_to_num(images, nan=0.0).max(initial=0))
    return next((white for white in WHITES if top <= white), top)


def as_pictures(path: Path, values: Any) -> np.ndarray:
    """Values as images (N, H, W) or (N, H, W, C), or the Mistake that names other files for them."""
    table = isinstance(values, Mapping) or type(values).__name__ == "DataFrame"
    tensor = isinstance(values, Tensor)
    array = np.empty(0) if table else values.detach().cpu().numpy() if tensor else np.asarray(values)
    first, last = (array.shape[axis] in CHANNELS if array.ndim == 4 else False for axis in (1, -1))
    if first and (tensor or not last):
        array = array.transpose(0, 2, 3, 1)  # (N, H, W, C); tensors have their channels first
    drawable = array.ndim == 3 or first or last
    if not drawable or array.dtype.kind not in "biuf":
        got = "columns" if table else f"of shape {array.shape}"
        raise Mistake(f"{path} is for images, and the values are {got}: write .npy, .npz, .csv or .parquet.")
    return array
