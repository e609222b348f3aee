r"""How far samples are from data as a whole: Frechet distance, KID, Vendi score, classifier two-sample test.

.. math:: d^2 = |\mu_1 - \mu_2|^2 + \operatorname{tr} \Sigma_1 + \operatorname{tr} \Sigma_2
    - 2 \operatorname{tr} (\Sigma_1^{1/2} \Sigma_2 \Sigma_1^{1/2})^{1/2}
"""

from __future__ import annotations

__all__ = ["classifier_test", "frechet", "frechet_distance", "kid", "sample_numbers", "vendi", "vendi_score"]

import math
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from vaekit.evaluation.features import Features, featured
from vaekit.evaluation.neighbours import memorisation, neighbour_numbers
from vaekit.evaluation.number import Number
from vaekit.evaluation.spectrum import sharpness, sharpness_applies

BLOCKS = 20  # of the jackknife: its error is then known to 1 / sqrt(2 * 19) = 16 %
PAIRS = 4_000_000  # kernel values held at a time


def sample_numbers(
    real: Tensor, made: Tensor, *, features: Features | None, train: Tensor | None = None, seed: int = 0
) -> dict[str, Number]:
    """All that applies of this file, of neighbours.py and of spectrum.py; time grows with N * M.

    Args:
        real: held-out items, (N, *X).
        made: samples, (M, *X), best as many.
        features: what they are compared in; None for the values as they are. Sharpness alone is of the values.
        train: the items trained on, for the check of memorisation.
        seed: of the blocks, halves and resamples.

    Returns:
        frechet, frechet_corrected, kid, vendi, vendi_real, c2st, c2st_p, precision, recall, density, coverage; with
        `train` memorised, memorisation_z; of pictures sharpness.

    Example:
        >>> x = torch.randn(3, 60, 4, generator=torch.Generator().manual_seed(0))
        >>> sorted(sample_numbers(x[0], x[1], features=None, train=x[2]))[:6]
        ['c2st', 'c2st_p', 'coverage', 'density', 'frechet', 'frechet_corrected']
    """
    a, b, _ = featured(real, made, features)
    known = None if features is None else features.computed()
    found = frechet(a, b, features=known, seed=seed)
    found |= kid(a, b, features=known, seed=seed) | vendi(a, b, features=known, seed=seed)
    found |= classifier_test(a, b, features=known, seed=seed) | neighbour_numbers(a, b, features=known)
    if train is not None:
        seen = train.flatten(1) if features is None else features(train)
        found |= memorisation(a, b, train=seen, features=known)
    if sharpness_applies(real) and sharpness_applies(made):
        found |= sharpness(real, made, seed=seed)
    return found


def frechet_distance(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor) -> float:
    """The squared Frechet distance of two Gaussians, from means (F,) and covariances (F, F), in float64.

    Dowson and Landau 1982, doi:10.1016/0047-259X(82)90077-X.

    Example:
        >>> zero, one = torch.zeros(2), torch.eye(2)
        >>> frechet_distance(zero, one, zero + 3, 4 * one)
        20.0
    """
    s, t = covariance.double(), other_covariance.double()
    values, vectors = torch.linalg.eigh(s)
    root = (vectors * _roots(values)) @ vectors.mT
    cross = _roots(torch.linalg.eigvalsh(root @ t @ root)).sum()
    apart = (mean.double() - other_mean.double()).square().sum()
    return float(apart + s.trace() + t.trace() - 2 * cross)


def frechet(real: Tensor, made: Tensor, *, features: Features | None = None, seed: int = 0) -> dict[str, Number]:
    """The squared Frechet distance in features (the FID, where these are Inception's), as it is and without its bias.

    Heusel et al. 2017, arXiv:1706.08500. The estimate is too high by about c / N (Chong and Forsyth 2020,
    arXiv:1911.07023); the jackknife takes that term away, so that the corrected number may be compared between sizes
    and may come out negative for sets that are alike. Both need several times more items than features.

    Args:
        real: items (N, *X), or features (N, F) with features=None.
        made: as real, (M, ...).
        seed: of the jackknife's blocks.

    Example:
        >>> x = torch.randn(2, 500, 3, generator=torch.Generator().manual_seed(0))
        >>> found = frechet(x[0], x[1])
        >>> found["frechet_corrected"].value < 0.02 < found["frechet"].value
        True
    """
    a, b, name = featured(real, made, features)
    value, corrected, se = _jackknife(lambda s, t: frechet_distance(*_moments(s), *_moments(t)), a, b, seed=seed)
    few = "" if min(len(a), len(b)) > 2 * a.shape[1] else ", too few items for so many features"
    how = f"squared Frechet distance of {len(a):,} real and {len(b):,} made, {a.shape[1]} features: {name}{few}"
    unit = "squared feature units"
    return {
        "frechet": Number(value, unit, f"{how}; too high by O(1/N)", se, len(b)),
        "frechet_corrected": Number(corrected, unit, f"{how}; bias taken off by a jackknife", se, len(b)),
    }


