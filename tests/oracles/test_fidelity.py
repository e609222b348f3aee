"""Distances of samples from data against closed forms of Gaussians, double loops and constructed sets."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.stats import norm
from torch import Tensor, nn

from vaekit.evaluation.features import Features
from vaekit.evaluation.fidelity import (
    classifier_test,
    frechet,
    frechet_distance,
    kid,
    sample_numbers,
    vendi,
    vendi_score,
)
from vaekit.evaluation.neighbours import memorisation, neighbour_numbers
from vaekit.evaluation.number import Number
from vaekit.evaluation.spectrum import sharpness
from vaekit.messages import Mistake


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def covariance(seed: int, d: int) -> Tensor:
    root = numbers(seed, d, d)
    return root @ root.T + 0.1 * torch.eye(d, dtype=torch.float64)


def errors_off(number: Number, want: float) -> float:
    assert number.value is not None and number.se
    return abs(number.value - want) / number.se


def test_frechet_of_gaussians_with_common_axes() -> None:
    a, b, apart = numbers(0, 5).exp(), numbers(1, 5).exp(), numbers(2, 5)
    turn = torch.linalg.qr(numbers(3, 5, 5))[0]
    want = float(apart.square().sum() + (a.sqrt() - b.sqrt()).square().sum())
    got = frechet_distance(apart, turn @ a.diag() @ turn.T, torch.zeros(5), turn @ b.diag() @ turn.T)
    assert got == pytest.approx(want, rel=1e-12)  # float64


def test_frechet_of_two_dimensions_has_a_closed_form() -> None:
    """For 2x2 matrices tr M^(1/2) = sqrt(tr M + 2 sqrt(det M))."""
    s, t = covariance(0, 2), covariance(1, 2)
    product = s @ t
    root = torch.sqrt(product.trace() + 2 * torch.linalg.det(product).sqrt())
    want = float(s.trace() + t.trace() - 2 * root)
    assert frechet_distance(torch.zeros(2), s, torch.zeros(2), t) == pytest.approx(want, rel=1e-10)


def test_frechet_against_a_general_matrix_square_root() -> None:
    s, t = covariance(0, 8), covariance(1, 8)
    want = float(s.trace() + t.trace()) - 2 * float(np.trace(sqrtm((s @ t).numpy())).real)
    assert frechet_distance(torch.zeros(8), s, torch.zeros(8), t) == pytest.approx(want, rel=1e-9)


def test_frechet_of_singular_covariances() -> None:
    u, v = numbers(0, 6), numbers(1, 6)
    want = float(u @ u + v @ v - 2 * (u @ v).abs())
    zero = torch.zeros(6)
    assert frechet_distance(zero, u.outer(u), zero, v.outer(v)) == pytest.approx(want, abs=1e-7)  # roots of rounding
    assert frechet_distance(zero, u.outer(u), zero, u.outer(u)) == pytest.approx(0, abs=1e-7)


def test_frechet_of_samples_is_that_of_their_distributions() -> None:
    shift, scale = 0.3 * numbers(0, 6), 1 + 0.5 * numbers(1, 6).abs()
    want = float(shift.square().sum() + (1 - scale).square().sum())
    found = frechet(numbers(2, 4000, 6), numbers(3, 3000, 6) * scale + shift)
    assert errors_off(found["frechet_corrected"], want) < 3


def test_the_jackknife_takes_the_bias_off_and_knows_its_error() -> None:
    raw, corrected, error = [], [], []
    for seed in range(40):
        found = frechet(numbers(2 * seed, 200, 6), numbers(2 * seed + 1, 150, 6) + 0.5, seed=seed)
        raw.append(found["frechet"].value)
        corrected.append(found["frechet_corrected"].value)
        error.append(found["frechet"].se)
    mean, spread = np.mean(corrected), np.std(corrected, ddof=1)
    assert abs(mean - 6 * 0.25) < 3 * spread / 40**0.5
    assert np.mean(raw) - 6 * 0.25 > 5 * spread / 40**0.5  # what is taken off: about D (1/N + 1/M) and more
    assert np.mean(error) == pytest.approx(spread, rel=0.34)  # the spread of 40 is known to 11 %: three of that


def kid_by_loops(x: Tensor, y: Tensor) -> float:
    def kernel(s: Tensor, t: Tensor) -> float:
        return (sum(float(a) * float(b) for a, b in zip(s, t, strict=True)) / len(s) + 1) ** 3

    n, m = len(x), len(y)
    xx = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    xy = sum(kernel(x[i], y[j]) for i in range(n) for j in range(m)) / (n * m)
    return xx + yy - 2 * xy


@pytest.mark.parametrize("sizes", [(30, 30), (23, 30), (7, 5)])
def test_kid_against_double_loops(sizes: tuple[int, int]) -> None:
    x, y = numbers(0, sizes[0], 4), numbers(1, sizes[1], 4) + 0.5
    assert kid(x, y)["kid"].value == pytest.approx(kid_by_loops(x, y), rel=1e-10)


def test_kid_of_two_items_left_out_in_turn() -> None:
    """Three items of each: three blocks of one, so that the error is the delete-one jackknife's."""
    x, y = numbers(0, 3, 2), numbers(1, 1, 2).expand(3, 2)  # the made are alike: any pairing of blocks is the same
    left = [kid_by_loops(x[[j for j in range(3) if j != i]], y[:2]) for i in range(3)]
    assert kid(x, y)["kid"].se == pytest.approx(math.sqrt(2 / 3 * np.sum((left - np.mean(left)) ** 2)), rel=1e-9)


