"""Objectives: sums of terms that read a trace, and who moves what."""

from __future__ import annotations

__all__ = [
    "CUBO",
    "ELBO",
    "GECO",
    "IWAE",
    "KL",
    "MIWAE",
    "MMD",
    "RBF",
    "REINFORCE",
    "RELAX",
    "STL",
    "TVO",
    "VIMCO",
    "Aggressive",
    "AuxiliaryELBO",
    "Balanced",
    "BalancedLinks",
    "BesideErrors",
    "BlockCapacity",
    "Bound",
    "Capacity",
    "Classification",
    "ClusterELBO",
    "CodeEntropy",
    "Commitment",
    "Contraction",
    "Control",
    "ControlledRate",
    "CovarianceOfMeans",
    "CovarianceOfSamples",
    "CrossELBO",
    "DReG",
    "DecoderGradient",
    "DecoderNorm",
    "Denoising",
    "DensityRatio",
    "Dequantization",
    "DisARM",
    "Discriminate",
    "DiscriminateItems",
    "DiscriminatePatches",
    "Dissimilarity",
    "Distortion",
    "EnumeratedELBO",
    "Equivariance",
    "ExpertFit",
    "ExpertKL",
    "FeatureDistance",
    "FocalFrequency",
    "Fool",
    "FoolItems",
    "FoolPatches",
    "FreeBits",
    "FromSubsets",
    "Game",
    "GradientNoise",
    "GroupELBO",
    "InverseMultiquadric",
    "LatentNorm",
    "MuForcing",
    "MutualInformation",
    "OfSubsets",
    "PerceptualDistance",
    "RandomSubsets",
    "Recipe",
    "Reconstruction",
    "Renyi",
    "Schedule",
    "Sinkhorn",
    "SkipELBO",
    "Sleep",
    "SlicedWasserstein",
    "Sparsity",
    "StackedELBO",
    "Term",
    "TotalCorrelation",
    "WakePhi",
    "WeighedMIWAE",
    "as_game",
    "check",
    "posterior_sample",
    "prior_sample",
    "schedules",
    "shuffled",
    "with_posterior",
    "with_prior",
]

from vaekit.objectives import schedules
from vaekit.objectives.adversarial import (
    DensityRatio,
    Discriminate,
    DiscriminateItems,
    Fool,
    FoolItems,
    posterior_sample,
    prior_sample,
    shuffled,
    with_posterior,
    with_prior,
)
from vaekit.objectives.aggressive import Aggressive
from vaekit.objectives.balanced import Balanced, DiscriminatePatches, FoolPatches
from vaekit.objectives.bounds import ELBO, IWAE, KL, Reconstruction
from vaekit.objectives.capacity import BlockCapacity, Capacity, FreeBits, MuForcing
from vaekit.objectives.check import check
from vaekit.objectives.classes import AuxiliaryELBO, Classification, ClusterELBO, EnumeratedELBO, SkipELBO, StackedELBO
from vaekit.objectives.control import GECO, ControlledRate
from vaekit.objectives.disentangle import CovarianceOfMeans, CovarianceOfSamples, MutualInformation, TotalCorrelation
from vaekit.objectives.equivariance import Equivariance
from vaekit.objectives.game import Game, as_game
from vaekit.objectives.groups import GroupELBO
from vaekit.objectives.links import BalancedLinks
from vaekit.objectives.matching import MMD, RBF, InverseMultiquadric, Sinkhorn, SlicedWasserstein
from vaekit.objectives.modalities import (
    CrossELBO,
    Distortion,
    ExpertFit,
    ExpertKL,
    WeighedMIWAE,
)
from vaekit.objectives.multisample import MIWAE, STL, TVO, DReG, Renyi
from vaekit.objectives.penalties import Contraction, DecoderGradient, DecoderNorm, Denoising, LatentNorm, Sparsity
from vaekit.objectives.perceptual import (
    BesideErrors,
    Dissimilarity,
    FeatureDistance,
    FocalFrequency,
    PerceptualDistance,
)
from vaekit.objectives.quantize import CodeEntropy, Commitment, Dequantization
from vaekit.objectives.recipe import Recipe
from vaekit.objectives.relax import RELAX, Control, GradientNoise
from vaekit.objectives.schedules import Schedule
from vaekit.objectives.score import REINFORCE, VIMCO, DisARM
from vaekit.objectives.subsets import FromSubsets, OfSubsets, RandomSubsets
from vaekit.objectives.term import Bound, Term
from vaekit.objectives.upper import CUBO
from vaekit.objectives.wake_sleep import Sleep, WakePhi