def kid(real: Tensor, made: Tensor, *, features: Features | None = None, seed: int = 0) -> dict[str, Number]:
    """The kernel Inception distance: unbiased squared MMD with the kernel (x.y / F + 1)^3, over all pairs.

    Binkowski et al. 2018, arXiv:1801.01401; 0 in the mean, and as often negative, for sets that are alike.

    Args:
        real: items (N, *X), or features (N, F) with features=None.
        made: as real, (M, ...).
        seed: of the blocks of the error, a jackknife.

    Example:
        >>> x = torch.randn(2, 500, 3, generator=torch.Generator().manual_seed(0))
        >>> abs(kid(x[0], x[1])["kid"].value) < 3 * kid(x[0], x[1])["kid"].se
        True
    """
    a, b, name = featured(real, made, features)
    x, y = _blocks(a, b, seed=seed)
    n, m = (torch.tensor([len(block) for block in part], dtype=torch.float64) for part in (x, y))
    own_x, own_y = (torch.stack([(block.square().mean(1) + 1).pow(3).sum() for block in part]) for part in (x, y))
    # sums of the kernel by pairs of blocks: the estimate with one block left out is arithmetic on them
    xx, yy, xy = _kernel_sums(x, x), _kernel_sums(y, y), _kernel_sums(x, y)
    value = _mmd(xx.sum() - own_x.sum(), yy.sum() - own_y.sum(), xy.sum(), n.sum(), m.sum())
    left = _mmd(
        _without(xx) - (own_x.sum() - own_x), _without(yy) - (own_y.sum() - own_y), _without(xy),
        n.sum() - n, m.sum() - m,
    )  # fmt: skip
    how = f"unbiased squared MMD, kernel (x.y/F+1)^3, all pairs of {len(a):,} real and {len(b):,} made: {name}"
    return {"kid": Number(float(value), "", how, _jackknife_error(left), len(b))}


def vendi_score(x: Tensor) -> float:
    """The Vendi score of features (N, F): how many unlike items they amount to, 1 to N, by cosine similarity.

    The exponential of the entropy of the eigenvalues of K / N; items without any feature (all 0) do not count.
    Friedman and Dieng 2023, arXiv:2210.02410.

    Example:
        >>> round(vendi_score(torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 1.0]])), 6)
        2.0
    """
    x = x.double()
    norm = x.norm(dim=1, keepdim=True)
    unit = (x / norm)[norm[:, 0] > 0]
    if not len(unit):
        return 1.0
    gram = unit.mT @ unit if unit.shape[1] < len(unit) else unit @ unit.mT  # the same eigenvalues but for zeros
    share = torch.linalg.eigvalsh(gram / len(unit)).clamp(min=0)
    return float(torch.special.entr(share).sum().exp())


def vendi(real: Tensor, made: Tensor, *, features: Features | None = None, seed: int = 0) -> dict[str, Number]:
    """The Vendi scores (see `vendi_score`) of the samples and of as many real items, by which to judge it.

    Args:
        real: items (N, *X), or features (N, F) with features=None.
        made: as real, (M, ...).
        seed: of the choice of min(N, M) items of the larger set, and of the blocks of the error, a jackknife.

    Example:
        >>> x = torch.randn(2, 500, 3, generator=torch.Generator().manual_seed(0))
        >>> {name: round(number.value, 1) for name, number in vendi(x[0], x[1]).items()}
        {'vendi': 3.0, 'vendi_real': 3.0}
    """
    a, b, name = featured(real, made, features)
    n = min(len(a), len(b))
    found = {}
    for key, what, x in (("vendi", "made", b), ("vendi_real", "real", a)):
        x = x[_orders(x, seed=seed)[0][:n]]
        value, _, se = _jackknife(vendi_score, x, seed=seed)
        found[key] = Number(value, "unlike items", f"Vendi score of {n:,} {what}, cosine kernel: {name}", se, n)
    return found


