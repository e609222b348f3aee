"""Autoregressive: a likelihood of pictures whose pixels depend on one another, given the latents."""

from __future__ import annotations

__all__ = ["Autoregressive"]

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vaekit import distributions
from vaekit.likelihoods.base import Likelihood
from vaekit.networks import PixelNet


class Autoregressive(Likelihood):
    """p(x|z) = the product of p(x_i | x_<i, z) over the pixels in reading order (Gulrajani et al. 2017,
    arXiv:1611.05013; Chen et al. 2017, arXiv:1611.02731).

    log p(x|z) is exact and takes one pass; a draw or a mean takes one for each pixel. The more pixels tell one another,
    the less the latents have to say: keep the masked layers few and their kernels small.

    Args:
        inner: a likelihood of independent elements whose network is a PixelNet.

    Example:
        >>> from vaekit.likelihoods import Bernoulli
        >>> from vaekit.networks import ConvDecoder
        >>> net = PixelNet(ConvDecoder((6, 5), 2, [4]), (6, 5), channels=8)
        >>> p = Autoregressive(Bernoulli(net, (6, 5)))(torch.zeros(3, 2))
        >>> p.log_prob(torch.ones(3, 6, 5)).shape, p.sample().shape
        (torch.Size([3]), torch.Size([3, 6, 5]))
    """

    cites: ClassVar[tuple[str, ...]] = ("gulrajani2017", "chen2017")

    def __init__(self, inner: Likelihood) -> None:
        super().__init__()
        assert isinstance(inner.net, PixelNet), "the head has to read masked features"
        head: Any = inner.head  # a 3x3 convolution, which would see the pixels to come
        head.layer = nn.Conv2d(head.layer.in_channels, head.layer.out_channels, 1, bias=False)
        self.inner, self.reads, self.shape = inner, inner.reads, inner.shape
        self.label, self.wants, self.discrete = inner.label, inner.wants, inner.discrete  # type: ignore[misc]

    @property
    def family(self) -> Likelihood:
        return self.inner

    @property
    def net(self) -> nn.Module:  # type: ignore[override]
        """The network of the elements' own likelihood."""
        return self.inner.net

    @property
    def entrance(self) -> None:
        return None

    def forward(self, *given: Tensor | None) -> distributions.Autoregressive:
        z = given[0]
        assert z is not None

        def conditionals(x: Tensor) -> Any:
            return self.inner(*given, x.flatten(-len(self.shape)))

        return distributions.Autoregressive(conditionals, z.shape[:-1], torch.zeros(self.shape).to(z))

    def describe(self) -> str:
        return f"autoregressive, each pixel {self.inner.describe()}"
