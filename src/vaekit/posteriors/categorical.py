"""Categorical posteriors, for latents that are N variables with K values each, written as one-hot vectors.

In training the draws of two of them carry a gradient (relaxed, or hard with the relaxed gradient, biased both); in
evaluation all are one-hot, so that every number that is reported is one of the discrete model.
"""

from __future__ import annotations

__all__ = ["Categorical", "RelaxedCategorical", "StraightThroughCategorical"]

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from vaekit import distributions
from vaekit.messages import Mistake, require_count
from vaekit.part import Part
from vaekit.posteriors.base import Posterior


class Categorical(Posterior):
    """One-hot draws without a gradient, for objectives that score them, such as REINFORCE and VIMCO.

    Args:
        net, features, reads: as for every posterior.
        latent_dim: N * K.
        levels: K.

    Example:
        >>> import torch
        >>> from vaekit.networks import MLP
        >>> q = Categorical(MLP(784, [64]), 200, levels=10)(torch.zeros(5, 784))
        >>> q.sample().shape, q.log_probs.shape
        (torch.Size([5, 200]), torch.Size([5, 20, 10]))
    """

    def __init__(
        self,
        net: nn.Module,
        latent_dim: int,
        *,
        levels: int = 10,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        super().__init__(net, latent_dim, features=features, reads=reads)
        self.levels = require_count("levels", levels)
        if latent_dim % levels:
            raise Mistake(f"got latent_dim={latent_dim} and levels={levels}: give N * K latents for N variables.")

    def logits_of(self, *given: Tensor | None) -> Tensor:
        """(B, N, K)."""
        return self.parameters_of(*given)[0].unflatten(-1, (-1, self.levels))

    def forward(self, *given: Tensor | None) -> distributions.OneHot:
        return distributions.OneHot(self.logits_of(*given))


class RelaxedCategorical(Categorical):
    """Gumbel-Softmax draws while training (Jang, Gu and Poole 2017, arXiv:1611.01144), one-hot in evaluation.

    Args:
        net, latent_dim, levels, features, reads: as for Categorical.
        temperature: of the relaxation, a number or a schedule of vk.objectives.schedules.
    """

    cites: ClassVar[tuple[str, ...]] = ("jang2017", "maddison2017")
    family: ClassVar[type[distributions.RelaxedOneHot]] = distributions.RelaxedOneHot

    def __init__(
        self,
        net: nn.Module,
        latent_dim: int,
        *,
        levels: int = 10,
        temperature: float | Part = 0.5,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        super().__init__(net, latent_dim, levels=levels, features=features, reads=reads)
        if not isinstance(temperature, Part) and not temperature > 0:
            raise Mistake(f"got temperature={temperature!r} and wanted a number above 0, or a schedule.")
        self.temperature: Any = temperature

    def forward(self, *given: Tensor | None) -> distributions.OneHot:
        if not self.training:
            return super().forward(*given)
        given_one = isinstance(self.temperature, (int, float))
        temperature = self.temperature if given_one else self.temperature.value()
        return self.family(self.logits_of(*given), temperature)


class StraightThroughCategorical(RelaxedCategorical):
    """One-hot draws that pass the gradient of the relaxed ones (Jang, Gu and Poole 2017, arXiv:1611.01144)."""

    family = distributions.StraightThroughOneHot
