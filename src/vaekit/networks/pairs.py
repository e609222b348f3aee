"""Pairs: an encoder and a decoder that belong together, made for the shape of the data."""

from __future__ import annotations

__all__ = ["Compressing", "Convolutional", "Curved", "Dense", "Mapped", "Pair", "Residual"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from vaekit.networks.conv import ConvDecoder, ConvEncoder
from vaekit.networks.maps import CompressingDecoder, CompressingEncoder, MapDecoder, MapEncoder
from vaekit.networks.mlp import MLP, require_widths
from vaekit.networks.residual import ResidualDecoder, ResidualEncoder


class Pair:
    """The base: makes an encoder and a decoder."""

    def encoder(self, shape: Sequence[int], context: int) -> nn.Module:
        raise NotImplementedError

    def decoder(self, shape: Sequence[int], latent_dim: int, context: int) -> nn.Module:
        raise NotImplementedError


@dataclass(frozen=True)
class Dense(Pair):
    """Fully connected; the decoder has the encoder's layers in reverse.

    Example:
        >>> Dense((64, 32)).decoder((10,), 2, 0).features
        (64,)
    """

    hidden: Sequence[int] = (512, 256)
    activation: type[nn.Module] = nn.ReLU

    def encoder(self, shape: Sequence[int], context: int) -> nn.Module:
        return MLP(shape, self.hidden, context=context, activation=self.activation)

    def decoder(self, shape: Sequence[int], latent_dim: int, context: int) -> nn.Module:
        require_widths(self.hidden)
        return MLP(latent_dim, tuple(reversed(self.hidden)), context=context, activation=self.activation)


@dataclass(frozen=True)
class Curved(Dense):
    """The base of fully connected networks whose decoder is given points of the Poincare ball."""

    curvature: float = 1.0
    decodes: ClassVar[Callable[..., nn.Module]]  # (latent_dim, widths, curvature=, context=, activation=)

    def decoder(self, shape: Sequence[int], latent_dim: int, context: int) -> nn.Module:
        widths, c = tuple(reversed(self.hidden)), self.curvature
        return type(self).decodes(latent_dim, widths, curvature=c, context=context, activation=self.activation)


@dataclass(frozen=True)
class Convolutional(Pair):
    """Strided convolutions, a halving each; without a width no fully connected layer, and a map of latents."""

    channels: Sequence[int] = (32, 64)
    width: int | None = 256

    def encoder(self, shape: Sequence[int], context: int) -> nn.Module:
        return ConvEncoder(shape, self.channels, width=self.width, context=context)

    def decoder(self, shape: Sequence[int], latent_dim: int | Sequence[int], context: int) -> nn.Module:
        return ConvDecoder(shape, latent_dim, self.channels, context=context)


@dataclass(frozen=True)
class Residual(Pair):
    """Residual blocks between the halvings."""

    channels: Sequence[int] = (32, 64)
    width: int = 256
    blocks: int = 1

    def encoder(self, shape: Sequence[int], context: int) -> nn.Module:
        return ResidualEncoder(shape, self.channels, width=self.width, blocks=self.blocks, context=context)

    def decoder(self, shape: Sequence[int], latent_dim: int, context: int) -> nn.Module:
        return ResidualDecoder(shape, latent_dim, self.channels, blocks=self.blocks, context=context)


@dataclass(frozen=True)
class Mapped(Pair):
    """Residual cells and attention between a picture and a map of latents (Rombach et al. 2022, arXiv:2112.10752)."""

    channels: Sequence[int] = (32, 64)
    blocks: int = 1
    encodes: ClassVar[type[MapEncoder]] = MapEncoder
    decodes: ClassVar[type[MapDecoder]] = MapDecoder

    def encoder(self, shape: Sequence[int], context: int) -> nn.Module:
        return type(self).encodes(shape, self.channels, blocks=self.blocks, context=context)

    def decoder(self, shape: Sequence[int], latent_dim: int | Sequence[int], context: int) -> nn.Module:
        latent = (latent_dim,) if isinstance(latent_dim, int) else latent_dim
        return type(self).decodes(shape, latent, self.channels, blocks=self.blocks, context=context)


@dataclass(frozen=True)
class Compressing(Mapped):
    """The same with shortcuts around halvings and doublings (Chen et al. 2024, arXiv:2410.10733)."""

    encodes: ClassVar[type[MapEncoder]] = CompressingEncoder
    decodes: ClassVar[type[MapDecoder]] = CompressingDecoder
