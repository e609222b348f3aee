"""Priors that are mixtures of Gaussians: of parameters of their own, and of posteriors of pseudo-inputs."""

from __future__ import annotations

__all__ = ["FullGaussianMixture", "GaussianMixture", "VampPrior"]

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vaekit import distributions
from vaekit.messages import Mistake, require_count
from vaekit.part import Part
from vaekit.priors.base import Prior
from vaekit.priors.normal import packed, unpacked

STARTS = 3  # of the EM algorithm, the best of which is kept


class GaussianMixture(Prior):
    """p(z) = a mixture of K diagonal Gaussians, learned (Dilokthanakul et al. 2016, arXiv:1611.02648).

    Args:
        latent_dim: the number of latents.
        components: K; their means begin as draws of N(0, I).

    Example:
        >>> GaussianMixture(2, 5)().sample((3,)).shape
        torch.Size([3, 2])
    """

    cites: ClassVar[tuple[str, ...]] = ("dilokthanakul2016",)

    def __init__(self, latent_dim: int, components: int = 10) -> None:
        super().__init__()
        self.latent_shape = (latent_dim,)
        k = require_count("components", components)
        self.loc = nn.Parameter(torch.randn(k, latent_dim))
        self.log_scale = nn.Parameter(torch.zeros(k, latent_dim))
        self.logits = nn.Parameter(torch.zeros(k))

    def forward(self, *given: Tensor | None) -> distributions.GaussianMixture:
        return distributions.GaussianMixture(self.loc, self.log_scale, self.logits)

    @torch.no_grad()
    def at_best(self, z: Tensor) -> bool:
        """Where the EM algorithm ends, in float64, from k-means centres."""
        share, loc, variance = expectation_maximisation(z, len(self.logits), "diag")
        self.logits.copy_(share.log())
        self.loc.copy_(loc)
        self.log_scale.copy_(0.5 * variance.log())
        return True


class FullGaussianMixture(Prior):
    """p(z) = a mixture of K Gaussians with any covariance each, as Ghosh et al. 2020 (arXiv:1903.12436) fit.

    Args:
        latent_dim: the number of latents.
        components: K; their means begin as draws of N(0, I).

    Example:
        >>> FullGaussianMixture(2, 5)().sample((3,)).shape
        torch.Size([3, 2])
    """

    cites: ClassVar[tuple[str, ...]] = ("ghosh2020",)

    def __init__(self, latent_dim: int, components: int = 10) -> None:
        super().__init__()
        self.latent_shape = (latent_dim,)
        k = require_count("components", components)
        self.loc = nn.Parameter(torch.randn(k, latent_dim))
        self.tril = nn.Parameter(torch.zeros(k, latent_dim, latent_dim))
        self.logits = nn.Parameter(torch.zeros(k))

    def forward(self, *given: Tensor | None) -> distributions.FullGaussianMixture:
        return distributions.FullGaussianMixture(self.loc, unpacked(self.tril), self.logits)

    @torch.no_grad()
    def at_best(self, z: Tensor) -> bool:
        """Where the EM algorithm ends, in float64, from k-means centres."""
        share, loc, covariance = expectation_maximisation(z, len(self.logits), "full")
        self.logits.copy_(share.log())
        self.loc.copy_(loc)
        self.tril.copy_(packed(covariance))
        return True


def expectation_maximisation(z: Tensor, components: int, covariance: str) -> tuple[Tensor, ...]:
    """Shares (K,), means (K, D) and variances (K, D) or covariances (K, D, D) of scikit-learn's mixture."""
    from sklearn.mixture import GaussianMixture as Fitted

    if len(z) < components:
        raise Mistake(f"got {len(z)} latents and {components} components: give more items, or fewer components.")
    seed = int(torch.randint(2**31 - 1, ()))
    spread = float(z.double().var(0).max().clamp_min(1e-12))
    how: dict[str, Any] = {"n_init": STARTS, "max_iter": 500, "reg_covar": 1e-6 * spread, "random_state": seed}
    found = Fitted(components, covariance_type=covariance, **how).fit(z.double().cpu().numpy())
    return tuple(map(torch.from_numpy, (found.weights_, found.means_, found.covariances_)))


class VampPrior(Prior):
    """p(z) = the mean of q(z|u_k) over K pseudo-inputs, which are learned (Tomczak and Welling 2018, arXiv:1705.07120).

    Args:
        posterior: q, the model's own; a Gaussian.
        shape: of one item.
        pseudo: K; they begin as items of the training data.
    """

    cites: ClassVar[tuple[str, ...]] = ("tomczak2018",)

    def __init__(self, posterior: Part, shape: Sequence[int], pseudo: int = 500) -> None:
        super().__init__()
        self.posterior: Any = posterior
        self.latent_shape = posterior.latent_shape  # type: ignore[assignment]
        self.inputs = nn.Parameter(0.5 + 0.1 * torch.randn(require_count("pseudo", pseudo), *shape))

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Begin at items of the data, evenly spaced, with a little noise; some twice where they are few."""
        with torch.no_grad():
            rows = torch.arange(len(self.inputs), device=x.device) * len(x) // len(self.inputs)
            some = torch.nan_to_num(x[rows])
            self.inputs.copy_(some + 0.01 * torch.randn_like(some))

    def forward(self, *given: Tensor | None) -> distributions.GaussianMixture:
        q = self.posterior(self.inputs)
        return distributions.GaussianMixture(q.loc, q.log_scale.expand_as(q.loc), q.loc.new_zeros(len(q.loc)))
