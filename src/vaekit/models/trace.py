r"""Trace: one pass of data through a model, with its scores taken when they are asked for.

.. math:: \log w = \log p(x|z) + \log p(z) - \log q(z|x)
"""

from __future__ import annotations

__all__ = ["Trace"]

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from vaekit.distributions import PointMass
from vaekit.messages import Mistake

NO_KL = (
    "a Point posterior has no density, so the KL is undefined: "
    "use vk.objectives.Reconstruction() without KL, or a posterior with a density such as vk.posteriors.Gaussian."
)


class Trace:
    """What a model made of a batch, in the model's units.

    Args:
        x: (B, *X), NaN where missing.
        y: the encoded context, or None.
        levels: from the top down, (q, p, z) each, z (K, B, *Z).
        px: p(x|z), batch (K, B).
        missing: whether x may hold NaN.

    Scores are lazy and cached, apart for passes with and without gradients: `log_px, log_p, log_q, log_w` (K, B);
    `kl` (B,), exact where the pair has a closed form or, given the draws, each of its turns has; `kl_each` (B, *Z)
    where q and p factorise; `rates` (L, B).
    """

    def __init__(
        self,
        x: Tensor,
        y: Mapping[str, Tensor] | None,
        levels: tuple[tuple[Distribution, Distribution, Tensor], ...],
        px: Distribution,
        *,
        missing: bool = False,
    ) -> None:
        self.x, self.y, self.levels, self.px, self.missing = x, y, levels, px, missing
        self._cache: dict[tuple[str, bool], Tensor] = {}

    def _once(self, name: str, function: Callable[[], Tensor]) -> Tensor:
        key = (name, torch.is_grad_enabled())
        if key not in self._cache:
            self._cache[key] = function()
        return self._cache[key]

    @property
    def z(self) -> Any:
        """(K, B, *Z), or a tuple of them from the top down."""
        return self.levels[0][2] if len(self.levels) == 1 else tuple(z for _, _, z in self.levels)

    @property
    def q(self) -> Distribution:
        """The posterior of the only level."""
        return self._single()[0]

    @property
    def p(self) -> Distribution:
        """The prior of the only level."""
        return self._single()[1]

    def _single(self) -> tuple[Distribution, Distribution, Tensor]:
        if len(self.levels) > 1:
            raise Mistake(
                f"this needs a model with one level of latents and got one with {len(self.levels)}: "
                "use a recipe such as 'vae', or an objective that reads trace.levels."
            )
        return self.levels[0]

    @property
    def has_density(self) -> bool:
        """Whether q has a density, so that rates and bounds exist."""
        return not any(isinstance(q, PointMass) for q, _, _ in self.levels)

    @property
    def log_px(self) -> Tensor:
        score: Any = self.px
        return self._once("log_px", lambda: (score.log_prob_observed if self.missing else score.log_prob)(self.x))

    @property
    def log_p(self) -> Tensor:
        return self._once("log_p", lambda: _sum(p.log_prob(z) for _, p, z in self.levels))

    @property
    def log_q(self) -> Tensor:
        return self._once("log_q", lambda: _sum(q.log_prob(z) for q, _, z in self.levels))

    @property
    def log_w(self) -> Tensor:
        return self._once("log_w", lambda: self.log_px + (self.log_p - self.log_q))

    @property
    def rates(self) -> Tensor:
        """KL of each level, (L, B)."""
        return self._once("rates", lambda: torch.stack([self._kl(*level) for level in self.levels]))

    @property
    def kl(self) -> Tensor:
        """The rate, (B,)."""
        if len(self.levels) == 1:
            return self._once("kl", lambda: self._kl(*self.levels[0]))
        return self.rates.sum(0)

    def _kl(self, q: Distribution, p: Distribution, z: Tensor) -> Tensor:
        if isinstance(q, PointMass):
            raise Mistake(NO_KL)
        try:
            kl = q.kl_along(p, z) if hasattr(q, "kl_along") else kl_divergence(q, p)
        except NotImplementedError:
            kl = q.log_prob(z) - p.log_prob(z)
        return kl.mean(0) if kl.ndim == 2 else kl

    @property
    def factorises(self) -> bool:
        """Whether q and p are products over the latents, so that each has a KL of its own."""
        return all(hasattr(q, "kl_each") and hasattr(p, "event_dims") for q, p, _ in self.levels)

    @property
    def kl_each(self) -> Tensor:
        """KL of each latent, (B, sum of Z), the levels side by side."""

        def each() -> Tensor:
            found = []
            for q, p, _ in self.levels:
                if isinstance(q, PointMass):
                    raise Mistake(NO_KL)
                if not hasattr(q, "kl_each") or not hasattr(p, "event_dims"):
                    raise Mistake(f"the latents of {type(q).__name__} do not factorise, so there is no KL for each.")
                kl = q.kl_each(p)  # (B, *Z) or (K, B, *Z)
                found.append((kl.mean(0) if len(q.batch_shape) == 2 else kl).flatten(1))
            return torch.cat(found, -1)

        return self._once("kl_each", each)


def _sum(scores: Any) -> Tensor:
    total: Tensor | None = None
    for score in scores:
        total = score if total is None else total + score
    assert total is not None
    return total
