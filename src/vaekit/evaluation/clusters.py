r"""Whether the clusters of the codes are the kinds of the items: accuracy under the best matching, NMI and ARI.

.. math:: \text{NMI} = \frac{2 I(a; b)}{H(a) + H(b)}, \qquad
          \text{ARI} = \frac{\sum_{ij} \binom{n_{ij}}2 - E}{\frac12 (A + B) - E}, \quad E = AB / \tbinom N2
"""

from __future__ import annotations

__all__ = ["agreement", "cluster_numbers"]

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vaekit.evaluation.number import Number
from vaekit.messages import Mistake

STARTS = 10


def cluster_numbers(codes: Any, labels: Any, *, clusters: int | None = None, seed: int = 0) -> dict[str, Number]:
    """k-means on the codes, compared with the labels by `agreement`.

    Codes are taken as they are, each on its own scale.

    Args:
        codes: (N, D) real numbers.
        labels: (N,) numbers or strings, none missing.
        clusters: how many; as many as there are labels where nothing is said.
        seed: of the starts of k-means, of which the best of ten counts.

    Returns:
        cluster_accuracy, cluster_nmi and cluster_ari.

    Example:
        >>> codes = np.repeat([[0.0], [5.0], [9.0]], 20, 0)
        >>> [round(found.value, 6) for found in cluster_numbers(codes, codes[:, 0]).values()]
        [1.0, 1.0, 1.0]
    """
    from sklearn.cluster import KMeans

    codes, labels = _array(codes).astype(np.float64), _array(labels)
    if codes.ndim != 2 or labels.shape != (len(codes),):
        raise Mistake(f"got codes {codes.shape} and labels {labels.shape} and wanted (N, D) and (N,), a row an item.")
    if not np.isfinite(codes).all():
        raise Mistake("the codes hold NaN or infinite values: leave these items out.")
    k = len(np.unique(labels)) if clusters is None else clusters
    if not 1 <= k <= len(codes):
        raise Mistake(f"got clusters={k} and wanted 1 to {len(codes)}, the number of items.")
    assigned = KMeans(k, n_init=STARTS, random_state=seed).fit(codes).labels_
    return agreement(assigned, labels, how=f"k-means with {k} clusters, best of {STARTS} starts, seed {seed}")


def agreement(assigned: Any, labels: Any, *, how: str = "given clusters") -> dict[str, Number]:
    """How far clusters are the kinds of the items.

    Args:
        assigned: (N,) the cluster of each item.
        labels: (N,) the kind of each item.
        how: where the clusters come from.

    Returns:
        cluster_accuracy under the one-to-one matching of clusters and kinds that is best (Hungarian method; Xie et
        al. 2016, arXiv:1511.06335), with its standard error over items, the matching held fixed; cluster_nmi, over
        the arithmetic mean of the entropies; cluster_ari, 0 in the mean for random clusters (Hubert and Arabie 1985).

    Example:
        >>> found = agreement([0, 0, 1, 1], ["b", "b", "a", "b"])
        >>> found["cluster_accuracy"].value, found["cluster_ari"].value
        (0.75, 0.0)
    """
    from scipy.optimize import linear_sum_assignment

    table = _contingency(_array(assigned), _array(labels))
    n = int(table.sum())
    accuracy = float(table[linear_sum_assignment(table, maximize=True)].sum() / n)
    error = (accuracy * (1 - accuracy) / (n - 1)) ** 0.5 if n > 1 else None
    kinds = f"{table.shape[0]} clusters, {table.shape[1]} kinds; {how}"
    return {
        "cluster_accuracy": Number(accuracy, "share", f"best matching of {kinds}", se=error, items=n),
        "cluster_nmi": Number(_nmi(table), "share", f"information over the mean entropy of {kinds}", items=n),
        "cluster_ari": Number(_ari(table), "", f"adjusted Rand index of {kinds}", items=n),
    }


def _contingency(assigned: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.float64]:
    """How many items of each kind are in each cluster, (clusters, kinds)."""
    if assigned.shape != labels.shape or assigned.ndim != 1 or not len(assigned):
        raise Mistake(
            f"got clusters {assigned.shape} and labels {labels.shape} and wanted (N,) twice, one for each item."
        )
    (a, row), (b, column) = (np.unique(values, return_inverse=True) for values in (assigned, labels))
    counts = np.bincount(row * len(b) + column, minlength=len(a) * len(b))
    return counts.reshape(len(a), len(b)).astype(np.float64)


def _nmi(table: NDArray[np.float64]) -> float:
    joint = table / table.sum()
    rows, columns = joint.sum(1), joint.sum(0)
    h_rows, h_columns = _entropy(rows), _entropy(columns)
    if h_rows + h_columns == 0:
        return 1.0  # one cluster and one kind agree
    return max(0.0, 2 * (h_rows + h_columns - _entropy(joint)) / (h_rows + h_columns))


def _entropy(share: NDArray[np.float64]) -> float:
    share = share[share > 0]
    return float(-(share * np.log(share)).sum())


def _ari(table: NDArray[np.float64]) -> float:
    both, rows, columns, total = (
        float((counts * (counts - 1)).sum() / 2) for counts in (table, table.sum(1), table.sum(0), table.sum())
    )
    expected, best = rows * columns / total if total else 0.0, (rows + columns) / 2
    return 1.0 if best == expected else (both - expected) / (best - expected)


def _array(values: Any) -> NDArray[Any]:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
