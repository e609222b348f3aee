"""How far each code follows one factor: scores by intervention on factors, and all scores in one call.

The scores that read single codes, or predict from them, are in the files beside and offered here.
"""

from __future__ import annotations

__all__ = [
    "beta_vae",
    "beta_vae_of",
    "dci",
    "disentanglement_numbers",
    "encoded",
    "explicitness",
    "factor_vae",
    "factor_vae_of",
    "irs",
    "mig",
    "modularity",
    "sap",
    "total_correlation",
    "udr",
]

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaekit.data.factors import FactorData
from vaekit.evaluation.disentanglement_classifiers import dci, explicitness, sap
from vaekit.evaluation.mutual_information import Codes, Levels, aligned, mig, modularity, total_correlation, udr
from vaekit.evaluation.number import Number
from vaekit.evaluation.probes import logistic

CHUNK = 1000  # items encoded at a time
QUANTILE = 0.99  # of the deviations, in place of their maximum

Look = Callable[[Levels], Codes]  # indices of items (...) -> their codes (..., D)
Draw = Callable[[Levels, int, np.random.Generator], Levels]  # factors (P,), size -> indices (P, size)


def disentanglement_numbers(codes: Any, factors: Any, *, seed: int = 0) -> dict[str, Number]:
    """All scores of one representation, and beside each what chance gives: the same with the codes' rows shuffled.

    Args:
        codes: (N, D) real numbers, one code each for the items, such as posterior means.
        factors: (N, F) whole numbers; what is constant is left out.
        seed: of all draws.

    Returns:
        mig; sap, sap_uncorrected, sap_of_maximum; dci_disentanglement, dci_completeness, both also uncorrected, and
        dci_informativeness; modularity, explicitness, irs, factor_vae, beta_vae; each with a companion named
        ..._chance; and total_correlation.

    Example:
        >>> factors = np.indices((3, 4, 50)).reshape(3, -1).T[:, :2]
        >>> found = disentanglement_numbers(factors, factors)
        >>> round(found["mig"].value, 6), found["factor_vae"].value, found["mig_chance"].value < 0.1
        (1.0, 1.0, True)
    """
    codes, factors = aligned(codes, factors)
    found = _all(codes, factors, seed)
    chance = _all(codes[np.random.default_rng(seed).permutation(len(codes))], factors, seed)
    return found | {f"{name}_chance": number for name, number in chance.items()} | total_correlation(codes)


def irs(codes: Any, factors: Any) -> dict[str, Number]:
    r"""The interventional robustness score (Suter et al. 2019, arXiv:1811.00007).

    .. math:: \text{IRS}_i = \max_k \Big(1 - \frac{E_v\, \max |c_i - E[c_i | v_k = v]|}{\max |c_i - E c_i|}\Big)

    The 99 % quantile stands for the maximum within a group of items, as usual. Codes are weighted by their largest
    deviation, so that the score changes where one of them alone is scaled. It is read off the items at hand, so
    factors should vary independently among them.

    Args:
        codes: (N, D) real numbers; constant ones are left out.
        factors: (N, F) whole numbers; what is constant is left out.

    Returns:
        irs, the weighted mean over codes; undefined where no code varies.

    Example:
        >>> factors = np.indices((3, 4)).reshape(2, -1).T
        >>> irs(factors, factors)["irs"].value
        1.0
    """
    codes, factors = aligned(codes, factors)
    codes = codes[:, np.ptp(codes, 0) > 0]
    how = f"{QUANTILE:.0%} quantile of the deviations within a group over the largest, mean of {codes.shape[1]} codes"
    if not codes.shape[1]:
        return {"irs": Number(None, "share", "no code varies", items=len(codes))}
    largest = np.abs(codes - codes.mean(0)).max(0)
    within = np.stack([_within(codes, level) for level in factors.T])  # (F, D)
    robust = (1 - within / largest).max(0)
    return {"irs": Number(float(np.average(robust, weights=largest)), "share", how, items=len(codes))}


