r"""Illnesses of the latents: collapse, dead codes, a posterior too wide or too narrow.

.. math:: s^* = \arg\max_s E_{z \sim N(\mu, s^2 \sigma^2)}[\log p(x|z)] - KL(N(\mu, s^2 \sigma^2) \| p(z))
"""

from __future__ import annotations

__all__ = ["collapse", "dead_codes", "regularisation"]

from typing import Any

import torch
from torch import Tensor

from vaekit.conditional import pick
from vaekit.distributions import Bernoulli, DiagonalGaussian
from vaekit.doctor.case import SEED, Case
from vaekit.doctor.finding import Finding
from vaekit.likelihoods import FixedScale, Gaussian
from vaekit.models import Trace
from vaekit.noise import forked

COLLAPSED = 0.3  # nats of rate in all below which the decoder does without the latents
UNUSED, DEAD = 0.01, 0.2  # a binary latent this near to always 0 or always 1; this share of such latents
WIDTHS = tuple(2.0 ** (i / 2) for i in range(-5, 6))  # of the posterior, times its own
TOO_WIDE, TOO_NARROW = 0.6, 1.7
BALANCE = 2.0  # how far the likelihood's fixed variance may be from its best


def collapse(case: Case) -> Finding | None:
    """Posterior collapse: q(z|x) is the prior for every x."""
    found = case.numbers
    if found is None or found["rate"] is None or found["rate"] >= COLLAPSED:
        return None
    return Finding(
        "posterior collapse",
        f"the latents carry {found['rate']:.2f} nats of each item in all, so the decoder makes every item without them",
        "let the rate's weight rise slowly (beta=vk.objectives.schedules.Linear(0, 1, steps=0.3)), lower beta, "
        "or take a weaker decoder; if the items have nothing in common, there is nothing to learn",
    )


def dead_codes(case: Case) -> Finding | None:
    """Binary latents that never change."""
    means = [q.mean for _, q in case.posteriors() if isinstance(q, Bernoulli)]
    if not means:
        return None
    average = torch.cat(means).double().mean(0)
    dead = int(((average < UNUSED) | (average > 1 - UNUSED)).sum())
    if dead <= DEAD * len(average):
        return None
    return Finding(
        "dead codes",
        f"{dead} of {len(average)} binary latents are the same for 99 % of the items",
        "start with a lower beta or a higher temperature, or take fewer latents",
    )


def regularisation(case: Case) -> Finding | None:
    """The weight of the rate against what the bound itself asks for."""
    return _balance(case) or _width(case)


def _balance(case: Case) -> Finding | None:
    """A fixed variance of the Gaussian likelihood against the residuals' own."""
    likelihood = case.model.likelihood
    if not isinstance(likelihood, Gaussian) or not isinstance(likelihood.scale, FixedScale):
        return None
    lost = []
    with forked(SEED, case.device), torch.no_grad():
        for batch, q in case.posteriors():
            px = case.model._likelihood(q.rsample((1,)), batch.y)
            lost.append((px.mean[0] - batch.x).square().flatten(1).nanmean(1))
    if not lost:
        return None
    c, best = float((2 * likelihood.scale.log_scale).exp()), float(torch.cat(lost).double().mean())
    if c / best > BALANCE:
        return _said(True, f"the likelihood's variance is c = {c:.3g} and the residuals' own is {best:.3g}", best)
    if c / best < 1 / BALANCE:
        return _said(False, f"the likelihood's variance is c = {c:.3g} and the residuals' own is {best:.3g}", best)
    return None


def _said(over: bool, evidence: str, best: float) -> Finding:
    name = "over-regularisation" if over else "under-regularisation"
    why = "the rate weighs too much and details are lost" if over else "the rate weighs too little and samples suffer"
    remedy = f"learn the scale (vk.likelihoods.Gaussian(scale=vk.likelihoods.LearnedScale())), or set c near {best:.2g}"
    return Finding(name, f"{evidence}, so {why}", remedy)


def _width(case: Case) -> Finding | None:
    """The posterior's width against the width that the bound (beta = 1) would give it."""
    gains: list[Tensor] = []
    with forked(SEED, case.device), torch.no_grad():
        for batch, q in case.posteriors():
            if not isinstance(q, DiagonalGaussian) or not case.supported:
                return None
            noise = torch.randn_like(q.loc)
            gains.append(torch.stack([_bound(case.model, batch, q, width, noise) for width in WIDTHS]))
    if not gains:
        return None
    bounds = torch.cat(gains, 1).double()  # (widths, N)
    if bounds.shape[1] < 2:
        return None  # one item tells of no error
    best, own = int(bounds.mean(1).argmax()), WIDTHS.index(1.0)
    gain = bounds[best] - bounds[own]
    error = float(gain.std() / len(gain) ** 0.5)
    width = WIDTHS[best]
    if TOO_WIDE < width < TOO_NARROW or float(gain.mean()) < max(3 * error, 0.5):
        return None
    wide = width < 1
    return Finding(
        "over-regularisation" if wide else "under-regularisation",
        f"posteriors {width:.2g} times as wide would have an ELBO {float(gain.mean()):.1f} +- {error:.1f} nats higher "
        "on the same items, so "
        + ("the rate weighs too much and details are lost" if wide else "the rate weighs too little"),
        "set beta to 1" + ("" if wide else " and train longer") + ", unless this is what beta was chosen for",
    )


def _bound(model: Any, batch: Any, q: DiagonalGaussian, width: float, noise: Tensor) -> Tensor:
    """The ELBO of each item with q made `width` times as wide, (B,)."""
    wide = DiagonalGaussian(q.loc, q.log_scale + float(torch.tensor(width).log()))
    z = wide.from_noise(noise).unsqueeze(0)
    px = model.likelihood(z, *pick(model.likelihood, batch.y))
    levels = ((wide, model._prior(batch.y), z),)
    trace = Trace(batch.x, batch.y, levels, px, missing=model.takes_missing)
    return trace.log_px[0] - trace.kl
