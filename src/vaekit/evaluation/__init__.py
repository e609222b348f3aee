"""Evaluation: numbers with their units, errors and protocols."""

from __future__ import annotations

__all__ = [
    "Number",
    "annealed_log_likelihoods",
    "bdmc",
    "bound_numbers",
    "conditional_log_likelihoods",
    "disentanglement_numbers",
    "drawn_imputations",
    "flat",
    "hamiltonian_log_likelihoods",
    "link_numbers",
    "log_likelihoods",
    "mean_imputation",
    "nll_numbers",
    "paired_differences",
    "product_draws",
    "shared_log_likelihoods",
    "udr",
]

from vaekit.evaluation.annealed import annealed_log_likelihoods, bdmc
from vaekit.evaluation.disentanglement import disentanglement_numbers, udr
from vaekit.evaluation.experts import product_draws
from vaekit.evaluation.given import conditional_log_likelihoods
from vaekit.evaluation.hmc import hamiltonian_log_likelihoods
from vaekit.evaluation.imputation import drawn_imputations, mean_imputation
from vaekit.evaluation.likelihood import bound_numbers, log_likelihoods, nll_numbers
from vaekit.evaluation.links import link_numbers
from vaekit.evaluation.number import Number, flat
from vaekit.evaluation.paired import paired_differences
from vaekit.evaluation.shared import shared_log_likelihoods
