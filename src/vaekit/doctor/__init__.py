"""The doctor: what is wrong with a trained model, with the evidence and the remedy."""

from __future__ import annotations

__all__ = ["DIAGNOSES", "Case", "Finding", "examine"]

from collections.abc import Callable, Sequence

from vaekit.doctor.case import Case
from vaekit.doctor.finding import Finding
from vaekit.doctor.fitting import few_draws, overfitting, seeds_disagree, underfitting
from vaekit.doctor.holes import prior_holes
from vaekit.doctor.latents import collapse, dead_codes, regularisation
from vaekit.doctor.likelihoods import grey_as_bits, saturated_scales, unsupported, whole_numbers

DIAGNOSES: tuple[Callable[[Case], Finding | None], ...] = (
    collapse, dead_codes, prior_holes, regularisation, unsupported, grey_as_bits, whole_numbers, saturated_scales,
    overfitting, underfitting, few_draws,
)  # fmt: skip


def examine(cases: Case | Sequence[Case]) -> list[Finding]:
    """All findings on a model, or on runs of one model from several seeds; an empty list is a clean bill of health."""
    several = [cases] if isinstance(cases, Case) else list(cases)
    found = [finding for case in several for diagnose in DIAGNOSES if (finding := diagnose(case)) is not None]
    together = seeds_disagree(several) if len(several) > 1 else None
    return [*found, together] if together is not None else found
