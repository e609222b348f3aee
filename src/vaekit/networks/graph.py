r"""Graph convolutions: what a node's neighbours and itself say, weighed by their degrees.

.. math:: \hat A = D^{-1/2} (A + I) D^{-1/2}, \qquad H = \hat A\, \mathrm{relu}(\hat A X W)
"""

from __future__ import annotations

__all__ = ["GraphEncoder", "InnerProducts", "normalised"]

from typing import ClassVar

import torch
from torch import Tensor, nn

from vaekit.messages import require_count
from vaekit.part import Part


def normalised(adjacency: Tensor) -> Tensor:
    """D^(-1/2) (A + I) D^(-1/2) of adjacency matrices (*leading, N, N), D the row sums of A + I; NaN counts as no link.

    Example:
        >>> normalised(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        tensor([[0.5000, 0.5000],
                [0.5000, 0.5000]])
    """
    a = torch.nan_to_num(adjacency, nan=0.0)
    a = a + torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    root = a.sum(-1).rsqrt()
    return root.unsqueeze(-1) * a * root.unsqueeze(-2)


class GraphEncoder(Part):
    """The graph convolution of Kipf and Welling (2017, arXiv:1609.02907), and the averaging of a second one.

    A linear layer of each node by itself behind it makes the two convolutions of the variational graph autoencoder
    (2016, arXiv:1611.07308), since A (H W) = (A H) W. Nodes without features are told apart by their number; with them
    a graph whose nodes come in another order gives the same in that order.

    Args:
        nodes: N.
        width: of the hidden layer.
        inputs: features of each node; None where nodes have none.

    Forward: adjacency matrices (*leading, N, N), NaN for pairs that are not known and count as not linked, and features
    (B, N * inputs), node after node -> (*leading, N, width).

    Example:
        >>> GraphEncoder(5, 8, inputs=3)(torch.zeros(2, 5, 5), torch.zeros(2, 15)).shape
        torch.Size([2, 5, 8])
    """

    cites: ClassVar[tuple[str, ...]] = ("kipf2017",)

    def __init__(self, nodes: int, width: int = 32, *, inputs: int | None = None) -> None:
        super().__init__()
        self.nodes, self.inputs = require_count("nodes", nodes), inputs
        self.layer = nn.Linear(
            nodes if inputs is None else require_count("inputs", inputs), require_count("width", width), bias=False
        )
        nn.init.xavier_uniform_(self.layer.weight)
        self.features: tuple[int, ...] = (nodes, width)

    def forward(self, x: Tensor, *given: Tensor | None) -> Tensor:
        a = normalised(x)
        if self.inputs is None:
            return a @ self.layer(a).relu()
        told = torch.cat([g.to(a.dtype).unflatten(-1, (self.nodes, -1)) for g in given if g is not None], -1)
        return a @ (a @ self.layer(told)).relu()


class InnerProducts(Part):
    """z_i . z_j + b of all pairs of nodes: the decoder of Kipf and Welling (2016, arXiv:1611.07308), who have no b.

    Args:
        nodes: N.
        offset: whether there is a b, which is learned and begins at 0.

    Forward: z (*leading, N * D), the latents of the nodes one after the other -> (*leading, N, N).

    Example:
        >>> InnerProducts(2)(torch.tensor([[1.0, 2.0, 3.0, 4.0]])).tolist()
        [[[5.0, 11.0], [11.0, 25.0]]]
    """

    cites: ClassVar[tuple[str, ...]] = ("kipf2016",)

    def __init__(self, nodes: int, *, offset: bool = True) -> None:
        super().__init__()
        self.features = (require_count("nodes", nodes), nodes)
        self.register_parameter("offset", nn.Parameter(torch.zeros(())) if offset else None)
        self.offset: Tensor | None

    def forward(self, z: Tensor) -> Tensor:
        z = z.unflatten(-1, (self.features[0], -1))
        out = (z @ z.mT).to(z.dtype)  # the sum with b in float32
        return out if self.offset is None else out + self.offset
