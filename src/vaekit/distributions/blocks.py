"""Blocks: independent distributions of the parts of one vector, side by side."""

from __future__ import annotations

__all__ = ["Blocks"]

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, kl_divergence, register_kl


class Blocks(Distribution):
    """Independent distributions whose values stand one after the other along the last axis.

    Args:
        parts: distributions of one batch shape, each with an event of one axis.

    Example:
        >>> from vaekit.distributions import DiagonalGaussian, OneHot
        >>> zeros = torch.zeros(5, 2)
        >>> Blocks(DiagonalGaussian(zeros, zeros), OneHot(torch.zeros(5, 1, 3))).sample().shape
        torch.Size([5, 5])
    """

    arg_constraints = {}

    def __init__(self, *parts: Any) -> None:
        self.parts: tuple[Any, ...] = parts
        self.sizes = [part.event_shape[0] for part in parts]
        super().__init__(parts[0].batch_shape, torch.Size((sum(self.sizes),)), validate_args=False)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return all(part.has_rsample for part in self.parts)

    @property
    def mean(self) -> Tensor:
        return torch.cat([part.mean for part in self.parts], -1)

    @property
    def mode(self) -> Tensor:
        return torch.cat([part.mode for part in self.parts], -1)

    @property
    def variance(self) -> Tensor:
        return torch.cat([part.variance for part in self.parts], -1)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        return torch.cat([part.sample(tuple(sample_shape)) for part in self.parts], -1)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        return torch.cat([part.rsample(tuple(sample_shape)) for part in self.parts], -1)

    def log_prob(self, value: Tensor) -> Tensor:
        values = value.split(self.sizes, -1)
        return torch.stack([part.log_prob(v) for part, v in zip(self.parts, values, strict=True)]).sum(0)

    def entropy(self) -> Tensor:
        return torch.stack([part.entropy() for part in self.parts]).sum(0)

    def kl_parts(self, p: Blocks) -> list[Tensor]:
        """KL(self || p) of each part, (*batch) each."""
        return [kl_divergence(own, other) for own, other in zip(self.parts, p.parts, strict=True)]

    def tempered(self, temperature: float) -> Blocks:
        """The same with each part tempered."""
        return Blocks(*(part.tempered(temperature) for part in self.parts))


@register_kl(Blocks, Blocks)
def _kl_blocks(q: Blocks, p: Blocks) -> Tensor:
    return torch.stack(q.kl_parts(p)).sum(0)
