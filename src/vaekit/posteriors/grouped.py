r"""Posteriors of items that are known to share something: in training what they share is inferred from all of them.

.. math:: \text{product: } \sigma^{-2} = \sum_i \sigma_i^{-2}, \quad \mu = \sigma^2 \sum_i \mu_i / \sigma_i^2; \qquad
          \text{average: } \mu = \overline{\mu_i}, \quad \sigma^2 = \overline{\sigma_i^2}

The items of a group are those of a batch whose context is the same; one without context is a group by itself. In
evaluation each item is one: its codes do not depend on its companions.
"""

from __future__ import annotations

__all__ = ["Adaptive", "Average", "Grouped", "Product"]

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from vaekit.distributions import DiagonalGaussian, GroupedGaussian
from vaekit.messages import Mistake
from vaekit.part import Part
from vaekit.posteriors.base import Around
from vaekit.posteriors.gaussian import Gaussian


class Product(Part):
    """The product of the Gaussians of a group (Bouchacourt, Tomioka and Nowozin 2018, arXiv:1705.08841).

    Forward: loc and log_scale (B, D), member (B, B), 1 where the column is of the row's group -> loc and log_scale.

    Example:
        >>> loc, log_scale = Product()(torch.tensor([[0.0], [2.0]]), torch.zeros(2, 1), torch.ones(2, 2))
        >>> loc.tolist(), log_scale.exp().square()[0]
        ([[1.0], [1.0]], tensor([0.5000]))
    """

    cites: ClassVar[tuple[str, ...]] = ("bouchacourt2018",)

    def forward(self, loc: Tensor, log_scale: Tensor, member: Tensor) -> tuple[Tensor, Tensor]:
        precision = (-2 * log_scale).exp()
        total = member @ precision
        return member @ (precision * loc) / total, -0.5 * total.log()


class Average(Part):
    """The mean of the means and the mean of the variances of a group (Hosoya 2019, arXiv:1809.02383).

    Forward: as for `Product`.

    Example:
        >>> loc, log_scale = Average()(torch.tensor([[0.0], [2.0]]), torch.zeros(2, 1), torch.ones(2, 2))
        >>> loc.tolist(), log_scale.exp().square()[0]
        ([[1.0], [1.0]], tensor([1.]))
    """

    cites: ClassVar[tuple[str, ...]] = ("hosoya2019",)

    def forward(self, loc: Tensor, log_scale: Tensor, member: Tensor) -> tuple[Tensor, Tensor]:
        weight = member / member.sum(1, keepdim=True)
        return weight @ loc, 0.5 * (weight @ (2 * log_scale).exp()).log()


class OfGroups(Around):
    """The base: a posterior of one item by itself, and a way to pool those of a group.

    Args:
        posterior: of one item by itself.
        pool: Product() or Average().
        reads: the fields of the context that say which items belong together; without them each is alone.
    """

    def __init__(self, posterior: Gaussian, pool: Part, *, reads: Sequence[str] = ("y",)) -> None:
        super().__init__()
        self.posterior, self.pool = posterior, pool
        self.reads, self.infers, self.latent_shape = tuple(reads), tuple(reads), posterior.latent_shape

    @property
    def inner(self) -> Any:
        return self.posterior

    def pooled(self, loc: Tensor, log_scale: Tensor, member: Tensor) -> tuple[Tensor, Tensor]:
        """What the pool makes of a batch, in its own precision: precisions do not bear rounding to 1/256."""
        with torch.autocast(loc.device.type, enabled=False):
            found: tuple[Tensor, Tensor] = self.pool(loc, log_scale, member)
        return found


