"""Illnesses of the fit and of its numbers: too long, too short, too few draws, seeds that disagree."""

from __future__ import annotations

__all__ = ["few_draws", "overfitting", "seeds_disagree", "underfitting"]

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from vaekit.doctor.case import Case
from vaekit.doctor.finding import Finding
from vaekit.evaluation.number import mean_error

ERRORS = 4.0  # standard errors that a difference of two scores must be
KNOWN = 0.67  # of pairs of a training and a held-out item: those where the training item scores better
RISEN, LEFT = 2.0, 2.0  # standard errors of the held-out score: lost by training on, still to be had by it
LEAST = 0.5  # nats below which a gain is not worth a training
EPOCHS = 5  # of history, at least
SAMPLES = 1.5  # effective samples an item below which the likelihood hangs on single draws
RISING = 0.75  # nats that twice the draws may still gain


def overfitting(case: Case) -> Finding | None:
    """Held-out items scored better before, or the score tells which items were trained on.

    A gap between training and held-out items is no illness by itself: any flexible model has one at its best epoch.
    It is one where the weights know the items by heart, so that a training item beats most held-out ones.
    """
    if case.scores is None or case.held_scores is None or min(len(case.scores), len(case.held_scores)) < 2:
        return None
    train, held = case.scores, case.held_scores
    gap, error = float(train.mean() - held.mean()), math.hypot(_error(train), _error(held))
    if gap < ERRORS * error:
        return None
    lost, when = _lost(case)
    known = float((train.unsqueeze(1) > held).double().mean())
    if lost >= max(RISEN * _error(held), LEAST):
        evidence = f"held-out items scored {lost:.1f} nats better {when} than with the weights that were kept"
    elif known >= KNOWN:
        evidence = f"a training item scores better than a held-out one in {known:.0%} of pairs, where chance gives 50 %"
    else:
        return None
    return Finding(
        "overfitting",
        f"{evidence}; on average training items score {gap:.1f} +- {error:.1f} nats better",
        "stop earlier (--early-stopping 5), take a smaller network or fewer latents, or get more data",
    )


def _error(scores: Tensor) -> float:
    return mean_error(scores) or 0.0


def _lost(case: Case) -> tuple[float, str]:
    """How much better held-out items scored at the best epoch than with the weights kept, in nats, and when."""
    curve, rows, _ = _curve(case.rows, held=True)
    if not rows:
        return 0.0, ""
    best = int(curve.argmin())
    return float(curve[_kept(case, rows)] - curve[best]), f"after epoch {rows[best].get('epoch', best + 1)}"


def _kept(case: Case, rows: Sequence[Mapping[str, Any]]) -> int:
    """Which of the history's rows has the model's weights."""
    if case.record.get("settings", {}).get("keep") == "best":
        best = case.metrics.get("best_step")
        return next((i for i, row in enumerate(rows) if row.get("step") == best), len(rows) - 1)
    return len(rows) - 1


def underfitting(case: Case) -> Finding | None:
    """What as many epochs again would still gain, by the fall of the held-out loss before its rate was lowered.

    The fall from the third fifth of the training to the fourth is taken on as a geometric series, by its share of the
    fall before it. The last fifth tells nothing: a learning rate that goes to 0 flattens every curve.
    """
    if case.scores is None or case.held_scores is None or len(case.held_scores) < 2:
        return None
    loss, rows, name = _curve(case.rows, held=True)
    alone = not rows  # without a held-out loss: the training loss, which falls in overfitting too
    if alone:
        loss, rows, name = _curve(case.rows, held=False)
    if len(rows) < EPOCHS:
        return None
    before, fell, left = _falls(loss)
    gap, error = abs(float(case.scores.mean() - case.held_scores.mean())), _error(case.held_scores)
    if left < max(LEFT * error, LEAST) or (alone and left < gap):
        return None
    return Finding(
        "underfitting",
        f"the {name} fell by {before:.2g} nats from the second fifth of the training to the third and by {fell:.2g} to "
        f"the fourth, so that as many epochs again may gain {left:.3g} nats; the score of held-out items has an error "
        f"of {error:.2g}",
        "train longer (--epochs), or raise lr",
    )


def _falls(loss: np.ndarray) -> tuple[float, float, float]:
    """The falls of the loss from the second fifth to the third and on to the fourth, and of five fifths more."""
    fifth = len(loss) // 5
    second, third, fourth = (float(loss[i * fifth : (i + 1) * fifth].mean()) for i in (1, 2, 3))
    before, fell = second - third, third - fourth
    share = min(max(fell, 0.0) / before, 1.0) if before > 0 else 1.0
    return before, fell, fell * sum(share**i for i in range(1, 6))


def _curve(rows: Sequence[Mapping[str, Any]], *, held: bool) -> tuple[np.ndarray, Sequence[Mapping[str, Any]], str]:
    """The loss at beta = 1 of held-out or of training items, the rows that have it, and its name; empty without one."""
    before, said = ("valid_", "held-out ") if held else ("", "")
    for name, sign, what in (("elbo", -1.0, "loss"), ("distortion", 1.0, "distortion")):
        there = [row for row in rows if row.get(before + name) is not None]
        if there:
            return sign * np.asarray([row[before + name] for row in there], dtype=float), there, said + what
    return np.empty(0), [], ""


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
