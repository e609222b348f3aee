"""Priors that are mixtures of Gaussians: of parameters of their own, and of posteriors of pseudo-inputs."""

from __future__ import annotations

__all__ = ["GaussianMixture", "VampPrior"]

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from vaekit import distributions
from vaekit.messages import require_count
from vaekit.part import Part
from vaekit.priors.base import Prior


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

    @torch.no_grad()
    def start(self, z: Tensor) -> None:
        """Begin as the mixture of the greatest likelihood for these codes, (N, D)."""
        from sklearn.mixture import GaussianMixture as Fitted

        k, seed = min(len(self.loc), len(z)), int(torch.randint(2**31 - 1, ()))
        found = Fitted(k, covariance_type="diag", reg_covar=1e-3, random_state=seed).fit(z.double().cpu().numpy())
        spread = torch.from_numpy(found.covariances_).log() / 2
        for mine, theirs in ((self.loc, found.means_), (self.log_scale, spread), (self.logits, np.log(found.weights_))):
            mine[:k] = torch.as_tensor(theirs).to(mine)

    def forward(self, *given: Tensor | None) -> distributions.GaussianMixture:
        return distributions.GaussianMixture(self.loc, self.log_scale, self.logits)


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
