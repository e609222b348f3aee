r"""Data whose factors are known: pictures drawn on demand from a grid of factors, and bars with an exact posterior.

.. math:: x = \sum_j a_j u_j t_j + \sigma \epsilon, \qquad
          u_j \mid x \sim \mathcal{N}\Big(\frac{a_j t_j^\top x}{a_j^2 |t_j|^2 + \sigma^2},
          \frac{\sigma^2}{a_j^2 |t_j|^2 + \sigma^2}\Big)
"""

from __future__ import annotations

__all__ = ["Bars", "FactorData"]

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaekit.data.dataset import Dataset
from vaekit.messages import Mistake

Levels = NDArray[np.int64]
ITEMS = 20_000  # how many of a large grid are drawn for training, where nothing is said
CHUNK = 2000  # items drawn at a time


class FactorData:
    """All items that the levels of some factors make, each drawn when it is asked for; the last factor runs fastest.

    A subclass says what `factor_names`, `factor_sizes` and `shape` are, and draws.

    Attributes:
        name: what messages call it.
        factor_names: F names.
        factor_sizes: how many levels each factor has.
        shape: of one item, channels first.
        values: names of the levels, for factors whose levels have names.
        label: the factor that labels the items.

    Example:
        >>> from vaekit.data.sprites import Sprites
        >>> data = Sprites()
        >>> len(data), data.factors([737_279]).tolist(), data.items([0, 1]).shape
        (737280, [[0, 2, 5, 39, 31, 31]], torch.Size([2, 64, 64]))
    """

    name: ClassVar[str]
    factor_names: ClassVar[tuple[str, ...]]
    factor_sizes: ClassVar[tuple[int, ...]]
    shape: ClassVar[tuple[int, ...]]
    values: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    label: ClassVar[str | None] = None

    def draw(self, factors: Levels) -> Tensor:
        """The items of these factors, (n, F) -> (n, *shape) uint8."""
        raise NotImplementedError

    def __len__(self) -> int:
        return math.prod(self.factor_sizes)

    def __repr__(self) -> str:
        sizes = " x ".join(f"{size} {name}" for name, size in zip(self.factor_names, self.factor_sizes, strict=True))
        return f"{type(self).__name__}({sizes} = {len(self):,} items of {self.shape})"

    def items(self, indices: Any) -> Tensor:
        """The items of these indices, (n,) -> (n, *shape) uint8."""
        factors = self.factors(np.atleast_1d(np.asarray(indices)))
        out = torch.empty((len(factors), *self.shape), dtype=torch.uint8)
        for start in range(0, len(factors), CHUNK):
            out[start : start + CHUNK] = self.draw(factors[start : start + CHUNK])
        return out

    def factors(self, indices: Any) -> Levels:
        """The levels behind indices, (...) -> (..., F)."""
        indices = np.asarray(indices, dtype=np.int64)
        if indices.size and not 0 <= indices.min() <= indices.max() < len(self):
            raise Mistake(
                f"got indices from {indices.min()} to {indices.max()} and {self.name!r} has 0 to {len(self) - 1}."
            )
        return np.stack(np.unravel_index(indices, self.factor_sizes), -1).astype(np.int64)

    def index(self, factors: Any) -> Levels:
        """The indices of levels, (..., F) -> (...)."""
        factors = np.asarray(factors, dtype=np.int64)
        names, sizes = self.factor_names, np.asarray(self.factor_sizes)
        if factors.shape[-1:] != (len(sizes),):
            raise Mistake(f"got factors of shape {factors.shape} and wanted (..., {len(sizes)}): {', '.join(names)}.")
        wrong = ((factors < 0) | (factors >= sizes)).reshape(-1, len(sizes)).any(0)
        if wrong.any():
            k = int(wrong.argmax())
            raise Mistake(f"got a level of {names[k]!r} outside 0 to {sizes[k] - 1}: give one of these.")
        return np.asarray(np.ravel_multi_index(tuple(np.moveaxis(factors, -1, 0)), self.factor_sizes), dtype=np.int64)

    def sample(self, n: int, *, seed: int) -> Levels:
        """The indices of n items at random, (n,): different ones, where there are so many."""
        return np.random.default_rng(seed).choice(len(self), n, replace=n > len(self))

    def sample_fixed(self, factor: Any, n: int, *, seed: int) -> Levels:
        """The indices of n items at random that share the level of one factor, itself drawn at random.

        Args:
            factor: its number or its name, which gives (n,); or numbers (m,), which give (m, n), a level for each row.
            n: how many.
            seed: of the draw.
        """
        if isinstance(factor, str):
            if factor not in self.factor_names:
                raise Mistake(f"{self.name!r} has no factor {factor!r}: it has {', '.join(self.factor_names)}.")
            factor = self.factor_names.index(factor)
        held = np.atleast_1d(np.asarray(factor, dtype=np.int64))
        rng = np.random.default_rng(seed)
        drawn = rng.integers(self.factor_sizes, size=(len(held), n, len(self.factor_sizes)))
        rows = np.arange(len(held))
        drawn[rows, :, held] = drawn[rows, :1, held]  # the first item's level
        found = self.index(drawn)
        return found if np.ndim(factor) else found[0]

    def dataset(self, items: int = ITEMS, *, seed: int = 0) -> Dataset:
        """Items at random as a Dataset: the factors that vary are extras, and the index is the place in here."""
        indices = self.sample(items, seed=seed)
        levels = self.factors(indices)
        extras = {
            name: np.asarray(self.values[name])[level] if name in self.values else level
            for name, size, level in zip(self.factor_names, self.factor_sizes, levels.T, strict=True)
            if size > 1
        }
        labels = None if self.label is None else extras[self.label]
        x = self.items(indices)
        return Dataset(self.name, x, "image", labels=labels, index=indices, origin="builtin", extras=extras)


