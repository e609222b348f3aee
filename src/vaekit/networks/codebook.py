"""Codebooks: vectors that stand for whatever is nearest to them (van den Oord et al. 2017, arXiv:1711.00937)."""

from __future__ import annotations

__all__ = ["Codebook", "LinearCodebook"]

from typing import ClassVar

import torch
from torch import Tensor, nn

from vaekit.messages import Mistake, require_count
from vaekit.networks.quantizer import VectorTable

MOST = 64  # batches that are kept for the next step, where a loop of the user's own never makes one
DEAD = 0.01  # of the mean use: codes that are used less move to where data is


class Codebook(VectorTable):
    """K vectors of D numbers; each input is replaced by the nearest.

    The vectors follow the means of what they stand for, as moving averages, where `decay` is given; else they are
    parameters, which `Commitment` moves. A moving average starts with a count of one for each vector, so that one that
    is not used stays where it is; one that is used a hundredth as often as the mean begins anew at an input of the
    last batch.

    Args:
        size: K.
        width: D.
        decay: the share of the moving averages that is kept at each step, or None.

    Forward: x (*leading, D) -> vectors (*leading, D) and their indices (*leading).

    Example:
        >>> book = Codebook(512, 16)
        >>> vectors, indices = book(torch.zeros(5, 49, 16))
        >>> vectors.shape, indices.shape
        (torch.Size([5, 49, 16]), torch.Size([5, 49]))
    """

    cites: ClassVar[tuple[str, ...]] = ("oord2017",)

    def __init__(self, size: int, width: int, *, decay: float | None = 0.99) -> None:
        super().__init__()
        self.size, self.width = require_count("size", size), require_count("width", width)
        if decay is not None and not 0 < decay < 1:
            raise Mistake(f"got decay={decay!r} and wanted a number between 0 and 1, or None to learn by gradient.")
        self.decay = decay
        vectors = torch.randn(size, width)
        self.vectors: Tensor
        if decay is None:
            self.vectors = nn.Parameter(vectors)
            return
        self.register_buffer("vectors", vectors)
        self.register_buffer("counts", torch.ones(size))
        self.counts: Tensor
        self._seen: list[tuple[Tensor, Tensor]] = []  # inputs and their codes since the last step

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        indices = self.nearest(x)
        if self.decay is not None and self.training and torch.is_grad_enabled():
            del self._seen[:-MOST]
            self._seen.append((x.detach().flatten(0, -2), indices.flatten()))
        return self.lookup(indices), indices

    def table(self) -> Tensor:
        return self.vectors

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Begin at the k-means centres of some inputs, (M, D)."""
        from sklearn.cluster import MiniBatchKMeans

        x = x.detach()
        if len(x) <= self.size:  # each its own centre; what is left over stands beside them
            again = torch.arange(self.size) % len(x)
            self.vectors.copy_(x[again.to(x.device)] + 1e-3 * x.std() * torch.randn_like(self.vectors))
            return
        seed = int(torch.randint(2**31 - 1, ()))
        means = MiniBatchKMeans(self.size, n_init=1, max_iter=20, random_state=seed).fit(x.double().cpu().numpy())
        self.vectors.copy_(torch.from_numpy(means.cluster_centers_))

    @property
    def moves_by_hand(self) -> bool:
        return self.decay is not None

    def forget(self) -> None:
        if self.decay is not None:
            self._seen = []

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Move the averages by what was seen since the last step."""
        if self.decay is None or not self._seen:
            return
        x, codes = (torch.cat(parts) for parts in zip(*self._seen, strict=True))
        self._seen = []
        x = x.to(self.vectors.dtype)
        finite = x.isfinite().all()  # a step with other numbers is left out
        x = torch.where(finite, x, 0.0)
        new = torch.zeros_like(self.counts).index_add_(0, codes, torch.ones_like(x[:, 0]))
        sums = torch.zeros_like(self.vectors).index_add_(0, codes, x)
        counts = torch.lerp(new, self.counts, self.decay)
        kept = (self.decay * self.counts / counts.clamp_min(torch.finfo(counts.dtype).tiny)).clamp(0, 1).unsqueeze(-1)
        vectors = kept * self.vectors + (1 - kept) * sums / new.clamp_min(1).unsqueeze(-1)
        usual = counts.mean()
        dead = counts < DEAD * usual
        anew = x[torch.randint(len(x), (self.size,), device=x.device)]
        vectors, counts = torch.where(dead.unsqueeze(-1), anew, vectors), torch.where(dead, usual, counts)
        self.vectors.copy_(torch.where(finite, vectors, self.vectors))
        self.counts.copy_(torch.where(finite, counts, self.counts))


class LinearCodebook(VectorTable):
    r"""K vectors that never move times a learned linear map, which moves them all at once: none is left behind.

    .. math:: e_k = W c_k, \quad c_k \sim N(0, I / D)

    Zhu et al. 2024 (SimVQ, arXiv:2411.02038). The map begins at the identity, so that the vectors are the fixed ones.

    Args:
        size: K.
        width: D.

    Example:
        >>> book = LinearCodebook(512, 16)
        >>> [tuple(p.shape) for p in book.parameters()], book.table().shape
        ([(16, 16)], torch.Size([512, 16]))
    """

    cites: ClassVar[tuple[str, ...]] = ("zhu2024",)

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.size, self.width = require_count("size", size), require_count("width", width)
        self.register_buffer("fixed", torch.randn(size, width) / width**0.5)
        self.fixed: Tensor
        self.map = nn.Parameter(torch.eye(width))

    def table(self) -> Tensor:
        return self.fixed @ self.map.T
