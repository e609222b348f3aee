"""PixelCNN: at each place of a map of symbols, what those above and to the left of it say of it."""

from __future__ import annotations

__all__ = ["PixelCNN"]

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from vaekit.messages import Mistake, require_count, require_counts
from vaekit.networks.fold import fold
from vaekit.networks.masked_conv import MaskedConv
from vaekit.part import Part


class PixelCNN(Part):
    """Maps of symbols out of K, in reading order -> the logits of each place, by masked convolutions (van den Oord et
    al. 2016, arXiv:1601.06759).

    A place hangs on (layers + 1) (size // 2) rows and columns before it at most; of the rows above, what stands to its
    right is seen as far as there are rows between.

    Args:
        symbols: K.
        places: (h, w).
        width: channels.
        layers: residual masked convolutions after the first one.
        size: of the kernels, odd.

    Forward: indices (*leading, h * w) -> logits (*leading, h * w, K).

    Example:
        >>> net = PixelCNN(16, (3, 4), width=8, layers=1)
        >>> net(torch.zeros(5, 12, dtype=torch.long)).shape, net.draw(3).shape
        (torch.Size([5, 12, 16]), torch.Size([3, 12]))
    """

    cites: ClassVar[tuple[str, ...]] = ("oord2016",)

    def __init__(self, symbols: int, places: Sequence[int], *, width: int = 64, layers: int = 5, size: int = 5) -> None:
        super().__init__()
        height, breadth = require_counts("places", list(places))
        if require_count("size", size) % 2 == 0:
            raise Mistake(f"got size={size} and wanted an odd one, which has a middle.")
        self.map, self.places = (height, breadth), height * breadth
        self.symbols = nn.Parameter(torch.randn(require_count("symbols", symbols), require_count("width", width)))
        self.first = MaskedConv(width, width, size, own=False)
        self.more = nn.ModuleList(MaskedConv(width, width, size, own=True) for _ in range(layers))
        self.out = nn.Conv2d(width, symbols, 1)

    def forward(self, indices: Tensor) -> Tensor:
        return fold(self._logits, indices, 1)

    def _logits(self, indices: Tensor) -> Tensor:
        x = embedding(indices, self.symbols).mT.unflatten(-1, self.map)  # (B, width, h, w)
        x = self.first(x)
        for layer in self.more:
            x = x + layer(x.relu())
        out: Tensor = self.out(x.relu()).flatten(2).mT
        return out

    @torch.no_grad()
    def draw(self, n: int, temperature: float = 1.0) -> Tensor:
        """n maps, (n, h * w), a place after the other; the logits are divided by the temperature (0: the likeliest)."""
        found = torch.zeros(n, self.places, dtype=torch.long, device=self.symbols.device)
        for place in range(self.places):
            logits = self._logits(found)[:, place] / max(temperature, 1e-30)
            logits = logits - logits.amax(-1, keepdim=True)
            found[:, place] = torch.multinomial(logits.softmax(-1), 1).squeeze(-1)
        return found
