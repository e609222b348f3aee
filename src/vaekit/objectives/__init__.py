"""Objectives: sums of terms that read a trace, and who moves what."""

from __future__ import annotations

__all__ = [
    "ELBO",
    "GECO",
    "IWAE",
    "KL",
    "MIWAE",
    "MMD",
    "RBF",
    "STL",
    "TVO",
    "Bound",
    "Capacity",
    "Commitment",
    "Contraction",
    "ControlledRate",
    "CovarianceOfMeans",
    "CovarianceOfSamples",
    "CrossELBO",
    "DReG",
    "DecoderGradient",
    "DecoderNorm",
    "Denoising",
    "DensityRatio",
    "Discriminate",
    "Distortion",
    "ExpertKL",
    "FreeBits",
    "Game",
    "InverseMultiquadric",
    "LatentNorm",
    "MutualInformation",
    "OfSubsets",
    "RandomSubsets",
    "Recipe",
    "Reconstruction",
    "Renyi",
    "Schedule",
    "SlicedWasserstein",
    "Sparsity",
    "Term",
    "TotalCorrelation",
    "as_game",
    "check",
    "posterior_sample",
    "schedules",
    "shuffled",
]

from vaekit.objectives import schedules
from vaekit.objectives.adversarial import DensityRatio, Discriminate, posterior_sample, shuffled
from vaekit.objectives.bounds import ELBO, IWAE, KL, Reconstruction
from vaekit.objectives.capacity import Capacity, FreeBits
from vaekit.objectives.check import check
from vaekit.objectives.control import GECO, ControlledRate
from vaekit.objectives.disentangle import CovarianceOfMeans, CovarianceOfSamples, MutualInformation, TotalCorrelation
from vaekit.objectives.game import Game, as_game
from vaekit.objectives.matching import MMD, RBF, InverseMultiquadric, SlicedWasserstein
from vaekit.objectives.modalities import CrossELBO, Distortion, ExpertKL, OfSubsets, RandomSubsets
from vaekit.objectives.multisample import MIWAE, STL, TVO, DReG, Renyi
from vaekit.objectives.penalties import Contraction, DecoderGradient, DecoderNorm, Denoising, LatentNorm, Sparsity
from vaekit.objectives.quantize import Commitment
from vaekit.objectives.recipe import Recipe
from vaekit.objectives.schedules import Schedule
from vaekit.objectives.term import Bound, Term