def classifier_test(
    real: Tensor, made: Tensor, *, features: Features | None = None, seed: int = 0
) -> dict[str, Number]:
    """How well logistic regression tells samples from data: 0.5 where it cannot, 1 where it always can.

    Lopez-Paz and Oquab 2017, arXiv:1610.06545. Fitted on half of min(N, M) items of each and asked about the other
    half: the answers are then independent, as the binomial error and p-value want (those of cross-validation are not).

    Args:
        real: items (N, *X), or features (N, F) with features=None.
        made: as real, (M, ...).
        seed: of the choice of items.

    Returns:
        c2st, the accuracy with its binomial error; c2st_p, the chance of one as high if the sets were alike.

    Example:
        >>> x = torch.randn(2, 500, 3, generator=torch.Generator().manual_seed(0))
        >>> found = classifier_test(x[0], x[1] + 9)
        >>> found["c2st"].value, found["c2st_p"].value < 1e-9
        (1.0, True)
    """
    from scipy.stats import binomtest
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    a, b, name = featured(real, made, features)
    half = min(len(a), len(b)) // 2
    x, y = (part[order[: 2 * half]] for part, order in zip((a, b), _orders(a, b, seed=seed), strict=True))
    label = torch.arange(2).repeat_interleave(half).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fit that is cut short is a classifier all the same
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
        model.fit(torch.cat([x[:half], y[:half]]).numpy(), label)
    right = int((model.predict(torch.cat([x[half:], y[half:]]).numpy()) == label).sum())
    accuracy = right / (2 * half)
    se = math.sqrt(accuracy * (1 - accuracy) / (2 * half))
    p = float(binomtest(right, 2 * half, 0.5, alternative="greater").pvalue)
    how = f"logistic regression on {half:,} real and {half:,} made, asked about as many others, chance 0.5: {name}"
    return {
        "c2st": Number(accuracy, "share", how, se, 2 * half),
        "c2st_p": Number(p, "", f"one-sided binomial p-value of {how}", None, 2 * half),
    }


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.mean(0), torch.atleast_2d(x.mT.cov())


def _roots(values: Tensor) -> Tensor:
    """Square roots of eigenvalues; what rounding left of zeros would grow to 1e-8 of the largest, and is dropped."""
    tiny = values.max().clamp(min=0) * len(values) * torch.finfo(values.dtype).eps
    return values.where(values > tiny, 0).sqrt()


def _orders(*sets: Tensor, seed: int) -> list[Tensor]:
    """A permutation of each set's rows."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randperm(len(x), generator=generator) for x in sets]


def _blocks(*sets: Tensor, seed: int) -> list[tuple[Tensor, ...]]:
    """Each set in random blocks, as many of each."""
    blocks = min(BLOCKS, *map(len, sets))
    return [x[order].tensor_split(blocks) for x, order in zip(sets, _orders(*sets, seed=seed), strict=True)]


def _jackknife(statistic: Callable[..., float], *sets: Tensor, seed: int) -> tuple[float, float, float]:
    """A statistic of whole sets, the same less its bias of O(1/N), and its error: a block of each left out in turn."""
    split = _blocks(*sets, seed=seed)
    blocks = len(split[0])
    whole = statistic(*sets)
    left = [statistic(*(torch.cat(part[:i] + part[i + 1 :]) for part in split)) for i in range(blocks)]
    corrected = blocks * whole - (blocks - 1) * sum(left) / blocks
    return whole, corrected, _jackknife_error(torch.tensor(left, dtype=torch.float64))


def _jackknife_error(left: Tensor) -> float:
    return float((left.var(correction=0) * (len(left) - 1)).sqrt())


def _kernel_sums(rows: tuple[Tensor, ...], columns: tuple[Tensor, ...]) -> Tensor:
    """The sum of the kernel over each pair of blocks."""
    others, sizes = torch.cat(columns).mT, [len(block) for block in columns]
    held = max(1, PAIRS // others.shape[1])
    sums = [sum((part @ others / len(others) + 1).pow(3).sum(0) for part in block.split(held)) for block in rows]
    return torch.stack([part.sum(1) for part in torch.stack(sums).split(sizes, 1)], 1)


def _without(sums: Tensor) -> Tensor:
    """The sum of a square of block sums without the row and the column of each block."""
    return sums.sum() - sums.sum(0) - sums.sum(1) + sums.diagonal()


def _mmd(xx: Tensor, yy: Tensor, xy: Tensor, n: Tensor, m: Tensor) -> Tensor:
    """From sums of the kernel over pairs of two different items."""
    return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)
