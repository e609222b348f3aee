r"""Gaussian processes along a series as priors of its latents.

.. math:: z_j \sim N(0, K_j), \quad K_j(t, t') = (1 - \nu)\, k(|t - t'| / l_j) + \nu\, [t = t']
"""

from __future__ import annotations

__all__ = ["CauchyProcess", "Process", "SquaredExponentialProcess"]

import math
from collections.abc import Sequence
from numbers import Real
from typing import ClassVar

import torch
from torch import Tensor, nn

from vaekit import distributions
from vaekit.messages import Mistake, require_count
from vaekit.priors.base import Prior

ALONE = 1e-3  # nu, of each step's variance, what it shares with no other: covariances of smooth processes need it


class Process(Prior):
    """The base: each channel of the latents is a Gaussian process of its own in time, N(0, 1) at every step.

    Args:
        steps: T.
        channels: C; latents are the C channels of the steps, one step after the other.
        lengths: the length scale of each channel, in steps, at first; they are learned. From T / 2 down to 1 where
            nothing is given, so that channels are for slow and for quick changes.
    """

    def __init__(self, steps: int, channels: int = 1, *, lengths: Sequence[float] | None = None) -> None:
        super().__init__()
        t, c = require_count("steps", steps), require_count("channels", channels)
        self.latent_shape = (t * c,)
        if lengths is not None and not _suits(lengths, c):
            raise Mistake(f"got lengths={lengths!r} and wanted {c} numbers above 0, one a channel.")
        longest = math.log(max(t / 2, 1.0))
        start = torch.linspace(longest, 0.0, c) if lengths is None else torch.tensor([math.log(v) for v in lengths])
        self.log_length = nn.Parameter(start)
        times = torch.arange(t, dtype=torch.get_default_dtype())
        self.register_buffer("squares", (times[:, None] - times).square())
        self.squares: Tensor

    def kernel(self, squares: Tensor) -> Tensor:
        """The correlation of two steps, from the square of their distance in length scales."""
        raise NotImplementedError

    def covariance(self) -> Tensor:
        """K of each channel, (C, T, T)."""
        scaled = self.squares * (-2 * self.log_length).exp()[:, None, None]
        return (1 - ALONE) * self.kernel(scaled) + ALONE * torch.eye(len(self.squares)).to(scaled)

    def forward(self, *given: Tensor | None) -> distributions.GaussianProcess:
        return distributions.GaussianProcess(torch.linalg.cholesky_ex(self.covariance()).L)


class CauchyProcess(Process):
    """Processes with the kernel 1 / (1 + d^2 / l^2), of many length scales (Fortuin et al. 2020, arXiv:1907.04380).

    Args:
        steps, channels, lengths: as for every process.

    Example:
        >>> prior = CauchyProcess(10, 2, lengths=[4.0, 1.0])
        >>> prior.covariance()[:, 0, 1], prior().sample((3,)).shape
        (tensor([0.9402, 0.4995], grad_fn=<SelectBackward0>), torch.Size([3, 20]))
    """

    cites: ClassVar[tuple[str, ...]] = ("fortuin2020",)

    def kernel(self, squares: Tensor) -> Tensor:
        return 1 / (1 + squares)


class SquaredExponentialProcess(Process):
    """Processes with the kernel exp(-d^2 / (2 l^2)), very smooth (Casale et al. 2018, arXiv:1810.11738).

    Args:
        steps, channels, lengths: as for every process.

    Example:
        >>> SquaredExponentialProcess(3, lengths=[1.0]).covariance()[0, 0]
        tensor([1.0000, 0.6059, 0.1352], grad_fn=<SelectBackward0>)
    """

    cites: ClassVar[tuple[str, ...]] = ("casale2018",)

    def kernel(self, squares: Tensor) -> Tensor:
        return (-0.5 * squares).exp()


def _suits(lengths: object, channels: int) -> bool:
    if not isinstance(lengths, Sequence) or isinstance(lengths, str) or len(lengths) != channels:
        return False
    return all(isinstance(v, Real) and not isinstance(v, bool) and 0 < float(v) < math.inf for v in lengths)
