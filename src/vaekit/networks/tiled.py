"""A function of pictures of one size applied to larger ones, by tiles that overlap and are blended."""

from __future__ import annotations

__all__ = ["tiled"]

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vaekit.messages import Mistake, require_count


def tiled(
    function: Callable[[Tensor], Tensor],
    x: Tensor,
    tile: Sequence[int],
    *,
    overlap: int,
    shrink: int = 1,
    sharp: bool = False,
) -> Tensor:
    """Apply a function of (B, ..., h, w) to a larger picture (B, ..., H, W), a tile at a time.

    Tiles lie evenly, from edge to edge. Of two that overlap, each counts fully up to three quarters of the way, and
    between them one fades into the other. Where what a place depends on reaches a quarter of the overlap at most, the
    result is the function's of the whole picture. A picture that is no larger than a tile is given to the function as
    it is.

    Args:
        function: its results have last axes in a whole proportion to a tile's.
        x: the picture.
        tile: the height and width of a tile, in cells.
        overlap: cells that two tiles share, at least; less than a tile has.
        shrink: pixels of x that a cell is high and wide, such as an encoder's factor.
        sharp: whether each cell is one tile's alone, the one that has it farther from its edge, and nothing is blended:
            for codes.

    Raises:
        Mistake: for an overlap that leaves no way on, and a picture that is no whole number of cells.

    Example:
        >>> x = torch.arange(35.0).view(1, 1, 5, 7)
        >>> torch.equal(tiled(lambda piece: 2 * piece, x, (4, 4), overlap=2), 2 * x)
        True
    """
    require_count("shrink", shrink)
    size = [side // shrink for side in x.shape[-2:]]
    if [side * shrink for side in size] != list(x.shape[-2:]):
        raise Mistake(f"got a picture of {x.shape[-2]} x {x.shape[-1]} and wanted sides that {shrink} divides.")
    if not isinstance(overlap, int) or not 0 <= overlap < min(tile):
        raise Mistake(f"got overlap={overlap!r} and wanted 0 to {min(tile) - 1}, less than a tile has.")
    if size[0] <= tile[0] and size[1] <= tile[1]:
        return function(x)
    high, wide = (min(side, most) for side, most in zip(size, tile, strict=True))
    total: Tensor | None = None
    tops, lefts = _starts(size[0], high, overlap), _starts(size[1], wide, overlap)
    for i, top in enumerate(tops):
        for j, left in enumerate(lefts):
            rows, columns = (slice(shrink * a, shrink * (a + n)) for a, n in ((top, high), (left, wide)))
            out = function(x[..., rows, columns])
            grow = out.shape[-2] // high
            if total is None:
                total = out.new_zeros(*out.shape[:-2], *(grow * side for side in size))
            down = _share(tops, i, high, overlap, grow, sharp=sharp).to(out)
            across = _share(lefts, j, wide, overlap, grow, sharp=sharp).to(out)
            rows, columns = (slice(grow * a, grow * (a + n)) for a, n in ((top, high), (left, wide)))
            total[..., rows, columns] += out * (down.unsqueeze(1) * across)
    assert total is not None
    return total


def _starts(size: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin: as few as overlap by so much, evenly from edge to edge."""
    if size <= tile:
        return [0]
    steps = -(-(size - tile) // (tile - overlap))
    return [round(i * (size - tile) / steps) for i in range(steps + 1)]


def _share(starts: list[int], i: int, tile: int, overlap: int, grow: int, *, sharp: bool) -> Tensor:
    """How much of each of its pixels a tile makes, (tile * grow,); the shares of all tiles add up to 1."""
    at = starts[i] + (torch.arange(tile * grow, dtype=torch.float64) + 0.5) / grow

    def past(k: int) -> Tensor:
        """How far the middle between tile k and the one before is passed, from 0 to 1."""
        if k in (0, len(starts)):
            return torch.full_like(at, float(k == 0))
        middle = (starts[k] + starts[k - 1] + tile) / 2
        return (at >= middle).double() if sharp or not overlap else ((at - middle) / (overlap / 2) + 0.5).clamp(0, 1)

    return past(i) - past(i + 1)
