r"""Distributions on the unit sphere of R^D, D from 2 up; densities per unit of its area.

.. math:: \mathrm{vMF}(z; \mu, \kappa) = \frac{e^{\kappa \mu \cdot z}}{|S^{D-1}|\, f_{D/2-1}(\kappa)}, \qquad
          \mathrm{PS}(z; \mu, \kappa) \propto (1 + \mu \cdot z)^\kappa

with f as in `vaekit.maths.log_bessel`. Hyperspherical Variational Auto-Encoders: Davidson, Falorsi, De Cao, Kipf and
Tomczak 2018, arXiv:1804.00891; The Power Spherical distribution: De Cao and Aziz 2020, arXiv:2006.04437.
"""

from __future__ import annotations

__all__ = ["HypersphericalUniform", "PowerSpherical", "VonMisesFisher", "log_area"]

import math

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints, register_kl

from vaekit.maths import log_bessel, vmf_gap


class _Sphere(constraints.Constraint):
    """Vectors of length 1, to what float32 can tell."""

    event_dim = 1

    def check(self, value: Tensor) -> Tensor:
        return (value.norm(dim=-1) - 1).abs() < 1e-5


SPHERE = _Sphere()


def log_area(dim: int) -> float:
    """The log of the area of the unit sphere of R^dim.

    Example:
        >>> round(math.exp(log_area(3)) / math.pi, 12)
        4.0
    """
    return math.log(2) + 0.5 * dim * math.log(math.pi) - math.lgamma(0.5 * dim)


class HypersphericalUniform(Distribution):
    """Equal density everywhere on the sphere.

    Args:
        zeros: (D,), which tells the dimension, the type and the device.

    Example:
        >>> p = HypersphericalUniform(torch.zeros(3))
        >>> p.log_prob(torch.tensor([0.0, 0.0, 1.0])), p.sample((4,)).norm(dim=-1).round(decimals=4)
        (tensor(-2.5310), tensor([1., 1., 1., 1.]))
    """

    arg_constraints = {}
    support = SPHERE

    def __init__(self, zeros: Tensor) -> None:
        self.zeros = zeros
        super().__init__(torch.Size(), zeros.shape, validate_args=False)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        with torch.no_grad():
            return _direction((*sample_shape, *self.zeros.shape), self.zeros)

    def log_prob(self, value: Tensor) -> Tensor:
        return value.new_full(value.shape[:-1], -log_area(self.zeros.shape[-1]))


class _AroundDirection(Distribution):
    """A density on the sphere that depends on the angle to `loc` alone.

    A family gives how far a sample stays behind `loc` along its axis, `_gap`, the moments of mu . z and the density in
    |z - loc|^2 / 2 = 1 - loc . z, which keeps its digits where z is close to loc.

    Args:
        loc: (*batch, D), of length 1.
        concentration: (*batch), 0 or more.
    """

    arg_constraints = {}
    has_rsample = True
    support = SPHERE

    def __init__(self, loc: Tensor, concentration: Tensor) -> None:
        self.loc, self.concentration = loc, concentration
        self.dim = loc.shape[-1]
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)

    def _gap(self, shape: tuple[int, ...]) -> Tensor:
        """1 - loc . z of new samples, (*shape, *batch) float64, with the gradient of the concentration."""
        raise NotImplementedError

    def _along(self) -> tuple[Tensor, Tensor]:
        """The mean and the mean square of loc . z, (*batch) float64."""
        raise NotImplementedError

    def _log_density(self, gap: Tensor) -> Tensor:
        """The log-density where 1 - loc . z is gap, relative to the uniform one."""
        raise NotImplementedError

    @property
    def mean(self) -> Tensor:
        """The mean on the sphere itself, where the mean squared angle is least; what a decoder is given."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def average(self) -> Tensor:
        """The mean in R^D, which lies inside of the sphere."""
        return self._along()[0].to(self.loc.dtype).unsqueeze(-1) * self.loc

    @property
    def variance(self) -> Tensor:
        """In R^D, around the average."""
        first, second = (m.to(self.loc.dtype).unsqueeze(-1) for m in self._along())
        along = self.loc.square()
        return (second - first.square()) * along + (1 - second) * (1 - along) / (self.dim - 1)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        """Samples whose gradient is that of the expectation: the concentration's is implicit."""
        gap = self._gap(tuple(sample_shape)).unsqueeze(-1)
        across = _direction((*gap.shape[:-1], self.dim - 1), self.loc)
        # from the pole that is far from loc, a reflection to loc: its gradient is bounded
        side = torch.where(self.loc[..., :1] > 0, -1.0, 1.0).to(self.loc.dtype)
        step = torch.cat([-side * gap.to(across.dtype), (gap * (2 - gap)).sqrt().to(across.dtype) * across], -1)
        mirror = torch.cat([side - self.loc[..., :1], -self.loc[..., 1:]], -1)
        share = (mirror * step).sum(-1, keepdim=True) / mirror.square().sum(-1, keepdim=True)
        return self.loc + (step - 2 * share * mirror)

    def log_prob(self, value: Tensor) -> Tensor:
        gap = 0.5 * (value - self.loc).square().sum(-1)
        return (self._log_density(gap) - log_area(self.dim)).to(value.dtype)


