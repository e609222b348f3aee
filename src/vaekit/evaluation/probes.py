r"""What a simple predictor reads off the codes of items that it has not seen: linear and nearest-neighbour probes.

.. math:: \min_{W, b} \frac1N \sum_n -\log \mathrm{softmax}(W z_n + b)_{y_n} + \frac\lambda2 \|W\|^2
"""

from __future__ import annotations

__all__ = ["knn_probe", "linear_probe", "logistic", "ridge_probe"]

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaekit.evaluation.number import Number
from vaekit.messages import Mistake

PENALTY = 1e-3  # of the squared weights of standardised codes, against a mean over items
DISTANCES = 4_000_000  # held at a time

HeldOut = float | Sequence[int] | NDArray[np.int64]


def linear_probe(
    codes: Any, labels: Any, *, held_out: HeldOut = 0.2, penalty: float = PENALTY, seed: int = 0
) -> dict[str, Number]:
    """The accuracy of multinomial logistic regression on items held out (Alain and Bengio 2017, arXiv:1610.01644).

    Args:
        codes: (N, D) real numbers, standardised by the items that are learned from.
        labels: (N,) numbers or strings, none missing.
        held_out: the share of items that it is tested on, drawn by the seed, or their row numbers.
        penalty: lambda, of the squared weights.
        seed: of the draw.

    Returns:
        linear_accuracy, with its standard error over the held-out items.

    Raises:
        Mistake: for rows that do not match, codes that are NaN, and labels of one kind only.

    Example:
        >>> codes = torch.arange(100.0)[:, None]
        >>> linear_probe(codes, codes[:, 0] > 50)["linear_accuracy"].value
        1.0
    """
    codes, labels, train, test = _split(codes, labels, held_out, seed)
    codes = _standardised(codes, train)
    names, classes = np.unique(labels[train], return_inverse=True)
    if len(names) < 2:
        raise Mistake(f"got items of {len(names)} kind to learn from and wanted at least two: give other labels.")
    weights, bias = logistic(codes[train], torch.from_numpy(classes), penalty=penalty)
    right = names[(codes[test] @ weights + bias).argmax(1).numpy()] == labels[test]
    how = f"multinomial logistic regression, penalty {penalty:g}"
    return {"linear_accuracy": _accuracy(right, labels, train, test, how)}


def ridge_probe(
    codes: Any, values: Any, *, held_out: HeldOut = 0.2, penalty: float = PENALTY, seed: int = 0
) -> dict[str, Number]:
    """The R^2 of ridge regression on items held out.

    Args:
        codes: as for `linear_probe`.
        values: (N,) real numbers.
        held_out: as for `linear_probe`.
        penalty: of the squared weights of standardised codes, against half the mean squared error.
        seed: of the draw.

    Returns:
        linear_r2, against the mean of the items learned from; negative where that mean predicts better. Its error
        is that of a ratio of two means over the held-out items.

    Example:
        >>> codes = torch.arange(100.0)[:, None]
        >>> round(ridge_probe(codes, 2 * codes[:, 0] + 1)["linear_r2"].value, 4)
        1.0
    """
    codes, values, train, test = _split(codes, values, held_out, seed)
    codes, target = _standardised(codes, train), torch.from_numpy(values.astype(np.float64))
    if float(target[train].var()) == 0 or float(target[test].var()) == 0:
        raise Mistake("the values to be predicted do not vary: give others, or more items.")
    mean = target[train].mean()
    gram = codes[train].T @ codes[train] / len(train) + penalty * torch.eye(codes.shape[1], dtype=codes.dtype)
    weights = torch.linalg.solve(gram, codes[train].T @ (target[train] - mean) / len(train))
    lost = (target[test] - mean - codes[test] @ weights).square()
    spread = (target[test] - mean).square()
    share = float(lost.mean() / spread.mean())
    error = (lost - share * spread).std() / spread.mean() / math.sqrt(len(test))
    how = f"R^2 of ridge regression, penalty {penalty:g}, {len(train):,} items to learn from"
    return {"linear_r2": Number(1 - share, "share", how, se=float(error), items=len(test))}


