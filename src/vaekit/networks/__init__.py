"""Networks from tensors to tensors."""

from __future__ import annotations

__all__ = [
    "MLP",
    "Codebook",
    "ConvDecoder",
    "ConvEncoder",
    "Convolutional",
    "Dense",
    "Gyroplanar",
    "Gyroplanes",
    "Head",
    "Hyperboloid",
    "Lorentzian",
    "Pair",
    "Residual",
    "ResidualDecoder",
    "ResidualEncoder",
    "ZeroFill",
    "features_of",
    "parameter_dtype",
]

from vaekit.networks.codebook import Codebook
from vaekit.networks.conv import ConvDecoder, ConvEncoder
from vaekit.networks.gyroplanes import Gyroplanar, Gyroplanes
from vaekit.networks.head import Head, features_of
from vaekit.networks.hyperboloid import Hyperboloid, Lorentzian
from vaekit.networks.missing import ZeroFill
from vaekit.networks.mlp import MLP, parameter_dtype
from vaekit.networks.pairs import Convolutional, Dense, Pair, Residual
from vaekit.networks.residual import ResidualDecoder, ResidualEncoder
