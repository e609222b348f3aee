"""Illnesses of the fit and of its numbers: too long, too short, too few draws, seeds that disagree."""

from __future__ import annotations

__all__ = ["few_draws", "overfitting", "seeds_disagree", "underfitting"]

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vaekit.doctor.case import Case
from vaekit.doctor.finding import Finding

GAP = 0.5  # of the rate: how much better training items may score than held-out ones
ERRORS = 4.0  # standard errors that a difference must be
FALLING = 0.005  # of the bound: a fall from one fifth of the training to the next that counts
EPOCHS = 5  # of history, at least
SAMPLES = 1.5  # effective samples an item below which the likelihood hangs on single draws
RISING = 0.75  # nats that twice the draws may still gain


def overfitting(case: Case) -> Finding | None:
    """The gap between training and held-out items, against its error and against what the latents carry."""
    if case.train is None or case.numbers is None or case.held_numbers is None:
        return None
    train, held = case.numbers, case.held_numbers
    if train["elbo"] is None or train["elbo_se"] is None or held["elbo_se"] is None:
        return None
    gap, error = train["elbo"] - held["elbo"], math.hypot(train["elbo_se"], held["elbo_se"])
    if gap < ERRORS * error or gap < GAP * max(train["rate"], 1.0):
        return None
    return Finding(
        "overfitting",
        f"the ELBO of training items is {gap:.1f} +- {error:.1f} nats above that of held-out items, and the latents "
        f"carry {train['rate']:.1f} nats",
        "stop earlier (--early-stopping 5), take a smaller network or fewer latents, or get more data",
    )


def underfitting(case: Case) -> Finding | None:
    """Before the rate was lowered for the end, the loss fell by more than held-out items lag behind.

    The last fifth tells nothing: a learning rate that goes to 0 flattens every curve.
    """
    loss, name = _curve(case.rows)
    if len(loss) < EPOCHS or case.train is None or case.numbers is None or case.held_numbers is None:
        return None
    fifth = len(loss) // 5
    fell = float(loss[2 * fifth : 3 * fifth].mean() - loss[3 * fifth : 4 * fifth].mean())
    score = "distortion" if case.numbers["elbo"] is None else "elbo"
    gap = abs(case.numbers[score] - case.held_numbers[score])
    if fell < gap or fell < FALLING * abs(case.held_numbers[score]):
        return None
    return Finding(
        "underfitting",
        f"the {name} fell by {fell:.2g} nats from the third fifth of the training to the fourth, more than held-out "
        f"items are behind training items ({gap:.2g} nats)",
        "train longer (--epochs), or raise lr",
    )


def _curve(rows: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, str]:
    """The held-out loss of each epoch at beta = 1, or the training loss where there is no other."""
    for name, sign, said in (("valid_elbo", -1.0, "held-out loss"), ("valid_distortion", 1.0, "held-out distortion"),
                             ("elbo", -1.0, "loss"), ("distortion", 1.0, "distortion")):  # fmt: skip
        values = [row[name] for row in rows if row.get(name) is not None]
        if len(values) == len(rows) and values:
            return sign * np.asarray(values, dtype=float), said
    return np.empty(0), ""


def few_draws(case: Case) -> Finding | None:
    """An NLL that is set by single draws, or that still falls with their number."""
    ess, k, nll = (case.metrics.get(name) for name in ("ess", "nll_samples", "nll"))
    if ess is None or not k or nll is None or k == 1:
        return None
    curve = case.metrics.get("nll_curve") or []
    half = next((row[1] for row in reversed(curve) if row[0] <= k / 2), None)
    rising = half is not None and half - nll > RISING
    if ess >= SAMPLES and not rising:
        return None
    evidence = f"of {k} draws an item {ess:.1f} count (median)"
    if rising:
        evidence += f", and half the draws gave an NLL {half - nll:.2f} nats higher"
    return Finding(
        "too few draws for the NLL",
        f"{evidence}, so the NLL of {nll:.1f} nats is an upper bound that is not near",
        f"evaluate with --importance-samples {max(5000, 10 * k)}, or by annealed importance sampling",
    )


def seeds_disagree(cases: Sequence[Case]) -> Finding | None:
    """Runs that differ in their seed alone, and in their bound by more than its error."""
    found = [(c.held_numbers or c.numbers) for c in cases]
    values = [n["elbo"] for n in found if n is not None and n["elbo"] is not None]
    errors = [n["elbo_se"] or 0.0 for n in found if n is not None and n["elbo"] is not None]
    rates = [n["rate"] for n in found if n is not None and n["elbo"] is not None]
    if len(values) < 2:
        return None
    spread = max(values) - min(values)
    if spread < ERRORS * max(errors) or spread < 0.25 * max(max(rates), 1.0):
        return None
    shown = ", ".join(f"{value:.1f}" for value in values)
    return Finding(
        "seeds that disagree",
        f"runs that differ in their seed have held-out ELBOs of {shown} nats, with an error of {max(errors):.1f}",
        "report their mean and spread, lower lr or warm up longer, and look for collapse in the worst",
    )
