"""Prior: the base of all priors."""

from __future__ import annotations

__all__ = ["Prior"]

from vaekit.conditional import Conditional


class Prior(Conditional):
    """Given the context (B, width)..., or nothing, returns p(z|y) with batch shape () or (B,)."""

    latent_shape: tuple[int, ...]