class Grouped(OfGroups):
    """q(z|x) whose first latents are inferred from a group as a whole, the others from each item.

    Args:
        posterior: of one item by itself.
        pool: Product() or Average().
        shared: how many latents a group has in common.
        reads: the fields of the context that say which items belong together.

    Raises:
        Mistake: where there are not that many latents.

    Example:
        >>> from vaekit.networks import MLP
        >>> q = Grouped(Gaussian(MLP(4, [8]), 3), Product(), 2)
        >>> found = q.train()(torch.randn(5, 4), torch.tensor([[1.0, 0.0], [0.0, 1.0]])[[0, 1, 0, 1, 0]])
        >>> bool((found.loc[0, :2] == found.loc[2, :2]).all()), bool((found.loc[0, 2] == found.loc[2, 2]).all())
        (True, False)
    """

    def __init__(self, posterior: Gaussian, pool: Part, shared: int, *, reads: Sequence[str] = ("y",)) -> None:
        super().__init__(posterior, pool, reads=reads)
        latents = posterior.latent_shape[0]
        if not 1 <= shared <= latents:
            raise Mistake(f"got shared={shared!r} and wanted 1 to {latents}, the number of latents.")
        self.shared = shared

    def forward(self, *given: Tensor | None) -> DiagonalGaussian:
        x, *fields = given
        q = self.posterior(x)
        if not self.training:
            return q
        member = same(fields, len(q.loc)).to(q.loc.dtype)
        (loc, own), (log_scale, own_scale) = (t.tensor_split([self.shared], 1) for t in (q.loc, q.log_scale))
        loc, log_scale = self.pooled(loc, log_scale, member)
        share = torch.ones_like(q.loc)
        share[:, : self.shared] = 1 / member.sum(1, keepdim=True)
        return GroupedGaussian(torch.cat([loc, own], 1), torch.cat([log_scale, own_scale], 1), share)


class Adaptive(OfGroups):
    """q(z|x) of which each item shares with another of its group what their posteriors agree on (Locatello et al. 2020,
    arXiv:2002.02886).

    The partner is the next of the group in the batch, in a circle. A latent is shared where KL(q(z_i|x) || q(z_i|x'))
    lies below the middle between the least and the greatest of all latents. In the paper both of a pair share the same
    latents; here each decides by its own divergence, and groups may be larger than two.

    Args:
        posterior: of one item by itself.
        pool: Product() or Average(), of two.
        reads: the fields of the context that say which items belong together.
    """

    cites: ClassVar[tuple[str, ...]] = ("locatello2020",)

    def forward(self, *given: Tensor | None) -> DiagonalGaussian:
        x, *fields = given
        q = self.posterior(x)
        if not self.training:
            return q
        other = partners(same(fields, len(q.loc)))  # (B,)
        apart = q.kl_each(DiagonalGaussian(q.loc[other], q.log_scale[other])).detach()  # (B, D)
        middle = 0.5 * (apart.amin(1, keepdim=True) + apart.amax(1, keepdim=True))
        alone = other == torch.arange(len(other), device=other.device)
        member = torch.eye(len(other), dtype=q.loc.dtype, device=q.loc.device)
        member = (member + member[other]).clamp_max(1)
        loc, log_scale = self.pooled(q.loc, q.log_scale, member)
        shared = (apart < middle) & ~alone.unsqueeze(1)
        return DiagonalGaussian(torch.where(shared, loc, q.loc), torch.where(shared, log_scale, q.log_scale))


def same(fields: Sequence[Tensor | None], n: int) -> Tensor:
    """Which of n items are of one group, (n, n): those whose fields (n, width) agree, where they are not all zero."""
    y = torch.cat([field for field in fields if field is not None], 1)
    agree = (y.unsqueeze(1) == y.unsqueeze(0)).all(2) & (y != 0).any(1, keepdim=True)
    return agree | torch.eye(n, dtype=torch.bool, device=y.device)


def partners(member: Tensor) -> Tensor:
    """The next of each item's group, in a circle; the item itself where it is alone.

    Example:
        >>> partners(same([torch.tensor([[1.0], [2.0], [1.0], [1.0], [0.0]])], 5))
        tensor([2, 1, 3, 0, 4])
    """
    n = len(member)
    place = torch.arange(n, device=member.device)
    steps = (place.unsqueeze(0) - place.unsqueeze(1) - 1) % n  # 0 for the next, n - 1 for the item itself
    return steps.masked_fill(~member, n).argmin(1)
