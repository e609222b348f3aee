"""Illnesses of the likelihood: the wrong family for the data, and scales at their bounds."""

from __future__ import annotations

__all__ = ["grey_as_bits", "saturated_scales", "unsupported", "whole_numbers"]

from typing import Any

import torch
from torch import Tensor

from vaekit.distributions import DiagonalGaussian, DiscretizedLogistic
from vaekit.doctor.case import Case
from vaekit.doctor.finding import Finding
from vaekit.likelihoods import Bernoulli, Gaussian
from vaekit.likelihoods.scales import SMALLEST, FixedScale, OptimalScale
from vaekit.posteriors.gaussian import LOG_SCALE

NOISE = 0.8  # of the distortion: the share that is noise of drawing grey values as 0 or 1
SPREAD = 0.8  # of its mean: the variance of a column of counts, at least
NEAR = 1e-2  # of a bound in log-scale
SATURATED = 0.05  # the share of scales at a bound


def unsupported(case: Case) -> Finding | None:
    """Values that the likelihood gives no probability: real-valued pixels under a Bernoulli."""
    if case.supported:
        return None
    wants = getattr(case.model.likelihood, "wants", "other values")
    x = case.x
    inside = float(((x > 0) & (x < 1)).float().mean())
    return Finding(
        "wrong likelihood",
        f"the {case.model.likelihood.label} likelihood is one of {wants}, and {inside:.0%} of the values lie between "
        "0 and 1, so that its loss is no bound on a log-likelihood",
        "binarise the data (binarize='dynamic'), or take vk.likelihoods.ContinuousBernoulli or Gaussian",
    )


def grey_as_bits(case: Case) -> Finding | None:
    """Grey pictures whose drawing as 0 or 1 is most of what the model has to explain."""
    if case.record.get("binarization") != "dynamic" or case.at_hand is None or case.numbers is None:
        return None
    if not isinstance(case.model.likelihood, Bernoulli):
        return None
    raw = case.at_hand.x.double()
    grey = raw / (255.0 if case.at_hand.x.dtype == torch.uint8 else 1.0)
    noise = float(torch.special.entr(grey).add(torch.special.entr(1 - grey)).flatten(1).nansum(1).mean())
    share = noise / max(case.numbers["distortion"], 1e-9)
    if share < NOISE:
        return None
    return Finding(
        "wrong likelihood",
        f"drawing grey values as 0 or 1 makes {noise:.0f} nats of noise an item, {min(share, 1.0):.0%} of the "
        f"distortion ({case.numbers['distortion']:.0f} nats), so that samples look grainy and detail drowns",
        "take --likelihood gaussian, or discretized_logistic for exact grey levels",
    )


def whole_numbers(case: Case) -> Finding | None:
    """Counts, or 0 and 1, under a Gaussian."""
    if not isinstance(case.model.likelihood, Gaussian) or case.at_hand is None or len(case.model.shape) > 1:
        return None
    x = case.at_hand.x.double()
    there = x[~x.isnan()]
    if not len(there) or bool((there != there.round()).any()) or float(there.min()) < 0:
        return None
    if float(there.max()) <= 1:
        return Finding(
            "wrong likelihood",
            "all values are 0 or 1 and the likelihood is a Gaussian density, which can rise without bound on them",
            "take --likelihood bernoulli",
        )
    mean, square = x.nanmean(0), x.square().nanmean(0)
    varied = square - mean.square() > SPREAD * mean
    if float(varied.double().mean()) < 0.5:
        return None
    return Finding(
        "wrong likelihood",
        f"the data are counts (whole numbers from 0 to {int(there.max()):,}, whose variance grows with their mean) and "
        "the likelihood is a Gaussian of one width, to which 3 and 300 are as uncertain",
        "take the logarithm, log(1 + count), before training, or a likelihood of counts",
    )


def saturated_scales(case: Case) -> Finding | None:
    """Scales at the bounds that keep them finite."""
    what, share = _worst(case)
    if share <= SATURATED:
        return None
    return Finding(
        "saturated scales",
        f"{share:.0%} of {what} are at the bound that keeps them finite, so that the model wants to be more certain "
        "than it can and its density means little",
        "drop columns that repeat others or are constant, add noise to data of few values, or fix the variance: "
        "vk.likelihoods.Gaussian(scale=vk.likelihoods.FixedScale(c=0.1))",
    )


def _worst(case: Case) -> tuple[str, float]:
    """The scales that are most often at a bound, and how often."""
    model: Any = case.model
    found = [("", 0.0)]
    if not len(case.x):
        return found[0]
    varied = case.x.double().flatten(1).std(0, correction=0) > 0  # a constant pixel's scale has nothing to learn
    if isinstance(model.likelihood, Gaussian) and not isinstance(model.likelihood.scale, (FixedScale, OptimalScale)):
        found.append(("the likelihood's scales", _share(_px(case), SMALLEST, -SMALLEST, varied)))
    for _, q in case.posteriors():
        if isinstance(q, DiagonalGaussian):
            ends = (q.log_scale < -LOG_SCALE + NEAR) | (q.log_scale > LOG_SCALE - NEAR)
            found.append(("the posterior's scales", float(ends.float().mean())))
        break
    if case.supported:
        px = _px(case)
        if isinstance(px, DiscretizedLogistic):
            found.append(("the likelihood's scales", _share(px, -7.0, 3.0, varied)))
    return max(found, key=lambda pair: pair[1])


def _px(case: Case) -> Any:
    for batch, q in case.posteriors():
        with torch.no_grad():
            return case.model._likelihood(q.mean, batch.y)
    return None


def _share(px: Any, low: float, high: float, varied: Tensor) -> float:
    """The share of the scales of varied elements that are at the ends."""
    if px is None:
        return 0.0
    scales = px.log_scale.expand(px.loc.shape).flatten(1)[:, varied]
    return float(((scales < low + NEAR) | (scales > high - NEAR)).float().mean()) if scales.numel() else 0.0
