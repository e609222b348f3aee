"""The energy-based prior in latent space (Pang, Han, Nijkamp, Zhu and Wu 2020, arXiv:2006.08205)."""

from __future__ import annotations

__all__ = ["Energy"]

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from vaekit import distributions
from vaekit.distributions.tilted import tilted_noise
from vaekit.messages import Mistake
from vaekit.priors.tilted import Tilted

CHAINS, TRIES, STEPS = 64, 16, 10  # of the gradient: chains, draws that each start is chosen from, steps of each


class Energy(Tilted):
    """p(z) = exp(f(z)) N(z; 0, I) / Z, f a network.

    Fitted to latents by `vk.fit_prior` it tilts the Gaussian of their means and variances in place of N(0, I).

    log Z is estimated from draws of the Gaussian: from 1,024 fresh ones while training, whose mean lies below log Z, so
    that bounds read a little too high there; in evaluation from 65,536 fixed ones, whose error `log_z_error` tells.
    That suits some tens of latents and tilts of some nats; where a tilt is so strong that few of the draws count,
    neither number can be trusted and the error says so. The slope of log Z, E[f'] under the prior, does not come from
    these draws but from Langevin chains, started at some of them, as in the paper.

    Args:
        latent_dim: the number of latents.
        hidden: widths of the network's layers, with tanh: f is bounded and Z finite whatever the weights are.

    Example:
        >>> prior = Energy(2).eval()
        >>> prior().sample((3,)).shape, prior().log_prob(torch.zeros(2)).shape, prior.log_z_error() < 0.01
        (torch.Size([3, 2]), torch.Size([]), True)
    """

    cites: ClassVar[tuple[str, ...]] = ("pang2020",)
    compiles: ClassVar[bool] = False  # chains differentiate inside the pass

    def __init__(self, latent_dim: int, *, hidden: Sequence[int] = (100, 100)) -> None:
        super().__init__(latent_dim, hidden=hidden, draws=CHAINS * TRIES)

    def log_mean_weight(self) -> Tensor:
        """log Z; its slope while training is the mean of f's at chains, which hold no gradient themselves."""
        if not (self.training and torch.is_grad_enabled()):
            return super().log_mean_weight()
        noise = self.noise()
        with torch.no_grad():
            value = torch.logsumexp(self.weighed(noise), 0) - math.log(self.draws)
        energy = self.weighed(tilted_noise(self.weighed, noise.view(CHAINS, TRIES, -1), STEPS)).mean()
        return value + (energy - energy.detach())

    @torch.no_grad()
    def log_z_error(self) -> float:
        """The standard error of log Z in evaluation, in nats, as if its fixed draws were independent: an upper bound.

        Raises:
            Mistake: while training.
        """
        if self.training:
            raise Mistake("log Z of a prior in training is another one at every step: call model.eval() first.")
        return float(self._final()[1])

    def forward(self, *given: Tensor | None) -> distributions.Tilted:
        return distributions.Tilted(self.base, self.log_weight, self.log_mean_weight())
