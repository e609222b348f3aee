"""A posterior of Gaussian and of categorical latents (Dupont 2018, arXiv:1804.00104)."""

from __future__ import annotations

__all__ = ["GaussianCategorical"]

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.functional import hardtanh

from vaekit import distributions
from vaekit.messages import Mistake, require_count
from vaekit.part import Part
from vaekit.posteriors.base import Posterior
from vaekit.posteriors.gaussian import LOG_SCALE


class GaussianCategorical(Posterior):
    """q(z|x) = a diagonal Gaussian of the first latents, and N variables of K values, relaxed while training.

    Args:
        net, features, reads: as for every posterior.
        latent_dim: of both: the Gaussian's and N * K.
        variables: N.
        levels: K.
        temperature: of the relaxation, a number or a schedule of vk.objectives.schedules.

    Example:
        >>> import torch
        >>> from vaekit.networks import MLP
        >>> q = GaussianCategorical(MLP(784, [64]), 20, variables=1, levels=10)(torch.zeros(5, 784))
        >>> [type(part).__name__ for part in q.parts], q.event_shape
        (['DiagonalGaussian', 'RelaxedOneHot'], torch.Size([20]))
    """

    cites: ClassVar[tuple[str, ...]] = ("dupont2018", "jang2017", "maddison2017")

    def __init__(
        self,
        net: nn.Module,
        latent_dim: int,
        *,
        variables: int = 1,
        levels: int = 10,
        temperature: float | Part = 0.5,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        categories = require_count("variables", variables) * require_count("levels", levels)
        reals = latent_dim - categories
        if reals < 1:
            raise Mistake(f"got latent_dim={latent_dim}, of which {categories} are categories: give more.")
        super().__init__(net, latent_dim + reals, features=features, reads=reads)
        self.latent_shape = (latent_dim,)
        self.reals, self.levels, self.temperature = reals, levels, temperature

    def forward(self, *given: Tensor | None) -> distributions.Blocks:
        out = self.parameters_of(*given)[0]  # (B, 2 G + N K)
        loc, log_scale, flat = out.tensor_split((self.reals, 2 * self.reals), -1)
        gaussian = distributions.DiagonalGaussian(loc, hardtanh(log_scale, -LOG_SCALE, LOG_SCALE))
        logits = flat.unflatten(-1, (-1, self.levels))
        if not self.training:
            return distributions.Blocks(gaussian, distributions.OneHot(logits))
        value: Any = self.temperature
        temperature = value if isinstance(value, (int, float)) else value.value()
        return distributions.Blocks(gaussian, distributions.RelaxedOneHot(logits, temperature))
