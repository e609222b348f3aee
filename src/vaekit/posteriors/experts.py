r"""Posteriors of several modalities, each with an expert of its own that is left out where its modality is missing.

.. math:: q(z|x) \propto p(z) \prod_m q_m(z|x_m), \qquad q(z|x) = \tfrac{1}{|S|} \sum_{s \in S} \prod_{m \in s} q_m(z|x_m)
"""

from __future__ import annotations

__all__ = [
    "EachThenAll", "Experts", "JointOrExperts", "MixtureOfExperts", "MixtureOfShared", "ProductOfExperts",
    "SharedAndPrivate",
]  # fmt: skip

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vaekit.data import Modalities
from vaekit.distributions import DiagonalGaussian, EqualMixture, PooledGaussian
from vaekit.messages import Mistake
from vaekit.networks import features_of
from vaekit.part import Part
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

    def __init__(self, experts: Mapping[str, Gaussian], modalities: Modalities) -> None:
        super().__init__()
        if set(experts) != set(modalities.names):
            raise Mistake(
                f"got experts for {', '.join(experts)} and wanted one for each of {', '.join(modalities.names)}."
            )
        self.modalities = modalities
        self.experts: Any = nn.ModuleList(experts[name] for name in modalities.names)
        sizes = {expert.latent_shape for expert in self.experts}
        if len(sizes) > 1 or not all(isinstance(expert, Gaussian) for expert in self.experts):
            raise Mistake("the experts of several modalities are to be Gaussian posteriors with equally many latents.")
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
        seen, pieces = self.modalities.seen(x), self.modalities.split(x)
        for m, (expert, piece) in enumerate(zip(self.experts, pieces.values(), strict=True)):
            if bool(seen[:, m].any()):
                for part in expert.walk("before_fit"):
                    part.before_fit(piece[seen[:, m]], {name: v[seen[:, m]] for name, v in y.items()}, n)

    def believed(self, x: Tensor | None) -> tuple[DiagonalGaussian, Tensor]:
        """What each expert makes of its piece, batch (B, M); and which pieces are there, (B, M)."""
        assert x is not None
        seen = self.modalities.seen(x)
        found = []
        for m, (expert, piece) in enumerate(zip(self.experts, self.modalities.split(x).values(), strict=True)):
            gone = ~seen[:, m].view(-1, *[1] * (piece.ndim - 1))
            found.append(expert(piece.masked_fill(gone, 0.0)))
        loc = torch.stack([q.loc for q in found], 1)
        return DiagonalGaussian(loc, torch.stack([q.log_scale for q in found], 1)), seen


class ProductOfExperts(Experts):
    """q(z|x) = the product of the prior N(0, I) and the experts of what is seen (Wu and Goodman 2018, arXiv:1802.05335).

    Args:
        experts, modalities: as for all experts.
        prior: whether the prior is one of them; without it, as in Hwang et al. 2021, it stands in where nothing is seen.

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
        product = _products(each, seen.unsqueeze(1), prior=self.prior)
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
        parts = _products(each, torch.cat([self.members, nothing]).unsqueeze(0))  # (B, S + 1), the prior last
        return EqualMixture(parts, torch.cat([there, ~there.any(-1, keepdim=True)], -1))


class EachThenAll(Part):
    """A network that gives each modality to one of its own and lays their features side by side.

    Args:
        nets: in the order of the modalities.
        modalities: how x is cut.
    """

    def __init__(self, nets: Sequence[nn.Module], modalities: Modalities) -> None:
        super().__init__()
        self.nets, self.modalities = nn.ModuleList(nets), modalities
        self.features = (sum(math.prod(features_of(net, None)) for net in nets),)

    def forward(self, x: Tensor) -> Tensor:
        pieces = self.modalities.split(x).values()
        return torch.cat([net(piece).flatten(1) for net, piece in zip(self.nets, pieces, strict=True)], -1)


class JointOrExperts(Experts):
    """q(z|x) of a network that reads all modalities, where all are seen; else the product of the experts of those seen.

    Args:
        joint: given all of x.
        experts, modalities: as for all experts.

    Source: Suzuki, Nakayama and Matsuo 2016, arXiv:1611.01891; Vedantam et al. 2018, arXiv:1705.10762.
    """

    cites: ClassVar[tuple[str, ...]] = ("suzuki2016", "vedantam2018")

    def __init__(self, joint: Gaussian, experts: Mapping[str, Gaussian], modalities: Modalities) -> None:
        super().__init__(experts, modalities)
        self.joint = joint
        if joint.latent_shape != self.latent_shape:
            raise Mistake(
                f"got {joint.latent_shape[0]} latents from the joint network and {self.latent_shape[0]} from the experts."
            )

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        super().before_fit(x, y, n)
        there = self.modalities.seen(x).all(-1)
        for part in self.joint.walk("before_fit") if bool(there.any()) else ():
            part.before_fit(x[there], {name: v[there] for name, v in y.items()}, n)

    def forward(self, *given: Tensor | None) -> PooledGaussian:
        each, seen = self.believed(given[0])
        x, there = given[0], seen.all(-1, keepdim=True)
        assert x is not None
        whole = self.joint(x.masked_fill(~there.view(-1, *[1] * (x.ndim - 1)), 0.0))
        part = _products(each, seen.unsqueeze(1))
        loc = torch.where(there, whole.loc, part.loc.squeeze(1))
        return PooledGaussian(loc, torch.where(there, whole.log_scale, part.log_scale.squeeze(1)), each, seen)


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

    def partly(
        self, each: DiagonalGaussian, common: Tensor, own: Tensor, *, prior: bool = False
    ) -> DiagonalGaussian:
        """q of some of what the experts believe, batch (B, S).

        Args:
            each: batch (B, M).
            common: (B or 1, S, M), whose shared latents count in the product.
            own: (B or 1, S, M), whose private latents count; the others are the prior's.
            prior: whether the prior is one of the shared latents' experts.
        """
        cut = [self.shared, each.loc.shape[-1] - self.shared]
        (loc, private), (log_scale, private_scale) = each.loc.split(cut, -1), each.log_scale.split(cut, -1)
        product = _products(DiagonalGaussian(loc, log_scale), common, prior=prior)
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


def _products(each: DiagonalGaussian, members: Tensor, *, prior: bool = False) -> DiagonalGaussian:
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
