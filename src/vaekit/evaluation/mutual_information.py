r"""What single codes tell about single factors, MIG and modularity, and about each other, total correlation and UDR.

.. math:: \text{MIG} = \frac1F \sum_k \frac{I(c_{(1)}; v_k) - I(c_{(2)}; v_k)}{H(v_k)}

Isolating Sources of Disentanglement in Variational Autoencoders (Chen et al. 2018, arXiv:1802.04942).
"""

from __future__ import annotations

__all__ = [
    "aligned",
    "as_array",
    "binned",
    "entropies",
    "informations",
    "mig",
    "modularity",
    "total_correlation",
    "udr",
]

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vaekit.evaluation.number import Number
from vaekit.messages import Mistake

Codes = NDArray[np.float64]
Levels = NDArray[np.int64]
BINS = 20  # of equal width for each code (Locatello et al. 2019)


def mig(codes: Any, factors: Any) -> dict[str, Number]:
    """The mutual information gap of each factor: how much more its best code tells than the second best.

    Codes are discretised into 20 bins of equal width, as by Locatello et al. 2019 (arXiv:1811.12359); Chen et al.
    estimate the information of q(z|x) itself instead.

    Args:
        codes: (N, D) real numbers; one code each for the items, such as posterior means.
        factors: (N, F) whole numbers, the levels of the factors; what is constant is left out.

    Returns:
        mig, a share of the factors' entropies: 1 where each factor is in one code of its own.

    Raises:
        Mistake: for rows that do not match, codes that are NaN, and where no factor varies.

    Example:
        >>> factors = np.indices((4, 5)).reshape(2, -1).T
        >>> mig(factors * 0.5, factors)["mig"].value, mig(factors[:, [0, 0]], factors)["mig"].value
        (1.0, 0.0)
    """
    codes, factors = aligned(codes, factors)
    best = np.sort(np.vstack([np.zeros(factors.shape[1]), informations(binned(codes), factors)]), 0)  # (1 + D, F)
    gap = (best[-1] - best[-2]) / entropies(factors)
    how = f"gap of the two most informative codes over the entropy, {BINS} bins of equal width, mean of {_of(factors)}"
    return {"mig": Number(float(gap.mean()), "share", how, items=len(codes))}


def modularity(codes: Any, factors: Any) -> dict[str, Number]:
    r"""How far each code tells about one factor only, by Ridgeway and Mozer 2018 (arXiv:1802.05312).

    .. math:: 1 - \frac1D \sum_i \frac{\sum_{k \ne k_i} I_{ik}^2}{(F - 1) \max_k I_{ik}^2}

    It compares informations and not their size, so that codes which tell nothing may score high.

    Args:
        codes: (N, D), discretised as for `mig`.
        factors: (N, F), of which at least two vary.

    Returns:
        modularity, the mean over codes; a code without any information counts 0.

    Example:
        >>> factors = np.indices((4, 5)).reshape(2, -1).T
        >>> modularity(factors, factors)["modularity"].value
        1.0
    """
    codes, factors = aligned(codes, factors)
    if factors.shape[1] < 2:
        return {"modularity": Number(None, "share", "needs two factors that vary", items=len(codes))}
    squared = informations(binned(codes), factors) ** 2  # (D, F)
    how = f"squared informations of other factors over the best's, {BINS} bins of equal width, mean of {codes.shape[1]}"
    best = squared.max(1)
    others = (squared.sum(1) - best) / (factors.shape[1] - 1)
    each = np.where(best > 0, 1 - others / np.where(best > 0, best, 1.0), 0.0)
    return {"modularity": Number(float(each.mean()), "share", f"{how} codes", items=len(codes))}


