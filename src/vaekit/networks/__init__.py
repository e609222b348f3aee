"""Networks from tensors to tensors."""

from __future__ import annotations

__all__ = [
    "FSQ",
    "MADE",
    "MLP",
    "BinarySpherical",
    "ByPlace",
    "CausalTransformer",
    "Cell",
    "ClassAside",
    "Codebook",
    "Columns",
    "Compressing",
    "CompressingDecoder",
    "CompressingEncoder",
    "ConvDecoder",
    "ConvEncoder",
    "Convolutional",
    "Curved",
    "Dense",
    "Doubling",
    "GraphEncoder",
    "Grouped",
    "Gyroplanar",
    "Gyroplanes",
    "Halving",
    "Head",
    "Hyperboloid",
    "InnerProducts",
    "LinearCodebook",
    "LookupFree",
    "Lorentzian",
    "MapDecoder",
    "MapEncoder",
    "Mapped",
    "MapsDecoder",
    "OneHot",
    "Pair",
    "PatchCritic",
    "PictureLevel",
    "PixelCNN",
    "PixelNet",
    "Quantizer",
    "RefiningCodes",
    "Residual",
    "ResidualCodes",
    "ResidualDecoder",
    "ResidualEncoder",
    "SelfAttention",
    "Series",
    "SeriesEncoder",
    "Shares",
    "SpectralNorm",
    "StepDecoder",
    "SummedCodes",
    "TokenDecoder",
    "TokenEncoder",
    "VectorTable",
    "WithoutClass",
    "ZeroFill",
    "as_map",
    "as_vector",
    "features_of",
    "flows",
    "parameter_dtype",
    "picture_shape",
    "tiled",
]

from vaekit.networks import flows
from vaekit.networks.causal import CausalTransformer
from vaekit.networks.classed import ClassAside, WithoutClass
from vaekit.networks.codebook import Codebook, LinearCodebook
from vaekit.networks.columns import Columns
from vaekit.networks.conv import ConvDecoder, ConvEncoder, as_map, as_vector, picture_shape
from vaekit.networks.graph import GraphEncoder, InnerProducts
from vaekit.networks.gyroplanes import Gyroplanar, Gyroplanes
from vaekit.networks.head import Head, features_of
from vaekit.networks.hyperboloid import Hyperboloid, Lorentzian
from vaekit.networks.lattice import FSQ, BinarySpherical, LookupFree
from vaekit.networks.levels import ByPlace, MapsDecoder
from vaekit.networks.maps import CompressingDecoder, CompressingEncoder, MapDecoder, MapEncoder, SelfAttention
from vaekit.networks.masked import MADE
from vaekit.networks.masked_codes import PixelCNN
from vaekit.networks.masked_conv import PixelNet
from vaekit.networks.missing import ZeroFill
from vaekit.networks.mlp import MLP, parameter_dtype
from vaekit.networks.onehot import OneHot
from vaekit.networks.pairs import Compressing, Convolutional, Curved, Dense, Mapped, Pair, Residual
from vaekit.networks.patches import PatchCritic
from vaekit.networks.quantizer import Quantizer, VectorTable
from vaekit.networks.refining import RefiningCodes, SummedCodes
from vaekit.networks.residual import Cell, PictureLevel, ResidualDecoder, ResidualEncoder
from vaekit.networks.series import Series, SeriesEncoder, StepDecoder
from vaekit.networks.several import Grouped, ResidualCodes
from vaekit.networks.shares import Shares
from vaekit.networks.shortcuts import Doubling, Halving
from vaekit.networks.spectral import SpectralNorm
from vaekit.networks.tiled import tiled
from vaekit.networks.tokens import TokenDecoder, TokenEncoder
