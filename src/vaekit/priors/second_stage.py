"""The prior that is a VAE of its own, on the latents of the first (Dai and Wipf 2019, arXiv:1903.05789)."""

from __future__ import annotations

__all__ = ["SecondStage"]

from typing import Any, ClassVar

import torch
from torch import Tensor

from vaekit import distributions
from vaekit.messages import Mistake, require_count
from vaekit.part import Part
from vaekit.priors.base import Prior

FIRST, WARM = 0.1, 500  # the rate's weight at first, and the steps in which it rises to 1


class SecondStage(Prior):
    """p(z) = E_{p(u)}[p(z|u)], a second VAE whose items are the latents of the first: for `vk.fit_prior`.

    Its density is estimated by draws: bounds and importance sampling with it are right, only wider.

    Args:
        model: a VAE whose items are the first one's latents; in the paper it has as many latents as the first, and a
            learned scale: `vk.recipes.vae(shape=(16,), latent_dim=16).model`.
        samples: draws of u behind each density.

    Example:
        >>> from vaekit.recipes import vae
        >>> prior = SecondStage(vae(shape=(3,), latent_dim=3, hidden=[16]).model)
        >>> prior().sample((2,)).shape, prior().log_prob(torch.zeros(5, 3)).shape
        (torch.Size([2, 3]), torch.Size([5]))
    """

    cites: ClassVar[tuple[str, ...]] = ("dai2019",)
    slow = True

    def __init__(self, model: Part, *, samples: int = 16) -> None:
        super().__init__()
        self.model: Any = model
        if self.model.transform is not None or self.model.context is not None or not self.model.has_density:
            raise Mistake(
                "a second stage is a VAE with a density, without a transform and a context: give a plain one."
            )
        self.samples: int = require_count("samples", samples)
        self.latent_shape = tuple(self.model.shape)
        self._beta: float = FIRST

    def forward(self, *given: Tensor | None) -> distributions.Marginal:
        return distributions.Marginal(self.model, self.samples)

    @torch.no_grad()
    def at_best(self, z: Tensor) -> bool:
        """Begin as a VAE does that is trained on these latents."""
        some = z[:: max(1, len(z) // 4096)].to(next(self.model.parameters()).dtype)
        for part in self.model.walk("before_fit"):
            part.before_fit(some, {}, len(z))
        return False

    def lost(self, z: Tensor, *given: Tensor | None) -> Tensor:
        """The second stage's negative ELBO; in training its rate counts little at first, or it would stay unused."""
        trace = self.model.trace(z)
        beta = self._beta if self.training else 1.0
        cost: Tensor = beta * trace.kl - trace.log_px.mean(0)
        return cost

    def after_step(self, step: int) -> None:
        self._beta = min(1.0, FIRST + (1 - FIRST) * step / WARM)
