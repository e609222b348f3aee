r"""log p(x|z) of a Bernoulli likelihood whose last layer is linear, by matrix products and one elementwise pass.

With logits l = W h + b, softplus(l) = l/2 + |l|/2 - log sigmoid(|l|), so that

.. math:: \log p(x|z) = h \cdot W^T (x - \tfrac12) + b \cdot (x - \tfrac12)
    - \tfrac12 \sum_i |\ell_i| + \log \prod_i \sigma(|\ell_i|)

where x meets features instead of logits, and the factors between 1/2 and 1 are multiplied before a logarithm is taken.
"""

from __future__ import annotations

__all__ = ["BernoulliProducts", "has_products", "log_weights"]

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from vaekit.conditional import pick
from vaekit.likelihoods import Bernoulli
from vaekit.models import VAE, Model

CACHE = 2**18  # logits held at a time on a CPU: what the second-level caches of two cores keep in float32
DEVICE = 2**25  # elsewhere
FACTORS = 120  # 2^-120 is still a normal number in float32


def has_products(model: Model) -> bool:
    """Whether `log_weights` can score this model: a VAE, its Bernoulli head linear and flat, its items complete.

    Example:
        >>> from vaekit.recipes import vae, vae_conv
        >>> from vaekit.likelihoods import Bernoulli
        >>> has_products(vae(shape=(6,), latent_dim=2, likelihood=Bernoulli()).model)
        True
        >>> has_products(vae_conv(shape=(1, 8, 8), latent_dim=2, likelihood=Bernoulli()).model)
        False
    """
    likelihood = getattr(model, "likelihood", None)
    return (
        isinstance(model, VAE)
        and isinstance(likelihood, Bernoulli)
        and type(likelihood).forward is Bernoulli.forward
        and not likelihood.head.pictures
        and likelihood.head.layer.weight.dtype in (torch.float32, torch.float64)
        and not model.takes_missing
    )


@torch.no_grad()
def log_weights(model: Any, x: Tensor, y: Mapping[str, Tensor] | None, samples: int, chunk: int) -> Iterator[Tensor]:
    """log p(x, z) - log q(z|x) of at most `chunk` draws at a time, (k, B) float64; the draws of `model.traces`.

    Args:
        model: one that `has_products`, in evaluation mode.
        x: (B, *X) in the model's units, between 0 and 1; encoded once.
        y: the encoded context.
        samples: K, the draws in all.
        chunk: the latents held at a time; their logits are made in smaller chunks that fit the cache.
    """
    q, p = model._posterior(x, y), model._prior(y)
    score = BernoulliProducts(model.likelihood, x, pick(model.likelihood, y))
    for start in range(0, samples, chunk):
        z = q.rsample((min(chunk, samples - start),))  # (k, B, *Z)
        yield score(z) + (p.log_prob(z) - q.log_prob(z)).double()


class BernoulliProducts:
    """log p(x|z) of fixed items for any draws of z.

    Args:
        likelihood: Bernoulli, its head linear and flat.
        x: (B, *X), between 0 and 1.
        given: the context that the likelihood reads, (B, W) each.

    Example:
        >>> from vaekit.networks import MLP
        >>> p, x, z = Bernoulli(MLP(2, [16]), (6,)), torch.ones(5, 6), torch.randn(3, 5, 2)
        >>> bool((BernoulliProducts(p, x, [])(z) - p(z).log_prob(x)).abs().max() < 1e-5)
        True
    """

    @torch.no_grad()
    def __init__(self, likelihood: Bernoulli, x: Tensor, given: Sequence[Tensor | None]) -> None:
        self.likelihood, self.given = likelihood, given
        self.weight, self.bias = likelihood.head.layer.weight, likelihood.head.bias(0)  # (D, F), (D,)
        centred = x.flatten(1) - 0.5  # (B, D)
        self.pull = centred @ self.weight  # (B, F): what a feature adds to x . l - sum l / 2
        self.constant = (centred * self.bias).sum(1, dtype=torch.float64)  # (B,)

    @torch.no_grad()
    def __call__(self, z: Tensor) -> Tensor:
        """z (k, B, Z) -> (k, B) float64 in nats."""
        numbers = CACHE if z.device.type == "cpu" else DEVICE
        rows = max(1, numbers // (max(self.weight.shape) * z.shape[1]))
        return torch.cat([self._score(part) for part in z.split(rows)])

    def _score(self, z: Tensor) -> Tensor:
        shape = z.shape[:2]
        h = self.likelihood.features_of(z, *self.given)[0].flatten(1)  # (k B, F)
        linear = (h.view(*shape, -1) * self.pull).sum(-1)  # a batched product would copy h first
        # draws along the last axis: sums and products over D then run over whole rows
        logits = torch.addmm(self.bias.unsqueeze(1), self.weight, h.T).abs_()  # (D, k B)
        size = logits.sum(0)
        factors = torch.stack([part.prod(0) for part in logits.sigmoid_().split(FACTORS)])  # (D / FACTORS, k B)
        curved = factors.log_().sum(0, dtype=torch.float64) - 0.5 * size.double()
        return linear.double() + self.constant + curved.view(shape)
