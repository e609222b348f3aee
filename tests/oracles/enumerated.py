"""Models with discrete latents few enough to enumerate, and expectations over all tuples of draws."""

from __future__ import annotations

__all__ = ["PIXELS", "PLACES", "Enumerated", "binary", "categorical", "flat", "pictures"]

import itertools
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vaekit import likelihoods, posteriors, priors
from vaekit.models import VAE, Trace
from vaekit.networks import MLP

PIXELS = 4
PLACES = 3  # binary latents


def pictures() -> Tensor:
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=PIXELS)), dtype=torch.float64)


def _made(prior: Any, posterior: Any, latents: int) -> Any:
    torch.manual_seed(0)
    model = VAE(
        prior,
        posterior(MLP(PIXELS, [6], activation=nn.Tanh)),
        likelihoods.Bernoulli(MLP(latents, [6], activation=nn.Tanh), (PIXELS,)),
    ).double()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(3.0)
    return model


@dataclass
class Enumerated:
    """A model and all states of its latents, (S, D)."""

    model: Any
    states: Tensor

    def tables(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """log p(x, z) and log q(z|x) of all states, (S, B)."""
        z = self.states[:, None].expand(-1, len(x), -1)
        log_p = self.model.prior().log_prob(z)
        return self.model.likelihood(z).log_prob(x) + log_p, self.model.posterior(x).log_prob(z)

    def elbo(self, x: Tensor) -> Tensor:
        log_joint, log_q = self.tables(x)
        return (log_q.exp() * (log_joint - log_q)).sum(0)

    def bound(self, x: Tensor, k: int) -> Tensor:
        """The importance-weighted bound of K draws for one item, exact."""
        log_joint, log_q = (t[:, 0] for t in self.tables(x))
        rows = self.rows(k)  # (S^K, K)
        log_w = (log_joint - log_q)[rows]
        return (log_q[rows].sum(1).exp() * (log_w.logsumexp(1) - math.log(k))).sum()

    def rows(self, k: int) -> Tensor:
        return torch.cartesian_prod(*[torch.arange(len(self.states))] * k).reshape(-1, k)

    def draws(self, x: Tensor, k: int) -> tuple[Trace, Tensor]:
        """One item with every tuple of K draws, a tuple an item of the trace, and the tuples' probabilities."""
        rows = self.rows(k)
        z = self.states[rows.T]  # (K, S^K, D)
        items = x.expand(len(rows), -1)
        q, p = self.model.posterior(items), self.model.prior()
        log_q = self.model.posterior(x).log_prob(self.states[:, None])[:, 0]
        trace = Trace(items, None, ((q, p, z),), self.model.likelihood(z))
        return trace, log_q[rows].sum(1).exp().detach()


def binary(posterior: Any = posteriors.Bernoulli) -> Enumerated:
    states = torch.tensor(list(itertools.product([0.0, 1.0], repeat=PLACES)), dtype=torch.float64)
    return Enumerated(_made(priors.FairBernoulli(PLACES), lambda net: posterior(net, PLACES), PLACES), states)


def categorical(posterior: Any = posteriors.Categorical, **more: Any) -> Enumerated:
    """Two variables of three values."""
    one = torch.eye(3, dtype=torch.float64)
    states = torch.stack([torch.cat([a, b]) for a in one for b in one])
    return Enumerated(
        _made(priors.UniformCategorical(2, 3), lambda net: posterior(net, 6, levels=3, **more), 6), states
    )


def flat(tensors: Any) -> Tensor:
    return torch.cat([t.flatten() for t in tensors])
