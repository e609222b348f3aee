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
from vaekit.maths import annealed_log_mean
from vaekit.messages import Mistake
from vaekit.noise import forked
from vaekit.priors.tilted import Tilted

CHAINS, TRIES, STEPS = 64, 16, 10  # of the gradient: chains, draws that each start is chosen from, steps of each
FEWEST, LOOSE = 1000, 0.2  # fixed draws that have to count; nats that evaluation takes for a log Z that is known
SETS, EACH, STAGES, SEED = 8, 256, 128, 0  # of the annealed estimate


class Energy(Tilted):
    """p(z) = exp(f(z)) N(z; 0, I) / Z, f a network.

    Fitted to latents by `vk.fit_prior` it tilts the Gaussian of their means and variances in place of N(0, I).

    log Z is estimated from draws of the Gaussian: from 1,024 fresh ones while training, whose mean lies below log Z, so
    that bounds read a little too high there; in evaluation from 65,536 fixed ones, whose error `log_z_error` tells.
    Where a tilt is so strong that fewer than 1,000 of these count, evaluation takes it from draws that are led there
    step by step (Neal 2001, annealed importance sampling, with resampling between the steps), in 8 sets whose spread is
    the error; where the sets do not agree, evaluation warns. Mass that no draw has met is in no estimate. The slope of
    log Z, E[f'] under the prior, comes from Langevin chains, started at some of the draws, as in the paper.

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
        """The standard error of log Z in evaluation, in nats: as if its fixed draws were independent, or over the sets.

        It knows of no mass that no draw has met.

        Raises:
            Mistake: while training.
        """
        if self.training:
            raise Mistake("log Z of a prior in training is another one at every step: call model.eval() first.")
        return float(self._final()[1])

    def doubt(self) -> str | None:
        error = math.inf if self.training else self.log_z_error()
        if error < LOOSE:
            return None
        return (
            f"the prior's log Z is known to {error:.2g} nats only, and with it all densities of latents, the ELBO and "
            "the NLL: compare samples, or train it for fewer steps or with fewer latents, so that it is tilted less."
        )

    def _worked_out(self) -> tuple[Tensor, Tensor]:
        value, error = super()._worked_out()
        if float(error) ** 2 < 1 / FEWEST:  # it is 1 over the number of draws that count, but for 1 / 65,536
            return value, error
        with forked(SEED, self.loc.device):
            noise = torch.randn(SETS, EACH, len(self.loc), dtype=self.loc.dtype, device=self.loc.device)
            found = annealed_log_mean(self.weighed, noise, stages=STAGES)  # (SETS,)
        return torch.logsumexp(found, 0) - math.log(SETS), found.double().std() / SETS**0.5

    def forward(self, *given: Tensor | None) -> distributions.Tilted:
        return distributions.Tilted(self.base, self.log_weight, self.log_mean_weight())
