"""Reproductions: experiments of papers at a size that two cores can do, each run by `vaekit reproduce ROW`."""

from __future__ import annotations

__all__ = ["ROWS", "Row", "page", "reproduced"]

from vaekit.reproductions import (
    codes,
    disentanglement,
    fitted_priors,
    labels,
    likelihoods,
    missing,
    pictures,
    spaces,
)
from vaekit.reproductions.row import Row, page, reproduced

MODULES = (missing, likelihoods, labels, spaces, codes, disentanglement, fitted_priors, pictures)
ROWS = {row.name: row for module in MODULES for row in module.ROWS}
