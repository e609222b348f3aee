"""CausalTransformer: at each place of a row of symbols, what the places before it say of it (Vaswani et al. 2017)."""

from __future__ import annotations

__all__ = ["CausalTransformer"]

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from vaekit.messages import require_count
from vaekit.networks.attention import Attention
from vaekit.networks.fold import fold
from vaekit.part import Part

START = 0.02  # the standard deviation of first embeddings


class CausalTransformer(Part):
    """Rows of N symbols out of K -> the logits of each place, which hang on the places before it alone.

    Args:
        size: K.
        places: N.
        width: of the layers (arXiv:1706.03762).
        heads: of the attention; they divide the width.
        layers: how many.

    Forward: indices (*leading, N) -> logits (*leading, N, K).

    Example:
        >>> net = CausalTransformer(16, 9, width=32, heads=2, layers=1)
        >>> net(torch.zeros(5, 9, dtype=torch.long)).shape, net.draw(3).shape
        (torch.Size([5, 9, 16]), torch.Size([3, 9]))
    """

    cites: ClassVar[tuple[str, ...]] = ("vaswani2017",)

    def __init__(self, size: int, places: int, *, width: int = 128, heads: int = 4, layers: int = 3) -> None:
        super().__init__()
        self.size, self.places = require_count("size", size), require_count("places", places)
        width = require_count("width", width)
        self.symbols = nn.Parameter(START * torch.randn(size + 1, width))  # the last stands before the first place
        self.positions = nn.Parameter(START * torch.randn(places, width))
        blocks = [Attention(width, heads, causal=True) for _ in range(require_count("layers", layers))]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, size)

    def forward(self, indices: Tensor) -> Tensor:
        return fold(self._logits, indices, 1)

    def _logits(self, indices: Tensor) -> Tensor:
        before = torch.cat([indices.new_full((len(indices), 1), self.size), indices[:, :-1]], 1)
        x = embedding(before, self.symbols) + self.positions  # (B, N, width)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.out(self.norm(x))
        return out

    @torch.no_grad()
    def draw(self, n: int, temperature: float = 1.0) -> Tensor:
        """n rows, (n, N), a place after the other; the logits are divided by the temperature (0: the likeliest)."""
        found = torch.full((n, 1), self.size, device=self.symbols.device)
        seen: list[list[Tensor]] = [[] for _ in self.blocks]
        for place in range(self.places):
            x = embedding(found[:, -1:], self.symbols) + self.positions[place]  # (n, 1, width)
            for block, before in zip(self.blocks, seen, strict=True):
                x = block(x, before)
            logits = self.out(self.norm(x[:, 0])) / max(temperature, 1e-30)
            logits = logits - logits.amax(-1, keepdim=True)
            found = torch.cat([found, torch.multinomial(logits.softmax(-1), 1)], 1)
        return found[:, 1:]
