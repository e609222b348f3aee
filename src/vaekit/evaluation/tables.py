r"""How far made tables are from real ones: sliced Wasserstein, columns one by one, correlations.

.. math:: \mathrm{SW}_2^2 = \mathrm E_\theta \int_0^1 (F_\theta^{-1}(u) - G_\theta^{-1}(u))^2 du, \quad |\theta| = 1
"""

from __future__ import annotations

__all__ = ["column_distances", "sliced_wasserstein", "table_numbers"]

from collections.abc import Sequence

import torch
from torch import Tensor

from vaekit.evaluation.features import featured
from vaekit.evaluation.number import Number
from vaekit.messages import Mistake

PROJECTED = 8_000_000  # values sorted at a time


def table_numbers(
    real: Tensor,
    made: Tensor,
    *,
    discrete: Sequence[int] = (),
    columns: Sequence[str] | None = None,
    projections: int = 500,
    seed: int = 0,
) -> dict[str, Number]:
    """Distances of a made table from a real one.

    Args:
        real: held-out rows, (N, D), without missing values.
        made: sampled rows, (M, D).
        discrete: the numbers of the columns that hold categories; total variation is taken of these, and all else
            of the others.
        columns: names for the `how`, D of them.
        projections: of the sliced Wasserstein distance.
        seed: of the projections.

    Returns:
        of continuous columns, in standard deviations of the real column (of a constant one in its own units):
        sliced_wasserstein with the error over projections; wasserstein, ks and each _worst column's; of two or more
        correlation_gap, the mean absolute difference of their correlations (0 with a constant column). Of
        discrete columns total_variation and total_variation_worst.

    Raises:
        Mistake: for tables of different columns, with gaps, or with discrete columns that are not there.

    Example:
        >>> x = torch.randn(2, 2000, 1, generator=torch.Generator().manual_seed(0))
        >>> 1.8 < table_numbers(x[0], x[1] + 2)["wasserstein"].value < 2.2
        True
    """
    a, b, _ = featured(real, made, None)
    if real.ndim != 2 or (discrete and not 0 <= min(discrete) <= max(discrete) < a.shape[1]):
        raise Mistake(
            f"got items of shape {tuple(real.shape[1:])} and discrete={list(discrete)}: give tables (N, D) and "
            "the numbers of columns, from 0 to D - 1."
        )
    names = [str(i) for i in range(a.shape[1])] if columns is None else list(columns)
    smooth = [i for i in range(a.shape[1]) if i not in set(discrete)]
    sizes = f"{len(a):,} real and {len(b):,} made rows"
    each = column_distances(a, b, discrete=discrete)
    found: dict[str, Number] = {}
    if smooth:
        spread = _spread(a[:, smooth])
        how = f"W2 of {projections} random projections, columns scaled by the real spread, error over them, {sizes}"
        value, se = sliced_wasserstein(a[:, smooth] / spread, b[:, smooth] / spread, projections=projections, seed=seed)
        found["sliced_wasserstein"] = Number(value, "real standard deviations", how, se, len(b))
    for key, what, unit in (
        ("wasserstein", "W1", "real standard deviations"),
        ("ks", "Kolmogorov-Smirnov distance", "share"),
        ("total_variation", "total variation distance", "share"),
    ):
        values = each[key]
        if len(values):
            worst = (list(discrete) if key == "total_variation" else smooth)[int(values.argmax())]
            how = f"{what}, mean of {len(values)} columns, {sizes}"
            found[key] = Number(float(values.mean()), unit, how, None, len(b))
            how = f"{what} of column {names[worst]}, the worst of {len(values)}, {sizes}"
            found[f"{key}_worst"] = Number(float(values.max()), unit, how, None, len(b))
    if len(smooth) > 1:
        gap = (_correlation(a[:, smooth]) - _correlation(b[:, smooth])).abs()
        pairs = len(smooth) * (len(smooth) - 1)
        how = f"mean absolute difference of the Pearson correlations of {pairs // 2} pairs of columns, {sizes}"
        found["correlation_gap"] = Number(float(gap.sum() / pairs), "", how, None, len(b))
    return found


