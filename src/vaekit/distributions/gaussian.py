r"""Gaussians with a diagonal and with a full covariance; our own, since Independent(Normal) is slow.

.. math:: \log N(z; \mu, \sigma^2) = \sum_i -\tfrac12 ((z_i - \mu_i)/\sigma_i)^2 - \log \sigma_i - \tfrac12 \log 2\pi
"""

from __future__ import annotations

__all__ = ["DiagonalGaussian", "FullGaussian", "StandardGaussian"]

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, register_kl
from torch.nn.functional import mse_loss

from vaekit.distributions.base import Located
from vaekit.maths import sum_event

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


class DiagonalGaussian(Located):
    """A Gaussian with independent elements.

    Args:
        loc: (*batch, *event).
        log_scale: broadcastable to loc.
        event_dims: how many of the last axes are one event.

    Example:
        >>> q = DiagonalGaussian(torch.zeros(2, 3), torch.zeros(2, 3))
        >>> q.log_prob(torch.zeros(3))
        tensor([-2.7568, -2.7568])
    """

    has_rsample = True

    def __init__(self, loc: Tensor, log_scale: Tensor, event_dims: int = 1) -> None:
        self.loc, self.log_scale = loc, log_scale
        self._scale: Tensor | None = None
        super().__init__(loc, event_dims)

    @property
    def scale(self) -> Tensor:
        taken = self._scale
        if taken is None or (torch.is_grad_enabled() and self.log_scale.requires_grad and not taken.requires_grad):
            taken = self._scale = self.log_scale.exp()  # once, for the sample and the KL
        return taken

    @property
    def variance(self) -> Tensor:
        return self.scale.square().expand_as(self.loc)

    def from_noise(self, noise: Tensor) -> Tensor:
        """The sample that this noise makes; noise broadcasts, so that rows may share it."""
        return torch.addcmul(self.loc, self.scale, noise)

    def log_prob(self, value: Tensor) -> Tensor:
        if self.log_scale.ndim:
            return super().log_prob(value)
        # one scale for all elements: their squares are summed first and weighed once
        loc, value = torch.broadcast_tensors(self.loc, value)
        squares = sum_event(mse_loss(loc, value, reduction="none"), self.event_dims)
        elements = self.event_shape.numel()
        return -0.5 * (-2 * self.log_scale).exp() * squares - elements * (self.log_scale + HALF_LOG_TWO_PI)

    def log_prob_each(self, value: Tensor) -> Tensor:
        return -0.5 * ((value - self.loc) * (-self.log_scale).exp()).square() - self.log_scale - HALF_LOG_TWO_PI

    def entropy(self) -> Tensor:
        each = self.log_scale + 0.5 + HALF_LOG_TWO_PI
        return sum_event(each.expand_as(self.loc), self.event_dims)

    def kl_each(self, p: Any) -> Tensor:
        """KL(self || p) of each element, (*batch, *event)."""
        if isinstance(p, StandardGaussian):
            # (loc^2 + scale^2 - 1) / 2 - log scale in the fewest operations: it is taken at every step
            gain = torch.addcmul(self.log_scale, self.scale, self.scale, value=-0.5)
            return -torch.addcmul(gain, self.loc, self.loc, value=-0.5).add(0.5)
        if not isinstance(p, DiagonalGaussian):
            return p.kl_each_from(self)
        ratio = self.log_scale - p.log_scale
        return 0.5 * ((2 * ratio).exp() + ((self.loc - p.loc) * (-p.log_scale).exp()).square() - 1) - ratio

    def unfolded(self, leading: tuple[int, ...]) -> DiagonalGaussian:
        """The same with its first axis as several."""
        log_scale = self.log_scale.expand_as(self.loc).unflatten(0, leading)
        return DiagonalGaussian(self.loc.unflatten(0, leading), log_scale, self.event_dims)

    def tempered(self, temperature: float) -> DiagonalGaussian:
        """The same with its scale multiplied by the temperature (0: the mode)."""
        return DiagonalGaussian(self.loc, self.log_scale + math.log(max(temperature, 1e-30)), self.event_dims)


class StandardGaussian(DiagonalGaussian):
    """N(0, I) over an event shape; its tensors are made once and shared."""

    def __init__(self, zeros: Tensor) -> None:
        super().__init__(zeros, zeros, zeros.ndim)

    def log_prob_each(self, value: Tensor) -> Tensor:
        return -0.5 * value.square() - HALF_LOG_TWO_PI


