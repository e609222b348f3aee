r"""Gaussians over series: a Gaussian process for each channel, and a posterior whose precision is banded.

.. math:: z_j \sim N(0, K_j), \qquad
          z_T = m_T + s_T \epsilon_T, \quad z_t = m_t + a_t (z_{t+1} - m_{t+1}) + s_t \epsilon_t

A value is (*batch, T * C), the C channels of the steps, one step after the other.
"""

from __future__ import annotations

__all__ = ["BandedGaussian", "GaussianProcess"]

import math

import torch
from torch import Tensor
from torch.distributions import Distribution, register_kl

from vaekit.distributions.gaussian import HALF_LOG_TWO_PI, DiagonalGaussian


class GaussianProcess(Distribution):
    """C independent Gaussians over T steps, with mean 0 and any covariance in time each.

    Args:
        tril: (C, T, T), the Cholesky factors of the covariances.

    Example:
        >>> GaussianProcess(torch.eye(3).expand(2, 3, 3)).log_prob(torch.zeros(6))
        tensor(-5.5136)
    """

    arg_constraints = {}

    def __init__(self, tril: Tensor) -> None:
        self.tril = tril
        super().__init__(torch.Size(), torch.Size((tril.shape[0] * tril.shape[1],)), validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.tril.new_zeros(self.event_shape)

    @property
    def variance(self) -> Tensor:
        return self.tril.square().sum(-1).mT.flatten()

    def by_channel(self, value: Tensor) -> Tensor:
        """(*batch, T * C) -> (*batch, C, T)."""
        return value.unflatten(-1, (self.tril.shape[1], self.tril.shape[0])).mT

    def squares(self, columns: Tensor) -> Tensor:
        """The sum of squares of K^(-1/2) v over columns v, (*batch, C, T, V) -> (*batch)."""
        tril = self.tril.expand(*columns.shape[:-2], *self.tril.shape[1:])
        return torch.linalg.solve_triangular(tril, columns, upper=False).square().sum((-3, -2, -1))

    def log_det(self) -> Tensor:
        """The sum of the log-scales of all elements, each given those before it, ()."""
        return self.tril.diagonal(dim1=-2, dim2=-1).log().sum()

    def log_prob(self, value: Tensor) -> Tensor:
        squares = self.squares(self.by_channel(value).unsqueeze(-1))
        return -0.5 * squares - self.log_det() - self.event_shape[0] * HALF_LOG_TWO_PI

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        with torch.no_grad():
            like = self.tril
            noise = torch.randn((*sample_shape, *like.shape[:2], 1), dtype=like.dtype, device=like.device)
            return _product(like, noise).squeeze(-1).mT.flatten(-2)

    def tempered(self, temperature: float) -> GaussianProcess:
        """The same with its scales multiplied by the temperature (0: the mode)."""
        return GaussianProcess(self.tril * max(temperature, 1e-30))


class BandedGaussian(Distribution):
    """A Gaussian over T steps of C channels each, in which a step given the one after it needs no other.

    Its precision has one band beside the diagonal, which holds T numbers more than independent steps do and still
    correlates all of them.

    Args:
        loc: m, (*batch, T, C).
        log_scale: log s, (*batch, T, C).
        ratio: a, (*batch, T, C), the last step's unread; within -1 and 1, where variances grow slowly at most.

    Example:
        >>> q = BandedGaussian(torch.zeros(4, 3, 2), torch.zeros(4, 3, 2), 0.5 * torch.ones(4, 3, 2))
        >>> q.variance[0]
        tensor([1.3125, 1.3125, 1.2500, 1.2500, 1.0000, 1.0000])
    """

    arg_constraints = {}
    has_rsample = True

    def __init__(self, loc: Tensor, log_scale: Tensor, ratio: Tensor) -> None:
        self.loc, self.log_scale, self.ratio = loc, log_scale, ratio
        super().__init__(loc.shape[:-2], torch.Size((loc.shape[-2] * loc.shape[-1],)), validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.loc.flatten(-2)

    @property
    def mode(self) -> Tensor:
        return self.mean

    @property
    def variance(self) -> Tensor:
        return self.factor().square().sum(-1).mT.flatten(-2)

    def factor(self) -> Tensor:
        """The upper triangular F with z = m + F epsilon in each channel, (*batch, C, T, T)."""
        ratio, scale = self.ratio[..., :-1, :].mT, self.log_scale.exp().mT  # (*batch, C, T - 1), (*batch, C, T)
        unit = torch.diag_embed(torch.ones_like(scale)) - torch.diag_embed(ratio, offset=1)
        return torch.linalg.solve_triangular(unit, torch.diag_embed(scale), upper=True, unitriangular=True)

    def noise(self, shape: tuple[int, ...] = ()) -> Tensor:
        """Standard normal noise for `from_noise`, (*shape, *batch, T * C)."""
        like = self.mean
        return torch.randn((*shape, *like.shape), dtype=like.dtype, device=like.device)

    def from_noise(self, noise: Tensor) -> Tensor:
        """The sample that this noise makes; noise broadcasts, so that rows may share it."""
        columns = noise.unflatten(-1, self.loc.shape[-2:]).mT.unsqueeze(-1)  # (*batch, C, T, 1)
        return self.mean + _product(self.factor(), columns).squeeze(-1).mT.flatten(-2)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        return self.from_noise(self.noise(tuple(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        centred = value.unflatten(-1, self.loc.shape[-2:]) - self.loc
        after = torch.cat([self.ratio[..., :-1, :] * centred[..., 1:, :], torch.zeros_like(centred[..., :1, :])], -2)
        squares = ((centred - after) * (-self.log_scale).exp()).square().sum((-2, -1))
        return -0.5 * squares - self._log_det() - self.event_shape[0] * HALF_LOG_TWO_PI

    def entropy(self) -> Tensor:
        return self._log_det() + self.event_shape[0] * (0.5 + HALF_LOG_TWO_PI)

    def _log_det(self) -> Tensor:
        return self.log_scale.sum((-2, -1))

    def tempered(self, temperature: float) -> BandedGaussian:
        """The same with its scales multiplied by the temperature (0: the mode)."""
        return BandedGaussian(self.loc, self.log_scale + math.log(max(temperature, 1e-30)), self.ratio)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b as it is under autocast too, where a draw would be of another density than the one that is scored."""
    with torch.autocast(a.device.type, enabled=False):
        return a @ b


@register_kl(BandedGaussian, GaussianProcess)
def _kl_banded(q: BandedGaussian, p: GaussianProcess) -> Tensor:
    columns = torch.cat([q.factor(), q.loc.mT.unsqueeze(-1)], -1)  # (*batch, C, T, T + 1)
    return 0.5 * (p.squares(columns) - p.event_shape[0]) + p.log_det() - q._log_det()


@register_kl(DiagonalGaussian, GaussianProcess)
def _kl_diagonal(q: DiagonalGaussian, p: GaussianProcess) -> Tensor:
    loc, scale = p.by_channel(q.loc), p.by_channel(q.scale.expand_as(q.loc))
    columns = torch.cat([torch.diag_embed(scale), loc.unsqueeze(-1)], -1)
    log_det = q.log_scale.expand_as(q.loc).sum(-1)
    return 0.5 * (p.squares(columns) - p.event_shape[0]) + p.log_det() - log_det


@register_kl(BandedGaussian, DiagonalGaussian)
def _kl_independent(q: BandedGaussian, p: DiagonalGaussian) -> Tensor:
    spread = (q.variance + (q.mean - p.loc).square()) * (-2 * p.log_scale).exp()
    return 0.5 * (spread.sum(-1) - q.event_shape[0]) + p.log_scale.expand_as(q.mean).sum(-1) - q._log_det()
