"""The prior of learned acceptance, LARS (Bauer and Mnih 2019, arXiv:1810.11428)."""

from __future__ import annotations

__all__ = ["Resampled"]

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import logsigmoid

from vaekit import distributions
from vaekit.messages import require_count
from vaekit.priors.tilted import Tilted


class Resampled(Tilted):
    """Draws of N(0, I) that are kept with the probability a(z) of a network, after at most T tries.

    Fitted to latents by `vk.fit_prior` it draws from the Gaussian of their means and variances in place of N(0, I).

    The rate of acceptance Z = E[a(z)] is a mean over fresh draws while training, and over 65,536 fixed ones of a Sobol
    sequence in evaluation, so that the density is a function of z alone.

    Args:
        latent_dim: the number of latents.
        hidden: widths of the network's layers, with tanh as in the paper.
        tries: T.
        draws: of the rate of acceptance, at each step.

    Example:
        >>> import torch
        >>> prior = Resampled(2).eval()
        >>> prior().sample((3,)).shape, prior().log_prob(torch.zeros(2)).shape
        (torch.Size([3, 2]), torch.Size([]))
    """

    cites: ClassVar[tuple[str, ...]] = ("bauer2019",)

    def __init__(
        self, latent_dim: int, *, hidden: Sequence[int] = (100, 100), tries: int = 100, draws: int = 1024
    ) -> None:
        super().__init__(latent_dim, hidden=hidden, draws=draws)
        self.tries = require_count("tries", tries)

    def weighed(self, noise: Tensor) -> Tensor:
        return logsigmoid(super().weighed(noise))

    def log_accept(self, z: Tensor) -> Tensor:
        """log a(z), (*leading, D) -> (*leading)."""
        return self.log_weight(z)

    def log_rate(self) -> Tensor:
        """log Z: of fresh draws while training, else of many that are always the same."""
        return self.log_mean_weight()

    def forward(self, *given: Tensor | None) -> distributions.Resampled:
        return distributions.Resampled(self.base, self.log_accept, self.log_rate(), self.tries)
