r"""Couplings: affine ones (Density estimation using Real NVP, Dinh et al. 2017, https://arxiv.org/abs/1605.08803) and
splines (Neural Spline Flows, Durkan et al. 2019, https://arxiv.org/abs/1906.04032).

.. math:: f(z)_A = z_A, \qquad f(z)_B = z_B \odot e^{s(z_A)} + t(z_A) \quad \text{or} \quad g_{\theta(z_A)}(z_B)
"""

from __future__ import annotations

__all__ = ["Coupling", "SplineCoupling"]

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from vaekit.maths import rational_quadratic
from vaekit.messages import Mistake, require_count
from vaekit.networks.flows.base import Layer, Map, unit_at_zero
from vaekit.networks.head import Head
from vaekit.networks.mlp import MLP

LOG_SCALE = 5.0  # of one layer, at most
LEAST = 1e-3  # of a spline's bins, as shares, and of its slopes


class Coupling(Layer):
    """Every other latent is shifted and scaled by what the others say; one pass either way.

    Args:
        latent_dim: D.
        features: the shape of the features that the network sees too, or None.
        hidden: the widths of the network's layers.
        odd: whether it is the odd latents that move, or the even ones.

    Example:
        >>> z = torch.randn(5, 3)
        >>> bool((Coupling(3)().forward(z)[0] == z).all(0)[1])
        True
    """

    cites: ClassVar[tuple[str, ...]] = ("dinh2017",)

    def __init__(
        self,
        latent_dim: int,
        features: Sequence[int] | int | None = None,
        *,
        hidden: Sequence[int] = (128, 128),
        odd: bool = False,
    ) -> None:
        super().__init__()
        shape = () if features is None else (features,) if isinstance(features, int) else features
        self.sees = features is not None
        self.net = _Numbers(latent_dim, hidden, math.prod(shape) if self.sees else 0, self.numbers_each())
        self.register_buffer("moves", torch.arange(latent_dim) % 2 == int(odd))
        self.moves: Tensor

    def numbers_each(self) -> int:
        """How many numbers move one latent."""
        return 2

    def forward(self, features: Tensor | None = None) -> Map:
        return _Affine(self.net, self.moves, features.flatten(1) if self.sees and features is not None else None)


class SplineCoupling(Coupling):
    """Every other latent goes through a monotone spline that the others shape; one pass either way.

    Args:
        latent_dim, features, hidden, odd: as for Coupling.
        bins: of the spline.
        reach: beyond which a latent stays as it is.
    """

    cites: ClassVar[tuple[str, ...]] = ("durkan2019",)

    def __init__(
        self,
        latent_dim: int,
        features: Sequence[int] | int | None = None,
        *,
        hidden: Sequence[int] = (128, 128),
        odd: bool = False,
        bins: int = 8,
        reach: float = 5.0,
    ) -> None:
        self.bins = require_count("bins", bins)
        if not 0 < reach < math.inf:
            raise Mistake(f"got reach={reach!r} and wanted a number above 0.")
        super().__init__(latent_dim, features, hidden=hidden, odd=odd)
        self.reach = float(reach)

    def numbers_each(self) -> int:
        return 3 * self.bins - 1

    def forward(self, features: Tensor | None = None) -> Map:
        h = features.flatten(1) if self.sees and features is not None else None
        return _Spline(self.net, self.moves, h, self.bins, self.reach)


class _Numbers(nn.Module):
    """The numbers of each latent, (*leading, D, n), near 0 at first."""

    def __init__(self, latent_dim: int, hidden: Sequence[int], context: int, each: int) -> None:
        super().__init__()
        self.net = MLP(latent_dim, hidden, context=context)
        self.head = Head(self.net.features, (latent_dim,), each)
        for which in range(each):
            self.head.start_at(which, torch.zeros(latent_dim))

    def forward(self, z: Tensor, h: Tensor | None) -> Tensor:
        out = self.head.stacked(self.net(z.to(self.head.layer.weight.dtype), h))
        return out.mT.to(z.dtype)


class _Coupling(Map):
    def __init__(self, net: nn.Module, moves: Tensor, h: Tensor | None) -> None:
        self.net, self.moves, self.h = net, moves, h

    def _moved(self, z: Tensor, numbers: Tensor, back: bool) -> tuple[Tensor, Tensor]:
        """Each latent moved by itself, there or back, and the log of the slope of the way there."""
        raise NotImplementedError

    def _both(self, z: Tensor, back: bool) -> tuple[Tensor, Tensor]:
        if self.h is not None:
            z = z.expand(*torch.broadcast_shapes(z.shape[:-1], self.h.shape[:-1]), z.shape[-1])
        numbers = self.net(z.masked_fill(self.moves, 0.0), self.h)
        out, log_slope = self._moved(z, numbers, back)
        return torch.where(self.moves, out, z), log_slope.masked_fill(~self.moves, 0.0).sum(-1)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self._both(z, False)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self._both(z, True)


class _Affine(_Coupling):
    def _moved(self, z: Tensor, numbers: Tensor, back: bool) -> tuple[Tensor, Tensor]:
        shift, log_scale = numbers.unbind(-1)
        log_scale = LOG_SCALE * (log_scale / LOG_SCALE).tanh()
        return (z - shift) * (-log_scale).exp() if back else z * log_scale.exp() + shift, log_scale


class _Spline(_Coupling):
    def __init__(self, net: nn.Module, moves: Tensor, h: Tensor | None, bins: int, reach: float) -> None:
        super().__init__(net, moves, h)
        self.bins, self.reach = bins, reach

    def _moved(self, z: Tensor, numbers: Tensor, back: bool) -> tuple[Tensor, Tensor]:
        *sides, slopes = numbers.split([self.bins, self.bins, self.bins - 1], -1)
        least = LEAST / self.bins
        widths, heights = (2 * self.reach * (least + (1 - LEAST) * side.softmax(-1)) for side in sides)
        return rational_quadratic(z, widths, heights, LEAST + (1 - LEAST) * unit_at_zero(slopes), back=back)