def test_kid_of_halves_of_one_set_is_zero() -> None:
    x = numbers(0, 1200, 16)
    assert errors_off(kid(x[:600], x[600:])["kid"], 0.0) < 3


def test_kid_of_two_gaussians_in_one_dimension() -> None:
    """E (xy + 1)^3 is made of the first three moments."""

    def mean_kernel(s: tuple[float, ...], t: tuple[float, ...]) -> float:
        return 1 + 3 * s[0] * t[0] + 3 * s[1] * t[1] + s[2] * t[2]

    shift = 0.7
    x, y = (0.0, 1.0, 0.0), (shift, 1 + shift**2, shift**3 + 3 * shift)
    want = mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y)
    values = [kid(numbers(2 * seed, 300, 1), numbers(2 * seed + 1, 300, 1) + shift)["kid"] for seed in range(40)]
    got, spread = np.mean([v.value for v in values]), np.std([v.value for v in values], ddof=1)
    assert abs(got - want) < 3 * spread / 40**0.5
    assert np.mean([v.se for v in values]) == pytest.approx(spread, rel=0.34)  # known to 11 %


def test_vendi_counts_unlike_items() -> None:
    turn = torch.linalg.qr(numbers(0, 12, 12))[0]
    assert vendi_score(turn) == pytest.approx(12, rel=1e-10)
    assert vendi_score(turn[:5]) == pytest.approx(5, rel=1e-10)  # fewer items than features
    assert vendi_score(torch.ones(9, 3)) == pytest.approx(1, rel=1e-9)
    assert vendi_score(torch.ones(3, 9)) == pytest.approx(1, rel=1e-9)
    shares = torch.tensor([10, 5, 1], dtype=torch.float64)
    entropy = float(torch.special.entr(shares / 16).sum())
    groups = torch.cat([turn[i].expand(int(n), -1) for i, n in enumerate(shares)])
    for x in (groups, groups[:, :3], 7 * groups):  # lengths do not count
        assert vendi_score(x) == pytest.approx(vendi_score(x.flip(0)), rel=1e-9)
    assert vendi_score(groups) == pytest.approx(math.exp(entropy), rel=1e-9)
    assert vendi_score(7 * groups) == pytest.approx(math.exp(entropy), rel=1e-9)


def test_vendi_compares_sets_of_one_size() -> None:
    turn = torch.linalg.qr(numbers(0, 12, 12))[0]
    found = vendi(turn, turn[:4])
    assert found["vendi"].value == pytest.approx(4, rel=1e-9) and found["vendi"].items == 4
    assert found["vendi_real"].value == pytest.approx(4, rel=1e-9) and found["vendi_real"].items == 4


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
def test_the_classifier_is_as_good_as_can_be(shift: float) -> None:
    """The best rule for two Gaussians that far apart is right with probability Phi(shift / 2)."""
    x, y = numbers(0, 6000, 1), numbers(1, 5000, 1) + shift
    found = classifier_test(x, y)
    assert errors_off(found["c2st"], float(norm.cdf(shift / 2))) < 3
    assert found["c2st"].items == 5000


def test_the_classifier_tells_apart_what_can_be() -> None:
    x = numbers(0, 60, 3)
    found = classifier_test(x, x + 100)
    assert found["c2st"].value == 1.0 and found["c2st"].se == 0.0
    assert found["c2st_p"].value == pytest.approx(0.5**60, rel=1e-9)  # 60 coins, all heads


def test_the_p_value_is_rarely_small_for_sets_that_are_alike() -> None:
    p = np.array([classifier_test(*numbers(seed, 2, 100, 8), seed=seed)["c2st_p"].value for seed in range(120)])
    assert (p < 0.05).mean() < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 120)  # no more often than it says


def test_all_numbers_are_those_of_the_parts() -> None:
    net = nn.Linear(16, 5)
    calls: list[int] = []

    class Counted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor) -> Tensor:
            calls.append(len(x))
            out: Tensor = self.net(x.flatten(1))
            return out

    features = Features("five", Counted())
    real, made, train = (numbers(seed, 60, 4, 4).float() for seed in range(3))
    found = sample_numbers(real, made, features=features, train=train, seed=3)
    assert sum(calls) == 180  # each item once
    want = {
        **frechet(real, made, features=features, seed=3), **kid(real, made, features=features, seed=3),
        **vendi(real, made, features=features, seed=3), **classifier_test(real, made, features=features, seed=3),
        **neighbour_numbers(real, made, features=features), **sharpness(real, made, seed=3),
        **memorisation(real, made, train=train, features=features),
    }  # fmt: skip
    assert found == want
    assert features.hash is not None and all(features.hash in found[name].how for name in set(found) - {"sharpness"})
    tables = sample_numbers(real.flatten(1), made.flatten(1), features=None)
    assert set(found) - set(tables) == {"sharpness", "memorised", "memorisation_z"}


def test_mistakes() -> None:
    x = numbers(0, 30, 4)
    with pytest.raises(Mistake, match="got 2 made items and at least 3"):
        frechet(x, x[:2])
    with pytest.raises(Mistake, match="got 4 features of a real item and 3 of a made one"):
        kid(x, x[:, :3])
    with pytest.raises(Mistake, match="NaN"):
        vendi(x, x.log())
