"""The order of an epoch's items: drawn whole where they are few, else a permutation of which only a window is held."""

from __future__ import annotations

__all__ = ["Order"]

import torch
from torch import Tensor

from vaekit.noise import derive

WHOLE = 2**20  # items up to which a permutation is drawn whole
WINDOW = 2**16  # places that are worked out at once beyond it
ROUNDS = 6


class Order:
    """A random permutation of range(n), the same for a seed.

    Beyond 2^20 items it is a Feistel network on numbers of an even count of bits, run again where it leaves the range
    (Black and Rogaway 2002, doi:10.1007/3-540-45760-7_9), so that memory does not grow with n.

    Args:
        n: items.
        seed: of the permutation.
        device: where the places are wanted.

    Example:
        >>> sorted(Order(5, seed=0)(0, 5).tolist())
        [0, 1, 2, 3, 4]
    """

    def __init__(self, n: int, seed: int, device: torch.device | None = None) -> None:
        self.n, self.seed, self.device = n, seed, device
        self._whole: Tensor | None = None
        if n <= WHOLE:
            self._whole = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).to(device)
        self._at, self._window = -1, torch.empty(0, dtype=torch.long)

    def __call__(self, low: int, high: int) -> Tensor:
        """The items at the places low to high - 1, (high - low,)."""
        if self._whole is not None:
            return self._whole[low:high]
        found = []
        for at in range(low // WINDOW, -(-high // WINDOW)):
            if at != self._at:
                places = torch.arange(at * WINDOW, min((at + 1) * WINDOW, self.n))
                self._at, self._window = at, self.permuted(places).to(self.device)
            found.append(self._window[max(0, low - at * WINDOW) : high - at * WINDOW])
        return torch.cat(found)

    def permuted(self, places: Tensor) -> Tensor:
        """The items at some places, both from 0 to n - 1."""
        found = self._network(places)
        while True:
            out = (found >= self.n).nonzero().squeeze(1)
            if not len(out):
                return found
            found[out] = self._network(found[out])

    def _network(self, x: Tensor) -> Tensor:
        """A bijection of the numbers of 2 * half bits, of which there are at most 4 n."""
        half = ((self.n - 1).bit_length() + 1) // 2
        left, right = x >> half, x & ((1 << half) - 1)
        for turn in range(ROUNDS):
            mixed = (right + 1) * (derive(self.seed, turn, 2) | 1)  # wraps; the upper bits have seen all the lower ones
            mixed = (mixed ^ (mixed >> 31)) * 0x2545F4914F6CDD1D
            left, right = right, left ^ (mixed >> 33 & ((1 << half) - 1))
        return left << half | right
