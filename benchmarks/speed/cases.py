"""What is timed: networks, batches and numbers of draws, the same for every contender."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Case:
    """One network and how it is trained.

    Attributes:
        items: trained on in a round, in one pass.
        batch: items in a step.
        latents: their number.
        samples: draws of z a step; above 1 the bound is the importance-weighted one.
        encoder, decoder: make the networks, x -> features and z -> logits of x.
        sampled: items drawn from the prior in a round.
        weights: of matrix products, for the share of the peak: 6 operations a weight and an item.
    """

    items: int
    batch: int
    latents: int
    encoder: Callable[[], nn.Module]
    decoder: Callable[[int], nn.Module]
    features: int
    samples: int = 1
    weights: int | None = None
    sampled: int = 20_000

    @property
    def dense(self) -> bool:
        """Whether the networks are fully connected, as each library makes them by itself."""
        return self.encoder is mlp_encoder

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, 28, 28)


def images(case: Case) -> tuple[Tensor, Tensor]:
    """(items to train on, 2,000 held-out ones): thresholded to 0 and 1, (N, C, H, W) uint8."""
    archive = np.load(Path(os.environ["VAEKIT_DATA"]) / "mnist.npz")
    train, held = archive["x_train"][:, None], archive["x_test"][:, None]
    bits = [torch.from_numpy((part > 127).astype(np.uint8)) for part in (train[: case.items], held[:2000])]
    return bits[0], bits[1]


# -- networks -------------------------------------------------------------------------------------------------


def mlp_encoder() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 512), nn.ReLU())


def mlp_decoder(latents: int) -> nn.Module:
    return nn.Sequential(nn.Linear(latents, 512), nn.ReLU(), nn.Linear(512, 784), nn.Unflatten(1, (1, 28, 28)))


def halvings(*channels: int) -> list[nn.Module]:
    """Strided convolutions with batch normalisation, each halving the picture."""
    layers: list[nn.Module] = []
    for wide, narrow in zip(channels, channels[1:], strict=False):
        layers += [nn.Conv2d(wide, narrow, 4, 2, 1), nn.BatchNorm2d(narrow), nn.ReLU()]
    return layers


def mnist_encoder() -> nn.Module:
    """The layers of pythae's convolutional encoder for MNIST but the last two, which give the features' parameters."""
    return nn.Sequential(*halvings(1, 128, 256, 512, 1024), nn.Flatten())


def mnist_decoder(latents: int) -> nn.Module:
    """The layers of its decoder."""
    return nn.Sequential(
        nn.Linear(latents, 1024 * 4 * 4), nn.Unflatten(1, (1024, 4, 4)),
        nn.ConvTranspose2d(1024, 512, 3, 2, 1), nn.BatchNorm2d(512), nn.ReLU(),
        nn.ConvTranspose2d(512, 256, 3, 2, 1, output_padding=1), nn.BatchNorm2d(256), nn.ReLU(),
        nn.ConvTranspose2d(256, 1, 3, 2, 1, output_padding=1),
    )  # fmt: skip


CASES = {
    f"MLP, batch {batch}": Case(
        items, batch, 16, mlp_encoder, mlp_decoder, 512, weights=2 * 784 * 512 + 3 * 512 * 16
    )
    for batch, items in ((32, 20_000), (128, 60_000), (1024, 60_000))
} | {
    "pythae's MNIST conv net": Case(640, 128, 16, mnist_encoder, mnist_decoder, 1024, sampled=1_000),
    "IWAE, K = 50": Case(2_000, 100, 16, mlp_encoder, mlp_decoder, 512, samples=50),
}  # fmt: skip
