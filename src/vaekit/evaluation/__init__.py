"""Evaluation: numbers with their units and errors."""

from __future__ import annotations

__all__ = [
    "Number",
    "bound_numbers",
    "flat",
    "log_likelihoods",
    "nll_numbers",
    "paired_differences",
    "shared_log_likelihoods",
]

from vaekit.evaluation.likelihood import bound_numbers, log_likelihoods, nll_numbers
from vaekit.evaluation.number import Number, flat
from vaekit.evaluation.paired import paired_differences
from vaekit.evaluation.shared import shared_log_likelihoods