def factor_vae(codes: Any, factors: Any, *, votes: int = 2000, batch: int = 64, seed: int = 0) -> dict[str, Number]:
    """The FactorVAE score (Kim and Mnih 2018, arXiv:1802.05983): which code is stillest when a factor is held.

    A vote holds one factor at the value of a random item, draws a batch of the items that share it, and names the
    code with the least variance over its variance among all items. A table from codes to factors is fitted to one
    half of the votes by majority and tested on the other.

    Args:
        codes: (N, D) real numbers; constant ones take no part.
        factors: (N, F) whole numbers; what is constant is left out.
        votes: how many.
        batch: items in each, drawn with replacement.
        seed: of the draws.

    Returns:
        factor_vae, an accuracy, with its standard error over the votes tested; chance is near 1 / F.

    Example:
        >>> factors = np.indices((3, 4, 50)).reshape(3, -1).T[:, :2]
        >>> factor_vae(factors * 1.0, factors)["factor_vae"].value
        1.0
    """
    codes, factors = aligned(codes, factors)
    how = f"batches of {batch} among {len(codes):,} given items"
    return _factor_vae(codes.__getitem__, _sharing(factors), factors.shape[1], codes.var(0), votes, batch, seed, how)


def factor_vae_of(
    data: FactorData, encode: Callable[[Tensor], Any], *, votes: int = 800, batch: int = 64, seed: int = 0
) -> dict[str, Number]:
    """The same, with batches drawn from all that the factors can make.

    Args:
        data: items of known factors.
        encode: items (n, *X) uint8 -> codes (n, D), called with up to 1,000 items at a time.
        votes, batch, seed: as for `factor_vae`.

    Example:
        >>> from vaekit.data.sprites import Sprites
        >>> data = Sprites()
        >>> centre = lambda x: torch.stack([x.double().mean(i).argmax(1) for i in (1, 2)], 1)
        >>> 0 <= factor_vae_of(data, centre, votes=20, batch=8)["factor_vae"].value <= 1
        True
    """
    look, draw, held = _made(data, encode)
    scale = look(data.sample(10 * CHUNK, seed=seed)).var(0)
    how = f"batches of {batch} of {data.name} drawn with one factor held"
    return _factor_vae(look, draw, held, scale, votes, batch, seed, how)


def beta_vae(codes: Any, factors: Any, *, points: int = 2000, pairs: int = 64, seed: int = 0) -> dict[str, Number]:
    """The beta-VAE score (Higgins et al. 2017, openreview.net/forum?id=Sy2fzU9gl): is the held factor told linearly.

    A point is the mean of |c - c'| over pairs of items that share the value of one factor. Multinomial logistic
    regression on standardised points names the factor; it is fitted on one half and tested on the other.

    Args:
        codes: (N, D) real numbers.
        factors: (N, F) whole numbers; what is constant is left out.
        points: how many.
        pairs: for each point.
        seed: of the draws.

    Returns:
        beta_vae, an accuracy, with its standard error over the points tested; chance is near 1 / F.

    Example:
        >>> factors = np.indices((3, 4, 50)).reshape(3, -1).T[:, :2]
        >>> beta_vae(factors * 1.0, factors, points=200)["beta_vae"].value
        1.0
    """
    codes, factors = aligned(codes, factors)
    how = f"{pairs} pairs a point among {len(codes):,} given items"
    return _beta_vae(codes.__getitem__, _sharing(factors), factors.shape[1], points, pairs, seed, how)


def beta_vae_of(
    data: FactorData, encode: Callable[[Tensor], Any], *, points: int = 800, pairs: int = 32, seed: int = 0
) -> dict[str, Number]:
    """The same, with pairs drawn from all that the factors can make; arguments as for `factor_vae_of`."""
    look, draw, held = _made(data, encode)
    return _beta_vae(look, draw, held, points, pairs, seed, f"{pairs} pairs a point of {data.name}, one factor held")


def encoded(
    data: FactorData, encode: Callable[[Tensor], Any], *, items: int = 10_000, seed: int = 0
) -> tuple[Codes, Levels]:
    """The codes and the factors of items drawn at random, (items, D) and (items, F), for the scores above.

    Args:
        data: items of known factors.
        encode: items (n, *X) uint8 -> codes (n, D), called with up to 1,000 items at a time.
        items: how many.
        seed: of the draw.
    """
    indices = data.sample(items, seed=seed)
    return _made(data, encode)[0](indices), data.factors(indices)


def _all(codes: Codes, factors: Levels, seed: int) -> dict[str, Number]:
    return {
        **mig(codes, factors),
        **sap(codes, factors, seed=seed),
        **dci(codes, factors, seed=seed),
        **modularity(codes, factors),
        **explicitness(codes, factors, seed=seed),
        **irs(codes, factors),
        **factor_vae(codes, factors, seed=seed),
        **beta_vae(codes, factors, seed=seed),
    }


