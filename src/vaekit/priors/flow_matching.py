r"""A field of velocities learned on straight paths from noise to latents (Lipman et al. 2023, arXiv:2210.02747).

.. math:: \min E \|v((1 - t)\, \varepsilon + t z, t) - (z - \varepsilon)\|^2
"""

from __future__ import annotations

__all__ = ["FlowMatching"]

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vaekit import distributions
from vaekit.messages import require_count
from vaekit.networks import MLP
from vaekit.priors.base import Prior

WAVES = 8  # of the time, as many sines and cosines


class FlowMatching(Prior):
    """N(0, I) carried to the latents by a learned field of velocities: a latent diffusion model, for `vk.fit_prior`.

    Training regresses velocities and solves nothing; sampling and the exact log p(z) solve an equation. A density costs
    4 * steps * D passes of the field, so it suits some tens of latents.

    Args:
        latent_dim: D, the number of latents.
        hidden: widths of the field's layers.
        steps: of the fourth-order method that solves the equation.
        net: a field of your own, z (B, D) and t (B, 1) -> (B, D), in place of hidden.

    Example:
        >>> prior = FlowMatching(2, hidden=[16])
        >>> prior().sample((3,)).shape, prior().log_prob(torch.zeros(5, 2)).shape
        (torch.Size([3, 2]), torch.Size([5]))
    """

    cites: ClassVar[tuple[str, ...]] = ("lipman2023", "chen2018ode")
    slow = True

    def __init__(
        self, latent_dim: int, *, hidden: Sequence[int] = (256, 256), steps: int = 12, net: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.latent_shape, self.steps = (latent_dim,), require_count("steps", steps)
        self.net: Any = net if net is not None else _Field(latent_dim, hidden)
        self.register_buffer("loc", torch.zeros(latent_dim))
        self.register_buffer("scale", torch.ones(latent_dim))
        self.loc: Tensor
        self.scale: Tensor

    def velocity(self, z: Tensor, t: Tensor) -> Tensor:
        """The field at points (B, D) and a time () or times (B, 1)."""
        found: Tensor = self.net(z, t.expand(len(z), 1))
        return found

    def forward(self, *given: Tensor | None) -> distributions.FlowInTime:
        return distributions.FlowInTime(self.velocity, self.loc, self.scale, self.steps)

    @torch.no_grad()
    def at_best(self, z: Tensor) -> bool:
        """Take the latents' origin and units, in which the field is learned."""
        self.loc.copy_(z.mean(0))
        self.scale.copy_(z.std(0).clamp_min(1e-6))
        return False

    def lost(self, z: Tensor, *given: Tensor | None) -> Tensor:
        """The squared error of velocities at one time of each latent: no nats, and never 0."""
        z = (z - self.loc) / self.scale
        noise, t = torch.randn_like(z), torch.rand_like(z[:, :1])
        return (self.velocity((1 - t) * noise + t * z, t) - (z - noise)).square().sum(-1)


class _Field(nn.Module):
    """Layers of z beside waves of t, with a linear way past them."""

    def __init__(self, latent_dim: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.layers = MLP(latent_dim + 2 * WAVES, hidden, activation=nn.SiLU)
        self.out = nn.Linear(self.layers.features[0], latent_dim)
        self.register_buffer("rates", math.pi * torch.arange(1, WAVES + 1) / 2)
        self.rates: Tensor

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        turns = t * self.rates
        out: Tensor = self.out(self.layers(torch.cat([z, turns.sin(), turns.cos()], -1)))
        return out
