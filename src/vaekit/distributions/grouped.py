"""A Gaussian of an item some of whose latents belong to a group of items."""

from __future__ import annotations

__all__ = ["GroupedGaussian"]

from torch import Tensor

from vaekit.distributions.gaussian import DiagonalGaussian


class GroupedGaussian(DiagonalGaussian):
    """A diagonal Gaussian that knows which share of each latent is the item's own.

    Args:
        loc, log_scale: (B, D).
        share: (B, D), one over the size of the group for latents that it has in common, 1 for the others.
    """

    def __init__(self, loc: Tensor, log_scale: Tensor, share: Tensor) -> None:
        super().__init__(loc, log_scale)
        self.share = share
