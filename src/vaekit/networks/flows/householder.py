r"""Householder layers: Improving Variational Auto-Encoders using Householder Flow, Tomczak and Welling 2016,
https://arxiv.org/abs/1611.09630.

.. math:: f(z) = z - 2 v (v^\top z) / \|v\|^2
"""

from __future__ import annotations

__all__ = ["Householder", "reflections"]

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from vaekit.messages import require_count
from vaekit.networks.flows.base import Layer, Map, Numbers

TINY = 1e-30  # a squared norm that still divides


class Householder(Layer):
    """Reflections in planes, which turn a diagonal Gaussian into one with a covariance; volumes stay as they are.

    Args:
        latent_dim: D.
        features: the shape of the features that the planes are read off, or None.
        reflections: how many planes.

    Example:
        >>> z, log_det = Householder(3)().forward(torch.ones(1, 3))
        >>> round(z.norm().item(), 4), log_det.item()
        (1.7321, 0.0)
    """

    cites: ClassVar[tuple[str, ...]] = ("tomczak2016",)

    def __init__(self, latent_dim: int, features: Sequence[int] | int | None = None, *, reflections: int = 1) -> None:
        super().__init__()
        self.latent_dim, self.reflections = latent_dim, require_count("reflections", reflections)
        self.numbers = Numbers(features, torch.randn(self.reflections * latent_dim))

    def forward(self, features: Tensor | None = None) -> Map:
        return _Householder(self.numbers(features).unflatten(-1, (self.reflections, self.latent_dim)))


class _Householder(Map):
    """v (*batch, H, D), of H reflections one after the other."""

    rotates = True

    def __init__(self, v: Tensor) -> None:
        self.v = v

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        found = _reflected(self.v, z)
        return found, torch.zeros_like(found[..., 0])

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        found = _reflected(self.v.flip(-2), z)
        return found, torch.zeros_like(found[..., 0])


def reflections(v: Tensor, z: Tensor) -> Tensor:
    """The rows of z, (N, D), each reflected in the planes of v (*batch, H, D), (*batch, N, D)."""
    return _reflected(v.unsqueeze(-3), z)


def _reflected(v: Tensor, z: Tensor) -> Tensor:
    for i in range(v.shape[-2]):
        plane = v[..., i, :]
        plane = plane / plane.square().sum(-1, keepdim=True).clamp_min(TINY).sqrt()
        z = z - 2 * plane * (plane * z).sum(-1, keepdim=True)
    return z
