"""CausalTransformer: at each place of a row of symbols, what the places before it say of it (Vaswani et al. 2017)."""

from __future__ import annotations

__all__ = ["CausalTransformer"]

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, scaled_dot_product_attention

from vaekit.messages import Mistake, require_count
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
        if require_count("width", width) % require_count("heads", heads):
            raise Mistake(f"got width={width} and heads={heads}: give a width that the heads divide.")
        self.symbols = nn.Parameter(START * torch.randn(size + 1, width))  # the last stands before the first place
        self.positions = nn.Parameter(START * torch.randn(places, width))
        self.blocks = nn.ModuleList([_Block(width, heads) for _ in range(require_count("layers", layers))])
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


class _Block(nn.Module):
    """Attention to the places before and one's own, and a layer of each place by itself."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask, self.give = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.alone = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, before: list[Tensor] | None = None) -> Tensor:
        """x (B, N, width), or one place of it with the keys and values of those before, which it joins."""
        asked = self.ask(self.first(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (3, B, H, N, W / H)
        query, key, value = asked.unbind(0)
        if before is not None:
            if before:
                key, value = torch.cat([before[0], key], -2), torch.cat([before[1], value], -2)
            before[:] = [key, value]
        mixed = scaled_dot_product_attention(query, key, value, is_causal=before is None)
        x = x + self.give(mixed.transpose(1, 2).flatten(-2))
        out: Tensor = x + self.alone(self.second(x))
        return out
