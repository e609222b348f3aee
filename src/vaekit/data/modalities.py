"""Modalities: the named parts that items are made of, such as a picture and its caption."""

from __future__ import annotations

__all__ = ["Modalities"]

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from vaekit.messages import Mistake, require_counts
from vaekit.part import Part


class Modalities(Part):
    """How an item is cut along its last axis into consecutive pieces, each of a name and a shape of its own.

    A piece that an item lacks is NaN throughout.

    Args:
        shape: of one item: (D,) for pieces of any shapes, laid flat and side by side.
        parts: name -> shape of a piece, in order; two halves, "first" and "second", where nothing is given.

    Raises:
        Mistake: where the pieces do not make up an item.

    Example:
        >>> modalities = Modalities((66,), {"digit": (8, 8), "marks": (2,)})
        >>> x = modalities.join({"digit": torch.ones(5, 8, 8)})
        >>> x.shape, modalities.seen(x)[0]
        (torch.Size([5, 66]), tensor([ True, False]))
        >>> {name: tuple(piece.shape) for name, piece in modalities.split(x).items()}
        {'digit': (5, 8, 8), 'marks': (5, 2)}
    """

    def __init__(self, shape: Sequence[int], parts: Mapping[str, Sequence[int]] | None = None) -> None:
        super().__init__()
        self.shape = tuple(require_counts("shape", list(shape)))
        rows, last = math.prod(self.shape[:-1]), self.shape[-1]
        if parts is None:
            if last < 2:
                raise Mistake(f"items of shape {self.shape} have no two halves: give modalities={{name: shape, ...}}.")
            parts = {"first": (*self.shape[:-1], last - last // 2), "second": (*self.shape[:-1], last // 2)}
        if not isinstance(parts, Mapping) or len(parts) < 2:
            raise Mistake(f"got modalities={parts!r:.60} and wanted two or more, {{name: shape, ...}}.")
        self.shapes = {name: tuple(require_counts(name, list(piece))) for name, piece in parts.items()}
        self.names = tuple(self.shapes)
        self.widths = [math.prod(piece) // rows for piece in self.shapes.values()]
        if any(math.prod(piece) % rows for piece in self.shapes.values()) or sum(self.widths) != last:
            pieces = ", ".join(f"{name} {piece}" for name, piece in self.shapes.items())
            raise Mistake(
                f"items of shape {self.shape} cannot be cut along their last axis into {pieces}: the pieces' numbers "
                f"must add up to {math.prod(self.shape)}."
            )

    def split(self, x: Tensor) -> dict[str, Tensor]:
        """(*leading, *X) as one tensor for each name, (*leading, *its shape)."""
        leading = x.shape[: x.ndim - len(self.shape)]
        pieces = x.split(self.widths, -1)
        return {n: p.reshape(*leading, *s) for (n, s), p in zip(self.shapes.items(), pieces, strict=True)}

    def join(self, pieces: Mapping[str, Any]) -> Tensor:
        """Arrays by name, (*leading, *its shape) each, side by side, (*leading, *X); a name left out is missing.

        Raises:
            Mistake: for a name that is none of the modalities, or where nothing is given.
        """
        self.require(pieces)
        given = {name: torch.as_tensor(piece) for name, piece in pieces.items()}
        if not given:
            raise Mistake(f"got no modality to join: give some of {', '.join(self.names)}.")
        first, like = next(iter(given.items()))
        leading = like.shape[: like.ndim - len(self.shapes[first])]
        whole = []
        for name, shape in self.shapes.items():
            size = (*leading, *self.shape[:-1], math.prod(shape) // math.prod(self.shape[:-1]))
            piece = given.get(name)
            if piece is not None and tuple(piece.shape) != (*leading, *shape):
                raise Mistake(
                    f"got {name} of shape {tuple(piece.shape)} and wanted {(*leading, *shape)}: one {name} an item."
                )
            whole.append(torch.full(size, torch.nan, device=like.device) if piece is None else piece.reshape(size))
        return (
            torch.cat(whole, -1) if len(given) == len(whole) else torch.cat([w.to(_floating(like)) for w in whole], -1)
        )

    def seen(self, x: Tensor) -> Tensor:
        """Of which pieces something is there, (*leading, M), in the order of the names."""
        pieces = self.split(x)
        return torch.stack([(~p.isnan()).flatten(p.ndim - len(self.shapes[n])).any(-1) for n, p in pieces.items()], -1)

    def mask(self, names: Sequence[str]) -> Tensor:
        """True for the elements of these pieces, (*X): what `evaluation.conditional_log_likelihoods` takes as seen."""
        self.require(names)
        marks = {name: torch.full(shape, name in names) for name, shape in self.shapes.items()}
        return self.join(marks)

    def only(self, x: Any, names: Sequence[str]) -> Tensor:
        """The same items without all other pieces, which become NaN: what cross-generation starts from."""
        x = torch.as_tensor(x)
        return x.to(_floating(x)).masked_fill(~self.mask(names).to(x.device), torch.nan)

    def begin(self, parts: Iterable[Part], x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Let a part of each modality begin at its piece of those items that have it, as `Part.before_fit` does."""
        seen, pieces = self.seen(x), self.split(x)
        for m, (part, piece) in enumerate(zip(parts, pieces.values(), strict=True)):
            rows = seen[:, m]
            for inner in part.walk("before_fit") if bool(rows.any()) else ():
                inner.before_fit(piece[rows], {field: value[rows] for field, value in y.items()}, n)

    def require(self, names: Any) -> None:
        """Refuse a name that is none of the modalities."""
        for name in names:
            if name not in self.shapes:
                raise Mistake(f"there is no modality {name!r}: the model has {', '.join(self.names)}.")


def _floating(x: Tensor) -> torch.dtype:
    return x.dtype if x.is_floating_point() else torch.get_default_dtype()
