"""Objectives: sums of terms that read a trace, and who moves what."""

from __future__ import annotations

__all__ = [
    "ELBO",
    "IWAE",
    "KL",
    "Bound",
    "Commitment",
    "DensityRatio",
    "Discriminate",
    "Game",
    "Recipe",
    "Reconstruction",
    "Schedule",
    "Term",
    "as_game",
    "check",
    "posterior_sample",
    "schedules",
    "shuffled",
]

from vaekit.objectives import schedules
from vaekit.objectives.adversarial import DensityRatio, Discriminate, posterior_sample, shuffled
from vaekit.objectives.bounds import ELBO, IWAE, KL, Reconstruction
from vaekit.objectives.check import check
from vaekit.objectives.game import Game, as_game
from vaekit.objectives.quantize import Commitment
from vaekit.objectives.recipe import Recipe
from vaekit.objectives.schedules import Schedule
from vaekit.objectives.term import Bound, Term