class FullGaussian(Distribution):
    """A Gaussian with any covariance.

    Args:
        loc: (*batch, D).
        scale_tril: (*batch, D, D), lower triangular with a positive diagonal.
    """

    arg_constraints = {}
    has_rsample = True

    def __init__(self, loc: Tensor, scale_tril: Tensor) -> None:
        self.loc, self.scale_tril = loc, scale_tril
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return self.scale_tril.square().sum(-1)

    def noise(self, shape: tuple[int, ...] = ()) -> Tensor:
        """Standard normal noise for `from_noise`, (*shape, *batch, D)."""
        return torch.randn((*shape, *self.loc.shape), dtype=self.loc.dtype, device=self.loc.device)

    def from_noise(self, noise: Tensor) -> Tensor:
        """The sample that this noise makes; noise broadcasts, so that rows may share it."""
        return self.loc + (self.scale_tril @ noise.unsqueeze(-1)).squeeze(-1)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        return self.from_noise(self.noise(tuple(sample_shape)))

    def _log_det(self) -> Tensor:
        return self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        centred = value - self.loc  # (*extra, *batch, D): the extra axes become columns, so that no matrix is repeated
        extra, d = centred.ndim - self.loc.ndim, self.loc.shape[-1]
        columns = centred.flatten(0, extra - 1).movedim(0, -1) if extra else centred.unsqueeze(-1)  # (*batch, D, E)
        tril = self.scale_tril.expand(*columns.shape[:-2], d, d)
        squares = torch.linalg.solve_triangular(tril, columns, upper=False).square().sum(-2).movedim(-1, 0)
        return -0.5 * squares.reshape(centred.shape[:-1]) - self._log_det() - d * HALF_LOG_TWO_PI

    def tempered(self, temperature: float) -> FullGaussian:
        """The same with its scales multiplied by the temperature (0: the mode)."""
        return FullGaussian(self.loc, self.scale_tril * max(temperature, 1e-30))

    def entropy(self) -> Tensor:
        return self._log_det() + self.loc.shape[-1] * (0.5 + HALF_LOG_TWO_PI)


@register_kl(DiagonalGaussian, DiagonalGaussian)
def _kl_diagonal(q: DiagonalGaussian, p: DiagonalGaussian) -> Tensor:
    return sum_event(q.kl_each(p), q.event_dims)


@register_kl(FullGaussian, DiagonalGaussian)
def _kl_full(q: FullGaussian, p: DiagonalGaussian) -> Tensor:
    inverse = (-2 * p.log_scale).exp()
    spread = (q.variance + (q.loc - p.loc).square()) * inverse  # (*batch, D)
    constant = p.log_scale.expand_as(q.loc).sum(-1)
    return 0.5 * (spread.sum(-1) - q.loc.shape[-1]) - q._log_det() + constant


@register_kl(DiagonalGaussian, FullGaussian)
def _kl_diagonal_full(q: DiagonalGaussian, p: FullGaussian) -> Tensor:
    return _kl_to_full(q.loc, torch.diag_embed(q.scale.expand_as(q.loc)), q.log_scale.expand_as(q.loc).sum(-1), p)


@register_kl(FullGaussian, FullGaussian)
def _kl_full_full(q: FullGaussian, p: FullGaussian) -> Tensor:
    return _kl_to_full(q.loc, q.scale_tril, q._log_det(), p)


def _kl_to_full(loc: Tensor, scale_tril: Tensor, log_det: Tensor, p: FullGaussian) -> Tensor:
    """KL(N(loc, scale_tril scale_tril^T) || p): (|P^-1 S|^2 + |P^-1 (loc - p.loc)|^2 - D) / 2 + log |P| - log |S|."""
    beside = torch.cat([scale_tril, (loc - p.loc).unsqueeze(-1)], -1)  # (*batch, D, D + 1)
    tril = p.scale_tril.expand(*beside.shape[:-1], loc.shape[-1])
    squares = torch.linalg.solve_triangular(tril, beside, upper=False).square().sum((-2, -1))
    return 0.5 * (squares - loc.shape[-1]) + p._log_det() - log_det
