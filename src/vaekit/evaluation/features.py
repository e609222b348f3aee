"""What samples are compared in: any frozen network or function from items to features, named with its hash."""

from __future__ import annotations

__all__ = ["DigitNet", "Features", "digit_features", "featured", "identity_features", "weights_hash"]

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from vaekit.messages import Mistake
from vaekit.storage import read_tensors

DIGIT_WEIGHTS = Path(__file__).with_name("digits_features.safetensors")
FEWEST = 3  # items: what is left when one is taken out must still have a variance
LARGEST_GREY = 10.0  # floats beyond it are 0..255 that were not divided by 255


class Features:
    """A frozen function from items (N, *X) to features (N, F), with a name and the hash of its weights.

    Args:
        name: stands in every result's `how`, with the hash; name the layer and the preparation of the pictures too.
        function: from (n, *X) to (n, F), or (n, ...) which is flattened; a module is put in evaluation mode, and
            gets floating items in its own floating type and on its own device.
        batch: n, the items of one call.

    Example:
        >>> two = Features("two means", lambda x: torch.stack([x[:, :2].mean(1), x[:, 2:].mean(1)], 1))
        >>> two(torch.tensor([[1.0, 3.0, 5.0, 5.0]])).tolist(), str(two)
        ([[2.0, 5.0]], 'two means (no weights)')
    """

    def __init__(self, name: str, function: Callable[[Tensor], Tensor], *, batch: int = 512) -> None:
        self.name, self.function, self.batch = name, function, batch
        self.hash: str | None = None
        if isinstance(function, nn.Module):
            function.eval()
            self.hash = weights_hash(function) if function.state_dict() else None

    def __str__(self) -> str:
        return f"{self.name} {self.hash or '(no weights)'}"

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """The features of items (N, *X), (N, F) on the CPU.

        Raises:
            Mistake: where a feature is not finite.
        """
        weights = self.function.parameters() if isinstance(self.function, nn.Module) else iter(())
        like = next((w for w in weights if w.is_floating_point()), None)
        found = torch.cat([self.function(_like(part, like)).flatten(1).cpu() for part in x.split(self.batch)])
        if not bool(torch.isfinite(found).all()):
            raise Mistake(f"the features {self} hold NaN or infinite values: give items without gaps, fill them first.")
        return found

    def computed(self) -> Features:
        """The same name and hash, for tensors that hold these features already."""
        twin = Features(self.name, _as_they_are, batch=self.batch)
        twin.hash = self.hash
        return twin


def weights_hash(module: nn.Module) -> str:
    """The first 12 hex digits of the SHA-256 of a module's weights and buffers: their names, types, shapes, values.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> before = weights_hash(layer)
        >>> _ = layer.weight.data[0, 0].add_(1.0)
        >>> len(before), before == weights_hash(layer)
        (12, False)
    """
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)};".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:12]


def identity_features() -> Features:
    """The items themselves, flattened.

    Example:
        >>> identity_features()(torch.zeros(5, 1, 2, 3)).shape
        torch.Size([5, 6])
    """
    return Features("values as they are", _as_they_are)


class DigitNet(nn.Module):
    """A small classifier of 28x28 digits whose last hidden layer, before its rectifier, holds 64 features.

    forward takes (N, 28, 28) or (N, 1, 28, 28), uint8 in 0..255, floats in 0..1 (clamped to it) or bool; gives (N, 64).
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 48, 3, stride=2, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(48 * 4 * 4, 64),
        )  # fmt: skip
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[1:]) not in ((28, 28), (1, 28, 28)):
            raise Mistake(
                f"got items of shape {tuple(x.shape[1:])} and the digit features want grey 28x28 pictures: "
                "pass features=, such as identity_features() or Features('name', your_network)."
            )
        features: Tensor = self.body(_unit_greys(x).to(self.head.weight.dtype).view(-1, 1, 28, 28))  # (N, 64)
        return features

    def classify(self, x: Tensor) -> Tensor:
        """The logits of the ten digits, (N, 10)."""
        logits: Tensor = self.head(self(x).relu())
        return logits


def digit_features() -> Features:
    """The 64 features of a small classifier of MNIST, which comes with the library, for grey 28x28 pictures.

    Made by benchmarks/evaluation/train_digit_features.py on the grey and on the binarised training pictures.

    Example:
        >>> digits = digit_features()
        >>> digits(torch.rand(3, 28, 28)).shape, digits.name
        (torch.Size([3, 64]), 'digits-conv64')
    """
    net = DigitNet()
    net.load_state_dict(read_tensors(DIGIT_WEIGHTS))
    return Features("digits-conv64", net.requires_grad_(False))


def featured(real: Tensor, made: Tensor, features: Features | None) -> tuple[Tensor, Tensor, str]:
    """Both sets' features in float64, (N, F) and (M, F), and what to call them; None takes the values as they are.

    Raises:
        Mistake: for too few items, features of different sizes, and values that are not finite.

    Example:
        >>> [*map(len, featured(torch.zeros(3, 2), torch.zeros(4, 2), None)[:2])]
        [3, 4]
    """
    features = features or identity_features()
    for what, x in (("real", real), ("made", made)):
        if len(x) < FEWEST:
            raise Mistake(f"got {len(x)} {what} items and at least {FEWEST} are wanted: give more.")
    a, b = features(real).double(), features(made).double()
    if a.shape[1] != b.shape[1]:
        raise Mistake(
            f"got {a.shape[1]} features of a real item and {b.shape[1]} of a made one: give items of the same shape."
        )
    return a, b, str(features)


def _unit_greys(x: Tensor) -> Tensor:
    """Grey levels in 0..1; what may be meant in two ways is refused, since both ways give plausible numbers."""
    largest = float(x.max()) if x.dtype == torch.uint8 else float(x.float().abs().max())
    if x.dtype == torch.uint8 and largest == 1:
        raise Mistake("got uint8 pictures of 0 and 1, and uint8 stands for 0..255 here: give x.float().")
    if x.is_floating_point() and largest > LARGEST_GREY:
        raise Mistake(
            f"got floats up to {largest:.4g} and the digit features want floats in 0..1 or uint8 in 0..255: "
            "divide them by 255."
        )
    return (x / 255 if x.dtype == torch.uint8 else x.float()).clamp(0, 1)


def _as_they_are(x: Tensor) -> Tensor:
    return x.flatten(1)


def _like(x: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return x
    return x.to(weight.device, weight.dtype) if x.is_floating_point() else x.to(weight.device)
