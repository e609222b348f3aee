r"""How well a score ranks strange items above ordinary ones: areas under two curves, with bootstrap intervals.

.. math:: \text{AUROC} = P(s_+ > s_-) + \tfrac12 P(s_+ = s_-), \qquad
          \text{AUPRC} = \sum_t (R_t - R_{t-1}) P_t
"""

from __future__ import annotations

__all__ = ["auprc", "auroc", "ranking_numbers"]

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaekit.evaluation.number import Number
from vaekit.messages import Mistake

Counts = NDArray[np.float64]
NUMBERS = 4_000_000  # of resampled counts held at a time


def auroc(labels: Any, scores: Any) -> float:
    """The probability that a strange item scores above an ordinary one; a tie counts one half (Hanley and McNeil 1982).

    Args:
        labels: (N,) 1 or True where the item is strange.
        scores: (N,) high is strange.

    Raises:
        Mistake: where the lengths differ, a score is NaN, a label is neither 0 nor 1, or one kind has no items.

    Example:
        >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
        0.875
    """
    return float(_areas(*_counts(labels, scores))[0])


def auprc(labels: Any, scores: Any) -> float:
    """The average precision: precision at each threshold, weighted by the recall that it adds.

    No line is drawn between thresholds, which would be too kind (Davis and Goadrich 2006).

    Args:
        labels, scores: as for `auroc`.

    Example:
        >>> round(auprc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
        0.8333
    """
    return float(_areas(*_counts(labels, scores))[1])


def ranking_numbers(labels: Any, scores: Any, *, seed: int = 0, resamples: int = 2000) -> dict[str, Number]:
    """AUROC and AUPRC with 95 % intervals: the quantiles over resamples of the strange and of the ordinary items.

    The two kinds are drawn anew each by itself, so that their shares, on which the AUPRC depends, stay.

    Args:
        labels, scores: as for `auroc`.
        seed: of the resamples.
        resamples: how many.

    Returns:
        auroc, auroc_low, auroc_high, auprc, auprc_low, auprc_high; the standard errors are the resamples' spread.

    Example:
        >>> found = ranking_numbers([0] * 50 + [1] * 50, [*range(50), *range(40, 90)])
        >>> found["auroc_low"].value < found["auroc"].value < found["auroc_high"].value
        True
    """
    strange, ordinary = _counts(labels, scores)
    rng = np.random.default_rng(seed)
    rows = max(1, NUMBERS // len(strange))
    sizes = [min(rows, resamples - start) for start in range(0, resamples, rows)]
    drawn = np.concatenate([_areas(_again(rng, strange, n), _again(rng, ordinary, n)) for n in sizes], 1)
    n, share = int(strange.sum() + ordinary.sum()), strange.sum() / (strange.sum() + ordinary.sum())
    how = f"{int(strange.sum()):,} strange items against {int(ordinary.sum()):,}; {resamples:,} stratified resamples"
    found: dict[str, Number] = {}
    for name, area, again, chance in zip(
        ("auroc", "auprc"), _areas(strange, ordinary), drawn, (0.5, share), strict=True
    ):
        low, high = np.quantile(again, (0.025, 0.975))
        each = f"{how}; {chance:.3g} is chance"
        found[name] = Number(float(area), "", each, se=float(again.std(ddof=1)), items=n)
        found[f"{name}_low"] = Number(float(low), "", f"the 2.5 % quantile of {how}", items=n)
        found[f"{name}_high"] = Number(float(high), "", f"the 97.5 % quantile of {how}", items=n)
    return found


def _counts(labels: Any, scores: Any) -> tuple[Counts, Counts]:
    """How many strange and how many ordinary items have each score, from the lowest score up, (G,) each."""
    label, score = np.asarray(labels).ravel(), np.asarray(scores, dtype=np.float64).ravel()
    if len(label) != len(score):
        raise Mistake(f"got {len(label)} labels for {len(score)} scores and wanted one for each.")
    if np.isnan(score).any():
        raise Mistake(f"{int(np.isnan(score).sum())} of {len(score)} scores are NaN and cannot be ranked: drop them.")
    if not np.isin(label, (0, 1)).all():
        odd = label[~np.isin(label, (0, 1))][0]
        raise Mistake(f"got the label {odd} and wanted 1 for strange items and 0 for ordinary ones: map yours.")
    values, group = np.unique(score, return_inverse=True)
    strange, ordinary = (np.bincount(group[label == kind], minlength=len(values)).astype(np.float64) for kind in (1, 0))
    if not strange.sum() or not ordinary.sum():
        kind = "strange" if not strange.sum() else "ordinary"
        raise Mistake(f"got no {kind} item among {len(label)} and wanted some of both kinds: give labels of 0 and 1.")
    return strange, ordinary


def _again(rng: np.random.Generator, counts: Counts, n: int) -> Counts:
    """The counts of n resamples with replacement, (n, G)."""
    total = counts.sum()
    return rng.multinomial(int(total), counts / total, size=n).astype(np.float64)


def _areas(strange: Counts, ordinary: Counts) -> Counts:
    """AUROC and AUPRC, (2, ...), from counts of each score, (..., G) from the lowest score up."""
    below = ordinary.cumsum(-1) - ordinary / 2
    roc = (strange * below).sum(-1) / (strange.sum(-1) * ordinary.sum(-1))
    hits = strange[..., ::-1].cumsum(-1)  # at or above each threshold
    flagged = hits + ordinary[..., ::-1].cumsum(-1)
    precision = hits / np.maximum(flagged, 1)
    pr = (strange[..., ::-1] * precision).sum(-1) / strange.sum(-1)
    return np.stack([roc, pr])