def knn_probe(
    codes: Any, labels: Any, *, neighbours: int = 5, held_out: HeldOut = 0.2, seed: int = 0
) -> dict[str, Number]:
    """The accuracy of the commonest label among the nearest codes, by Euclid, on items held out.

    Codes are taken as they are, each on its own scale; among equally common labels the first in order counts.

    Args:
        codes, labels, held_out, seed: as for `linear_probe`.
        neighbours: how many are asked.

    Returns:
        knn_accuracy, with its standard error over the held-out items.

    Example:
        >>> codes = torch.arange(100.0)[:, None]
        >>> knn_probe(codes, codes[:, 0] // 50, neighbours=1)["knn_accuracy"].value
        1.0
    """
    codes, labels, train, test = _split(codes, labels, held_out, seed)
    if not 1 <= neighbours <= len(train):
        raise Mistake(f"got neighbours={neighbours} and wanted 1 to {len(train)}, the items to learn from.")
    names, classes = np.unique(labels[train], return_inverse=True)
    votes = torch.nn.functional.one_hot(torch.from_numpy(classes))  # (n, V)
    rows = max(1, DISTANCES // len(train))
    said = []
    for part in codes[test].split(rows):
        near = torch.cdist(part, codes[train], compute_mode="donot_use_mm_for_euclid_dist")
        said.append(votes[near.topk(neighbours, largest=False).indices].sum(1).argmax(1))
    right = names[torch.cat(said).numpy()] == labels[test]
    return {"knn_accuracy": _accuracy(right, labels, train, test, f"{neighbours} nearest neighbours, by Euclid")}


def logistic(codes: Tensor, classes: Tensor, *, penalty: float = PENALTY) -> tuple[Tensor, Tensor]:
    """Multinomial logistic regression at its one optimum, by L-BFGS in float64.

    Args:
        codes: (N, D).
        classes: (N,) whole numbers 0 ... V - 1, each there.
        penalty: lambda, of the squared weights; above 0, so that the optimum is finite.

    Returns:
        weights (D, V) and bias (V,), which adds up to 0.

    Example:
        >>> weights, bias = logistic(torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1]))
        >>> bool(weights[0, 1] > 0), bool(bias.abs().max() < 1e-6)
        (True, True)
    """
    codes = codes.double()
    counts = torch.bincount(classes).double()
    weights = torch.zeros(codes.shape[1], len(counts), dtype=torch.float64, requires_grad=True)
    bias = (counts / counts.sum()).log().requires_grad_()
    solver = torch.optim.LBFGS(
        [weights, bias],
        max_iter=1000,
        history_size=20,
        tolerance_grad=1e-7,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        solver.zero_grad()
        value = torch.nn.functional.cross_entropy(codes @ weights + bias, classes)
        value = value + 0.5 * penalty * weights.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        solver.step(loss)
    return weights.detach(), bias.detach() - bias.detach().mean()


def _split(codes: Any, labels: Any, held_out: HeldOut, seed: int) -> tuple[Tensor, NDArray[Any], Tensor, Tensor]:
    """Codes in float64, labels, and the rows to learn from and to be tested on."""
    codes = torch.as_tensor(codes).detach().cpu().double()
    labels = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if codes.ndim != 2 or labels.shape != (len(codes),):
        raise Mistake(
            f"got codes of shape {tuple(codes.shape)} and labels of shape {labels.shape} and wanted (N, D) and (N,)."
        )
    if not bool(codes.isfinite().all()):
        raise Mistake("the codes hold NaN or infinite values: leave these items out.")
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(codes)))
    if isinstance(held_out, float | int):
        test = order[: round(len(codes) * held_out)]
    else:
        test = torch.as_tensor(np.asarray(held_out, dtype=np.int64))
    there = torch.ones(len(codes), dtype=torch.bool)
    there[test] = False
    train = order[there[order]]
    if min(len(train), len(test)) < 2:
        raise Mistake(
            f"got {len(train)} items to learn from and {len(test)} held out and wanted two of each: give more items, "
            "or another held_out."
        )
    return codes, labels, train, test


def _standardised(codes: Tensor, train: Tensor) -> Tensor:
    scale = codes[train].std(0, correction=0)
    return (codes - codes[train].mean(0)) / torch.where(scale > 0, scale, 1.0)


def _accuracy(right: NDArray[np.bool_], labels: NDArray[Any], train: Tensor, test: Tensor, how: str) -> Number:
    names, counts = np.unique(labels[train], return_counts=True)
    common = float((labels[test] == names[counts.argmax()]).mean())
    how = f"{how}, {len(names)} kinds, {len(train):,} items to learn from; {common:.3g} for always the commonest"
    error = float(right.std(ddof=1)) / math.sqrt(len(test))
    return Number(float(right.mean()), "share", how, se=error, items=len(test))