def _within(codes: Codes, level: Levels) -> Codes:
    """The quantile of the deviations from the mean of a group, in the mean over groups, (D,)."""
    groups = (codes[level == value] for value in range(level.max() + 1))
    return np.mean([np.quantile(np.abs(group - group.mean(0)), QUANTILE, axis=0) for group in groups], 0)


def _sharing(factors: Levels) -> Draw:
    """Draws of rows of a finite table that share the value of one factor."""

    def draw(held: Levels, size: int, rng: np.random.Generator) -> Levels:
        rows = np.empty((len(held), size), dtype=np.int64)
        for k in np.unique(held):
            column, mine = factors[:, k], held == k
            order, counts = np.argsort(column, kind="stable"), np.bincount(column)
            value = column[rng.integers(len(column), size=mine.sum())]
            place = rng.integers(counts[value][:, None], size=(len(value), size))
            rows[mine] = order[(counts.cumsum() - counts)[value][:, None] + place]
        return rows

    return draw


def _made(data: FactorData, encode: Callable[[Tensor], Any]) -> tuple[Look, Draw, int]:
    varying = np.flatnonzero(np.asarray(data.factor_sizes) > 1)

    def look(indices: Levels) -> Codes:
        pieces = np.array_split(indices.ravel(), max(1, -(-indices.size // CHUNK)))
        with torch.no_grad():
            codes = [torch.as_tensor(encode(data.items(piece))).cpu().double().numpy() for piece in pieces]
        return np.concatenate(codes).reshape(*indices.shape, -1)

    def draw(held: Levels, size: int, rng: np.random.Generator) -> Levels:
        return data.sample_fixed(varying[held], size, seed=int(rng.integers(2**31)))

    return look, draw, len(varying)


def _factor_vae(
    look: Look, draw: Draw, factors: int, scale: Codes, votes: int, batch: int, seed: int, how: str
) -> dict[str, Number]:
    rng = np.random.default_rng(seed)
    moving = scale > 0
    if not moving.any():
        return {"factor_vae": Number(None, "share", "no code varies")}
    held = rng.integers(factors, size=votes)
    stillest = [
        (look(rows).var(1)[:, moving] / scale[moving]).argmin(1) for rows in _portions(draw(held, batch, rng), batch)
    ]
    voted = np.concatenate(stillest)
    half = votes // 2
    table = np.zeros((int(moving.sum()), factors))
    np.add.at(table, (voted[:half], held[:half]), 1)
    right = table.argmax(1)[voted[half:]] == held[half:]
    return {"factor_vae": _accuracy(right, f"majority vote of the stillest of {int(moving.sum())} codes, {how}")}


def _beta_vae(look: Look, draw: Draw, factors: int, points: int, pairs: int, seed: int, how: str) -> dict[str, Number]:
    rng = np.random.default_rng(seed)
    held = rng.integers(factors, size=points)
    rows = draw(held.repeat(pairs), 2, rng).reshape(points, pairs, 2)
    looked = (look(part) for part in _portions(rows, 2 * pairs))  # (p, pairs, 2, D)
    apart = np.concatenate([np.abs(both[:, :, 0] - both[:, :, 1]).mean(1) for both in looked])  # (points, D)
    half = points // 2
    spread = apart[:half].std(0)
    scaled = torch.from_numpy((apart - apart[:half].mean(0)) / np.where(spread > 0, spread, 1.0))
    seen, classes = np.unique(held[:half], return_inverse=True)
    weights, bias = logistic(scaled[:half], torch.from_numpy(classes))
    right = seen[(scaled[half:] @ weights + bias).argmax(1).numpy()] == held[half:]
    return {"beta_vae": _accuracy(right, f"logistic regression on mean distances in each code, {how}")}


def _portions(rows: Levels, each: int) -> list[Levels]:
    """Parts of the rows with some 100,000 items each."""
    return np.array_split(rows, max(1, len(rows) * each // 100_000))


def _accuracy(right: NDArray[np.bool_], how: str) -> Number:
    error = float(right.std(ddof=1) / np.sqrt(len(right)))
    return Number(float(right.mean()), "share", how, se=error, items=len(right))
