"""Training: one engine for every objective; it knows models and objectives, never recipes."""

from __future__ import annotations

__all__ = [
    "Augmentation",
    "Batch",
    "Callback",
    "Fitter",
    "ForeignLoader",
    "Loader",
    "Settings",
    "Step",
    "apart",
    "binarize_tensor",
    "fit_together",
]

from vaekit.training.callbacks import Callback
from vaekit.training.fit import Fitter
from vaekit.training.loader import Augmentation, Batch, ForeignLoader, Loader, binarize_tensor
from vaekit.training.settings import Settings
from vaekit.training.step import Step
from vaekit.training.together import apart, fit_together
