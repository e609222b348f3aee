r"""Posteriors with latents that several modalities share and latents of each one's own.

.. math:: q(z, w|x) \propto p(z) \prod_m q(z|x_m)\, q(w_m|x_m), \qquad
          q(z, w|x) = \tfrac1M \sum_m q(z|x_m)\, q(w_m|x_m) \prod_{n \ne m} p(w_n)
"""

from __future__ import annotations

__all__ = ["MixtureOfShared", "SharedAndPrivate"]

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from vaekit.data import Modalities
from vaekit.distributions import DiagonalGaussian, EqualMixture, PooledGaussian
from vaekit.messages import Mistake
from vaekit.posteriors.experts import Experts, products
from vaekit.posteriors.gaussian import Gaussian


class SharedAndPrivate(Experts):
    """Latents that all modalities share, and behind them some of each modality's own.

    Those that are shared are a product of experts with the prior; those of a modality that is missing are the prior's
    (Lee and Pavlovic 2021, arXiv:2012.13024).

    Args:
        experts, modalities: as for all experts; each expert gives the shared latents and then its own.
        shared: how many are shared.
        prior: whether the prior is one of the shared latents' experts.
    """

    cites: ClassVar[tuple[str, ...]] = ("lee2021",)

    def __init__(
        self, experts: Mapping[str, Gaussian], modalities: Modalities, *, shared: int, prior: bool = True
    ) -> None:
        super().__init__(experts, modalities)
        self.shared, self.prior = shared, prior
        private = self.latent_shape[0] - shared
        if shared < 1 or private < 1:
            raise Mistake(f"got {shared} shared latents of an expert's {self.latent_shape[0]}: both kinds are wanted.")
        self.latent_shape = (shared + private * len(modalities.names),)

    def forward(self, *given: Tensor | None) -> PooledGaussian:
        each, seen = self.believed(given[0])
        q = self.partly(each, seen.unsqueeze(1), seen.unsqueeze(1), prior=self.prior)
        return PooledGaussian(q.loc.squeeze(1), q.log_scale.squeeze(1), each, seen)

    def partly(self, each: DiagonalGaussian, common: Tensor, own: Tensor, *, prior: bool = False) -> DiagonalGaussian:
        """q of some of what the experts believe, batch (B, S).

        Args:
            each: batch (B, M).
            common: (B or 1, S, M), whose shared latents count in the product.
            own: (B or 1, S, M), whose private latents count; the others are the prior's.
            prior: whether the prior is one of the shared latents' experts.
        """
        cut = [self.shared, each.loc.shape[-1] - self.shared]
        (loc, private), (log_scale, private_scale) = each.loc.split(cut, -1), each.log_scale.split(cut, -1)
        product = products(DiagonalGaussian(loc, log_scale), common, prior=prior)
        own = own.expand(len(each.loc), common.shape[1], -1).unsqueeze(-1)
        alone = [torch.where(own, t.unsqueeze(1), 0.0).flatten(-2) for t in (private, private_scale)]
        return DiagonalGaussian(
            torch.cat([product.loc, alone[0]], -1), torch.cat([product.log_scale, alone[1]], -1)
        )  # (B, S, shared + M * private)


class MixtureOfShared(SharedAndPrivate):
    """A mixture, in equal shares: shared latents and own ones from one modality, the others' own from the prior.

    What decodes one modality from another has to stand in the shared latents, since those of its own are then the
    prior's (Palumbo, Daunhawer and Vogt 2023, whose r_n is the prior here).

    Args:
        experts, modalities, shared: as for SharedAndPrivate.
    """

    cites: ClassVar[tuple[str, ...]] = ("palumbo2023",)

    def __init__(self, experts: Mapping[str, Gaussian], modalities: Modalities, *, shared: int) -> None:
        super().__init__(experts, modalities, shared=shared, prior=False)

    def forward(self, *given: Tensor | None) -> Any:
        each, seen = self.believed(given[0])
        one = torch.eye(seen.shape[1] + 1, seen.shape[1], dtype=torch.bool, device=seen.device).unsqueeze(0)
        nothing = ~seen.any(-1, keepdim=True)  # the last part is the prior
        return EqualMixture(self.partly(each, one, one), torch.cat([seen, nothing], -1))
