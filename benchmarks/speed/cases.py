"""What is timed: networks, batches and numbers of draws, the same for every contender."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Case:
    """One network and how it is trained.

    Attributes:
        items: trained on in a round.
        passes: over the items in a round.
        batch: items in a step.
        latents: their number.
        samples: draws of z a step; above 1 the bound is the importance-weighted one.
        kind: "vae", "vq" (512 codes of one number for each latent, learned by gradient; the squared error is its
            bound) or "game" (a discriminator charges the VAE with 6 times the total correlation).
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
    kind: str = "vae"
    passes: int = 1
    lr: float = 1e-3
    shape: tuple[int, ...] = (1, 28, 28)

    @property
    def dense(self) -> bool:
        """Whether the networks are fully connected, as each library makes them by itself."""
        return self.encoder is mlp_encoder


def images(case: Case) -> tuple[Tensor, Tensor]:
    """(items to train on, held-out ones): thresholded to 0 and 1, (N, C, H, W) uint8."""
    folder = Path(os.environ["VAEKIT_DATA"])
    if case.shape[0] == 3:
        train, held = (np.load(folder / name) for name in ("cifar10_train15k.npz", "cifar10_test.npz"))
        parts = [_nchw(next(a for a in archive.values() if a.ndim == 4)) for archive in (train, held)]
    else:
        archive = np.load(folder / "mnist.npz")
        parts = [archive["x_train"][:, None], archive["x_test"][:, None]]
    held_out = 2000 if case.dense else 400
    bits = [torch.from_numpy((part > 127).astype(np.uint8)) for part in (parts[0][: case.items], parts[1][:held_out])]
    return bits[0], bits[1]


def _nchw(pictures: np.ndarray) -> np.ndarray:
    return pictures if pictures.shape[1] == 3 else pictures.transpose(0, 3, 1, 2)


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


def cifar_encoder() -> nn.Module:
    """The layers of pythae's convolutional encoder for CIFAR but the last two."""
    return nn.Sequential(*halvings(3, 128, 256, 512, 1024), nn.Flatten())


def cifar_decoder(latents: int) -> nn.Module:
    """The layers of its decoder."""
    return nn.Sequential(
        nn.Linear(latents, 1024 * 8 * 8), nn.Unflatten(1, (1024, 8, 8)),
        nn.ConvTranspose2d(1024, 512, 4, 2, 1), nn.BatchNorm2d(512), nn.ReLU(),
        nn.ConvTranspose2d(512, 256, 4, 2, 1, output_padding=1), nn.BatchNorm2d(256), nn.ReLU(),
        nn.ConvTranspose2d(256, 3, 4, 1, 2),
    )  # fmt: skip


def discriminator(latents: int) -> nn.Module:
    """pythae's for FactorVAE, with one logit in place of two."""
    layers: list[nn.Module] = []
    for wide in (latents, 1000, 1000, 1000, 1000):
        layers += [nn.Linear(wide, 1000), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(1000, 1))


CALM = 1e-4  # at ten times as much the first steps of these nets lose thousands of nats, each in its own way
CASES = {
    f"MLP, batch {batch}": Case(
        items, batch, 16, mlp_encoder, mlp_decoder, 512, weights=2 * 784 * 512 + 3 * 512 * 16, passes=passes
    )
    for batch, items, passes in ((32, 20_000, 2), (128, 45_000, 3), (1024, 60_000, 1))
} | {
    "pythae's MNIST conv net": Case(
        640, 128, 16, mnist_encoder, mnist_decoder, 1024, sampled=1_000, lr=CALM
    ),
    "pythae's CIFAR conv net": Case(
        128, 32, 16, cifar_encoder, cifar_decoder, 4096, sampled=100, shape=(3, 32, 32), lr=CALM
    ),
    "IWAE, K = 50": Case(2_000, 100, 16, mlp_encoder, mlp_decoder, 512, samples=50),
    "VQ-VAE": Case(45_000, 128, 16, mlp_encoder, mlp_decoder, 512, kind="vq", passes=3),
    "two players (FactorVAE)": Case(5_120, 128, 16, mlp_encoder, mlp_decoder, 512, kind="game"),
}  # fmt: skip