def total_correlation(codes: Any) -> dict[str, Number]:
    r"""How far the codes depend on each other, if they were jointly Gaussian.

    .. math:: \tfrac12 \Big(\sum_i \log \Sigma_{ii} - \log\det \Sigma\Big)

    Where each code is Gaussian by itself this is at most the total correlation of Watanabe 1960.

    Args:
        codes: (N, D); constant ones are left out.

    Returns:
        total_correlation in nats; undefined where a code is a linear function of others.

    Example:
        >>> round(total_correlation([[0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [-1.0, 0.0]])["total_correlation"].value, 6)
        0.0
    """
    codes = _codes(codes)
    codes = codes[:, np.ptp(codes, 0) > 0]
    how = f"Gaussian estimate from the covariance of {codes.shape[1]} codes that vary"
    scaled = (codes - codes.mean(0)) / np.where(codes.std(0) > 0, codes.std(0), 1.0)
    spectrum = np.linalg.eigvalsh(scaled.T @ scaled / len(codes)) if codes.shape[1] else np.ones(1)
    if spectrum.min() <= len(spectrum) * np.finfo(np.float64).eps * spectrum.max():
        return {"total_correlation": Number(None, "nats", f"{how}, which is singular", items=len(codes))}
    value = max(0.0, -0.5 * float(np.log(spectrum).sum()))
    return {"total_correlation": Number(value, "nats", how, items=len(codes))}


def udr(codes: Sequence[Any], *, active: Sequence[Any] | None = None) -> dict[str, Number]:
    r"""Unsupervised disentanglement ranking: do models trained alike from other seeds agree code by code?

    .. math:: \frac{1}{d_a + d_b} \Big(\sum_b \frac{\max_a R_{ab}^2}{\sum_a R_{ab}} +
        \sum_a \frac{\max_b R_{ab}^2}{\sum_b R_{ab}}\Big)

    with R the absolute Spearman correlations; of each model the median over the others (Duan et al. 2020,
    arXiv:1905.12614).

    Args:
        codes: at least two models' codes of the same items in the same order, (N, D) each.
        active: for each model, (D,) which codes count (the authors: mean KL above 0.01 nats); all that vary if None.

    Returns:
        udr, the mean over models, and udr_0, udr_1, ..., each model's own.

    Example:
        >>> z = np.random.default_rng(0).normal(size=(500, 3))
        >>> round(udr([z[:, :1], -2 * z[:, :1]])["udr"].value, 6)
        1.0
    """
    from scipy.stats import rankdata

    arrays = [_codes(c) for c in codes]
    if len(arrays) < 2 or any(len(c) != len(arrays[0]) for c in arrays):
        shapes = ", ".join(str(c.shape) for c in arrays)
        raise Mistake(f"got codes of shapes {shapes} and wanted (N, D) of the same items from at least two models.")
    masks = [np.ptp(c, 0) > 0 for c in arrays]
    if active is not None:
        masks = [mask & np.asarray(given, dtype=bool) for mask, given in zip(masks, active, strict=True)]
    ranks = [rankdata(c[:, mask], axis=0) for c, mask in zip(arrays, masks, strict=True)]
    ranks = [(r - r.mean(0)) / r.std(0) for r in ranks]
    n = len(arrays[0])
    each = np.array([[_agree(np.abs(a.T @ b) / n) for b in ranks] for a in ranks])
    own = [float(np.median(np.delete(row, i))) for i, row in enumerate(each)]
    sizes = ", ".join(str(r.shape[1]) for r in ranks)
    how = f"absolute Spearman correlations of {len(ranks)} models with {sizes} codes"
    found = {"udr": Number(float(np.mean(own)), "share", f"{how}, mean of the models' medians", items=n)}
    how = f"{how}, median over the others"
    return found | {f"udr_{i}": Number(value, "share", how, items=n) for i, value in enumerate(own)}


