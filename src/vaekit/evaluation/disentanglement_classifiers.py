r"""What predictors read off the codes about each factor: SAP by thresholds, DCI by boosted stumps, explicitness by AUC.

.. math:: \text{SAP} = \frac1F \sum_k \big(S_{(1)k} - S_{(2)k}\big), \qquad
          D_i = 1 - H_F(R_{i\cdot}), \quad C_k = 1 - H_D(R_{\cdot k})

The predictors are written out here, so that no other library's version changes a number.
"""

from __future__ import annotations

__all__ = ["cuts", "dci", "explicitness", "sap", "stumps"]

from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vaekit.evaluation.mutual_information import Codes, Levels, aligned, as_array, binned
from vaekit.evaluation.number import Number
from vaekit.evaluation.probes import logistic
from vaekit.evaluation.ranking import auroc

BINS = 64  # of equal width, between which stumps decide
ROUNDS = 50
RATE = 0.3
RIDGE = 1.0  # against the second derivatives of the log-loss in a leaf
HELD_OUT = 0.2


def sap(codes: Any, factors: Any, *, ordered: Collection[int] = (), seed: int = 0) -> dict[str, Number]:
    """The separated attribute predictability: how much better the best single code predicts than the second best.

    By Kumar et al. 2018 (arXiv:1711.00848): a factor is predicted from one code by thresholds, one fewer than it has
    values, that minimise the balanced error, with the values in the order of their mean codes; an ordered factor by
    a line. Thresholds are fitted on one half of the items and tested on the other, both ways round. A balanced
    accuracy that is not above chance by three standard errors counts as chance, since the largest of several that
    are at chance is above it; `sap_uncorrected` is without this.

    Args:
        codes: (N, D) real numbers.
        factors: (N, F) whole numbers; what is constant is left out.
        ordered: the columns of factors that are scored by R^2 instead of balanced accuracy.
        seed: of the halves.

    Returns:
        sap, sap_uncorrected, and sap_of_maximum: sap divided by the most it can be, which is 1 for R^2 and
        1 - 1 / values for balanced accuracy.

    Example:
        >>> factors = np.indices((4, 5, 10)).reshape(3, -1).T
        >>> round(sap(factors, factors, ordered=[0, 1, 2])["sap_of_maximum"].value, 6)
        1.0
    """
    columns = as_array(factors)
    codes, factors = aligned(codes, factors)
    straight = [k in ordered for k, column in enumerate(columns.T) if (column != column[0]).any()]
    halves = np.array_split(np.random.default_rng(seed).permutation(len(codes)), 2)
    plain, corrected, most = [], [], 0.0
    for level, line in zip(factors.T, straight, strict=True):
        least = 0.0 if line else 1 / int(level.max() + 1)
        score, error = _squared_correlations(codes, level) if line else _two_fold(codes, level, halves)  # (D,) each
        plain.append(_gap(score, least))
        corrected.append(_gap(np.where(score > least + 3 * error, score, least), least))
        most += (1 - least) / len(straight)
    how = (
        f"gap of the two best codes, {straight.count(False)} factors by balanced accuracy of thresholds in two folds "
        f"and {straight.count(True)} by R^2"
    )
    gap, n = float(np.mean(corrected)), len(codes)
    return {
        "sap": Number(gap, "share", f"{how}, what is within 3 errors of chance counted as chance", items=n),
        "sap_uncorrected": Number(float(np.mean(plain)), "share", how, items=n),
        "sap_of_maximum": Number(gap / most, "share", f"{how}, as sap, over the largest possible", items=n),
    }


