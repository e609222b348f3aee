"""Prior: the base of all priors."""

from __future__ import annotations

__all__ = ["Prior"]

from typing import ClassVar

from torch import Tensor
from torch.distributions import Distribution

from vaekit.conditional import Conditional


class Prior(Conditional):
    """Given the context (B, width)..., or nothing, returns p(z|y) with batch shape () or (B,).

    `vk.fit_prior` calls `at_best` once; where it says no, `lost` is minimised by gradient.

    Attributes:
        slow: whether one density costs many passes of a network, so that few are taken where nobody asked.
        made_of_items: whether it is made of the training items' codes, which `hold` gives it when training has ended.
    """

    latent_shape: tuple[int, ...]
    slow: ClassVar[bool] = False
    made_of_items: ClassVar[bool] = False

    def hold(self, codes: Tensor) -> None:
        """Be made of these codes of all training items, (N, *Z), where it is made of items."""

    def among(self, q: Distribution, *given: Tensor | None) -> Distribution:
        """p(z|y) of the items of a training step, whose posteriors are q, batch () or (B,).

        The same as in evaluation, but where a prior is made of the items themselves.
        """
        p: Distribution = self(*given)
        return p

    def doubt(self) -> str | None:
        """Why its densities are not to be trusted in evaluation, in a sentence, or None."""
        return None

    def at_best(self, z: Tensor) -> bool:
        """Become the best fit to latents, (N, *Z), where that takes no gradient; else start from what they tell.

        Returns:
            whether nothing is left to be done.
        """
        return False

    def lost(self, z: Tensor, *given: Tensor | None) -> Tensor:
        """What latents cost under this prior, (B,), minimised where it is fitted to them: -log p(z|y)."""
        cost: Tensor = -self(*given).log_prob(z)
        return cost
