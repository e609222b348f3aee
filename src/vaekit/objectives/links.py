r"""The distortion of graphs, links and missing links weighed alike.

.. math:: - \sum_{i < j} w_{ij} \log p(A_{ij}|z), \quad
          w_{ij} = \frac{P}{2 P_1} \text{ where } A_{ij} = 1, \text{ else } \frac{P}{2 P_0}
"""

from __future__ import annotations

__all__ = ["BalancedLinks"]

from typing import ClassVar

import torch
from torch import Tensor

from vaekit.models import Model, Trace
from vaekit.objectives.term import Term


class BalancedLinks(Term):
    """-log p(A|z) of a graph with P known pairs, P1 linked and P0 not, weighed so that both kinds make up half of it.

    Links are rare, and unweighed they are outvoted. The authors' code of the variational graph autoencoder minimises
    the like over all N^2 entries of A + I: each pair twice, each node's link to itself, and pairs that are held out as
    missing links. Here a pair counts once, and loops and unknown pairs do not. It is no bound on log p(A).

    Example:
        >>> import vaekit as vk
        >>> model = vk.recipes.vgae(shape=(4, 4), latent_dim=2).model
        >>> BalancedLinks().loss(model, torch.ones(3, 4, 4) - torch.eye(4)).shape
        torch.Size([])
    """

    cites: ClassVar[tuple[str, ...]] = ("kipf2016",)

    def forward(self, model: Model, trace: Trace) -> Tensor:
        x = trace.x
        known = (~x.isnan()).to(trace.z.dtype).triu(1)
        linked = known * torch.nan_to_num(x)
        pairs, links = known.sum((-2, -1), keepdim=True), linked.sum((-2, -1), keepdim=True)
        apart = (pairs - links).clamp_min(1)
        weight = pairs / 2 * (linked / links.clamp_min(1) + (known - linked) / apart)
        px: object = trace.px
        each = px.log_prob_each(torch.nan_to_num(x))  # type: ignore[attr-defined]  # (K, B, N, N)
        return -(weight * each).sum((-2, -1)).mean(0)
