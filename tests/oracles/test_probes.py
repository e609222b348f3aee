"""Probes against scikit-learn's solvers, and against the best that can be predicted where it is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

from vaekit.evaluation.probes import knn_probe, linear_probe, logistic, ridge_probe
from vaekit.messages import Mistake

N, D = 400, 3
RNG = np.random.default_rng(0)
CODES = RNG.normal(size=(N, D)) * [1.0, 5.0, 0.2] + 1.0
KINDS = np.array(["a", "b", "c"])[(CODES[:, 0] > 1).astype(int) + (CODES[:, 1] + RNG.normal(size=N) > 3)]
TEST = np.arange(0, N, 4)
TRAIN = np.setdiff1d(np.arange(N), TEST)


def standardised() -> np.ndarray:
    return (CODES - CODES[TRAIN].mean(0)) / CODES[TRAIN].std(0)


@pytest.mark.parametrize("penalty", [1e-3, 0.1])
def test_logistic_is_at_scikit_learns_optimum(penalty: float) -> None:
    _, classes = np.unique(KINDS, return_inverse=True)
    z = standardised()
    weights, bias = logistic(torch.from_numpy(z), torch.from_numpy(classes), penalty=penalty)
    theirs = LogisticRegression(C=1 / (penalty * N), tol=1e-10, max_iter=10_000).fit(z, classes)
    # gradients of 1e-7 over a curvature of at least the penalty
    assert weights.numpy().T == pytest.approx(theirs.coef_, abs=2e-4)
    ours, other = bias.numpy(), theirs.intercept_ - theirs.intercept_.mean()
    assert ours == pytest.approx(other, abs=2e-4)


def test_linear_probe_is_right_where_scikit_learn_is() -> None:
    z = standardised()
    theirs = LogisticRegression(C=1 / (1e-3 * len(TRAIN)), tol=1e-10, max_iter=10_000).fit(z[TRAIN], KINDS[TRAIN])
    number = linear_probe(CODES, KINDS, held_out=TEST)["linear_accuracy"]
    right = theirs.predict(z[TEST]) == KINDS[TEST]
    assert number.value == pytest.approx(right.mean(), abs=1e-12) and number.items == len(TEST)
    assert number.se == pytest.approx(right.std(ddof=1) / 10)


def test_ridge_probe_is_scikit_learns_on_held_out_items() -> None:
    z, y = standardised(), CODES @ [1.0, 0.3, -2.0] + np.random.default_rng(1).normal(size=N)
    model = Ridge(alpha=1e-3 * len(TRAIN)).fit(z[TRAIN], y[TRAIN])
    lost, spread = (y[TEST] - model.predict(z[TEST])) ** 2, (y[TEST] - y[TRAIN].mean()) ** 2
    number = ridge_probe(CODES, y, held_out=TEST)["linear_r2"]
    assert number.value == pytest.approx(1 - lost.mean() / spread.mean(), abs=1e-9)
    rows = np.random.default_rng(2).integers(len(TEST), size=(4000, len(TEST)))
    resampled = 1 - lost[rows].mean(1) / spread[rows].mean(1)
    # the error by linearisation against a bootstrap: they differ at the order of 1 / sqrt(items)
    assert number.se == pytest.approx(resampled.std(), rel=0.1)


@pytest.mark.parametrize("neighbours", [1, 4])
def test_knn_probe_is_scikit_learns(neighbours: int) -> None:
    model = KNeighborsClassifier(neighbours, algorithm="brute").fit(CODES[TRAIN], KINDS[TRAIN])
    found = knn_probe(torch.from_numpy(CODES), KINDS, neighbours=neighbours, held_out=TEST)["knn_accuracy"].value
    assert found == pytest.approx((model.predict(CODES[TEST]) == KINDS[TEST]).mean(), abs=1e-12)


def test_two_gaussians_are_told_as_well_as_can_be() -> None:
    """Unit variance, 2 apart: the best accuracy is Phi(1); labels without codes cannot be told."""
    rng = np.random.default_rng(3)
    labels = rng.integers(2, size=10_000)
    codes = np.stack([2.0 * labels, np.zeros(10_000)], 1) + rng.normal(size=(10_000, 2))
    number = linear_probe(codes, labels)["linear_accuracy"]
    assert number.value is not None and number.se is not None and abs(number.value - norm.cdf(1)) < 4 * number.se
    number = linear_probe(codes, rng.permutation(labels))["linear_accuracy"]
    assert number.value is not None and number.se is not None and abs(number.value - 0.5) < 4 * number.se
    number = ridge_probe(codes, codes[:, 1] + rng.normal(size=10_000))["linear_r2"]
    assert number.value is not None and number.se is not None and abs(number.value - 0.5) < 4 * number.se


def test_the_draw_follows_the_seed_and_constant_codes_are_no_trouble() -> None:
    codes = np.concatenate([CODES, np.ones((N, 1))], 1)
    assert linear_probe(codes, KINDS, seed=1) == linear_probe(codes, KINDS, seed=1)
    assert linear_probe(codes, KINDS, held_out=TEST) == linear_probe(CODES, KINDS, held_out=TEST)


def test_mistakes() -> None:
    with pytest.raises(Mistake, match="wanted at least two"):
        linear_probe(CODES, np.zeros(N))
    with pytest.raises(Mistake, match=r"wanted \(N, D\) and \(N,\)"):
        linear_probe(CODES, KINDS[:5])
    with pytest.raises(Mistake, match="NaN"):
        knn_probe(np.full((9, 1), np.nan), np.arange(9))
    with pytest.raises(Mistake, match="neighbours=0"):
        knn_probe(CODES, KINDS, neighbours=0)
    with pytest.raises(Mistake, match="wanted two of each"):
        linear_probe(CODES, KINDS, held_out=1.0)
    with pytest.raises(Mistake, match="do not vary"):
        ridge_probe(CODES, np.zeros(N))
