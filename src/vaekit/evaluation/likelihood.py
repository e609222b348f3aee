r"""The ELBO and the importance-sampled log-likelihood of held-out items, with their errors.

.. math:: \log p(x) \approx \log \tfrac1K \sum_k \frac{p(x, z_k)}{q(z_k|x)}
"""

from __future__ import annotations

__all__ = ["Estimates", "bound_numbers", "log_likelihoods", "nll_numbers", "pieces", "summary"]

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vaekit.distributions import Bernoulli
from vaekit.evaluation import products
from vaekit.evaluation.number import Number, mean_error
from vaekit.maths import log_mean_exp, log_mean_exp_error
from vaekit.models import Model
from vaekit.models.model import latent_mean, require_support
from vaekit.priors import Prior

ACTIVE = 0.01  # variance of the posterior mean above which a latent counts as used (Burda et al. 2016)
CHUNK = 2**18  # numbers of decoded data held at a time: hidden layers of convolutions are 32 times as large
DECODED = 2**14  # items decoded at a time: hidden layers may be wider than the data
HELD = 2**22  # log weights held at a time
FEWEST, SHARE, MANY = 5.0, 0.01, 0.1  # an ESS below 5 or 1 % of K is too low; so is one of a tenth of the items


@dataclass(frozen=True)
class Estimates:
    """log p(x|y) of each item in nats and the user's units.

    Attributes:
        name: the estimator, before the name of each number.
        how: its protocol.
        log_p: (B,) float64.
        error: (B,) standard errors over chains or draws.
        ess: (B,) effective sample sizes.
        acceptance: (B,) mean acceptance of Metropolis tests, or None where there are none.
    """

    name: str
    how: str
    log_p: Tensor
    error: Tensor
    ess: Tensor
    acceptance: Tensor | None = None

    def numbers(self) -> dict[str, Number]:
        """The NLL with its errors over items and over draws, the effective sample size and the acceptance."""
        n = len(self.log_p)
        mc = float(self.error.square().sum().sqrt() / n)
        found = {
            "nll": Number(-float(self.log_p.mean()), "nats", self.how, se=mean_error(self.log_p), items=n),
            "nll_mc_se": Number(None if math.isnan(mc) else mc, "nats", "over draws, by the delta method", items=n),
            "ess": Number(float(self.ess.median()), "draws", "median of the items' effective sample sizes", items=n),
        }
        if self.acceptance is not None:
            mean = float(self.acceptance.mean())
            found["acceptance"] = Number(mean, "share", "of Hamiltonian trajectories that were taken", items=n)
        return {f"{self.name}_{key}": number for key, number in found.items()}


@torch.no_grad()
def bound_numbers(model: Model, batches: Iterable[Any]) -> dict[str, Any]:
    """ELBO (beta = 1, one draw an item), rate and distortion over all items, in nats and the user's units.

    Args:
        model: in evaluation mode.
        batches: things with x (B, *X) in the model's units and the encoded y.

    Returns:
        elbo, rate and distortion, with elbo_se, rate_se and distortion_se over items; items, active_units and kl_each
        (a list); what a Point posterior has not is None.
    """
    elbo: list[Tensor] = []
    rate: list[Tensor] = []
    distortion: list[Tensor] = []
    kl_each: list[Tensor] = []
    means: list[Tensor] = []
    for batch in batches:
        trace = model.trace(batch.x, batch.y)
        if not distortion:
            require_support(trace.px, batch.x)
        lost = -(trace.log_px.mean(0).double() + model.log_jacobian(batch.x))
        distortion.append(lost)
        means.append(_flat_means(trace.levels))
        if model.has_density:
            rate.append(trace.kl.double())
            elbo.append(-lost - rate[-1])
            if trace.factorises:
                kl_each.append(trace.kl_each.double())
    all_means = torch.cat(means).double()
    several = len(all_means) > 1
    found: dict[str, Any] = {
        "elbo": None, "elbo_se": None, "rate": None, "rate_se": None,
        "distortion": float(torch.cat(distortion).mean()), "distortion_se": mean_error(torch.cat(distortion)),
        "items": len(all_means), "kl_each": None,
        "active_units": int((all_means.var(0) > ACTIVE).sum()) if several else None,
    }  # fmt: skip
    if elbo:
        values = torch.cat(elbo)
        found |= {
            "elbo": float(values.mean()),
            "elbo_se": mean_error(values),
            "rate": float(torch.cat(rate).mean()),
            "rate_se": mean_error(torch.cat(rate)),
        }
    if kl_each:
        found["kl_each"] = torch.cat(kl_each).mean(0).tolist()
    return found


def _flat_means(levels: Any) -> Tensor:
    """The posterior's mean of each item, (B, sum of Z); of levels below the top, given the draws above."""
    means = [(latent_mean(q), len(q.batch_shape)) for q, _, _ in levels]
    return torch.cat([(mean.mean(0) if axes == 2 else mean).flatten(1) for mean, axes in means], 1)


