"""Networks from tensors to tensors."""

from __future__ import annotations

__all__ = [
    "MLP",
    "Cell",
    "Codebook",
    "ConvDecoder",
    "ConvEncoder",
    "Convolutional",
    "Dense",
    "Head",
    "Pair",
    "PictureLevel",
    "PixelNet",
    "Residual",
    "ResidualDecoder",
    "ResidualEncoder",
    "SpectralNorm",
    "ZeroFill",
    "as_map",
    "as_vector",
    "features_of",
    "parameter_dtype",
    "picture_shape",
]

from vaekit.networks.codebook import Codebook
from vaekit.networks.conv import ConvDecoder, ConvEncoder, as_map, as_vector, picture_shape
from vaekit.networks.head import Head, features_of
from vaekit.networks.masked import PixelNet
from vaekit.networks.missing import ZeroFill
from vaekit.networks.mlp import MLP, parameter_dtype
from vaekit.networks.pairs import Convolutional, Dense, Pair, Residual
from vaekit.networks.residual import Cell, PictureLevel, ResidualDecoder, ResidualEncoder
from vaekit.networks.spectral import SpectralNorm
