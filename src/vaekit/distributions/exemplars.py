r"""Mixtures with a part at every exemplar: kernel densities, with all exemplars and with all but one's own.

.. math:: \log p(z) = \log \tfrac1N \sum_n N(z; c_n, \sigma^2 I), \qquad
          \log p(z_i) = \log \tfrac1{N-1} \sum_{n \ne i} N(z_i; c_n, \sigma^2 I)
"""

from __future__ import annotations

__all__ = ["Exemplars", "OtherExemplars"]

import math

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.distributions.gaussian import HALF_LOG_TWO_PI
from vaekit.distributions.mixture import GaussianMixture

ROOM = 2**24  # distances that are held at a time


class Exemplars(GaussianMixture):
    """Gaussians of one scale at N codes, with equal shares of those that are there.

    Args:
        codes: (N, D).
        log_scale: (), of all.
        count: (), how many of the codes are there, the first ones; all where nothing is given.

    Example:
        >>> p = Exemplars(torch.tensor([[0.0], [4.0]]), torch.zeros(()))
        >>> p.log_prob(torch.tensor([[0.0], [4.0]])), p.mean
        (tensor([-1.6118, -1.6118]), tensor([2.]))
    """

    def __init__(self, codes: Tensor, log_scale: Tensor, count: Tensor | None = None) -> None:
        shares = codes.new_zeros(len(codes))
        if count is not None:
            shares = shares.masked_fill(torch.arange(len(codes), device=codes.device) >= count, -math.inf)
        super().__init__(codes, log_scale, shares)

    def log_prob(self, value: Tensor) -> Tensor:
        codes, log_scale = self.parts.loc, self.parts.log_scale
        flat = value.reshape(-1, value.shape[-1])  # (M, D)
        rows = max(1, ROOM // max(1, len(flat)))
        found = [
            torch.logsumexp(share - 0.5 * (-2 * log_scale).exp() * squared_distances(flat, some), -1)
            for some, share in zip(codes.split(rows), self.log_share.split(rows), strict=True)
        ]
        total = found[0] if len(found) == 1 else torch.stack(found).logsumexp(0)
        return total.view(value.shape[:-1]) - value.shape[-1] * (log_scale + HALF_LOG_TWO_PI)


class OtherExemplars(Distribution):
    """For each of B items the same mixture without the item's own exemplar; batch (B,).

    Args:
        codes: (N, D), N of 2 or more.
        log_scale: (), of all.
        own: (B,), which of the codes is an item's own; item i's is code i where nothing is given.

    Example:
        >>> p = OtherExemplars(torch.tensor([[0.0], [4.0]]), torch.zeros(()))
        >>> p.mean.flatten(), p.log_prob(torch.tensor([[4.0], [0.0]]))
        (tensor([4., 0.]), tensor([-0.9189, -0.9189]))
    """

    arg_constraints = {}

    def __init__(self, codes: Tensor, log_scale: Tensor, own: Tensor | None = None) -> None:
        self.codes, self.log_scale = codes, log_scale
        self.own = torch.arange(len(codes), device=codes.device) if own is None else own
        super().__init__(self.own.shape, codes.shape[1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return (self.codes.sum(0) - self.codes[self.own]) / (len(self.codes) - 1)

    @property
    def variance(self) -> Tensor:
        centred = self.codes - self.codes.mean(0)
        squares = (centred.square().sum(0) - centred[self.own].square()) / (len(self.codes) - 1)
        return squares - (self.mean - self.codes.mean(0)).square() + (2 * self.log_scale).exp()

    def log_prob(self, value: Tensor) -> Tensor:
        """(*leading, B, D) -> (*leading, B)."""
        numbers = torch.arange(len(self.codes), device=self.codes.device)
        each = -0.5 * (-2 * self.log_scale).exp() * squared_distances(value, self.codes)  # (*leading, B, N)
        others = each.masked_fill(numbers == self.own.unsqueeze(-1), -math.inf)
        constant = math.log(len(self.codes) - 1) + value.shape[-1] * (self.log_scale + HALF_LOG_TWO_PI)
        return others.logsumexp(-1) - constant

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        with torch.no_grad():
            n, shape = len(self.codes), torch.Size((*sample_shape, len(self.own)))
            loc = self.codes[(self.own + torch.randint(1, n, shape, device=self.codes.device)) % n]
            return torch.addcmul(loc, self.log_scale.exp(), torch.randn_like(loc))


def squared_distances(value: Tensor, codes: Tensor) -> Tensor:
    """Of each value to each code, (*leading, D) and (N, D) -> (*leading, N).

    By differences: a product would cancel the digits of near pairs.
    """
    flat = value.reshape(-1, value.shape[-1])
    found = torch.cdist(flat, codes, compute_mode="donot_use_mm_for_euclid_dist").square()
    return found.view(*value.shape[:-1], len(codes))
