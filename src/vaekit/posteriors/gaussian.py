"""Gaussian posteriors: with a diagonal covariance (Kingma and Welling 2014, arXiv:1312.6114) and with a full one."""

from __future__ import annotations

__all__ = ["FullGaussian", "Gaussian"]

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import hardtanh, softplus

from vaekit import distributions
from vaekit.posteriors.base import Posterior

LOG_SCALE = 10.0  # scales beyond e^-10 and e^10 help no model and overflow its squares


class Gaussian(Posterior):
    """q(z|x) = N(mean(x), diag(scale(x)^2)).

    Example:
        >>> from vaekit.networks import MLP
        >>> q = Gaussian(MLP(784, [64]), 8)(torch.zeros(5, 784))
        >>> q.batch_shape, q.event_shape
        (torch.Size([5]), torch.Size([8]))
    """

    cites: ClassVar[tuple[str, ...]] = ("kingma2014", "rezende2014")
    parameters_each = 2

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Begin with codes that lie as the standard normal prior does, and as wide as it.

        The rate pulls codes that are too close together, or off the origin, towards the prior with about a nat each;
        among hundreds of nats of distortion that is too weak to mend a bad start.
        """
        self.head.whiten(0, self.first_features(x, y))
        self.head.silence(1)

    @torch.no_grad()
    def rescale(self, mean: Tensor, scale: Tensor) -> None:
        """Let z be (z - mean) / scale of what it was, (D,) each; exact but where a scale is at its bound."""
        self.head.rescale(0, mean, 1 / scale)
        self.head.rescale(1, scale.log(), torch.ones_like(scale))

    def forward(self, *given: Tensor | None) -> distributions.DiagonalGaussian:
        return self.from_features(self.net(*given))

    def from_features(self, features: Tensor) -> distributions.DiagonalGaussian:
        loc, log_scale = self.numbers(features)  # each (B, D)
        # hardtanh is clamp with a cheaper gradient
        return distributions.DiagonalGaussian(loc, hardtanh(log_scale, -LOG_SCALE, LOG_SCALE))


class FullGaussian(Posterior):
    """q(z|x) = N(mean(x), L(x) L(x)^T) with L lower triangular, its diagonal positive by softplus.

    Example:
        >>> from vaekit.networks import MLP
        >>> FullGaussian(MLP(4, [8]), 3)(torch.zeros(5, 4)).scale_tril.shape
        torch.Size([5, 3, 3])
    """

    cites: ClassVar[tuple[str, ...]] = ("rezende2014",)

    @staticmethod
    def head_width(latent_dim: int) -> int:
        return latent_dim + latent_dim * (latent_dim + 1) // 2

    def forward(self, *given: Tensor | None) -> distributions.FullGaussian:
        return self.from_features(self.net(*given))

    def from_features(self, features: Tensor) -> distributions.FullGaussian:
        d = self.latent_shape[0]
        out = self.head(features)[0]  # (B, D + D (D + 1) / 2)
        rows, columns = torch.tril_indices(d, d, device=out.device)
        tril = out.new_zeros(*out.shape[:-1], d, d)
        tril[..., rows, columns] = out[..., d:]
        diagonal = softplus(tril.diagonal(dim1=-2, dim2=-1) + 0.5413) + 1e-6  # 0.5413: softplus gives 1
        tril = tril.tril(-1) + torch.diag_embed(diagonal)
        return distributions.FullGaussian(out[..., :d], tril)
