r"""Codes without a table: the vectors are the points of a small grid, and a point's place in it is its number.

.. math:: \mathrm{FSQ}: \mathrm{round}(\tfrac{L - 1}{2} \tanh(z + s) - o), \qquad
          \mathrm{LFQ}: \mathrm{sign}(z), \qquad \mathrm{BSQ}: \mathrm{sign}(z) / \sqrt{D}
"""

from __future__ import annotations

__all__ = ["FSQ", "BinarySpherical", "LookupFree"]

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vaekit.messages import Mistake, require_count, require_counts
from vaekit.networks.quantizer import Quantizer

MOST = 2**62  # indices are int64
FAINT = 1e-2  # of the largest variance: what is below is not whitened


class FSQ(Quantizer):
    """Finite scalar quantisation: each number is bounded and rounded to one of a few levels.

    The L levels of a number are -(L // 2), ... in steps of 1, divided by L // 2. An even L has one level more below 0
    than above; 0 is a level of every L, and an output of 0 stays 0. Mentzer et al. 2023, arXiv:2309.15505.

    An encoder's first outputs vary so little that they meet the middle level alone. `start` keeps their mean and
    covariance, by which all outputs are centred and whitened from then on, so that all levels are met from the first
    step on.

    Args:
        levels: L of each number, 3 or more; the paper advises 5 or more. (8, 5, 5, 5) are 1,000 codes.

    Example:
        >>> book = FSQ([8, 5, 5, 5])
        >>> book.size, book.width, book.lookup(torch.tensor(0))
        (1000, 4, tensor([-1., -1., -1., -1.]))
    """

    cites: ClassVar[tuple[str, ...]] = ("mentzer2023",)

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        levels = require_counts("levels", levels)
        if min(levels) < 3 or math.prod(levels) > MOST:
            raise Mistake(f"got levels={levels} and wanted 3 or more each and 2^62 codes at most: LookupFree has two.")
        self.size, self.width = math.prod(levels), len(levels)
        self.register_buffer("below", torch.tensor([float(n // 2) for n in levels]))
        self.register_buffer("reach", torch.tensor([(n - 1) / 2 for n in levels]))
        self.register_buffer("count", torch.tensor(levels))
        self.register_buffer("stride", torch.tensor([math.prod(levels[:i]) for i in range(len(levels))]))
        self.register_buffer("centre", torch.zeros(self.width))
        self.register_buffer("white", torch.eye(self.width))
        self.centre: Tensor
        self.white: Tensor
        self.below: Tensor
        self.reach: Tensor  # half of the distance between the outer levels
        self.count: Tensor
        self.stride: Tensor

    def project(self, x: Tensor) -> Tensor:
        offset = self.below - self.reach  # 0 where L is odd, 1/2 where it is even
        x = (x - self.centre) @ self.white
        return (self.reach * (x + torch.atanh(offset / self.reach)).tanh() - offset) / self.below

    def nearest(self, x: Tensor) -> Tensor:
        steps = (x.detach().nan_to_num() * self.below + self.below).round()
        steps = torch.minimum(steps.clamp_min(0), 2 * self.reach)
        return (steps.long() * self.stride).sum(-1)

    def lookup(self, indices: Tensor) -> Tensor:
        steps = indices.to(self.stride.device).unsqueeze(-1) // self.stride % self.count  # (*leading, D)
        return (steps.to(self.below) - self.below) / self.below

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        offset, edge = self.below - self.reach, 1 - torch.finfo(x.dtype).eps
        raw = ((x * self.below + offset) / self.reach).clamp(-edge, edge).atanh() - torch.atanh(offset / self.reach)
        raw = torch.linalg.solve(self.white, raw.mT, left=True).mT + self.centre  # white is symmetric
        mean = raw.mean(0)
        size, axes = torch.linalg.eigh((raw - mean).mT @ (raw - mean) / len(raw))
        if bool(size[-1] > 0):  # directions in which hardly anything varies are not blown up to the full size
            self.white.copy_(axes @ torch.diag(size.clamp_min(FAINT * size[-1]).rsqrt()) @ axes.mT)
            self.centre.copy_(mean)


class LookupFree(Quantizer):
    """Lookup-free quantisation: each number becomes its sign, and the signs are the bits of the index.

    Yu et al. 2023 (MAGVIT-v2, arXiv:2310.05737); `CodeEntropy` keeps all codes in use.

    Args:
        width: bits of a code, D; there are 2^D codes.

    Example:
        >>> LookupFree(10).lookup(torch.tensor(3))[:3]
        tensor([ 1.,  1., -1.])
    """

    cites: ClassVar[tuple[str, ...]] = ("yu2023",)

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = require_count("width", width)
        if self.width > 62:
            raise Mistake(f"got width={width} and an index has 62 bits at most: give several, by Grouped.")
        self.size = 2**self.width
        self.register_buffer("value", torch.tensor(self.magnitude(self.width)))
        self.register_buffer("bit", torch.tensor([2**i for i in range(self.width)]))
        self.value: Tensor
        self.bit: Tensor

    @staticmethod
    def magnitude(width: int) -> float:
        """What each number of a code is, but for its sign."""
        return 1.0

    def nearest(self, x: Tensor) -> Tensor:
        return ((x > 0) * self.bit).sum(-1)

    def lookup(self, indices: Tensor) -> Tensor:
        ones = (indices.to(self.bit.device).unsqueeze(-1) // self.bit) % 2  # (*leading, D)
        return (2 * ones - 1).to(self.value) * self.value

    def logits(self, x: Tensor, temperature: float) -> Tensor:
        """Of each bit, where a code's probability falls with its squared distance over the temperature."""
        return 4 * self.value / temperature * x


class BinarySpherical(LookupFree):
    """Binary spherical quantisation: on the unit sphere, the nearest corner of the cube that it encloses.

    Zhao, Xiong and Krähenbühl 2024, arXiv:2406.07548. No code is farther than sqrt(2 - 2 / sqrt(D)).

    Args:
        width: bits of a code, D.

    Example:
        >>> book = BinarySpherical(4)
        >>> book.lookup(book.nearest(book.project(torch.tensor([3.0, -0.1, 0.2, 5.0]))))
        tensor([ 0.5000, -0.5000,  0.5000,  0.5000])
    """

    cites: ClassVar[tuple[str, ...]] = ("zhao2024",)

    @staticmethod
    def magnitude(width: int) -> float:
        return 1 / math.sqrt(width)

    def project(self, x: Tensor) -> Tensor:
        return normalize(x, dim=-1)
