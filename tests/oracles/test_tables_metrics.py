"""Distances of tables against SciPy, NumPy, closed forms of Gaussians and constructed columns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp, norm, wasserstein_distance
from torch import Tensor

from vaekit.evaluation import tables
from vaekit.evaluation.tables import column_distances, sliced_wasserstein, table_numbers
from vaekit.messages import Mistake


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_columns_against_scipy() -> None:
    real, made = numbers(0, 60, 4), 2 * numbers(1, 45, 4) + 0.3
    real[:, 3], made[:, 3] = real[:, 3].round(), made[:, 3].round()  # ties
    found = column_distances(real, made)
    for i in range(4):
        a, b = real[:, i].numpy(), made[:, i].numpy()
        assert float(found["ks"][i]) == pytest.approx(ks_2samp(a, b).statistic, rel=1e-12)
        assert float(found["wasserstein"][i]) == pytest.approx(wasserstein_distance(a, b) / a.std(ddof=1), rel=1e-12)
    numbers_ = table_numbers(real, made, columns=["a", "b", "c", "d"])
    for key in ("ks", "wasserstein"):
        assert numbers_[key].value == pytest.approx(float(found[key].mean()))
        assert numbers_[f"{key}_worst"].value == pytest.approx(float(found[key].max()))
        assert f"column {'abcd'[int(found[key].argmax())]}," in numbers_[f"{key}_worst"].how


def test_a_shift_in_one_dimension_is_its_length() -> None:
    x = numbers(0, 500, 1)
    assert sliced_wasserstein(x, x - 1.7) == pytest.approx((1.7, 0.0), abs=1e-7)
    want = 1.7 / float(x.std())
    found = table_numbers(3 * x, 3 * (x - 1.7))
    assert found["sliced_wasserstein"].value == pytest.approx(want, rel=1e-9)
    assert found["wasserstein"].value == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("d", [2, 10])
def test_a_shift_in_more_dimensions(d: int) -> None:
    """Each projection sees theta.v, and E (theta.v)^2 = |v|^2 / D."""
    x, shift = numbers(0, 300, d), numbers(1, d)
    value, se = sliced_wasserstein(x, x + shift, projections=2000)
    want = float(shift.norm()) / math.sqrt(d)
    assert abs(value - want) < 3 * se
    spread = np.std([sliced_wasserstein(x, x + shift, projections=200, seed=s)[0] for s in range(40)], ddof=1)
    assert se * math.sqrt(10) == pytest.approx(spread, rel=0.34)  # the spread of 40 is known to 11 %


def test_gaussians_of_other_widths() -> None:
    """W2^2 = (m - m')^2 + (s - s')^2; at even quantiles the tails beyond 1/N are all that is missing."""
    q = torch.from_numpy(norm.ppf((np.arange(20_000) + 0.5) / 20_000))[:, None]
    value, _ = sliced_wasserstein(q, 2.5 * q + 2, projections=3)  # in one dimension all see the same
    assert value == pytest.approx(math.sqrt(4 + 1.5**2), rel=1e-4)
    isotropic = [sliced_wasserstein(numbers(0, 5_000, 3), 2 * numbers(1, 5_000, 3), projections=50)[0]]
    assert isotropic[0] == pytest.approx(1.0, abs=3 * math.sqrt((1 + 4) / 2 / 5_000))  # the error of two widths


def test_unequal_sizes_are_as_if_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = numbers(0, 40, 3), numbers(1, 60, 3) + 0.5
    want = sliced_wasserstein(a.repeat(3, 1), b.repeat(2, 1))
    assert sliced_wasserstein(a, b) == pytest.approx(want, rel=1e-9)
    monkeypatch.setattr(tables, "PROJECTED", 700)  # seven projections at a time
    assert sliced_wasserstein(a, b) == pytest.approx(want, rel=1e-9)


def test_correlations() -> None:
    real, made = numbers(0, 80, 4) @ numbers(1, 4, 4), numbers(2, 70, 4)
    a, b = np.corrcoef(real.numpy().T), np.corrcoef(made.numpy().T)
    want = np.abs(a - b)[np.triu_indices(4, 1)].mean()
    assert table_numbers(real, made)["correlation_gap"].value == pytest.approx(want, rel=1e-9)
    x = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    along = torch.stack([x[:, 0], x[:, 0]], 1)
    assert table_numbers(x, along)["correlation_gap"].value == pytest.approx(1.0)
    assert table_numbers(-along * torch.tensor([1.0, -1]), along)["correlation_gap"].value == pytest.approx(2.0)
    still = torch.stack([x[:, 0], torch.ones(4)], 1)
    found = table_numbers(still, along)  # a constant column goes with nothing, and counts in its own units
    assert found["correlation_gap"].value == pytest.approx(1.0)
    assert float(column_distances(still, along)["wasserstein"][1]) == pytest.approx(1.0)


def test_discrete_columns() -> None:
    real = torch.tensor([[0, 0.1, 3], [0, 0.2, 3], [1, 0.3, 4], [2, 0.4, 4]])
    made = torch.tensor([[0, 5.1, 3], [1, 5.2, 4], [1, 5.3, 4], [7, 5.4, 4]])
    found = table_numbers(real, made, discrete=[2, 0], columns=["job", "size", "sex"])
    # job: (2, 1, 1, 0) against (1, 2, 0, 1) quarters; sex: (2, 2) against (1, 3)
    assert found["total_variation"].value == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert (
        found["total_variation_worst"].value == pytest.approx(1 / 2)
        and "column job," in found["total_variation_worst"].how
    )
    assert found["ks"].value == 1.0 and "correlation_gap" not in found
    assert found["wasserstein"].value == pytest.approx(5 / float(real[:, 1].std()), rel=1e-6)  # float32
    assert set(table_numbers(real, made, discrete=[0, 1, 2])) == {"total_variation", "total_variation_worst"}


def test_equal_tables_are_at_no_distance() -> None:
    x = numbers(0, 50, 3).round()
    found = [number.value for number in table_numbers(x, x.flip(0), discrete=[1]).values()]
    assert found == pytest.approx([0.0] * len(found), abs=1e-12)  # float64, summed in another order


def test_mistakes() -> None:
    x = numbers(0, 20, 3)
    with pytest.raises(Mistake, match="give tables"):
        table_numbers(x.view(20, 3, 1), x.view(20, 3, 1))
    for wrong in ([3], [-1, 0]):
        with pytest.raises(Mistake, match="numbers of columns"):
            table_numbers(x, x, discrete=wrong)
    with pytest.raises(Mistake, match="NaN"):
        table_numbers(x, x.log())
    with pytest.raises(Mistake, match="same shape"):
        table_numbers(x, x[:, :2])
