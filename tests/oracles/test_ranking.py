"""AUROC and AUPRC against scikit-learn, and the share of bootstrap intervals that hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score

from vaekit.evaluation.ranking import auprc, auroc, ranking_numbers
from vaekit.messages import Mistake


@pytest.mark.parametrize("levels", [None, 7, 2, 1], ids=["no ties", "7 levels", "2 levels", "all equal"])
def test_scikit_learn_agrees(levels: int | None) -> None:
    rng = np.random.default_rng(0)
    for n in (3, 40, 1001):
        labels = np.r_[0, 1, rng.integers(0, 2, n - 2)]
        scores = rng.normal(size=n) + labels
        if levels is not None:
            scores = np.floor(levels * norm.cdf(scores))
        assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
        assert auprc(labels, scores) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


def test_known_rankings() -> None:
    labels = [False] * 3 + [True] * 2
    assert auroc(labels, [1, 2, 3, 4, 5]) == auprc(labels, [1, 2, 3, 4, 5]) == 1.0
    assert auroc(labels, [3, 4, 5, 1, 2]) == 0.0
    assert auprc(labels, [3, 4, 5, 1, 2]) == pytest.approx((1 / 4 + 2 / 5) / 2)  # found fourth and fifth
    assert auroc(labels, [-np.inf, 0, np.inf, np.inf, np.inf]) == pytest.approx(2.5 / 3)  # infinite scores rank too


@pytest.mark.parametrize("n", [30, 60])
def test_intervals_hold_the_truth(n: int) -> None:
    """Of 200 seeds, 90 to 99 % for a nominal 95 %: within about three binomial standard errors (1.5 %) of it."""
    truth = norm.cdf(1 / np.sqrt(2))  # P(N(1, 1) > N(0, 1))
    rng = np.random.default_rng(1)
    labels = np.r_[np.zeros(n), np.ones(n)]
    held = 0
    for seed in range(200):
        found = ranking_numbers(labels, rng.normal(size=2 * n) + labels, seed=seed, resamples=400)
        held += found["auroc_low"].value <= truth <= found["auroc_high"].value  # type: ignore[operator]
    assert 0.90 <= held / 200 <= 0.99, held


def test_the_error_is_delong_s() -> None:
    """The spread of the resamples is the error of a two-sample U statistic (DeLong, DeLong and Clarke-Pearson 1988)."""
    rng = np.random.default_rng(2)
    strange, ordinary = rng.normal(1, 1, 80), rng.normal(0, 1, 200)
    wins = (strange[:, None] > ordinary).astype(float)
    exact = np.sqrt(wins.mean(1).var(ddof=1) / 80 + wins.mean(0).var(ddof=1) / 200)
    labels, scores = np.r_[np.ones(80), np.zeros(200)], np.r_[strange, ordinary]
    found = ranking_numbers(labels, scores, resamples=4000)["auroc"]
    # an n in place of n - 1 costs 1/160, and the spread of 4,000 draws has an error of 1/90
    assert found.se == pytest.approx(exact, rel=1 / 160 + 4 / 90)
    assert found.value == pytest.approx(wins.mean(), abs=1e-12)


def test_the_same_seed_gives_the_same_interval() -> None:
    rng = np.random.default_rng(3)
    labels, scores = np.r_[np.zeros(20), np.ones(20)], rng.normal(size=40)
    one, same, other = (ranking_numbers(labels, scores, seed=seed) for seed in (0, 0, 1))
    assert one == same and one != other


@pytest.mark.parametrize(
    ("labels", "scores", "said"),
    [
        ([0, 1], [0.1], "2 labels for 1 scores"),
        ([0, 1], [0.1, np.nan], "NaN"),
        ([0, 2], [0.1, 0.2], "label"),
        ([0, 0], [0.1, 0.2], "no strange item"),
        ([1, 1], [0.1, 0.2], "no ordinary item"),
    ],
)
def test_what_cannot_be_ranked_is_refused(labels: list[int], scores: list[float], said: str) -> None:
    with pytest.raises(Mistake, match=said):
        auroc(labels, scores)
