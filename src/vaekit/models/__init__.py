"""Models: a prior, a posterior and a likelihood, and one pass of data through them."""

from __future__ import annotations

__all__ = ["VAE", "HierarchicalVAE", "Model", "TopDownBlock", "Trace"]

from vaekit.models.hierarchical import HierarchicalVAE, TopDownBlock
from vaekit.models.model import Model
from vaekit.models.trace import Trace
from vaekit.models.vae import VAE