def dci(codes: Any, factors: Any, *, seed: int = 0) -> dict[str, Number]:
    """Disentanglement, completeness and informativeness (Eastwood and Williams 2018).

    Defined at openreview.net/forum?id=By-7dz-AZ. The importance of a code for a factor is its share of the loss that
    50 rounds of boosted stumps (trees of depth one, one for each value and round, rate 0.3, between 64 bins of equal
    width) take off. The codes' disentanglement is weighted by their importance.

    Shares of a factor that the codes do not tell at all are shares of noise, which are uneven where codes have few
    values. Where the log-loss on held-out items is not below that of the values' frequencies by three standard
    errors, their expectation, 1 / D each, is put in their place; `..._uncorrected` are the scores without this.

    Args:
        codes: (N, D) real numbers.
        factors: (N, F) whole numbers; what is constant is left out.
        seed: of the fifth of the items that is held out.

    Returns:
        dci_disentanglement (undefined for one factor), dci_completeness (undefined for one code), the same
        uncorrected, and dci_informativeness: the mean accuracy on held-out items, with its error over them.

    Example:
        >>> factors = np.indices((4, 5, 10)).reshape(3, -1).T
        >>> [round(found.value, 4) for found in dci(factors, factors).values()]
        [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    codes, factors = aligned(codes, factors)
    test, train = _parts(len(codes), seed)
    bins = binned(codes, BINS)
    table, told, right = np.empty((codes.shape[1], factors.shape[1])), [], []
    for k, level in enumerate(factors.T):
        taken, start, score = stumps(bins[train], level[train], bins[test])
        table[:, k] = taken / taken.sum() if taken.any() else 1 / len(taken)
        better = np.take_along_axis(score, level[test][:, None], 1)[:, 0] - start[level[test]]  # nats, of each item
        told.append(bool(better.mean() > 3 * better.std(ddof=1) / np.sqrt(len(better))))
        right.append(score.argmax(1) == level[test])
    corrected, hits = np.where(told, table, 1 / len(table)), np.stack(right, 1).mean(1)  # (D, F), (n,)
    how = f"importance of {table.shape[0]} codes for {table.shape[1]} factors by {ROUNDS} rounds of boosted stumps"
    note = f"{how}, {told.count(False)} factors at chance made even"
    found = {}
    for name, used, said in (("", corrected, note), ("_uncorrected", table, how)):
        mixed, whole = _disentangled(used), _completed(used)
        found[f"dci_disentanglement{name}"] = Number(mixed, "share", f"{said}, weighted by it", items=len(train))
        found[f"dci_completeness{name}"] = Number(whole, "share", f"{said}, mean of factors", items=len(train))
    error = float(hits.std(ddof=1) / np.sqrt(len(hits)))
    how = f"accuracy of {ROUNDS} rounds of boosted stumps on held-out items, mean of {table.shape[1]} factors"
    found["dci_informativeness"] = Number(float(hits.mean()), "share", how, se=error, items=len(test))
    return found


def explicitness(codes: Any, factors: Any, *, seed: int = 0) -> dict[str, Number]:
    """How well a linear classifier tells each value of each factor from the others (Ridgeway and Mozer 2018).

    Args:
        codes: (N, D) real numbers, standardised.
        factors: (N, F) whole numbers; what is constant is left out.
        seed: of the fifth of the items that is held out.

    Returns:
        explicitness: the area under the ROC curve of one value against the rest, from multinomial logistic
        regression, in the mean over values, then factors; 0.5 is chance.

    Example:
        >>> factors = np.indices((2, 3, 10)).reshape(3, -1).T[:, :2]
        >>> explicitness(np.eye(3)[factors[:, 1]], factors[:, [1]])["explicitness"].value
        1.0
    """
    codes, factors = aligned(codes, factors)
    test, train = _parts(len(codes), seed)
    spread = codes[train].std(0)
    scaled = torch.from_numpy((codes - codes[train].mean(0)) / np.where(spread > 0, spread, 1.0))
    areas = []
    for level in factors.T:
        seen, classes = np.unique(level[train], return_inverse=True)
        weights, bias = logistic(scaled[train], torch.from_numpy(classes))
        share = (scaled[test] @ weights + bias).softmax(1).numpy()
        told = [v for v in range(len(seen)) if 0 < (level[test] == seen[v]).sum() < len(test)]
        areas.append(np.mean([auroc(level[test] == seen[v], share[:, v]) for v in told]))
    how = f"AUC of one value against the rest by logistic regression, mean of {len(areas)} factors; 0.5 is chance"
    return {"explicitness": Number(float(np.mean(areas)), "share", how, items=len(test))}


def cuts(code: Codes, level: Levels) -> tuple[Codes, Levels]:
    """The thresholds on one code that minimise the balanced error, the values being in the order of their mean codes.

    Between neighbours v and w in that order a threshold at t adds F_v(t) - F_w(t), the difference of their empirical
    distribution functions, to the sum of the recalls; the best increasing thresholds follow by running maxima.

    Args:
        code: (N,).
        level: (N,) 0 ... V - 1, each there.

    Returns:
        increasing thresholds (V - 1,), infinite ones where a value is never said, and the values in order (V,).

    Example:
        >>> found = cuts(np.array([0.0, 1.0, 4.0, 5.0]), np.array([1, 1, 0, 0]))
        >>> found[0].tolist(), found[1].tolist()
        ([2.5], [1, 0])
    """
    counts = np.bincount(level)
    order = np.argsort(np.bincount(level, code) / counts, kind="stable")
    at = np.argsort(code, kind="stable")
    line = code[at]
    ends = np.flatnonzero(np.append(line[1:] > line[:-1], True))  # the last item of each distinct code
    reached = (level[at][:, None] == order).cumsum(0)[ends] / counts[order]  # (distinct, V)
    reached = np.vstack([np.zeros(len(order)), reached])
    gains = reached[:, :-1] - reached[:, 1:]  # (1 + distinct, V - 1)
    sums = [gains[:, 0]]
    for gain in gains.T[1:]:
        sums.append(np.maximum.accumulate(sums[-1]) + gain)
    places = [len(gains) - 1]
    for total in reversed(sums):
        places.append(int(total[: places[-1] + 1].argmax()))
    distinct = line[ends]
    middles = np.concatenate([[-np.inf], (distinct[:-1] + distinct[1:]) / 2, [np.inf]])
    return middles[places[:0:-1]], order


def stumps(bins: Levels, level: Levels, new: Levels) -> tuple[Codes, Codes, Codes]:
    """Boosted stumps by Newton steps on the multinomial log-loss (Friedman 2001, doi.org/10.1214/aos/1013203451).

    Args:
        bins: (N, D) the bin of each code, 0 ... 63.
        level: (N,) what is to be predicted, 0 ... V - 1.
        new: (M, D) other items.

    Returns:
        what each code took off the loss (D,), the log-frequencies of the values (V,), and the log-probabilities of
        the values for the new items (M, V).

    Example:
        >>> stumps(np.array([[0, 5], [0, 9], [9, 5], [9, 9]]), np.array([0, 0, 1, 1]), np.array([[9, 5]]))[2].argmax(1)
        array([1])
    """
    from scipy.sparse import csr_matrix

    n, d = bins.shape
    places = (bins + BINS * np.arange(d)).ravel()
    cells = csr_matrix((np.ones(n * d), places, np.arange(0, n * d + 1, d)), (n, d * BINS)).T.tocsr()  # (D bins, N)
    truth = np.eye(level.max() + 1)[level]  # (N, V)
    values = np.arange(truth.shape[1])
    start = np.log(np.maximum(truth.mean(0), np.finfo(np.float64).tiny))
    score, other, taken = np.tile(start, (n, 1)), np.tile(start, (len(new), 1)), np.zeros(d)
    for _ in range(ROUNDS):
        share = np.exp(score - score.max(1, keepdims=True))
        share /= share.sum(1, keepdims=True)
        sums = (cells @ np.hstack([truth - share, share * (1 - share)])).reshape(d, BINS, -1).cumsum(1)
        g, h = sums[..., : len(values)], sums[..., len(values) :]  # (D, bins, V) at or below each bin
        over_g, over_h = g[:, -1:] - g, h[:, -1:] - h
        gain = (_gain(g, h) + _gain(over_g, over_h) - _gain(g[:, -1:], h[:, -1:])).reshape(-1, len(values))
        best = gain.argmax(0)  # (V,)
        code, place = best // BINS, best % BINS
        np.add.at(taken, code, np.maximum(gain[best, values], 0.0))
        low = RATE * g[code, place, values] / (h[code, place, values] + RIDGE)
        high = RATE * over_g[code, place, values] / (over_h[code, place, values] + RIDGE)
        score += np.where(bins[:, code] <= place, low, high)
        other += np.where(new[:, code] <= place, low, high)
    top = other.max(1, keepdims=True)
    return taken, start, other - top - np.log(np.exp(other - top).sum(1, keepdims=True))


def _gain(g: Codes, h: Codes) -> Codes:
    return g**2 / (h + RIDGE)


def _parts(n: int, seed: int) -> tuple[Levels, Levels]:
    """A fifth of the rows, and the rest."""
    first, rest = np.split(np.random.default_rng(seed).permutation(n), [max(2, round(HELD_OUT * n))])
    return first, rest


def _disentangled(table: Codes) -> float | None:
    """The concentration of each code's importances over the factors, weighted by their sum, of a table (D, F)."""
    weight = table.sum(1)
    rows = table[weight > 0] / weight[weight > 0, None]
    return None if table.shape[1] < 2 else float(_concentration(rows.T) @ weight[weight > 0] / weight.sum())


