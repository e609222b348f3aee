"""Networks from tensors to tensors."""

from __future__ import annotations

__all__ = [
    "FSQ",
    "MLP",
    "BinarySpherical",
    "ByPlace",
    "Codebook",
    "ConvDecoder",
    "ConvEncoder",
    "Convolutional",
    "Dense",
    "Grouped",
    "Head",
    "LinearCodebook",
    "LookupFree",
    "MapsDecoder",
    "Pair",
    "Quantizer",
    "Residual",
    "ResidualCodes",
    "ResidualDecoder",
    "ResidualEncoder",
    "VectorTable",
    "ZeroFill",
    "features_of",
    "parameter_dtype",
]

from vaekit.networks.codebook import Codebook, LinearCodebook
from vaekit.networks.conv import ConvDecoder, ConvEncoder
from vaekit.networks.head import Head, features_of
from vaekit.networks.lattice import FSQ, BinarySpherical, LookupFree
from vaekit.networks.levels import ByPlace, MapsDecoder
from vaekit.networks.missing import ZeroFill
from vaekit.networks.mlp import MLP, parameter_dtype
from vaekit.networks.pairs import Convolutional, Dense, Pair, Residual
from vaekit.networks.quantizer import Quantizer, VectorTable
from vaekit.networks.residual import ResidualDecoder, ResidualEncoder
from vaekit.networks.several import Grouped, ResidualCodes