def aligned(codes: Any, factors: Any) -> tuple[Codes, Levels]:
    """Codes as float64 and the factors that vary as levels 0, 1, ..., (N, D) and (N, F).

    Example:
        >>> aligned([[0.5], [1.5]], [[7, 3], [9, 3]])[1].tolist()
        [[0], [1]]
    """
    codes, factors = _codes(codes), as_array(factors)
    if factors.ndim != 2 or len(factors) != len(codes):
        raise Mistake(
            f"got codes of shape {codes.shape} and factors of shape {factors.shape} and wanted (N, D) and (N, F): "
            "give a row of both for each item."
        )
    if factors.dtype.kind == "f" and not (factors == np.round(factors)).all():
        raise Mistake(
            "the factors are no whole numbers: give levels, of continuous ones binned(factors, 10) for example."
        )
    varying = [column for column in factors.T if (column != column[0]).any()]
    if not varying:
        raise Mistake("no factor varies over these items, so that nothing can be told about it: give more items.")
    return codes, np.stack([np.unique(column, return_inverse=True)[1] for column in varying], 1).astype(np.int64)


def binned(codes: Codes, bins: int = BINS) -> Levels:
    """The bin of each code among `bins` of equal width over its range, (N, D); a constant code is in bin 0.

    Example:
        >>> binned(np.array([[0.0], [0.5], [1.0]]), 4)[:, 0].tolist()
        [0, 2, 3]
    """
    low, span = codes.min(0), np.ptp(codes, 0)
    share = (codes - low) / np.where(span > 0, span, 1.0)
    return np.minimum((share * bins).astype(np.int64), bins - 1)


def informations(levels: Levels, factors: Levels) -> Codes:
    """The mutual information in nats of each discretised code (N, D) with each factor (N, F), (D, F).

    It is that of the empirical distribution: (levels - 1) (values - 1) / 2N too high where there is none.

    Example:
        >>> both = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
        >>> informations(both, both).round(4).tolist()
        [[0.6931, 0.0], [0.0, 0.6931]]
    """
    sizes = factors.max(0) + 1
    starts = np.concatenate([[0], sizes.cumsum()[:-1]])
    margins = np.bincount((factors + starts).ravel(), minlength=sizes.sum()) / len(factors)  # (sum of sizes,)
    found = []
    for level in levels.T:
        cells = (level[:, None] * sizes.sum() + factors + starts).ravel()
        joint = np.bincount(cells, minlength=(level.max() + 1) * sizes.sum()).reshape(-1, sizes.sum()) / len(factors)
        own = np.bincount(level)[:, None] / len(factors)
        terms = joint * (_log(joint) - _log(own) - _log(margins))  # (bins, sum of sizes)
        found.append(np.add.reduceat(terms.sum(0), starts))
    return np.maximum(np.stack(found), 0.0)


def entropies(factors: Levels) -> Codes:
    """The entropy of each factor (N, F) in nats, (F,).

    Example:
        >>> entropies(np.array([[0], [0], [1], [1]])).round(4).tolist()
        [0.6931]
    """
    shares = [np.bincount(column) / len(factors) for column in factors.T]
    return np.array([-(share * _log(share)).sum() for share in shares])


def _log(share: Codes) -> Codes:
    """The logarithm, 0 where nothing is to be weighed with it."""
    return np.log(np.where(share > 0, share, 1.0))


def _agree(r: Codes) -> float:
    """One pair of models, from their absolute correlations (D_a, D_b)."""
    if 0 in r.shape:
        return 0.0
    parts = [r.max(i) ** 2 / np.where(r.sum(i) > 0, r.sum(i), 1.0) for i in (0, 1)]
    return float(np.concatenate(parts).mean())


def _of(factors: Levels) -> str:
    return f"{factors.shape[1]} factors of {', '.join(map(str, factors.max(0) + 1))} values"


def as_array(values: Any) -> NDArray[Any]:
    """An array of an array, a tensor on any device, or lists."""
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _codes(values: Any) -> Codes:
    codes = as_array(values).astype(np.float64)
    if codes.ndim != 2 or 0 in codes.shape:
        raise Mistake(f"got codes of shape {codes.shape} and wanted (N, D): give one row of numbers for each item.")
    if not np.isfinite(codes).all():
        raise Mistake("the codes hold NaN or infinite values: leave these items out, or look at what made them.")
    return codes
