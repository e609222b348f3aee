"""How well links that were held out are told from pairs that are not linked."""

from __future__ import annotations

__all__ = ["link_numbers"]

from typing import Any

import numpy as np

from vaekit.evaluation.number import Number
from vaekit.evaluation.ranking import auprc, auroc
from vaekit.messages import Mistake


def link_numbers(probabilities: Any, pairs: Any, linked: Any) -> dict[str, Number]:
    """The AUROC and the average precision of pairs of nodes (Kipf and Welling 2016, arXiv:1611.07308).

    Args:
        probabilities: (N, N) of a link, such as `run.reconstruct(data)[0]`: at the posterior's mean, as in the paper.
        pairs: (M, 2) nodes, whole numbers from 0 to N - 1.
        linked: (M,) 1 where the pair is linked, else 0.

    Raises:
        Mistake: where the shapes do not agree, a pair is of no nodes, or one kind has no pairs.

    Example:
        >>> found = link_numbers([[0, 0.9, 0.2], [0.9, 0, 0.1], [0.2, 0.1, 0]], [[0, 1], [0, 2]], [1, 0])
        >>> found["auroc"].value, found["average_precision"].value
        (1.0, 1.0)
    """
    p, at = np.asarray(probabilities, dtype=np.float64), np.asarray(pairs)
    if p.ndim != 2 or p.shape[0] != p.shape[1] or at.ndim != 2 or at.shape[1] != 2:
        raise Mistake(f"got probabilities {p.shape} and pairs {at.shape} and wanted (N, N) and (M, 2).")
    if at.dtype.kind not in "iu" or not ((at >= 0) & (at < len(p))).all():
        raise Mistake(f"got pairs of {at.dtype} and wanted whole numbers, of nodes from 0 to {len(p) - 1}.")
    truth, scores, n = np.asarray(linked), p[at[:, 0], at[:, 1]], len(at)
    how = f"{int(truth.sum()):,} linked pairs against {n - int(truth.sum()):,} that are not"
    return {
        "auroc": Number(auroc(truth, scores), "", how, items=n),
        "average_precision": Number(auprc(truth, scores), "", how, items=n),
    }
