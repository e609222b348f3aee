"""ByModality: a transform of its own for each modality."""

from __future__ import annotations

__all__ = ["ByModality"]

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vaekit.data.modalities import Modalities
from vaekit.data.transforms import Transform


class ByModality(Transform):
    """A transform of its own for each modality.

    Args:
        modalities: how an item is cut.
        parts: name -> transform of its piece; one that is left out, or None, stays as it is.

    Example:
        >>> from vaekit.data.transforms import Standardize
        >>> t = ByModality(Modalities((3,), {"label": (2,), "mark": (1,)}), {"mark": Standardize((1,))})
        >>> t.before_fit(torch.tensor([[0.0, 1.0, 30.0], [1.0, 0.0, 50.0]]), {}, 2)
        >>> t(torch.tensor([[0.0, 1.0, 50.0]]))
        tensor([[0., 1., 1.]])
    """

    leads = ("before_fit",)

    def __init__(self, modalities: Modalities, parts: Mapping[str, Transform | None]) -> None:
        super().__init__()
        modalities.require(parts)
        self.modalities = modalities
        self.names = [name for name, part in parts.items() if part is not None]
        self.parts: Any = nn.ModuleList(part for part in parts.values() if part is not None)
        for name in ("shift", "gain"):
            self.register_buffer(name, torch.zeros(modalities.shape, dtype=torch.float64))
        self.register_buffer("factor", torch.ones(modalities.shape, dtype=torch.float64))
        self.gain: Tensor
        self._gather()

    def _gather(self) -> None:
        """Shift, factor and log-Jacobian of the parts side by side; 0, 1 and 0 of what has none."""
        parts: dict[str, Transform] = dict(zip(self.names, self.parts, strict=True))

        def side_by_side(pick: Callable[[Transform], Tensor], plain: float) -> Tensor:
            pieces = {
                name: pick(parts[name]).to(self.factor).expand(shape) if name in parts else torch.full(shape, plain)
                for name, shape in self.modalities.shapes.items()
            }
            return self.modalities.join({name: piece.to(self.factor) for name, piece in pieces.items()})

        self.gain.copy_(side_by_side(lambda part: part.log_jacobian_each(), 0.0))
        self.shift.copy_(side_by_side(lambda part: part.shift, 0.0))
        self.factor.copy_(side_by_side(lambda part: part.factor, 1.0))

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        pieces = self.modalities.split(x)
        for name, part in zip(self.names, self.parts, strict=True):
            part.before_fit(pieces[name], y, n)
        self._gather()

    def log_jacobian_each(self) -> Tensor:
        return self.gain