def column_distances(real: Tensor, made: Tensor, *, discrete: Sequence[int] = ()) -> dict[str, Tensor]:
    """ks and wasserstein (W1 over the real column's standard deviation) of each column that is not discrete, in
    order, and total_variation of each discrete one.

    Args:
        real: (N, D).
        made: (M, D).

    Example:
        >>> a, b = torch.tensor([[0.0, 0], [1, 0]]), torch.tensor([[2.0, 1], [3, 0]])
        >>> {key: value.tolist() for key, value in column_distances(a, b, discrete=[1]).items()}["total_variation"]
        [0.5]
    """
    smooth = [i for i in range(real.shape[1]) if i not in set(discrete)]
    a, b = (x.double()[:, smooth].mT.contiguous().sort(1).values for x in (real, made))  # (D, N), (D, M)
    pooled = torch.cat([a, b], 1).sort(1).values
    apart = (_cdf(a, pooled) - _cdf(b, pooled)).abs()
    area = (apart[:, :-1] * pooled.diff(dim=1)).sum(1)
    return {
        "ks": apart.amax(1),
        "wasserstein": area / _spread(real.double()[:, smooth]),
        "total_variation": torch.tensor([_variation(real[:, i], made[:, i]) for i in discrete], dtype=torch.float64),
    }


def sliced_wasserstein(real: Tensor, made: Tensor, *, projections: int = 500, seed: int = 0) -> tuple[float, float]:
    """The sliced Wasserstein-2 distance of (N, D) from (M, D), and its error over the random projections.

    Bonneel et al. 2015, doi:10.1007/s10851-014-0506-3. A shift by a vector v gives |v| / sqrt(D).

    Example:
        >>> x = torch.randn(50, 1)
        >>> round(sliced_wasserstein(x, x + 3)[0], 4)
        3.0
    """
    a, b = real.double(), made.double()
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(a.shape[1], projections, generator=generator, dtype=torch.float64)
    direction /= direction.norm(dim=0)  # (D, P)
    # both quantile functions are constant between the levels i / N and j / M
    n, m = len(a), len(b)
    level = torch.cat([torch.arange(n + 1) * m, torch.arange(m + 1) * n]).unique()  # in 1 / (N M), exactly
    width = level.diff().double() / (n * m)
    at_a, at_b = level[:-1] // m, level[:-1] // n
    squares = []
    for part in direction.split(max(1, PROJECTED // (n + m)), 1):
        p, q = (a @ part).sort(0).values[at_a], (b @ part).sort(0).values[at_b]  # (levels, P)
        squares.append(width @ (p - q).square())
    each = torch.cat(squares)
    value = float(each.mean().sqrt())
    se = float(each.std()) / (2 * value * projections**0.5) if value > 0 and projections > 1 else 0.0
    return value, se


def _cdf(ordered: Tensor, at: Tensor) -> Tensor:
    return torch.searchsorted(ordered, at, right=True).double() / max(1, ordered.shape[1])


def _spread(x: Tensor) -> Tensor:
    spread = x.std(0) if x.numel() else x.new_ones(0)
    return spread.where(spread > 0, 1.0)


def _correlation(x: Tensor) -> Tensor:
    """(D, D), 0 where a column is constant and on the diagonal."""
    x = x - x.mean(0)
    unit = x / x.norm(dim=0).clamp(min=torch.finfo(x.dtype).tiny)
    return (unit.mT @ unit).fill_diagonal_(0)


def _variation(a: Tensor, b: Tensor) -> float:
    values, place = torch.cat([a, b]).unique(return_inverse=True)
    share = [torch.bincount(part, minlength=len(values)).double() / len(part) for part in place.split([len(a), len(b)])]
    return float((share[0] - share[1]).abs().sum() / 2)
