r"""Spectral normalisation: every layer's weights divided by their largest singular value.

.. math:: W \mapsto W / \sigma(W), \quad \sigma(W) = u^T W v
"""

from __future__ import annotations

__all__ = ["SpectralNorm"]

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrize

from vaekit.part import Part

START = 30  # power iterations before the first step: what is off then is made up for in the steps that follow
SMALLEST = 1e-6  # a norm below which weights are left as they are, such as those that begin at 0


class SpectralNorm(Part):
    """A network whose linear layers and convolutions have weights of spectral norm 1 (Miyato et al. 2018,
    arXiv:1802.05957).

    A convolution's weights are taken as the matrix (out, in * height * width), as in the paper. The singular vectors
    u and v follow by one power iteration after each step, so that a pass changes nothing.

    Args:
        net: its layers are changed in place; its arguments and results stay as they are.

    Example:
        >>> from vaekit.networks import MLP
        >>> net = SpectralNorm(MLP(5, [8]))
        >>> weight = net.net.layers[0].weight
        >>> round(float(torch.linalg.matrix_norm(weight, 2)), 3), net.features
        (1.0, (8,))
    """

    cites: ClassVar[tuple[str, ...]] = ("miyato2018",)

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.features: Any = getattr(net, "features", None)
        for layer in list(net.modules()):
            if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
                unit = _Unit(layer.weight, isinstance(layer, nn.ConvTranspose2d))
                parametrize.register_parametrization(layer, "weight", unit)

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Find the singular vectors of the first weights."""
        self.iterate(START)

    def after_step(self, step: int) -> None:
        self.iterate(1)

    @torch.no_grad()
    def iterate(self, times: int) -> None:
        """Bring u and v closer to the leading singular vectors."""
        for layer in self.net.modules():
            if parametrize.is_parametrized(layer, "weight"):
                weights: Any = layer.parametrizations
                weights.weight[0].iterate(weights.weight.original, times)

    def forward(self, *given: Tensor | None) -> Tensor:
        out: Tensor = self.net(*given)
        return out


class _Unit(nn.Module):
    """Weights divided by u^T W v."""

    def __init__(self, weight: Tensor, transposed: bool) -> None:
        super().__init__()
        self.transposed = transposed
        matrix = self.matrix(weight.detach())
        self.register_buffer("u", normalize(torch.randn_like(matrix[:, 0]), dim=0))
        self.register_buffer("v", torch.zeros_like(matrix[0]))
        self.u: Tensor
        self.v: Tensor
        self.iterate(weight.detach(), START)

    def matrix(self, weight: Tensor) -> Tensor:
        """(out, the rest)."""
        return (weight.transpose(0, 1) if self.transposed else weight).flatten(1)

    def iterate(self, weight: Tensor, times: int) -> None:
        matrix = self.matrix(weight)
        u, v = self.u, self.v
        for _ in range(times):
            v = normalize(matrix.T @ u, dim=0)
            u = torch.where(v.any(), normalize(matrix @ v, dim=0), u)  # weights of 0 have no direction yet
        self.u.copy_(u)
        self.v.copy_(v)

    def forward(self, weight: Tensor) -> Tensor:
        sigma = self.u @ self.matrix(weight) @ self.v
        return weight / torch.where(sigma > SMALLEST, sigma, 1.0)
