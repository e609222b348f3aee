"""Links: a likelihood of graphs by the inner products of their nodes' latents (Kipf and Welling 2016)."""

from __future__ import annotations

__all__ = ["Links"]

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from vaekit import distributions
from vaekit.likelihoods.base import Likelihood
from vaekit.messages import Mistake, require_count
from vaekit.networks import InnerProducts


class Links(Likelihood):
    r"""p(A|z) = the product over pairs i < j of Bernoulli(A_ij; sigmoid(z_i . z_j + b)), each pair counted once.

    Items are adjacency matrices (N, N), symmetric and 0 on the diagonal. Kipf and Welling 2016 (arXiv:1611.07308) have
    no b, without which two nodes that know nothing of each other are linked with probability 1/2.

    Args:
        nodes: N.
        offset: whether there is a b; it is learned, and begins at the log-odds of a link in the data.

    Forward: z (*leading, N * D), the latents of the nodes one after the other.

    Example:
        >>> p = Links(5)(torch.zeros(10, 4, 15))
        >>> p.batch_shape, p.event_shape
        (torch.Size([10, 4]), torch.Size([5, 5]))
    """

    cites: ClassVar[tuple[str, ...]] = ("kipf2016",)
    label = "Bernoulli of each pair"
    wants = "symmetric adjacency matrices of 0 and 1"
    discrete = True

    def __init__(self, nodes: int, *, offset: bool = True) -> None:
        super().__init__()
        if require_count("nodes", nodes) < 2:
            raise Mistake("got a graph of one node and wanted two or more: there is no pair to be linked.")
        self.shape = (nodes, nodes)
        self.net = InnerProducts(nodes, offset=offset)

    @torch.no_grad()
    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        offset = self.net.offset
        if isinstance(offset, Tensor):
            rows, columns = torch.triu_indices(self.shape[0], self.shape[0], 1, device=x.device)
            pairs = x[:, rows, columns]
            offset.copy_(torch.logit(pairs.nanmean().nan_to_num(0.5).clamp(1e-4, 1 - 1e-4)))

    def scored(self, x: Tensor) -> Tensor:
        """How many pairs of nodes of each graph (B, N, N) are known, (B,)."""
        rows, columns = torch.triu_indices(self.shape[0], self.shape[0], 1, device=x.device)
        return super().scored(x[:, rows, columns])

    def forward(self, *given: Tensor | None) -> distributions.Links:
        return distributions.Links(self.net(given[0]))
