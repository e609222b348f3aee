"""Samples and data as neighbours: precision, recall, density, coverage, and copies of the training items."""

from __future__ import annotations

__all__ = ["memorisation", "nearest_items", "neighbour_numbers"]

import math

import torch
from torch import Tensor

from vaekit.evaluation.features import Features, featured
from vaekit.evaluation.number import Number
from vaekit.messages import Mistake

DISTANCES = 4_000_000  # held at a time
SLACK = 1e-12  # of the largest squared norm: ties count as inside, whatever the rounding
NEAR = 0.05  # the share of held-out items that lies as near to the training items as a "copy"


def neighbour_numbers(real: Tensor, made: Tensor, *, features: Features | None = None, k: int = 5) -> dict[str, Number]:
    r"""Precision, recall, density and coverage, by balls to the k-th nearest of the same set (closed, by Euclid).

    Precision and recall: Kynkaanniemi et al. 2019, arXiv:1904.06991. Density and coverage: Naeem et al. 2020,
    arXiv:2002.09797. Of two sets of one distribution density is 1 in the mean and coverage
    :math:`1 - \prod_{i<k} (N - 1 - i) / (N + M - 1 - i)`, in any number of dimensions.

    Args:
        real: items (N, *X), or features (N, F) with features=None.
        made: as real, (M, ...).
        k: at most the size of the smaller set less one.

    Raises:
        Mistake: for a k that is no number of neighbours.

    Example:
        >>> x = torch.randn(50, 3)
        >>> [found.value for found in neighbour_numbers(x, x + 100).values()]
        [0.0, 0.0, 0.0, 0.0]
    """
    a, b, name = featured(real, made, features)
    if not 1 <= k < min(len(a), len(b)):
        raise Mistake(f"got k={k} and wanted 1 to {min(len(a), len(b)) - 1}, the neighbours in the smaller set.")
    a, b = a - a.mean(0), b - a.mean(0)  # distances are the same, and rounded less
    slack = SLACK * float(torch.cat([a, b]).square().sum(1).max())
    radius_a, radius_b = _radii(a, k) + slack, _radii(b, k) + slack
    balls: list[Tensor] = []  # of the real items, that hold a made one
    covered, recalled = torch.zeros(len(a), dtype=torch.bool), torch.zeros(len(a), dtype=torch.bool)
    for rows in _chunks(b, a):
        apart = _squared(b[rows], a)  # (m, N)
        inside = apart <= radius_a
        balls.append(inside.sum(1).double())
        covered |= inside.any(0)
        recalled |= (apart <= radius_b[rows, None]).any(0)
    held = torch.cat(balls)  # (M,)
    how = f"k={k}, {len(a):,} real and {len(b):,} made: {name}; error over the {{}} items, the balls held fixed"
    return {
        "precision": _share(held > 0, f"made inside a real ball, {how.format('made')}"),
        "recall": _share(recalled, f"real inside a made ball, {how.format('real')}"),
        "density": Number(
            float(held.mean() / k), "", f"real balls around a made item / k, {how.format('made')}",
            float(held.std() / k / math.sqrt(len(b))), len(b),
        ),
        "coverage": _share(covered, f"real balls that hold a made item, {how.format('real')}"),
    }  # fmt: skip


def memorisation(real: Tensor, made: Tensor, *, train: Tensor, features: Features | None = None) -> dict[str, Number]:
    """Are samples nearer to the training items than held-out items are? The test of Meehan et al. 2020,
    arXiv:2004.05675, over all of space at once.

    Args:
        real: held-out items, never trained on, (N, *X), or features (N, F) with features=None.
        made: samples, (M, ...).
        train: the items trained on.

    Returns:
        memorised: the share of samples nearer to a training item than all but 5 % of the held-out items; 0.05
        where nothing is copied. memorisation_z: Mann and Whitney's Z of the samples' distances against the
        held-out items'; far below 0 (-3 and less) where training items are copied, far above where samples are poor.

    Example:
        >>> x = torch.randn(3, 200, 2, generator=torch.Generator().manual_seed(0))
        >>> memorisation(x[0], x[2] + 1e-4, train=x[2])["memorised"].value
        1.0
    """
    from scipy.stats import rankdata

    a, b, name = featured(real, made, features)
    seen = featured(train, train, features)[0]
    (_, apart_real), (_, apart_made) = _nearest(a, seen), _nearest(b, seen)
    n, m = len(a), len(b)
    near = float((apart_made < apart_real.quantile(NEAR)).double().mean())
    error = math.sqrt(near * (1 - near) / m + NEAR * (1 - NEAR) / n)  # of the share and of the quantile
    both = torch.cat([apart_made, apart_real])
    wins = float(rankdata(both.numpy())[:m].sum()) - m * (m + 1) / 2  # pairs with the sample farther, ties half
    ties = both.unique(return_counts=True)[1].double()
    spread = n * m / 12 * (n + m + 1 - float((ties**3 - ties).sum()) / ((n + m) * (n + m - 1)))
    z = (wins - n * m / 2) / math.sqrt(spread) if spread > 0 else 0.0
    how = f"distance to the nearest of {len(seen):,} training items, {m:,} made against {n:,} held-out: {name}"
    return {
        "memorised": Number(near, "share", f"nearer than all but 5 % of held-out, {how}", error, m),
        "memorisation_z": Number(z, "standard errors", f"Mann-Whitney Z, below 0 is nearer, {how}", None, m),
    }


def nearest_items(made: Tensor, train: Tensor, *, features: Features | None = None) -> tuple[Tensor, Tensor]:
    """The nearest training item of each sample: its row number, (M,), and the distance in features, (M,) float64.

    Example:
        >>> index, apart = nearest_items(torch.tensor([[0.0], [5.0], [9.0]]), torch.tensor([[1.0], [9.0], [4.0]]))
        >>> index.tolist(), apart.tolist()
        ([0, 2, 1], [1.0, 1.0, 0.0])
    """
    seen, b, _ = featured(train, made, features)
    return _nearest(b, seen)


def _nearest(points: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    middle = others.mean(0)
    near, far = points - middle, others - middle
    index = torch.cat([_squared(near[rows], far).argmin(1) for rows in _chunks(near, far)])
    return index, (points - others[index]).norm(dim=1)  # taken anew: the distance of a copy is 0, not rounding


def _radii(x: Tensor, k: int) -> Tensor:
    """The squared distance of each row to its k-th nearest other row, (N,)."""
    found = []
    for rows in _chunks(x, x):
        apart = _squared(x[rows], x)
        apart[torch.arange(len(apart)), torch.arange(len(x))[rows]] = math.inf
        found.append(apart.kthvalue(k, dim=1).values)
    return torch.cat(found)


def _squared(a: Tensor, b: Tensor) -> Tensor:
    return torch.addmm(b.square().sum(1), a, b.mT, alpha=-2).add_(a.square().sum(1)[:, None]).clamp_(min=0)


def _chunks(points: Tensor, others: Tensor) -> list[slice]:
    size = max(1, DISTANCES // len(others))
    return [slice(start, start + size) for start in range(0, len(points), size)]


def _share(hits: Tensor, how: str) -> Number:
    share = float(hits.double().mean())
    return Number(share, "share", how, math.sqrt(share * (1 - share) / len(hits)), len(hits))
