r"""A Gaussian posterior whose means are normalised over the batch, which holds its mean rate up.

.. math:: \mu = \gamma\, \frac{h - \mathrm{mean}(h)}{\mathrm{std}(h)} + \beta, \qquad
          E\, KL \ge \tfrac{D}{2} \gamma^2 \;\text{ with } N(0, I)
"""

from __future__ import annotations

__all__ = ["NormalisedGaussian"]

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from vaekit import distributions
from vaekit.messages import Mistake
from vaekit.posteriors.gaussian import Gaussian

TINY = 1e-12  # a variance below counts as none
KEPT = 0.9  # of the running mean and variance, a step
MOST = 64  # batches that are kept for the next step, where a loop of the user's own never makes one


class NormalisedGaussian(Gaussian):
    """q(z|x) = N(gamma (h - mean) / std + beta, scale^2), mean and std those of the batch (Zhu et al. 2020).

    The mean over a batch of KL(q || N(0, I)) is then at least D gamma^2 / 2, whatever the decoder does. In evaluation
    the running mean and variance stand for the batch's, so that an item is scored by itself.

    Args:
        net, latent_dim, features, reads: as for every posterior.
        gamma: the standard deviation of the means; beta is learned.

    Example:
        >>> from vaekit.networks import MLP
        >>> q = NormalisedGaussian(MLP(4, [8]), 3, gamma=0.5)(torch.randn(100, 4))
        >>> q.loc.std(0, correction=0)
        tensor([0.5000, 0.5000, 0.5000], grad_fn=<StdBackward0>)
    """

    cites: ClassVar[tuple[str, ...]] = ("zhu2020",)

    def __init__(
        self,
        net: nn.Module,
        latent_dim: int,
        *,
        gamma: float = 0.5,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        super().__init__(net, latent_dim, features=features, reads=reads)
        if not gamma > 0:
            raise Mistake(f"got gamma={gamma!r} and wanted a number above 0.")
        self.gamma = float(gamma)
        self.beta = nn.Parameter(torch.zeros(latent_dim))
        self.register_buffer("running_mean", torch.zeros(latent_dim))
        self.register_buffer("running_variance", torch.ones(latent_dim))
        self.running_mean: Tensor
        self.running_variance: Tensor
        self._seen: list[tuple[Tensor, Tensor]] = []

    def from_features(self, features: Tensor) -> distributions.DiagonalGaussian:
        q = super().from_features(features)
        h = q.loc  # (B, D)
        mean, variance = self.running_mean, self.running_variance
        if self.training and len(h) > 1:
            variance, mean = torch.var_mean(h, 0, correction=0)
            if torch.is_grad_enabled():
                del self._seen[:-MOST]
                self._seen.append((mean.detach(), variance.detach()))
        loc = self.gamma * (h - mean) * (variance + TINY).rsqrt() + self.beta
        return distributions.DiagonalGaussian(loc, q.log_scale)

    def forget(self) -> None:
        self._seen = []

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Move the running mean and variance by what was seen since the last step."""
        if not self._seen:
            return
        means, variances = zip(*self._seen, strict=True)
        for running, seen in ((self.running_mean, means), (self.running_variance, variances)):
            new = torch.stack(seen).mean(0)
            running.copy_(torch.where(new.isfinite(), torch.lerp(new, running, KEPT), running))
        self._seen = []
