"""A layer of attention (Vaswani et al. 2017, arXiv:1706.03762), and a stack of them over rows of vectors."""

from __future__ import annotations

__all__ = ["Attention", "Attentive", "embeddings"]

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from vaekit.messages import Mistake, require_count


class Attention(nn.Module):
    """Attention to other places and one's own, and a layer of each place by itself.

    Args:
        width: of the vectors.
        heads: they divide the width.
        causal: whether a place sees those before it alone; else it sees all.
    """

    def __init__(self, width: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        if require_count("width", width) % require_count("heads", heads):
            raise Mistake(f"got width={width} and heads={heads}: give a width that the heads divide.")
        self.heads, self.causal = heads, causal
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
        mixed = scaled_dot_product_attention(query, key, value, is_causal=self.causal and before is None)
        x = x + self.give(mixed.transpose(1, 2).flatten(-2))
        out: Tensor = x + self.alone(self.second(x))
        return out


class Attentive(nn.Module):
    """Rows of N vectors -> rows of N vectors, each of which has seen all.

    Args:
        places: N; each has an embedding of its own.
        width: of the vectors.
        heads: of the attention; they divide the width.
        layers: how many.

    Forward: x (B, N, width) -> (B, N, width), normalised.

    Example:
        >>> Attentive(7, width=8, heads=2, layers=1)(torch.zeros(5, 7, 8)).shape
        torch.Size([5, 7, 8])
    """

    def __init__(self, places: int, *, width: int, heads: int, layers: int) -> None:
        super().__init__()
        blocks = [Attention(width, heads, causal=False) for _ in range(require_count("layers", layers))]
        self.positions = embeddings(require_count("places", places), width)
        self.blocks, self.norm = nn.Sequential(*blocks), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.blocks(x + self.positions))
        return out


def embeddings(*shape: int) -> nn.Parameter:
    """First embeddings, (..., width): of norm 1, so that a place is heard beside what stands there."""
    return nn.Parameter(torch.randn(shape) / shape[-1] ** 0.5)