@torch.no_grad()
def log_likelihoods(model: Model, x: Tensor, y: Any, samples: int) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x|y) of each item by exactly K = samples draws, in the user's units.

    Args:
        x: (B, *X) in the model's units; encoded once, and decoded in chunks of flat memory.

    Returns:
        the estimate, its standard error over the draws and the effective sample size, (B,) float64 each.
    """
    parts = [summary(log_w, jacobian) for log_w, jacobian in _log_weights(model, x, y, samples)]
    log_p, error, ess = (torch.cat(column) for column in zip(*parts, strict=True))
    return log_p, error, ess


@torch.no_grad()
def nll_numbers(model: Model, batches: Iterable[Any], samples: int) -> dict[str, Any]:
    """The negative log-likelihood in nats an item, in the user's units.

    Args:
        model: in evaluation mode.
        batches: things with x (B, *X) in the model's units and the encoded y, a few dozen items each.
        samples: K, the draws for each item.

    Returns:
        nll, nll_se (over items), nll_mc_se (over draws), nll_samples, nll_items, ess (its median), ess_warning (a
        sentence, or None where the draws are enough), prior_warning (one on a prior whose densities are in doubt, or
        None), nll_curve ([k, nll, its error over items] for k = 1, 2, 5, 10, ... K, each the mean over K // k groups of
        the same draws); for a Point posterior nll is None and nll_why says why.
    """
    if not model.has_density:
        return {
            "nll": None, "nll_se": None, "nll_mc_se": None, "nll_samples": None, "nll_items": None, "ess": None,
            "ess_warning": None, "prior_warning": None, "nll_curve": None,
            "nll_why": "a Point posterior has no density, so there is no likelihood: train one such as 'vae'",
        }  # fmt: skip
    sizes = _curve_sizes(samples)
    parts = [
        (*summary(log_w, jacobian), torch.stack([_by_groups(log_w, k) + jacobian for k in sizes], 1))
        for batch in batches
        for log_w, jacobian in _log_weights(model, batch.x, batch.y, samples)
    ]
    log_p, mc, ess, by_size = (torch.cat(column) for column in zip(*parts, strict=True))
    n = len(log_p)
    return {
        "nll": -float(log_p.mean()),
        "nll_se": mean_error(log_p),
        "nll_mc_se": float(mc.square().sum().sqrt() / n) if samples > 1 else None,
        "nll_samples": samples,
        "nll_items": n,
        "ess": float(ess.median()),
        "ess_warning": _ess_warning(ess, samples),
        "prior_warning": next(filter(None, (p.doubt() for p in model.modules() if isinstance(p, Prior))), None),
        "nll_curve": [[k, -float(v.mean()), mean_error(v)] for k, v in zip(sizes, by_size.T, strict=True)],
    }


def pieces(x: Tensor, y: Any, most: int) -> Iterator[tuple[Tensor, Any]]:
    """Items and their context, at most `most` at a time.

    Example:
        >>> [len(part) for part, _ in pieces(torch.zeros(5, 2), None, 2)]
        [2, 2, 1]
    """
    for part in (slice(start, start + most) for start in range(0, len(x), most)):
        yield x[part], {k: v[part] for k, v in y.items()} if isinstance(y, Mapping) else None if y is None else y[part]


def _log_weights(model: Model, x: Tensor, y: Any, samples: int) -> Iterator[tuple[Tensor, Tensor | float]]:
    """log p(x, z) - log q(z|x), (K, b) float64, and the log-Jacobian of the user's units, for b items at a time."""
    each = max(1, x[0].numel())
    for part, given in pieces(x, y, max(1, min(CHUNK // each, DECODED, HELD // samples))):
        chunk = max(1, min(samples, CHUNK // max(1, part.numel()), DECODED // len(part)))
        if products.has_products(model):
            require_support(Bernoulli(part, part.ndim - 1), part)  # what it supports does not depend on its logits
            found = list(products.log_weights(model, part, given, samples, chunk))
        else:
            found = []
            for trace in model.traces(part, given, samples, chunk):
                if not found:
                    require_support(trace.px, part)
                found.append(trace.log_w.double())
        yield torch.cat(found), model.log_jacobian(part)


def summary(log_w: Tensor, jacobian: Tensor | float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """The log mean of the weights (K, B) in the user's units, its error and the effective sample size, (B,) each."""
    ess = (2 * torch.logsumexp(log_w, 0) - torch.logsumexp(2 * log_w, 0)).exp()
    return log_mean_exp(log_w) + jacobian, log_mean_exp_error(log_w), ess


def _by_groups(log_w: Tensor, k: int) -> Tensor:
    """The mean over K // k disjoint groups of the estimate by k draws, (B,); each takes its draws from all over, since
    a mixture's come part after part."""
    groups = len(log_w) // k
    return log_mean_exp(log_w[: groups * k].view(k, groups, -1), 0).mean(0)


def _curve_sizes(samples: int) -> list[int]:
    """1, 2, 5, 10, 20, ... and K."""
    steps = [digit * 10**power for power in range(len(str(samples))) for digit in (1, 2, 5)]
    return [k for k in steps if k < samples] + [samples]


def _ess_warning(ess: Tensor, samples: int) -> str | None:
    floor = max(FEWEST, SHARE * samples)
    low = float((ess < floor * (1 - 1e-9)).double().mean())  # of five equal weights it is 5 to within its rounding
    if low <= MANY:  # the median lies above as well
        return None
    return (
        f"of {samples} draws an item {float(ess.median()):.1f} count (median), and fewer than {floor:g} for {low:.0%} "
        "of the items, so the NLL is set by single draws and lies above the true one: give more draws "
        f"(K = {max(5000, 10 * samples)}), or use annealed importance sampling (the study 'annealed')."
    )
