"""VAE: one level of latents (Kingma and Welling 2014, arXiv:1312.6114)."""

from __future__ import annotations

__all__ = ["VAE"]

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.conditional import pick
from vaekit.data import Context
from vaekit.data.transforms import Transform
from vaekit.likelihoods import Likelihood
from vaekit.models.codes import indices_of, quantized
from vaekit.models.model import Model
from vaekit.models.trace import Trace
from vaekit.networks import ZeroFill
from vaekit.posteriors import AnyPosterior, Gaussian
from vaekit.priors import Prior, StandardNormal


class VAE(Model):
    """Three conditional distributions: p(z|y), q(z|x,y) and p(x|z,y).

    Args:
        prior: p(z|y).
        posterior: q(z|x,y).
        likelihood: p(x|z,y).
        transform: from the user's units to the model's, or None.
        context: how labels and covariates become tensors, or None.

    Example:
        >>> import torch
        >>> from vaekit import likelihoods, networks, posteriors, priors
        >>> model = VAE(
        ...     priors.StandardNormal(2),
        ...     posteriors.Gaussian(networks.MLP((8, 8), [32]), 2),
        ...     likelihoods.Bernoulli(networks.MLP(2, [32]), (8, 8)),
        ... )
        >>> trace = model.trace(torch.zeros(5, 8, 8), samples=3)
        >>> trace.log_w.shape, trace.kl.shape
        (torch.Size([3, 5]), torch.Size([5]))
    """

    cites: ClassVar[tuple[str, ...]] = ("kingma2014", "rezende2014")

    def __init__(
        self,
        prior: Prior,
        posterior: AnyPosterior,
        likelihood: Likelihood,
        *,
        transform: Transform | None = None,
        context: Context | None = None,
    ) -> None:
        super().__init__()
        self.transform, self.context = transform, context
        self.prior, self.likelihood = prior, likelihood
        self.posterior: Any = posterior
        self.shape = likelihood.shape
        self.has_density = posterior.has_density
        self.infers = posterior.infers
        self.takes_missing = posterior.takes_missing or any(isinstance(m, ZeroFill) for m in posterior.modules())

    def traces(self, x: Tensor, y: Mapping[str, Tensor] | None, samples: int, chunk: int) -> Iterator[Trace]:
        q = self._posterior(x, y)
        p = self.prior.among(q, *pick(self.prior, y)) if self.training else self._prior(y)
        given = pick(self.likelihood, y)
        for start in range(0, samples, chunk):
            z = q.rsample((min(chunk, samples - start),))  # (K, B, *Z)
            yield Trace(x, y, ((q, p, z),), self.likelihood(z, *given), missing=self.takes_missing)

    @torch.no_grad()
    def encode_indices(self, x: Any, y: Any = None) -> Tensor:
        """The indices of each item's codes, (B, *places, *shape): (B, h, w) of pictures with one code a place.

        Raises:
            Mistake: for a model without codes.
        """
        return indices_of(self, self.encode(x, y))

    def decode_indices(self, indices: Any, y: Any = None) -> Distribution:
        """p(x|z,y) in the user's units for indices as `encode_indices` gives them, or with fewer axes.

        Raises:
            Mistake: for a model without codes, and for indices of another type or shape, or not there.
        """
        return self.decode(quantized(self).vectors(indices), y)

    @torch.no_grad()
    def rescale(self, mean: Tensor, scale: Tensor) -> None:
        """Let the latents be (z - mean) / scale of what they were, (D,) each; what items decode to stays."""
        first = self.likelihood.entrance
        assert first is not None and isinstance(self.posterior, Gaussian), "ask `rescales` first"
        weight = first.weight[:, : len(mean)]
        first.bias.add_(weight @ mean)
        weight.mul_(scale)
        self.posterior.rescale(mean, scale)

    @property
    def rescales(self) -> bool:
        """Whether posterior and decoder are linear where the latents leave and enter, and the prior N(0, I)."""
        plain = type(self.prior) is StandardNormal and type(self.posterior) is Gaussian
        first = getattr(self.likelihood, "entrance", None) if plain else None
        return first is not None and first.weight.requires_grad

    def _posterior(self, x: Tensor, y: Mapping[str, Tensor] | None) -> Distribution:
        q: Distribution = self.posterior(x, *pick(self.posterior, y))
        return q

    def _prior(self, y: Mapping[str, Tensor] | None) -> Distribution:
        p: Distribution = self.prior(*pick(self.prior, y))
        return p

    def _likelihood(self, z: Any, y: Mapping[str, Tensor] | None) -> Distribution:
        px: Distribution = self.likelihood(z, *pick(self.likelihood, y))
        return px
