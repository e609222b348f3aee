r"""Equivariance: what is done to a map of latents is done to the picture that it decodes to.

.. math:: E_\tau[-\log p(\tau x \mid \tau z)]
"""

from __future__ import annotations

__all__ = ["Equivariance"]

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from vaekit.distributions import Categorical
from vaekit.maths import shrunk, turned
from vaekit.messages import Mistake, require_counts
from vaekit.models import Model, Trace
from vaekit.networks import as_map, as_vector
from vaekit.objectives.perceptual import as_planes
from vaekit.objectives.term import Term


class Equivariance(Term):
    """-log p(tau x | tau z) in nats, (B,), for a random tau of each item that turns and shrinks picture and map alike.

    tau turns by quarters (by halves what is not square), all as likely, and shrinks about the middle by a scale that
    is uniform from `least` to 1; beyond the borders pictures and maps go on as in a mirror. Kouzelis et al. 2025
    (EQ-VAE, arXiv:2502.09509), who decode smaller maps to smaller pictures. A decoder for which all tau commute with
    decoding has the distortion of tau x and nothing more. No bound on log p(x): shrunk pictures are means of several
    pixels, which are no data; of binary ones it is the expected cost of pictures drawn with those probabilities.

    Args:
        map: (D, h, w), of latents that are D numbers place after place, as `vk.networks.as_map` has them.
        least: the smallest scale, above 0; at 1 there are turns only.

    Example:
        >>> import vaekit as vk
        >>> model, _ = vk.recipes.vq_vae(shape=(8, 8), code_dim=3, channels=[4])
        >>> Equivariance((3, 4, 4))(model, model.trace(torch.zeros(5, 8, 8))).shape
        torch.Size([5])
    """

    cites: ClassVar[tuple[str, ...]] = ("kouzelis2025",)

    def __init__(self, map: Sequence[int], *, least: float = 0.25) -> None:
        super().__init__()
        self.map = require_counts("map", list(map))
        if len(self.map) != 3:
            raise Mistake(f"got map={self.map} and wanted (D, h, w): numbers of a place, rows and columns.")
        if not 0 < least <= 1:
            raise Mistake(f"got least={least!r} and wanted a scale above 0 and up to 1.")
        self.least = float(least)

    def forward(self, model: Model, trace: Trace) -> Tensor:
        x, z = as_planes(trace.x), trace.z[0]
        wanted = self.map[0] * self.map[1] * self.map[2]
        if z.ndim != 2 or z.shape[1] != wanted:
            raise Mistake(f"got latents of shape {tuple(z.shape[1:])} and map={self.map} holds {wanted}: give theirs.")
        step = 1 if x.shape[-1] == x.shape[-2] and self.map[1] == self.map[2] else 2
        turns = step * torch.randint(4 // step, (len(x),), device=x.device)
        scale = torch.empty(len(x), device=x.device).uniform_(self.least, 1)
        moved = self.moved(as_map(z, self.map), turns, scale)
        px: Any = model._likelihood(as_vector(moved).unsqueeze(0), trace.y)
        if isinstance(px, Categorical):
            raise Mistake("Equivariance takes means of pixels and these are names: leave it out.")
        return -px.log_prob(self.moved(x, turns, scale).view_as(trace.x)).squeeze(0)

    def moved(self, planes: Tensor, turns: Tensor, scale: Tensor) -> Tensor:
        """Planes (B, C, H, W) after tau, given by quarter turns and scales, (B,) each."""
        return shrunk(turned(planes, turns), scale, self.least)