class VonMisesFisher(_AroundDirection):
    """The density that is exponential in the cosine of the angle.

    Samples are drawn by rejection (Ulrich 1984; Wood 1994) of 32 proposals at once, which all fail with a probability
    below 1e-14; the gradient of the concentration is that of the distribution function's inverse (Figurnov, Mohamed
    and Mnih 2018, arXiv:1805.08498), so that no correction for rejection is left out.

    Args:
        loc: (*batch, D), of length 1.
        concentration: (*batch), from 0, the uniform density, to 1e6.

    Example:
        >>> q = VonMisesFisher(torch.eye(3), torch.full((3,), 10.0))
        >>> q.rsample((5,)).shape, q.average[0]
        (torch.Size([5, 3, 3]), tensor([0.9000, 0.0000, 0.0000]))
    """

    def _gap(self, shape: tuple[int, ...]) -> Tensor:
        return vmf_gap(self.dim, self.concentration, shape)

    def _bessel(self) -> tuple[Tensor, Tensor]:
        return log_bessel(0.5 * self.dim - 1, self.concentration)

    def _along(self) -> tuple[Tensor, Tensor]:
        k, ratio = self.concentration.double(), self._bessel()[1]
        across = torch.where(k > 0, ratio / k.clamp_min(1e-300), 1 / self.dim)
        return ratio, 1 - (self.dim - 1) * across

    def _log_density(self, gap: Tensor) -> Tensor:
        k = self.concentration.double()
        return (k - self._bessel()[0]) - k * gap

    def kl_uniform(self) -> Tensor:
        """KL from the uniform density, (*batch)."""
        log_f, ratio = self._bessel()
        return (self.concentration.double() * ratio - log_f).to(self.loc.dtype)

    def entropy(self) -> Tensor:
        return log_area(self.dim) - self.kl_uniform()


class PowerSpherical(_AroundDirection):
    """The density that is a power of 1 + the cosine of the angle; (1 + cosine) / 2 is a Beta variable.

    Args:
        loc: (*batch, D), of length 1.
        concentration: (*batch), from 0, the uniform density, to 1e6.

    Example:
        >>> q = PowerSpherical(torch.eye(3), torch.full((3,), 8.0))
        >>> q.rsample((5,)).shape, q.average[0]
        (torch.Size([5, 3, 3]), tensor([0.8000, 0.0000, 0.0000]))
    """

    def _shapes(self) -> tuple[Tensor, float]:
        """The shapes of the Beta variable, alpha and beta."""
        half = 0.5 * (self.dim - 1)
        return self.concentration.double() + half, half

    def _gap(self, shape: tuple[int, ...]) -> Tensor:
        alpha, beta = self._shapes()
        pair = torch.stack([torch.full_like(alpha, beta), alpha], -1)
        return 2 * torch.distributions.Dirichlet(pair, validate_args=False).rsample(shape)[..., 0]

    def _along(self) -> tuple[Tensor, Tensor]:
        alpha, beta = self._shapes()
        total = alpha + beta
        mean = (alpha - beta) / total
        return mean, mean.square() + 4 * alpha * beta / (total.square() * (total + 1))

    def _log_normaliser(self) -> Tensor:
        """log of the uniform mean of ((1 + cosine) / 2)^concentration."""
        alpha, beta = self._shapes()
        return alpha.lgamma() - (alpha + beta).lgamma() + (math.lgamma(2 * beta) - math.lgamma(beta))

    def _log_density(self, gap: Tensor) -> Tensor:
        half = (0.5 * gap).clamp_max(1 - torch.finfo(gap.dtype).eps)  # the opposite pole has density 0
        return self.concentration.double() * torch.log1p(-half) - self._log_normaliser()

    def kl_uniform(self) -> Tensor:
        """KL from the uniform density, (*batch)."""
        alpha, beta = self._shapes()
        mean_log = alpha.digamma() - (alpha + beta).digamma()
        return (self.concentration.double() * mean_log - self._log_normaliser()).to(self.loc.dtype)

    def entropy(self) -> Tensor:
        return log_area(self.dim) - self.kl_uniform()


def _direction(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Uniform directions, the last axis of length 1."""
    noise = torch.randn(shape, dtype=like.dtype, device=like.device)
    return noise / noise.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(like.dtype).tiny)


@register_kl(VonMisesFisher, HypersphericalUniform)
def _kl_vmf(q: VonMisesFisher, p: HypersphericalUniform) -> Tensor:
    return q.kl_uniform()


@register_kl(PowerSpherical, HypersphericalUniform)
def _kl_power(q: PowerSpherical, p: HypersphericalUniform) -> Tensor:
    return q.kl_uniform()
