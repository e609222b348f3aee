"""Networks from tensors to tensors."""

from __future__ import annotations

__all__ = [
    "MADE",
    "MLP",
    "Codebook",
    "Columns",
    "ConvDecoder",
    "ConvEncoder",
    "Convolutional",
    "Dense",
    "Head",
    "OneHot",
    "Pair",
    "Residual",
    "ResidualDecoder",
    "ResidualEncoder",
    "Shares",
    "ZeroFill",
    "features_of",
    "flows",
    "parameter_dtype",
]

from vaekit.networks import flows
from vaekit.networks.codebook import Codebook
from vaekit.networks.columns import Columns
from vaekit.networks.conv import ConvDecoder, ConvEncoder
from vaekit.networks.head import Head, features_of
from vaekit.networks.masked import MADE
from vaekit.networks.missing import ZeroFill
from vaekit.networks.mlp import MLP, parameter_dtype
from vaekit.networks.onehot import OneHot
from vaekit.networks.pairs import Convolutional, Dense, Pair, Residual
from vaekit.networks.residual import ResidualDecoder, ResidualEncoder
from vaekit.networks.shares import Shares
