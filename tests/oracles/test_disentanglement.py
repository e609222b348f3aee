"""Disentanglement scores on codes made from the factors, whose scores are known, and against closed forms."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import norm, spearmanr
from sklearn.metrics import mutual_info_score
from torch import Tensor

from vaekit.data import FactorData
from vaekit.evaluation import disentanglement as scores
from vaekit.evaluation.disentanglement_classifiers import cuts
from vaekit.evaluation.mutual_information import binned, informations
from vaekit.messages import Mistake

Array = NDArray[Any]
N = 10_000


def levels(*sizes: int, n: int = N, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(size, size=n) for size in sizes], 1)


def grid(*sizes: int, times: int = 1) -> Array:
    return np.tile(np.indices(sizes).reshape(len(sizes), -1).T, (times, 1))


def perfect(factors: Array) -> Array:
    return (factors - factors.mean(0)) / factors.std(0)


def rotated(factors: Array) -> Array:
    """Pairs of codes turned by 45 degrees; the last of an odd number stays."""
    codes = perfect(factors)
    for i in range(0, codes.shape[1] - 1, 2):
        a, b = codes[:, i].copy(), codes[:, i + 1].copy()
        codes[:, i], codes[:, i + 1] = (a + b) / 2**0.5, (a - b) / 2**0.5
    return codes


def value(found: dict[str, Any], name: str) -> float:
    number = found[name].value
    assert number is not None
    return float(number)


FACTORS = levels(4, 6, 10, 15, 20)
HEADLINES = ("mig", "sap_of_maximum", "dci_disentanglement", "dci_completeness")


def headlines(codes: Array, factors: Array) -> dict[str, float]:
    found = scores.mig(codes, factors) | scores.sap(codes, factors) | scores.dci(codes, factors)
    return {name: value(found, name) for name in HEADLINES}


@pytest.mark.parametrize("factors", [FACTORS, levels(2, 2, 3), levels(20, 20)], ids=["mixed", "few", "many"])
def test_perfect_codes_score_one_and_random_ones_nothing(factors: Array) -> None:
    rng = np.random.default_rng(1)
    assert min(headlines(perfect(factors), factors).values()) >= 0.99
    assert max(headlines(rng.normal(size=factors.shape), factors).values()) <= 0.05
    assert max(headlines(rng.permutation(perfect(factors)), factors).values()) <= 0.05  # few levels, and no information


def test_rotated_codes_score_in_between() -> None:
    found = headlines(rotated(FACTORS), FACTORS)
    assert 0.05 < min(found.values()) and max(found.values()) < 0.99


def test_the_published_dci_counts_noise_that_the_correction_does_not() -> None:
    factors = levels(2, 2, 2, 2, 2, n=4000)
    found = scores.dci(np.random.default_rng(1).permutation(perfect(factors)), factors)
    for name in ("dci_disentanglement", "dci_completeness"):
        assert value(found, f"{name}_uncorrected") > 0.05 >= value(found, name)
    found = scores.dci(rotated(factors), factors)  # where every factor is told, nothing is corrected
    assert value(found, "dci_completeness_uncorrected") == value(found, "dci_completeness")


def test_order_place_and_scale_of_the_codes_do_not_matter() -> None:
    factors = levels(3, 5, 8, n=2000)
    codes = rotated(factors) + 0.1 * np.random.default_rng(2).normal(size=factors.shape)
    other = codes[:, [2, 0, 1]] * [4.0, 0.125, 64.0]  # powers of two, which round nothing
    for score in (scores.mig, scores.modularity, scores.sap, scores.dci, scores.factor_vae):
        a, b = score(codes, factors), score(other, factors)
        assert {k: v.value for k, v in a.items()} == {k: pytest.approx(v.value, abs=1e-12) for k, v in b.items()}
    # solved by iterations, to 1e-7 in the gradient, which moves hardly an item across a border
    for name, score in (("explicitness", scores.explicitness), ("beta_vae", scores.beta_vae)):
        assert value(score(codes, factors), name) == pytest.approx(value(score(other, factors), name), abs=0.005)
    assert value(scores.irs(codes, factors), "irs") == pytest.approx(value(scores.irs(codes * 7, factors), "irs"))
    tc = value(scores.total_correlation(codes), "total_correlation")
    assert tc == pytest.approx(value(scores.total_correlation(other), "total_correlation"), rel=1e-9)


def test_informations_are_those_of_scikit_learn_on_the_published_bins() -> None:
    codes = np.random.default_rng(3).normal(size=(2000, 3)) + FACTORS[:2000, :3]
    # the published discretiser: the left edges of a histogram with 20 bins
    bins = np.stack([np.digitize(c, np.histogram(c, 20)[1][:-1]) for c in codes.T], 1)
    expected = [[mutual_info_score(b, f) for f in FACTORS[:2000].T] for b in bins.T]
    assert informations(binned(codes), FACTORS[:2000]) == pytest.approx(np.array(expected), abs=1e-12)
    best = np.sort(expected, 0)
    entropy = np.array([mutual_info_score(f, f) for f in FACTORS[:2000].T])
    assert value(scores.mig(codes, FACTORS[:2000]), "mig") == pytest.approx(((best[-1] - best[-2]) / entropy).mean())


def test_mig_and_modularity_of_a_joint_distribution_that_is_known() -> None:
    """v of 4 and w of 2 values; one code is v, shifted in a quarter of the cases, one is v's first bit, one is w."""
    v, w, e = np.indices((4, 2, 4)).reshape(3, -1)
    codes = np.stack([np.where(e < 3, v, (v + 1) % 4), v // 2, w], 1)
    factors = np.stack([v, w], 1)
    shifted = np.log(4) - -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    expected = ((shifted - np.log(2)) / np.log(4) + 1) / 2
    assert value(scores.mig(codes, factors), "mig") == pytest.approx(expected, abs=1e-12)
    both = np.stack([2 * v + w, v], 1)  # the first code tells log 4 of v and log 2 of w
    assert value(scores.modularity(both, factors), "modularity") == pytest.approx((1 - 0.25 + 1) / 2, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_thresholds_minimise_the_balanced_error(seed: int) -> None:
    """Against all increasing thresholds, on codes with ties."""
    rng = np.random.default_rng(seed)
    level = np.concatenate([np.arange(3), rng.integers(3, size=20)])
    code = rng.integers(8, size=23) / 2 + 0.6 * level
    places, order = cuts(code, level)
    counts = np.bincount(level)

    def balanced(at: Any) -> float:
        said = order[np.searchsorted(at, code)]
        return float((np.bincount(level[said == level], minlength=3) / counts).mean())

    assert (np.diff(np.bincount(level, code)[order] / counts[order]) >= 0).all() and (np.diff(places) >= 0).all()
    distinct = np.unique(code)
    choices = [-np.inf, *(distinct[1:] + distinct[:-1]) / 2, np.inf]
    best = max(balanced(np.array(at)) for at in combinations_with_replacement(choices, 2))
    assert balanced(places) == pytest.approx(best, abs=1e-12)


def test_sap_in_closed_form() -> None:
    rng = np.random.default_rng(4)
    factors = rng.integers(2, size=(N, 1))
    # U(0, 1) against U(1/2, 3/2): any threshold in the overlap has balanced accuracy 3/4; the other code is noise
    codes = np.stack([rng.random(N) + factors[:, 0] / 2, rng.random(N)], 1)
    found = scores.sap(codes, factors)
    error = 4 * 2**0.5 * 0.5 / N**0.5  # four standard errors of a difference of two shares
    assert value(found, "sap") == pytest.approx(0.25, abs=error)
    assert value(found, "sap_of_maximum") == pytest.approx(0.5, abs=2 * error)
    level = levels(10)[:, 0]  # variance (100 - 1) / 12
    codes = np.stack([level + 3 * rng.normal(size=N), rng.normal(size=N)], 1)
    exact = (99 / 12) / (99 / 12 + 9)
    slack = 4 * 2 * exact**0.5 * (1 - exact) / N**0.5  # four standard errors of a squared correlation
    assert value(scores.sap(codes, level[:, None], ordered=[0]), "sap") == pytest.approx(exact, abs=slack)


def test_chance_takes_nothing_from_sap() -> None:
    factors = levels(2, 2, 2)
    found = scores.sap(perfect(factors), factors)
    assert value(found, "sap") == 0.5 and value(found, "sap_of_maximum") == 1.0
    # what noise reaches: the largest of two balanced accuracies, each with a standard error of 1 / (2 sqrt N)
    assert 0.5 - 3 / N**0.5 < value(found, "sap_uncorrected") <= 0.5


def test_dci_in_closed_form() -> None:
    # each factor in two bits of equal weight: disentangled, and complete to 1 - log 2 / log 4; halves uneven by 1 %
    # would change an entropy by 1e-4
    factors = grid(4, 4, times=200)
    bits = np.stack([factors[:, 0] // 2, factors[:, 0] % 2, factors[:, 1] // 2, factors[:, 1] % 2], 1)
    found = scores.dci(bits, factors)
    assert value(found, "dci_disentanglement") >= 0.99
    assert value(found, "dci_completeness") == pytest.approx(0.5, abs=0.01)
    assert value(found, "dci_informativeness") == 1.0
    # one code tells both factors: complete, and not disentangled
    factors = grid(2, 2, times=800)
    codes = np.stack([2 * factors[:, 0] + factors[:, 1], np.random.default_rng(5).normal(size=len(factors))], 1)
    found = scores.dci(codes, factors)
    assert value(found, "dci_disentanglement") <= 0.01 and value(found, "dci_completeness") >= 0.99
    # a factor that is flipped in a quarter of the cases cannot be told better than in three quarters
    factors = levels(2, 2)
    codes = factors ^ (np.random.default_rng(6).random((N, 2)) < 0.25)
    number = scores.dci(codes, factors)["dci_informativeness"]
    assert number.value is not None and number.se is not None
    assert abs(number.value - 0.75) < 4 * number.se


def test_explicitness_of_two_gaussians_is_the_area_under_their_curve() -> None:
    factors = levels(2, 2)
    codes = factors[:, :1] * 1.5 + np.random.default_rng(7).normal(size=(N, 1))
    found = value(scores.explicitness(codes, factors[:, :1]), "explicitness")
    exact = norm.cdf(1.5 / 2**0.5)
    assert found == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 1000) ** 0.5)  # of 1,000 in the smaller kind
    assert value(scores.explicitness(codes, factors[:, 1:]), "explicitness") == pytest.approx(0.5, abs=0.05)


def test_irs_in_closed_form() -> None:
    """a + b deviates by 2 at most, by 1 with a or b held: 1/2; 3a is robust; weights 2 and 3."""
    factors = grid(3, 3)
    a, b = factors.T - 1.0
    codes = np.stack([a + b, 3 * a, np.zeros(9)], 1)
    assert value(scores.irs(codes[:, :1], factors), "irs") == pytest.approx(0.5)
    assert value(scores.irs(codes, factors), "irs") == pytest.approx((2 * 0.5 + 3 * 1) / 5)


class Digits(FactorData):
    """Items that are their own factors."""

    name: ClassVar[str] = "digits of an index"
    factor_names: ClassVar[tuple[str, ...]] = ("none", "a", "b", "c")
    factor_sizes: ClassVar[tuple[int, ...]] = (1, 5, 7, 9)
    shape: ClassVar[tuple[int, ...]] = (4,)

    def draw(self, factors: Array) -> Tensor:
        return torch.from_numpy(factors.astype(np.uint8))


def test_scores_by_intervention() -> None:
    factors = FACTORS[:, :3]
    rng = np.random.default_rng(8)
    for name, score in (("factor_vae", scores.factor_vae), ("beta_vae", scores.beta_vae)):
        assert value(score(perfect(factors)[:, [2, 0, 1]], factors), name) == 1.0
        chance = score(rng.normal(size=(N, 3)), factors)[name]
        assert chance.value is not None and chance.se is not None and abs(chance.value - 1 / 3) < 4 * chance.se
    data = Digits()
    assert value(scores.factor_vae_of(data, lambda x: x[:, 1:], votes=200), "factor_vae") == 1.0
    assert value(scores.beta_vae_of(data, lambda x: x[:, 1:].double(), points=200), "beta_vae") == 1.0
    codes, drawn = scores.encoded(data, lambda x: x[:, 1:], items=315, seed=1)
    assert (codes == drawn[:, 1:]).all() and len(np.unique(drawn, axis=0)) == 315


def test_factor_vae_of_a_rotated_pair_is_a_coin() -> None:
    """Either factor, held, halves the variance of both codes, so that the stillest is either."""
    number = scores.factor_vae(rotated(levels(8, 8)), levels(8, 8), votes=4000)["factor_vae"]
    assert number.value is not None and number.se is not None and abs(number.value - 0.5) < 4 * number.se


def test_udr_by_the_formula() -> None:
    rng = np.random.default_rng(9)
    z = rng.normal(size=(500, 3))
    models = [z, z[:, [2, 0]] + rng.normal(size=(500, 2)), np.exp(z) * [1, -1, 2]]

    def pair(a: Array, b: Array) -> float:
        r = np.array([[abs(spearmanr(x, y)[0]) for y in b.T] for x in a.T])
        both = [row.max() ** 2 / row.sum() for row in r] + [column.max() ** 2 / column.sum() for column in r.T]
        return sum(both) / len(both)

    found = scores.udr(models)
    for i, a in enumerate(models):
        expected = np.median([pair(a, b) for j, b in enumerate(models) if j != i])
        assert value(found, f"udr_{i}") == pytest.approx(expected, abs=1e-12)
    # a monotone map, another order and sign: the same codes, but for the correlations of independent ones
    assert value(scores.udr([z[:, :1], -np.exp(z[:, :1])]), "udr") == pytest.approx(1.0)
    only = scores.udr([z, -z], active=[[True, False, False]] * 2)
    assert value(only, "udr") == pytest.approx(1.0)


def test_total_correlation_of_a_correlated_pair() -> None:
    x = np.random.default_rng(10).normal(size=(400, 2))
    x = np.linalg.solve(np.linalg.cholesky(np.cov(x.T)), (x - x.mean(0)).T).T  # uncorrelated to rounding
    codes = np.stack([x[:, 0], 0.6 * x[:, 0] + 0.8 * x[:, 1], np.zeros(400)], 1)
    found = value(scores.total_correlation(codes), "total_correlation")
    assert found == pytest.approx(-0.5 * np.log(1 - 0.36), abs=1e-10)
    assert scores.total_correlation(x[:, [0, 0]])["total_correlation"].value is None


def test_all_in_one_call_with_chance_beside() -> None:
    factors = levels(3, 4, n=2000)
    found = scores.disentanglement_numbers(torch.from_numpy(perfect(factors)), torch.from_numpy(factors))
    assert value(found, "mig") == value(scores.mig(perfect(factors), factors), "mig")
    assert value(found, "factor_vae") == 1.0
    assert {type(number.value) for number in found.values()} == {float}  # JSON takes no NumPy scalars
    chance = {name for name in found if name.endswith("_chance")}
    assert {name.removesuffix("_chance") for name in chance} == set(found) - chance - {"total_correlation"}
    number = found["factor_vae_chance"]
    assert number.value is not None and number.se is not None and abs(number.value - 0.5) < 4 * number.se


def test_a_factor_that_does_not_vary_is_left_out() -> None:
    factors = np.concatenate([FACTORS[:, :2], np.full((N, 1), 7)], 1)
    assert scores.mig(perfect(FACTORS[:, :2]), factors) == scores.mig(perfect(FACTORS[:, :2]), FACTORS[:, :2])
    assert scores.modularity(perfect(FACTORS[:, :1]), factors[:, [0, 2]])["modularity"].value is None


@pytest.mark.parametrize(
    ("codes", "factors", "message"),
    [
        (np.zeros((3, 2)), np.zeros((4, 2)), "wanted"),
        (np.zeros(3), np.zeros((3, 1)), r"wanted \(N, D\)"),
        (np.full((3, 1), np.nan), np.arange(3)[:, None], "NaN"),
        (np.zeros((3, 1)), np.ones((3, 1)), "no factor varies"),
        (np.zeros((3, 1)), np.array([[0.1], [0.2], [0.3]]), "no whole numbers"),
    ],
)
def test_mistakes(codes: Array, factors: Array, message: str) -> None:
    for score in (scores.mig, scores.sap, scores.dci, scores.factor_vae):
        with pytest.raises(Mistake, match=message):
            score(codes, factors)
