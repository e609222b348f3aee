r"""Distances between an item and its reconstruction that the eye, or a network, would take.

.. math:: \tfrac12 \sum_l \tfrac{1}{F_l} \|\phi_l(x) - \phi_l(\hat x)\|^2, \quad 1 - \mathrm{MS\text{-}SSIM}(x, \hat x),
          \quad \tfrac12 \sum_{uv} w_{uv} |F_x - F_{\hat x}|^2,
          \quad \sum_l \tfrac{1}{P_l} \sum_p \sum_c w_{lc} (\hat\phi_l(x)_{cp} - \hat\phi_l(\hat x)_{cp})^2

None of them is the logarithm of a density of x, so that what they are part of is no bound on log p(x): the ELBO, the
rate and the distortion that are reported beside them are those of the likelihood.
"""

from __future__ import annotations

__all__ = ["BesideErrors", "Dissimilarity", "FeatureDistance", "FocalFrequency", "PerceptualDistance"]

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vaekit.distributions import Laplace
from vaekit.maths import SCALES, similarity
from vaekit.messages import Mistake
from vaekit.models import Model, Trace
from vaekit.objectives.term import Term

FAINT = 1e-20  # the squared norm of features below which they have no direction
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
        return torch.stack(self.apart(layers)).sum(0)

    def apart(self, layers: Sequence[Tensor]) -> list[Tensor]:
        """The distance in each layer, (B,), from features (2 B, ...) of items and behind them of reconstructions."""
        return [0.5 * (a - b).square().flatten(1).mean(1) for a, b in (layer.chunk(2) for layer in layers)]


class PerceptualDistance(FeatureDistance):
    """LPIPS: the squared distance of features of norm 1 at each place, weighed by channel, the mean over the places of
    a layer and the sum over layers, (B,) (Zhang et al. 2018, arXiv:1801.03924). No bound on log p(x).

    What multiplies all channels of a place changes nothing. With equal weights of 1 a place counts 2 - 2 cos of the
    angle between its features, from 0 to 4; where all features are 0 it counts as 0 for that item.

    Args:
        net: as for `FeatureDistance`; a layer is (B, C, *places) or (B, C).
        weights: of the channels of each layer, 0 or more; 1 each where nothing is given. Those of the paper are
            learned from what people saw, for its own networks.
        ranged: as for `FeatureDistance`.

    Example:
        >>> import vaekit as vk
        >>> model, _ = vk.recipes.vae(shape=(4,), latent_dim=2)
        >>> term = PerceptualDistance(nn.Linear(4, 3).requires_grad_(False), weights=[[1.0, 0.5, 0.0]])
        >>> term(model, model.trace(torch.zeros(5, 4))).shape
        torch.Size([5])
    """

    cites: ClassVar[tuple[str, ...]] = ("zhang2018",)

    def __init__(
        self, net: nn.Module, *, weights: Sequence[Sequence[float]] | None = None, ranged: bool = True
    ) -> None:
        super().__init__(net, ranged=ranged)
        self.channels = None if weights is None else [len(layer) for layer in weights]
        for i, layer in enumerate(weights or ()):
            values = torch.tensor([float(w) for w in layer])
            if not bool((values >= 0).all()) or not bool(values.isfinite().all()):
                raise Mistake(f"got a weight of layer {i} below 0, or none: give numbers, 0 or more, one a channel.")
            self.register_buffer(f"weights_{i}", values)

    def apart(self, layers: Sequence[Tensor]) -> list[Tensor]:
        if self.channels is not None and self.channels != [layer.shape[1] for layer in layers]:
            want = [layer.shape[1] for layer in layers]
            raise Mistake(f"got weights of {self.channels} channels and the network's layers have {want}: give those.")
        found = []
        for i, layer in enumerate(layers):
            a, b = directions(layer).chunk(2)
            squares = (a - b).square().flatten(2)  # (B, C, P)
            if self.channels is not None:
                squares = squares * self.get_buffer(f"weights_{i}").unsqueeze(1)
            found.append(squares.sum(1).mean(1))
        return found


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


class BesideErrors(Term):
    """Another term over the scale b of a Laplace likelihood, (B,): it stands beside |x - f(z)|, whatever b has become.

    b itself moves as the likelihood alone would have it.

    Args:
        term: such as `FeatureDistance`.
    """

    def __init__(self, term: Term) -> None:
        super().__init__()
        self.term, self.samples, self.company = term, term.samples, term.company

    @property
    def name(self) -> str:
        return self.term.name

    def forward(self, model: Model, trace: Trace) -> Tensor:
        px = trace.px
        if not isinstance(px, Laplace):
            raise Mistake(f"BesideErrors wants a Laplace likelihood and got {type(px).__name__}: weigh the term.")
        out: Tensor = self.term(model, trace) * (-px.log_scale.detach().mean()).exp()
        return out


def reconstruction(trace: Trace) -> Tensor:
    """The likelihood's mean at the first draw of z, (B, *X)."""
    px: Any = trace.px
    made: Tensor = px.mean[0]
    return made


def directions(features: Tensor) -> Tensor:
    """Features (B, C, *places) with norm 1 over the channels of each place, (B, C, *places); all 0 stay 0."""
    features = features if features.dtype == torch.float64 else features.float()
    features = features.unsqueeze(2) if features.ndim == 2 else features
    squares = features.square().sum(1, keepdim=True)
    return features / torch.where(squares > FAINT, squares, 1.0).sqrt()


def as_planes(x: Tensor) -> Tensor:
    """Pictures (B, H, W) or (B, C, H, W) as (B, C, H, W); what is none is refused."""
    if x.ndim not in (3, 4):
        raise Mistake(
            f"got items of shape {tuple(x.shape[1:])} where pictures are wanted, (H, W) or (C, H, W): "
            "use the recipe 'vae'."
        )
    return x.unsqueeze(1) if x.ndim == 3 else x
