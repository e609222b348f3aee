"""Precision, recall, density, coverage and copies against loops, constructed sets and distribution-free means."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from scipy.stats import mannwhitneyu, norm
from torch import Tensor

from vaekit.evaluation import neighbours
from vaekit.evaluation.neighbours import memorisation, nearest_items, neighbour_numbers
from vaekit.evaluation.number import Number
from vaekit.messages import Mistake


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def values(found: dict[str, Number]) -> list[float]:
    got = [number.value for number in found.values()]
    assert all(value is not None for value in got)
    return [float(value) for value in got if value is not None]


def by_loops(real: Tensor, made: Tensor, k: int) -> list[float]:
    def apart(a: Tensor, b: Tensor) -> float:
        return math.dist(a.tolist(), b.tolist())

    def radius(x: Tensor, i: int) -> float:
        return sorted(apart(x[i], x[j]) for j in range(len(x)) if j != i)[k - 1]

    r, s = [radius(real, i) for i in range(len(real))], [radius(made, j) for j in range(len(made))]
    in_real = [[apart(x, y) <= r[i] for i, x in enumerate(real)] for y in made]
    in_made = [[apart(x, y) <= s[j] for j, y in enumerate(made)] for x in real]
    return [
        sum(map(any, in_real)) / len(made),
        sum(map(any, in_made)) / len(real),
        sum(map(sum, in_real)) / (k * len(made)),
        sum(any(row[i] for row in in_real) for i in range(len(real))) / len(real),
    ]


@pytest.mark.parametrize("k", [1, 3, 19])
def test_against_loops(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real, made = numbers(0, 26, 3), 0.7 * numbers(1, 20, 3) + 0.8
    want = by_loops(real, made, k)
    assert values(neighbour_numbers(real, made, k=k)) == pytest.approx(want, abs=1e-12)
    assert k > 3 or len({0.0, 1.0, *want}) > 3  # the case tells something
    monkeypatch.setattr(neighbours, "DISTANCES", 100)  # some rows at a time
    assert values(neighbour_numbers(real, made, k=k)) == pytest.approx(want, abs=1e-12)
    assert values(neighbour_numbers(1e7 + real, 1e7 + made, k=k)) == pytest.approx(want, abs=1e-12)  # no cancellation


def test_constructed_sets() -> None:
    x = numbers(0, 40, 2)
    # of the same set each ball holds its middle and its k neighbours, the k-th on its surface
    assert values(neighbour_numbers(x, x, k=4)) == pytest.approx([1, 1, 5 / 4, 1])
    assert values(neighbour_numbers(x, x + 1000)) == [0, 0, 0, 0]
    same = torch.ones(10, 3)
    assert values(neighbour_numbers(same, same, k=5)) == [1, 1, 2, 1]  # all ten in balls of radius 0
    # half of the real set is missed, and half of the made set is far out
    made = torch.cat([x[:20], x[:20] + 1000])
    two = torch.cat([x[:20], x[:20] - 1000])
    precision, recall, _, coverage = values(neighbour_numbers(two, made, k=4))
    assert (precision, recall, coverage) == (0.5, 0.5, 0.5)


def test_means_of_sets_that_are_alike() -> None:
    """Density has mean 1 and coverage 1 - prod (N-1-i)/(N+M-1-i), whatever the distribution."""
    n, m, k = 30, 20, 3
    found = np.array(
        [values(neighbour_numbers(numbers(2 * s, n, 2), numbers(2 * s + 1, m, 2), k=k)) for s in range(300)]
    )
    error = found.std(0, ddof=1) / 300**0.5
    want = 1 - math.prod((n - 1 - i) / (n + m - 1 - i) for i in range(k))
    assert abs(found[:, 2].mean() - 1) < 3 * error[2]
    assert abs(found[:, 3].mean() - want) < 3 * error[3]


def test_errors_are_binomial() -> None:
    found = neighbour_numbers(numbers(0, 100, 2), numbers(1, 64, 2) + 1)
    for name, items in (("precision", 64), ("recall", 100), ("coverage", 100)):
        p = found[name].value
        assert p is not None and found[name].items == items
        assert found[name].se == pytest.approx(math.sqrt(p * (1 - p) / items))


def test_k_must_be_a_number_of_neighbours() -> None:
    for k in (0, 10):
        with pytest.raises(Mistake, match=f"got k={k} and wanted 1 to 9"):
            neighbour_numbers(numbers(0, 12, 2), numbers(1, 10, 2), k=k)


def test_copies_are_found() -> None:
    train, held = numbers(0, 500, 3), numbers(1, 400, 3)
    found = memorisation(held, train[:200] + 1e-6 * numbers(3, 200, 3), train=train)
    assert found["memorised"].value == 1.0
    # every copy is nearer than every held-out item: U = 0 of n m pairs
    assert found["memorisation_z"].value == pytest.approx(-200 * 400 / 2 / math.sqrt(200 * 400 * 601 / 12), rel=1e-12)
    half = memorisation(held, torch.cat([train[:200] + 1e-6, numbers(2, 200, 3)]), train=train)
    assert half["memorised"].value is not None and half["memorised"].se is not None
    assert abs(half["memorised"].value - (0.5 + 0.5 * 0.05)) < 3 * half["memorised"].se


def test_fresh_draws_pass_as_often_as_the_errors_say() -> None:
    share, z = [], []
    for seed in range(0, 600, 3):
        found = memorisation(numbers(seed, 100, 4), numbers(seed + 1, 80, 4), train=numbers(seed + 2, 120, 4))
        assert found["memorised"].value is not None and found["memorised"].se is not None
        share.append((found["memorised"].value - 0.05) / found["memorised"].se)
        z.append(found["memorisation_z"].value)
    assert abs(np.mean(z)) < 3 / 200**0.5 and np.std(z) == pytest.approx(1, rel=0.15)  # 200 draws: known to 5 %
    assert np.mean(np.abs(share) < 3) > 0.95  # at most a few outside three errors; the share is skewed
    poor = memorisation(numbers(0, 100, 4), numbers(1, 80, 4) + 5, train=numbers(2, 120, 4))["memorisation_z"].value
    assert poor is not None and poor > 10


def test_z_is_mann_and_whitneys_with_ties() -> None:
    train, held, made = ((2 * numbers(s, 60 + 20 * s, 2)).round() for s in range(3))
    found = memorisation(held, made, train=train)["memorisation_z"].value
    near = [cKDTree(train.numpy()).query(x.numpy())[0] for x in (made, held)]
    p = mannwhitneyu(*near, method="asymptotic", use_continuity=False, alternative="less").pvalue
    assert found == pytest.approx(norm.ppf(p), rel=1e-9)


def test_nearest_items(monkeypatch: pytest.MonkeyPatch) -> None:
    train, made = numbers(0, 90, 5), numbers(1, 70, 5)
    made[:3] = train[[8, 0, 89]]
    monkeypatch.setattr(neighbours, "DISTANCES", 500)
    index, apart = nearest_items(made, train)
    want = cKDTree(train.numpy()).query(made.numpy())
    assert index.tolist() == want[1].tolist()
    torch.testing.assert_close(apart, torch.from_numpy(want[0]), rtol=1e-12, atol=1e-12)
    assert apart[:3].tolist() == [0, 0, 0]  # of copies exactly
