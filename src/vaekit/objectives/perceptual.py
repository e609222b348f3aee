r"""Distances between an item and its reconstruction that the eye, or a network, would take.

.. math:: \tfrac12 \sum_l \tfrac{1}{F_l} \|\phi_l(x) - \phi_l(\hat x)\|^2, \quad 1 - \mathrm{MS\text{-}SSIM}(x, \hat x),
          \quad \tfrac12 \sum_{uv} w_{uv} |F_x - F_{\hat x}|^2

None of them is the logarithm of a density of x, so that what they are part of is no bound on log p(x): the ELBO, the
rate and the distortion that are reported beside them are those of the likelihood.
"""

from __future__ import annotations

__all__ = ["Dissimilarity", "FeatureDistance", "FocalFrequency"]

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vaekit.maths import SCALES, similarity
from vaekit.messages import Mistake
from vaekit.models import Model, Trace
from vaekit.objectives.term import Term

LEAST = 1e-3  # contrast of a scale below which no gradient is taken: the slope of a fractional power is infinite at 0


class Ranged(Term):
    """The base of terms that see items in 0..1: from the least to the greatest value of the training data."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.ones(()))
        self.low: Tensor
        self.high: Tensor

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        there = x[~x.isnan()]
        if there.numel() and bool(there.max() > there.min()):
            self.low.copy_(there.min())
            self.high.copy_(there.max())

    def unit(self, x: Tensor) -> Tensor:
        return (x - self.low) / (self.high - self.low)


class FeatureDistance(Ranged):
    """Half the squared distance of the features of an item and of its reconstruction, the mean over the features of a
    layer and the sum over layers, (B,) (Hou et al. 2017, arXiv:1610.00291). No bound on log p(x).

    Times the number of features it is, but for a constant, -log N(phi(x); phi(x'), I): the similarity in a
    discriminator of Larsen et al. 2016, arXiv:1512.09300.

    Args:
        net: any network from items (B, *X), in 0..1 over the range of the training data, to features (B, ...) or a list
            of them, a layer each. For a fixed measure freeze it: `net.requires_grad_(False)`.
        ranged: False where net is to see the model's own units, as a discriminator does.

    Example:
        >>> frozen = nn.Linear(4, 3).requires_grad_(False)
        >>> import vaekit as vk
        >>> model, _ = vk.recipes.vae(shape=(4,), latent_dim=2)
        >>> FeatureDistance(frozen)(model, model.trace(torch.zeros(5, 4))).shape
        torch.Size([5])
    """

    cites: ClassVar[tuple[str, ...]] = ("hou2017", "larsen2016")

    def __init__(self, net: nn.Module, *, ranged: bool = True) -> None:
        super().__init__()
        self.net, self.ranged = net, ranged

    def train(self, mode: bool = True) -> FeatureDistance:
        """A frozen network stays as it was given."""
        super().train(mode)
        if not any(p.requires_grad for p in self.net.parameters()):
            self.net.eval()
        return self

    def forward(self, model: Model, trace: Trace) -> Tensor:
        both = torch.cat([trace.x, reconstruction(trace)])
        both = self.net(self.unit(both) if self.ranged else both)
        layers = [both] if isinstance(both, Tensor) else list(both)
        squares = [0.5 * (a - b).square().flatten(1).mean(1) for a, b in (layer.chunk(2) for layer in layers)]
        return torch.stack(squares).sum(0)


class Dissimilarity(Ranged):
    """1 - MS-SSIM of a picture and its reconstruction, (B,), from 0 to 1 (Snell et al. 2017, arXiv:1511.06409).

    No bound on log p(x). Of one scale it goes up to 2. Scales are left out whose pictures do not hold the window, and
    the window shrinks to the picture, so that it is defined at any size.
    """

    cites: ClassVar[tuple[str, ...]] = ("snell2017",)

    def forward(self, model: Model, trace: Trace) -> Tensor:
        x = as_planes(trace.x)
        a, b = self.unit(x), self.unit(reconstruction(trace).view_as(x))
        return 1 - similarity(a, b, peak=1.0, scales=len(SCALES), least=LEAST)


class FocalFrequency(Term):
    """Half the squared distance of the Fourier transforms of a picture and its reconstruction, each frequency weighed
    by its own distance to the power alpha over the largest, (B,) (Jiang et al. 2021, arXiv:2012.12821).

    The weights carry no gradient. At alpha = 0 it is half the squared distance of the pictures (Parseval), which a
    Gaussian likelihood of variance 1 has; the sum is over frequencies, where the paper takes the mean. No bound on
    log p(x).

    Args:
        alpha: how much more the frequencies that are far off count.
    """

    cites: ClassVar[tuple[str, ...]] = ("jiang2021",)

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        if not alpha >= 0:
            raise Mistake(f"got alpha={alpha!r} and wanted 0 or more.")
        self.alpha = float(alpha)

    def forward(self, model: Model, trace: Trace) -> Tensor:
        error = as_planes(trace.x) - as_planes(reconstruction(trace))
        wave = torch.fft.fft2(error.float() if error.dtype != torch.float64 else error, norm="ortho")
        squares = torch.view_as_real(wave).square().sum(-1)  # (B, C, H, W)
        with torch.no_grad():
            weight = squares ** (self.alpha / 2)
            most = weight.amax((-2, -1), keepdim=True)
            weight = torch.where(most > 0, weight / most, torch.ones_like(weight))
        return 0.5 * (weight * squares).flatten(1).sum(1)


def reconstruction(trace: Trace) -> Tensor:
    """The likelihood's mean at the first draw of z, (B, *X)."""
    px: Any = trace.px
    made: Tensor = px.mean[0]
    return made


def as_planes(x: Tensor) -> Tensor:
    """Pictures (B, H, W) or (B, C, H, W) as (B, C, H, W); what is none is refused."""
    if x.ndim not in (3, 4):
        raise Mistake(
            f"got items of shape {tuple(x.shape[1:])} where pictures are wanted, (H, W) or (C, H, W): "
            "use the recipe 'vae'."
        )
    return x.unsqueeze(1) if x.ndim == 3 else x
