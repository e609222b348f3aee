r"""Missing values filled in by what the model makes of the observed ones.

.. math:: E[x_{mis} | x_{obs}] \approx \sum_k \frac{w_k}{\sum_j w_j} E[x_{mis}|z_k], \quad
    w = p(x_{obs}|z)\, p(z) / q(z|x_{obs})
"""

from __future__ import annotations

__all__ = ["drawn_imputations", "mean_imputation"]

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vaekit.messages import Mistake
from vaekit.models import Model
from vaekit.models.model import UserUnits

CHUNK = 100  # draws of z at a time


@torch.no_grad()
def mean_imputation(model: Model, x: Tensor, y: Mapping[str, Tensor] | None = None, *, samples: int = 1000) -> Tensor:
    """The mean of p(x_mis | x_obs) in the user's units, by self-normalised importance sampling of K = samples draws
    (Mattei and Frellsen 2019, arXiv:1812.02633): consistent as K grows.

    Args:
        model: one that takes missing values.
        x: (B, *X) in the model's units, NaN where missing.
        y: the encoded context.

    Returns:
        (B, *X), what stands for all values, the observed ones too.

    Raises:
        Mistake: for a model without a density, or one that cannot read gaps.
    """
    _require(model)
    peak = x.new_full((len(x),), -torch.inf, dtype=torch.float64)
    mass, total = torch.zeros_like(peak), torch.zeros_like(x, dtype=torch.float64)
    for trace in model.traces(x, y, samples, min(CHUNK, samples)):
        log_w = trace.log_w.double()  # (K, B)
        rise = torch.maximum(peak, log_w.amax(0))
        weight, kept = (log_w - rise).exp(), (peak - rise).exp()
        sums = torch.einsum("kb,kb...->b...", weight, trace.px.mean.double())
        total = total * kept.view(-1, *[1] * (x.ndim - 1)) + sums
        mass, peak = mass * kept + weight.sum(0), rise
    mean = (total / mass.view(-1, *[1] * (x.ndim - 1))).to(x.dtype)
    return mean if model.transform is None else model.transform.inverse(mean)


@torch.no_grad()
def drawn_imputations(
    model: Model, x: Tensor, y: Mapping[str, Tensor] | None = None, *, draws: int, samples: int = 1000
) -> Tensor:
    """Draws from p(x_mis | x_obs) in the user's units: of K = samples draws of z one is taken with the probability of
    its weight (Rubin 1987, sampling importance resampling), and x drawn from p(x|z).

    Args:
        model: one that takes missing values.
        x: (B, *X) in the model's units, NaN where missing.
        y: the encoded context.
        draws: M, how many for each item.

    Returns:
        (M, B, *X).
    """
    _require(model)
    best = x.new_full((draws, len(x)), -torch.inf, dtype=torch.float64)
    kept: list[Tensor] = []
    items = torch.arange(len(x), device=x.device)
    for trace in model.traces(x, y, samples, min(CHUNK, samples)):
        # the largest of log w + Gumbel noise is a draw with probability proportional to w, which chunks can share
        log_w = trace.log_w.double()
        noise = torch.rand((draws, *log_w.shape), dtype=torch.float64, device=x.device)
        value, which = (log_w - (-noise.log()).log()).max(1)  # (M, B)
        better = value > best
        best = torch.where(better, value, best)
        levels = trace.z if isinstance(trace.z, tuple) else (trace.z,)
        new = [z[which, items] for z in levels]  # (M, B, *Z)
        kept = [_where(better, z, old) for z, old in zip(new, kept or new, strict=True)]
    z: Any = tuple(kept) if len(kept) > 1 else kept[0]
    return UserUnits(model._likelihood(z, y), model.transform).sample()


def _where(better: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(better.view(*better.shape, *[1] * (new.ndim - 2)), new, old)


def _require(model: Model) -> None:
    if not model.takes_missing or not model.has_density:
        raise Mistake("this model cannot read missing values: train one that can, such as the recipe 'miwae'.")