class Bars:
    """Eight horizontal bars in pictures of 8 x 8, of brightness a_j u_j with u_j standard normal, in Gaussian noise.

    The factors u are continuous and their posterior is known, as is log p(x): a linear VAE can learn both. The
    loadings a_j differ, so that the bars are the principal axes and can be told apart.

    Args:
        noise: sigma, the standard deviation of each pixel's noise.

    Example:
        >>> bars = Bars()
        >>> x, u = bars.sample(1000, seed=0)
        >>> mean, variance = bars.posterior(x)
        >>> x.shape, mean.shape, variance.shape
        (torch.Size([1000, 8, 8]), torch.Size([1000, 8]), torch.Size([8]))
    """

    size: ClassVar[int] = 8

    def __init__(self, *, noise: float = 0.5) -> None:
        if not noise > 0:
            raise Mistake(f"got noise={noise} and wanted a standard deviation above 0.")
        self.noise = noise
        self.loadings = torch.linspace(2.0, 0.6, self.size, dtype=torch.float64)  # a_j

    def sample(self, n: int, *, seed: int) -> tuple[Tensor, Tensor]:
        """Pictures (n, 8, 8) float32 and their factors u (n, 8) float64."""
        generator = torch.Generator().manual_seed(seed)
        u = torch.randn(n, self.size, generator=generator, dtype=torch.float64)
        noise = torch.randn(n, self.size, self.size, generator=generator, dtype=torch.float64)
        return ((self.loadings * u)[:, :, None] + self.noise * noise).float(), u

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """p(u|x) of pictures (n, 8, 8): independent Gaussians with mean (n, 8) and variance (8,)."""
        precision = self.size * self.loadings.square() + self.noise**2
        return self.loadings * x.double().sum(2) / precision, self.noise**2 / precision

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) of pictures (n, 8, 8) in nats, (n,) float64."""
        x, variance = x.double(), self.noise**2
        mean, _ = self.posterior(x)
        explained = (mean * self.loadings * x.sum(2)).sum(1)  # Woodbury's identity, row by row
        log_det = (variance + self.size * self.loadings.square()).log().sum()
        log_det = log_det + self.size * (self.size - 1) * math.log(variance)
        pixels = self.size**2
        return -0.5 * ((x.square().sum((1, 2)) - explained) / variance + log_det + pixels * math.log(2 * math.pi))

    def dataset(self, items: int = ITEMS, *, seed: int = 0) -> Dataset:
        """Items as a Dataset, with the factors as extras bar_0 ... bar_7."""
        x, u = self.sample(items, seed=seed)
        extras = {f"bar_{j}": column for j, column in enumerate(u.numpy().T)}
        return Dataset("bars", x, "image", index=range(items), origin="builtin", extras=extras)
