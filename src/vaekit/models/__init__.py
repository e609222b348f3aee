"""Models: a prior, a posterior and a likelihood, and one pass of data through them."""

from __future__ import annotations

__all__ = [
    "VAE", "BidirectionalVAE", "Downward", "EachModality", "HierarchicalVAE", "JoinedBlock", "Level", "ModalBlock",
    "Model", "PictureBlock", "ResidualPictureBlock", "TopDownBlock", "Trace", "Upward", "VampTop",
]  # fmt: skip

from vaekit.models.bidirectional import BidirectionalVAE, Downward, Upward
from vaekit.models.hierarchical import HierarchicalVAE, Level, TopDownBlock
from vaekit.models.levels import JoinedBlock, PictureBlock, ResidualPictureBlock, VampTop
from vaekit.models.modal_levels import EachModality, ModalBlock
from vaekit.models.model import Model
from vaekit.models.trace import Trace
from vaekit.models.vae import VAE
