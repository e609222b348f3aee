r"""Posteriors of several modalities, each with an expert of its own that is left out where its modality is missing.

.. math:: q(z|x) \propto p(z) \prod_m q_m(z|x_m), \qquad
          q(z|x) = \tfrac{1}{|S|} \sum_{s \in S} \prod_{m \in s} q_m(z|x_m)
"""

from __future__ import annotations

__all__ = ["Experts", "MixtureOfExperts", "ProductOfExperts", "products"]

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vaekit.data import Modalities
from vaekit.distributions import DiagonalGaussian, EqualMixture, PooledGaussian
from vaekit.messages import Mistake
from vaekit.posteriors.base import AnyPosterior
from vaekit.posteriors.gaussian import Gaussian


class Experts(AnyPosterior):
    """The base: a Gaussian for each modality, given its piece of x.

    Args:
        experts: name -> Gaussian, all with as many latents.
        modalities: how x is cut.

    Raises:
        Mistake: for experts that are not one for each modality, or not alike.
    """

    leads = ("before_fit",)
    takes_missing = True
    families: ClassVar[tuple[type[AnyPosterior], ...]] = (Gaussian,)  # what an expert may be

    def __init__(self, experts: Mapping[str, AnyPosterior], modalities: Modalities) -> None:
        super().__init__()
        if set(experts) != set(modalities.names):
            raise Mistake(
                f"got experts for {', '.join(experts)} and wanted one for each of {', '.join(modalities.names)}."
            )
        self.modalities = modalities
        self.experts: Any = nn.ModuleList(experts[name] for name in modalities.names)
        sizes = {tuple(expert.latent_shape) for expert in experts.values()}
        if len(sizes) > 1 or not all(isinstance(expert, self.families) for expert in self.experts):
            kinds = " or ".join(family.__name__ for family in self.families)
            raise Mistake(f"the experts of several modalities are to be {kinds} posteriors with equally many latents.")
        self.latent_shape = sizes.pop()

    @property
    def net(self) -> nn.ModuleList:
        """The networks of all experts, for those who count or draw them."""
        return nn.ModuleList(expert.net for expert in self.experts)

    @property
    def head(self) -> nn.ModuleList:
        """Their heads."""
        return nn.ModuleList(expert.head for expert in self.experts)

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Let each expert begin at those items that have its modality."""
        self.modalities.begin(self.experts, x, y, n)

    def asked(self, x: Tensor | None) -> tuple[list[Any], Tensor]:
        """What each expert makes of its piece, M distributions of batch (B,); and which pieces are there, (B, M)."""
        assert x is not None
        seen = self.modalities.seen(x)
        found = []
        for m, (expert, piece) in enumerate(zip(self.experts, self.modalities.split(x).values(), strict=True)):
            gone = ~seen[:, m].view(-1, *[1] * (piece.ndim - 1))
            found.append(expert(piece.masked_fill(gone, 0.0)))
        return found, seen

    def believed(self, x: Tensor | None) -> tuple[DiagonalGaussian, Tensor]:
        """The same of Gaussian experts as one distribution, batch (B, M)."""
        found, seen = self.asked(x)
        loc = torch.stack([q.loc for q in found], 1)
        return DiagonalGaussian(loc, torch.stack([q.log_scale for q in found], 1)), seen


class ProductOfExperts(Experts):
    """q(z|x) = the product of the prior N(0, I) and the experts of what is seen (Wu and Goodman 2018).

    Args:
        experts, modalities: as for all experts.
        prior: whether the prior is one of them; without it, as in Hwang et al. 2021, it stands in where all is missing.

    Example:
        >>> from vaekit.networks import MLP
        >>> modalities = Modalities((6,), {"a": (4,), "b": (2,)})
        >>> experts = {"a": Gaussian(MLP(4, [8]), 3), "b": Gaussian(MLP(2, [8]), 3)}
        >>> q = ProductOfExperts(experts, modalities)(torch.full((5, 6), float("nan")))
        >>> q.mean[0].tolist(), q.variance[0].tolist()  # nothing is seen
        ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    """

    cites: ClassVar[tuple[str, ...]] = ("wu2018",)

    def __init__(self, experts: Mapping[str, Gaussian], modalities: Modalities, *, prior: bool = True) -> None:
        super().__init__(experts, modalities)
        self.prior = prior

    def forward(self, *given: Tensor | None) -> PooledGaussian:
        each, seen = self.believed(given[0])
        product = products(each, seen.unsqueeze(1), prior=self.prior)
        return PooledGaussian(product.loc.squeeze(1), product.log_scale.squeeze(1), each, seen)


class MixtureOfExperts(Experts):
    """q(z|x) = a mixture, in equal shares, of products of the experts of some subsets of what is seen.

    Of the experts themselves (Shi et al. 2019, arXiv:1911.03393), or of all subsets of several too (Sutter, Daunhawer
    and Vogt 2021, arXiv:2105.02470); the prior is in no product, and stands in where no subset is seen.

    Args:
        experts, modalities: as for all experts.
        subsets: names of the members of each; each modality alone where nothing is given.

    Example:
        >>> from vaekit.networks import MLP
        >>> modalities = Modalities((6,), {"a": (4,), "b": (2,)})
        >>> experts = {"a": Gaussian(MLP(4, [8]), 3), "b": Gaussian(MLP(2, [8]), 3)}
        >>> q = MixtureOfExperts(experts, modalities, subsets=MixtureOfExperts.all_subsets(modalities))
        >>> q.subsets, q(torch.zeros(5, 6)).parts.batch_shape
        ([['a'], ['b'], ['a', 'b']], torch.Size([5, 4]))
    """

    cites: ClassVar[tuple[str, ...]] = ("shi2019", "sutter2021")

    def __init__(
        self,
        experts: Mapping[str, Gaussian],
        modalities: Modalities,
        *,
        subsets: Sequence[Sequence[str]] | None = None,
    ) -> None:
        super().__init__(experts, modalities)
        self.subsets = [list(s) for s in subsets] if subsets is not None else [[name] for name in modalities.names]
        for subset in self.subsets:
            modalities.require(subset)
        if not self.subsets or not all(self.subsets):
            raise Mistake(f"got subsets={subsets!r} and wanted lists of one name or more of {modalities.names}.")
        members = [[name in subset for name in modalities.names] for subset in self.subsets]
        self.register_buffer("members", torch.tensor(members))
        self.members: Tensor

    @staticmethod
    def all_subsets(modalities: Modalities) -> list[list[str]]:
        """All subsets but the empty one, 2^M - 1, the small ones first."""
        sizes = range(1, len(modalities.names) + 1)
        return [list(s) for size in sizes for s in itertools.combinations(modalities.names, size)]

    def forward(self, *given: Tensor | None) -> EqualMixture:
        each, seen = self.believed(given[0])
        there = (seen.unsqueeze(1) | ~self.members).all(-1)  # (B, S)
        nothing = torch.zeros_like(self.members[:1])
        parts = products(each, torch.cat([self.members, nothing]).unsqueeze(0))  # (B, S + 1), the prior last
        return EqualMixture(parts, torch.cat([there, ~there.any(-1, keepdim=True)], -1))


def products(each: DiagonalGaussian, members: Tensor, *, prior: bool = False) -> DiagonalGaussian:
    """The product of the members of each subset, batch (B, S); N(0, I) of none.

    Args:
        each: batch (B, M), event (D,).
        members: (B or 1, S, M).
        prior: whether N(0, I) is a member of all.
    """
    precision = (-2 * each.log_scale).exp()  # (B, M, D)
    weights = members.to(precision).unsqueeze(-1)  # (B or 1, S, M, 1)
    with_prior = torch.ones_like(weights[..., 0, :]) if prior else (~members.any(-1, keepdim=True)).to(weights)
    total = (weights * precision.unsqueeze(1)).sum(2) + with_prior  # (B, S, D); no product of matrices: autocast
    pull = (weights * (precision * each.loc).unsqueeze(1)).sum(2)
    return DiagonalGaussian(pull / total, -0.5 * total.log())