def _completed(table: Codes) -> float | None:
    """The concentration of each factor's importances over the codes, in the mean."""
    return None if table.shape[0] < 2 else float(_concentration(table).mean())


def _concentration(share: Codes) -> Codes:
    """1 - the entropy of each column, which adds up to 1, over its largest, (columns,)."""
    entropy = -(share * np.log(np.where(share > 0, share, 1.0))).sum(0)
    return np.clip(1 - entropy / np.log(len(share)), 0.0, 1.0)  # but for rounding


def _gap(score: Codes, least: float) -> float:
    """The best less the second best; no second code is one at chance."""
    first, second = np.sort(np.append(score, least))[:-3:-1]
    return float(first - second)


def _two_fold(codes: Codes, level: Levels, halves: list[NDArray[np.int64]]) -> Codes:
    """The balanced accuracy of `cuts` on the half that they were not fitted on, and its standard error, (2, D)."""
    hits = np.zeros((codes.shape[1], level.max() + 1))
    for train, test in (halves, halves[::-1]):
        seen, classes = np.unique(level[train], return_inverse=True)
        for i, code in enumerate(codes.T):
            places, order = cuts(code[train], classes)
            right = seen[order[np.searchsorted(places, code[test])]] == level[test]
            hits[i] += np.bincount(level[test], right, minlength=hits.shape[1])
    counts = np.bincount(level)
    recall = hits / counts  # (D, V)
    return np.stack([recall.mean(1), np.sqrt((recall * (1 - recall) / counts).sum(1)) / len(counts)])


def _squared_correlations(codes: Codes, level: Levels) -> Codes:
    """R^2 of each code, for which no error is needed, (2, D)."""
    a, b = codes - codes.mean(0), level - level.mean()
    spread = (a**2).sum(0) * (b**2).sum()
    return np.stack([(a * b[:, None]).sum(0) ** 2 / np.where(spread > 0, spread, 1.0), 0 * spread])
