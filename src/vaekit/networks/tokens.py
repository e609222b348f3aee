r"""A row of tokens that stands for a whole picture, in place of a map of places (Yu et al. 2024, arXiv:2406.07550).

.. math:: z = \mathrm{last}_K\, T(\mathrm{patches}(x) \oplus l), \quad
          \hat x = \mathrm{patches}^{-1}(\mathrm{first}_P\, T'(m, ..., m \oplus z))
"""

from __future__ import annotations

__all__ = ["TokenDecoder", "TokenEncoder", "as_patches", "from_patches"]

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pad

from vaekit.messages import require_count
from vaekit.networks.attention import Attentive, embeddings
from vaekit.networks.conv import picture_shape
from vaekit.networks.fold import fold, join
from vaekit.part import Part

PLANES = 8  # numbers that the decoder has at each pixel before the likelihood's head


class TokenEncoder(Part):
    """A Transformer over a picture's patches and N learned tokens, which is what is left of it.

    Args:
        shape: (H, W) or (C, H, W); sizes that the patch does not divide are filled with zeros.
        tokens: N.
        patch: height and width of a patch.
        width: of the layers (arXiv:2010.11929).
        heads: of the attention; they divide the width.
        layers: how many.
        context: how many context values there are; they are one more token.

    Forward: x (*leading, *shape), context tensors (B, w) -> (*leading, N, width).

    Example:
        >>> TokenEncoder((3, 27, 20), 6, width=8, heads=2, layers=1)(torch.zeros(2, 3, 27, 20)).shape
        torch.Size([2, 6, 8])
    """

    cites: ClassVar[tuple[str, ...]] = ("yu2024", "dosovitskiy2021")

    def __init__(
        self,
        shape: Sequence[int],
        tokens: int = 16,
        *,
        patch: int = 4,
        width: int = 64,
        heads: int = 4,
        layers: int = 3,
        context: int = 0,
    ) -> None:
        super().__init__()
        channels, h, w = self.shape = picture_shape(shape)
        self.own = tuple(shape)
        self.patch, width = require_count("patch", patch), require_count("width", width)
        self.features: tuple[int, ...] = (require_count("tokens", tokens), width)
        self.seen = nn.Linear(channels * patch * patch, width)
        self.given = nn.Linear(context, width) if context else None
        self.tokens = embeddings(tokens, width)
        places = math.ceil(h / patch) * math.ceil(w / patch) + (context > 0) + tokens
        self.layers = Attentive(places, width=width, heads=heads, layers=layers)

    def forward(self, x: Tensor, *given: Tensor | None) -> Tensor:
        flat = x.flatten(-len(self.own))
        return fold(self._row, join(flat, given), 1)

    def _row(self, x: Tensor) -> Tensor:
        """Pictures and their context behind them, (B, C * H * W + c) -> (B, N, width)."""
        pixels = math.prod(self.shape)
        row = [self.seen(as_patches(x[:, :pixels].unflatten(1, self.shape), self.patch))]
        if self.given is not None:
            row.append(self.given(x[:, pixels:]).unsqueeze(1))
        row.append(self.tokens.expand(len(x), -1, -1))
        out: Tensor = self.layers(torch.cat(row, 1))[:, -len(self.tokens) :]
        return out


class TokenDecoder(Part):
    """A Transformer over N tokens and one mask token a patch, which become the picture's patches.

    Args:
        shape: (H, W) or (C, H, W) of the picture to be made; the likelihood's head adds the last layer.
        latent: (N, D), a row of tokens with D numbers each, one after the other.
        patch, width, heads, layers, context: as for `TokenEncoder`.

    Forward: z (*leading, N * D), context tensors (B, w) -> (*leading, 8, H, W).

    Example:
        >>> TokenDecoder((3, 27, 20), (6, 5), width=8, heads=2, layers=1)(torch.zeros(4, 2, 30)).shape
        torch.Size([4, 2, 8, 27, 20])
    """

    cites: ClassVar[tuple[str, ...]] = ("yu2024", "dosovitskiy2021")

    def __init__(
        self,
        shape: Sequence[int],
        latent: Sequence[int],
        *,
        patch: int = 4,
        width: int = 64,
        heads: int = 4,
        layers: int = 3,
        context: int = 0,
    ) -> None:
        super().__init__()
        _, h, w = picture_shape(shape)
        self.latent = (require_count("tokens", latent[0]), require_count("code_dim", latent[1]))
        self.patch, width = require_count("patch", patch), require_count("width", width)
        self.features: tuple[int, ...] = (PLANES, h, w)
        self.patches = math.ceil(h / patch) * math.ceil(w / patch)
        self.seen = nn.Linear(self.latent[1], width)
        self.given = nn.Linear(context, width) if context else None
        self.mask = embeddings(width)
        places = self.patches + (context > 0) + self.latent[0]
        self.layers = Attentive(places, width=width, heads=heads, layers=layers)
        self.out = nn.Linear(width, PLANES * patch * patch)

    def forward(self, z: Tensor, *given: Tensor | None) -> Tensor:
        return fold(self._picture, join(z, given), 1)

    def _picture(self, z: Tensor) -> Tensor:
        """Latents and their context behind them, (B, N * D + c) -> (B, 8, H, W)."""
        numbers = math.prod(self.latent)
        row = [self.mask.expand(len(z), self.patches, -1)]
        if self.given is not None:
            row.append(self.given(z[:, numbers:]).unsqueeze(1))
        row.append(self.seen(z[:, :numbers].unflatten(1, self.latent)))
        patches = self.out(self.layers(torch.cat(row, 1))[:, : self.patches])
        return gelu(from_patches(patches, self.features, self.patch))


def as_patches(x: Tensor, patch: int) -> Tensor:
    """Pictures (B, C, H, W) as rows of patches, left to right and row after row, (B, P, C * patch * patch).

    Example:
        >>> as_patches(torch.arange(6.0).view(1, 1, 2, 3), 2).tolist()
        [[[0.0, 1.0, 3.0, 4.0], [2.0, 0.0, 5.0, 0.0]]]
    """
    h, w = x.shape[-2:]
    x = pad(x, (0, -w % patch, 0, -h % patch))
    cut = x.unflatten(3, (-1, patch)).unflatten(2, (-1, patch))  # (B, C, h, patch, w, patch)
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def from_patches(patches: Tensor, shape: Sequence[int], patch: int) -> Tensor:
    """Rows of patches as pictures (B, C, H, W): what `as_patches` undoes.

    Example:
        >>> from_patches(as_patches(torch.arange(6.0).view(1, 1, 2, 3), 2), (1, 2, 3), 2).flatten().tolist()
        [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    """
    channels, h, w = shape
    cut = patches.unflatten(2, (channels, patch, patch)).unflatten(1, (math.ceil(h / patch), -1))
    return cut.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)[..., :h, :w]
