r"""The ELBO and the importance-sampled log-likelihood of held-out items, with their errors.

.. math:: \log p(x) \approx \log \tfrac1K \sum_k \frac{p(x, z_k)}{q(z_k|x)}
"""

from __future__ import annotations

__all__ = ["bound_numbers", "log_likelihoods", "nll_numbers"]

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from vaekit.maths import log_mean_exp, log_mean_exp_error
from vaekit.models import Model
from vaekit.models.model import require_support

ACTIVE = 0.01  # variance of the posterior mean above which a latent counts as used (Burda et al. 2016)
CHUNK = 2_000_000  # numbers of decoded data held at a time


@torch.no_grad()
def bound_numbers(model: Model, batches: Iterable[Any]) -> dict[str, Any]:
    """ELBO (beta = 1, one draw an item), rate and distortion over all items, in nats and the user's units.

    Args:
        model: in evaluation mode.
        batches: things with x (B, *X) in the model's units and the encoded y.

    Returns:
        elbo, elbo_se (over items), rate, distortion, items, active_units and kl_each (a list); what a Point
        posterior has not is None.
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
            if all(hasattr(q, "kl_each") for q, _, _ in trace.levels):
                kl_each.append(trace.kl_each.double())
    all_means = torch.cat(means).double()
    several = len(all_means) > 1
    found: dict[str, Any] = {
        "elbo": None, "elbo_se": None, "rate": None, "distortion": float(torch.cat(distortion).mean()),
        "items": len(all_means), "kl_each": None,
        "active_units": int((all_means.var(0) > ACTIVE).sum()) if several else None,
    }  # fmt: skip
    if elbo:
        values = torch.cat(elbo)
        found |= {
            "elbo": float(values.mean()),
            "elbo_se": _error(values),
            "rate": float(torch.cat(rate).mean()),
        }
    if kl_each:
        found["kl_each"] = torch.cat(kl_each).mean(0).tolist()
    return found


def _flat_means(levels: Any) -> Tensor:
    """The posterior's mean of each item, (B, sum of Z); of levels below the top, given the draws above."""
    parts = [(q.mean.mean(0) if q.mean.ndim == 3 else q.mean).flatten(1) for q, _, _ in levels]
    return torch.cat(parts, 1)


def _error(values: Tensor) -> float | None:
    return float(values.std() / math.sqrt(len(values))) if len(values) > 1 else None


@torch.no_grad()
def log_likelihoods(model: Model, x: Tensor, y: Any, samples: int) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x|y) of each item by exactly K = samples draws, in the user's units.

    Args:
        x: (B, *X) in the model's units; encoded once, and decoded in chunks of flat memory.

    Returns:
        the estimate, its standard error over the draws and the effective sample size, (B,) float64 each.
    """
    chunk = max(1, min(samples, CHUNK // max(1, x.numel())))
    parts: list[Tensor] = []
    for trace in model.traces(x, y, samples, chunk):
        if not parts:
            require_support(trace.px, x)
        parts.append(trace.log_w.double())
    log_w = torch.cat(parts)  # (K, B)
    ess = (2 * torch.logsumexp(log_w, 0) - torch.logsumexp(2 * log_w, 0)).exp()
    return log_mean_exp(log_w) + model.log_jacobian(x), log_mean_exp_error(log_w), ess


def nll_numbers(model: Model, batches: Iterable[Any], samples: int) -> dict[str, Any]:
    """The negative log-likelihood in nats an item, in the user's units.

    Args:
        model: in evaluation mode.
        batches: things with x (B, *X) in the model's units and the encoded y, a few dozen items each.
        samples: K, the draws for each item.

    Returns:
        nll, nll_se (over items), nll_mc_se (over draws), nll_samples, nll_items, ess (its median); for a Point
        posterior nll is None and nll_why says why.
    """
    if not model.has_density:
        return {
            "nll": None, "nll_se": None, "nll_mc_se": None, "nll_samples": None, "nll_items": None, "ess": None,
            "nll_why": "a Point posterior has no density, so there is no likelihood: train one such as 'vae'",
        }  # fmt: skip
    parts = [log_likelihoods(model, batch.x, batch.y, samples) for batch in batches]
    log_p, mc, ess = (torch.cat(column) for column in zip(*parts, strict=True))
    n = len(log_p)
    return {
        "nll": -float(log_p.mean()),
        "nll_se": _error(log_p),
        "nll_mc_se": float(mc.square().sum().sqrt() / n) if samples > 1 else None,
        "nll_samples": samples,
        "nll_items": n,
        "ess": float(ess.median()),
    }
