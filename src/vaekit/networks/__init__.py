"""Networks from tensors to tensors."""

from __future__ import annotations

__all__ = [
    "MLP",
    "ClassAside",
    "Codebook",
    "ConvDecoder",
    "ConvEncoder",
    "Convolutional",
    "Dense",
    "Head",
    "Pair",
    "Residual",
    "ResidualDecoder",
    "ResidualEncoder",
    "WithoutClass",
    "ZeroFill",
    "features_of",
    "parameter_dtype",
]

from vaekit.networks.classed import ClassAside, WithoutClass
from vaekit.networks.codebook import Codebook
from vaekit.networks.conv import ConvDecoder, ConvEncoder
from vaekit.networks.head import Head, features_of
from vaekit.networks.missing import ZeroFill
from vaekit.networks.mlp import MLP, parameter_dtype
from vaekit.networks.pairs import Convolutional, Dense, Pair, Residual
from vaekit.networks.residual import ResidualDecoder, ResidualEncoder
