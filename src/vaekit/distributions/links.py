r"""Links: graphs whose pairs of nodes are linked or not, each pair by itself and counted once.

.. math:: \log p(A) = \sum_{i < j} \log \mathrm{Bernoulli}(A_{ij}; \sigma(\ell_{ij}))
"""

from __future__ import annotations

__all__ = ["Links"]

from typing import ClassVar

import torch
from torch import Tensor

from vaekit.distributions.base import Factorised
from vaekit.distributions.bernoulli import Bernoulli


class Links(Factorised):
    """Undirected graphs of N nodes without loops, as adjacency matrices: symmetric, 0 on the diagonal.

    Args:
        logits: (*batch, N, N), symmetric; what stands on the diagonal is not read.

    Example:
        >>> p = Links(torch.zeros(5, 4, 4))
        >>> p.log_prob(p.sample()), p.mean[0, 0]
        (tensor([-4.1589, -4.1589, -4.1589, -4.1589, -4.1589]), tensor([0.0000, 0.5000, 0.5000, 0.5000]))
    """

    remedy: ClassVar[str] = "give symmetric adjacency matrices of 0 and 1 with 0 on the diagonal, NaN where unknown"

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        super().__init__(logits, 2)

    @property
    def mean(self) -> Tensor:
        return _mirrored(self.logits.sigmoid())

    @property
    def mode(self) -> Tensor:
        return _mirrored((self.logits > 0).to(self.logits.dtype))

    @property
    def variance(self) -> Tensor:
        return self.mean * (1 - self.mean)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        return _mirrored(Bernoulli(self.logits, 2).sample(sample_shape))

    def log_prob_each(self, value: Tensor) -> Tensor:
        """The log-probability of each pair above the diagonal, and 0 elsewhere, (*batch, N, N), in nats."""
        return Bernoulli(self.logits, 2).log_prob_each(value).triu(1)

    def supports(self, value: Tensor) -> Tensor:
        """Which elements are 0, 1 or unknown as their mirror images are; on the diagonal 0 or unknown."""
        unknown = value.isnan()
        alike = (value == value.mT) | (unknown & unknown.mT)
        diagonal = torch.eye(value.shape[-1], dtype=torch.bool, device=value.device)
        return alike & (unknown | (value == 0) | ((value == 1) & ~diagonal))


def _mirrored(x: Tensor) -> Tensor:
    """What stands above the diagonal, below it too, and 0 on it."""
    above = x.triu(1)
    return above + above.mT
