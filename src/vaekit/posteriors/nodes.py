"""NodeGaussian: a Gaussian for each node of a graph (Kipf and Welling 2016, arXiv:1611.07308)."""

from __future__ import annotations

__all__ = ["NodeGaussian"]

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from vaekit import distributions
from vaekit.networks import features_of
from vaekit.posteriors.gaussian import Gaussian


class NodeGaussian(Gaussian):
    """q(z|A,X) = the product over nodes of N(mean_i, diag(scale_i^2)), by one linear layer that all nodes share.

    Args:
        net: from adjacency matrices (B, N, N), NaN for pairs that are not known, and the context it reads to
            (B, N, F); vk.networks.GraphEncoder.
        latent_dim: D, the latents of a node; those of a graph are N * D, node after node.
        features: (N, F); asked of `net.features` where it has one.
        reads: the fields of the context that net wants.

    Example:
        >>> import torch
        >>> from vaekit.networks import GraphEncoder
        >>> NodeGaussian(GraphEncoder(5, 8), 2)(torch.zeros(3, 5, 5)).event_shape
        torch.Size([10])
    """

    cites: ClassVar[tuple[str, ...]] = ("kipf2016",)
    takes_missing = True

    def __init__(
        self, net: nn.Module, latent_dim: int, *, features: Sequence[int] | None = None, reads: Sequence[str] = ()
    ) -> None:
        nodes, width = features_of(net, features)
        super().__init__(net, latent_dim, features=width, reads=reads)
        self.latent_shape = (nodes * latent_dim,)

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Begin as wide as the prior, with the means that the layer is drawn with: large ones make large log-odds."""
        self.head.silence(1)

    def from_features(self, features: Tensor) -> distributions.DiagonalGaussian:
        q = super().from_features(features)  # (B, N, D)
        return distributions.DiagonalGaussian(q.loc.flatten(-2), q.log_scale.flatten(-2))
