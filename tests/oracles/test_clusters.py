"""Clusters against labels: scikit-learn's indices, and the best matching by trying all."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from vaekit.evaluation.clusters import agreement, cluster_numbers
from vaekit.messages import Mistake


@pytest.mark.parametrize(("clusters", "kinds"), [(3, 3), (5, 3), (2, 4), (1, 3), (3, 1), (1, 1)])
def test_indices_are_those_of_scikit_learn_and_the_matching_is_the_best(clusters: int, kinds: int) -> None:
    rng = np.random.default_rng(clusters + 10 * kinds)
    labels = rng.integers(kinds, size=60)
    assigned = np.where(rng.random(60) < 0.5, labels % clusters, rng.integers(clusters, size=60))
    found = {name: number.value for name, number in agreement(assigned, labels).items()}
    assert found["cluster_nmi"] == pytest.approx(normalized_mutual_info_score(labels, assigned), abs=1e-12)
    assert found["cluster_ari"] == pytest.approx(adjusted_rand_score(labels, assigned), abs=1e-12)
    size = max(clusters, kinds)
    best = max(np.mean(np.array(order)[assigned] == labels) for order in permutations(range(size)))
    assert found["cluster_accuracy"] == pytest.approx(best, abs=1e-12)


def test_names_do_not_matter_and_the_error_is_that_of_a_share() -> None:
    labels = np.array(["b", "a", "b", "c"] * 25)
    assigned = np.array([7, 9, 7, 7] * 25)
    number = agreement(assigned, labels)["cluster_accuracy"]
    assert number.value == 0.75 and number.se == pytest.approx(np.std([1.0] * 75 + [0.0] * 25, ddof=1) / 10)


def test_far_blobs_are_found_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=400)
    codes = 20 * np.eye(4)[labels] + rng.normal(size=(400, 4))  # 28 apart, 1 wide
    assert [number.value for number in cluster_numbers(codes, labels).values()] == pytest.approx([1.0, 1.0, 1.0])
    ari = cluster_numbers(rng.normal(size=(400, 4)), labels)["cluster_ari"].value
    # the share of pairs together has a standard error near 1 / N under independence, times the kinds' number
    assert ari is not None and abs(ari) < 4 * 4 / 400


def test_mistakes() -> None:
    with pytest.raises(Mistake, match="wanted 1 to 3"):
        cluster_numbers(np.zeros((3, 1)), [0, 1, 2], clusters=4)
    with pytest.raises(Mistake, match="NaN"):
        cluster_numbers(np.full((3, 1), np.nan), [0, 1, 2])
    with pytest.raises(Mistake, match=r"wanted \(N, D\)"):
        cluster_numbers(np.zeros((3, 1)), [0, 1])
