"""Evaluation: numbers with their units and errors."""

from __future__ import annotations

__all__ = ["bound_numbers", "log_likelihoods", "nll_numbers", "shared_log_likelihoods"]

from vaekit.evaluation.likelihood import bound_numbers, log_likelihoods, nll_numbers
from vaekit.evaluation.shared import shared_log_likelihoods
