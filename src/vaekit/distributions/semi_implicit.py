r"""A Gaussian whose parameters are drawn too, from noise of any form: its density is an integral, and is bounded.

.. math:: q(z) = E_{\epsilon_0} N(z; \mu(\epsilon_0), \sigma(\epsilon_0)^2), \qquad
          \log \tilde q_K(z) = \log \tfrac1{K+1} \sum_{k=0}^K N(z; \mu(\epsilon_k), \sigma(\epsilon_k)^2)

With z drawn from the part of epsilon_0, E log q~_K >= E log q, falling to it as K grows, and E p(x, z) / q~_K(z) = p(x)
at any K. Semi-Implicit Variational Inference: Yin and Zhou 2018, arXiv:1805.11183.
"""

from __future__ import annotations

__all__ = ["SemiImplicit"]

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from vaekit.distributions.base import frozen
from vaekit.distributions.gaussian import DiagonalGaussian
from vaekit.distributions.own import OwnDraws
from vaekit.maths import log_mean_exp


class SemiImplicit(OwnDraws):
    """z ~ N(mu(e), sigma(e)^2) with e ~ N(0, I), scored under the mean of its own part and of `extra` others.

    It scores its own last draw only (`OwnDraws`). Each draw has others of its own, where the paper's share them, so
    that draws stay independent and errors of means over them are what they are said to be.

    Args:
        make: from noise (..., B, N) to the Gaussians with batch shape (..., B), differentiable.
        fixed: (M, N), the noise that moments are taken over: the same for every item, so that they do not vary from
            call to call.
        shape: (B, D).
        extra: K, 0 or more.

    Example:
        >>> q = SemiImplicit(lambda e: DiagonalGaussian(e.exp(), torch.zeros_like(e)), torch.zeros(4, 2), (3, 2), 10)
        >>> q.log_prob(q.rsample((5,))).shape, q.mean[0], q.variance[0]
        (torch.Size([5, 3]), tensor([1., 1.]), tensor([1., 1.]))
    """

    called = "a semi-implicit"
    beside = "mixing noise that led to them"

    def __init__(
        self, make: Callable[[Tensor], DiagonalGaussian], fixed: Tensor, shape: tuple[int, ...], extra: int
    ) -> None:
        self.make, self.fixed, self.extra = make, fixed, extra
        self._parts: DiagonalGaussian | None = None
        super().__init__(torch.Size(shape[:1]), torch.Size(shape[1:]), validate_args=False)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        shape = (1 + self.extra, *sample_shape, *self.batch_shape, self.fixed.shape[1])
        parts = self._parts = self.make(torch.randn(shape, dtype=self.fixed.dtype, device=self.fixed.device))
        loc = parts.loc[0]
        z = torch.addcmul(loc, parts.scale[0], torch.randn(loc.shape, dtype=loc.dtype, device=loc.device))
        self._drawn = z, log_mean_exp(parts.log_prob(z))
        return z

    def frozen(self) -> SemiImplicit:
        """The same with parts that carry no gradient; its score of the last draw moves the draw and nothing else.

        For given noise the mean of the parts is a density, whose score has the mean 0.
        """
        found = copy.copy(self)
        if self._drawn is not None:
            z = self._drawn[0]
            found._drawn = z, log_mean_exp(frozen(self._parts).log_prob(z))  # type: ignore[arg-type]
        return found

    def _some(self) -> DiagonalGaussian:
        """(M, B, D)."""
        return self.make(self.fixed.unsqueeze(1).expand(-1, *self.batch_shape, -1))

    @property
    def mean(self) -> Tensor:
        return self._some().mean.mean(0)

    @property
    def variance(self) -> Tensor:
        parts = self._some()
        return parts.variance.mean(0) + parts.mean.var(0, correction=0)
