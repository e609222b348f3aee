"""Marginal: what the decoder of a VAE makes of its own prior, scored by importance sampling."""

from __future__ import annotations

__all__ = ["Marginal"]

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.maths import log_mean_exp

CHUNK = 2**16  # draws scored at a time


class Marginal(Distribution):
    """p(z) = E_{p(u)}[p(z|u)] of a VAE whose items are z.

    `log_prob` is the log of an unbiased estimate of p(z): each call draws anew. With it every bound stays a bound, and
    importance sampling stays unbiased in p(x); what follows a gradient of the density cannot use it.

    Args:
        model: a VAE without a transform.
        samples: K, the draws of u behind each estimate.
    """

    arg_constraints = {}
    estimated = True

    def __init__(self, model: Any, samples: int) -> None:
        self.model, self.samples = model, samples
        super().__init__(torch.Size(), torch.Size(model.shape), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        leading = value.shape[: value.ndim - len(self.event_shape)]
        flat = value.reshape(-1, *self.event_shape)
        parts = flat.split(max(1, CHUNK // self.samples))
        found = [log_mean_exp(self.model.trace(part, samples=self.samples).log_w) for part in parts]
        return torch.cat(found).view(leading)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        shape = torch.Size(sample_shape)
        with torch.no_grad():
            u = self.model.prior_sample(max(shape.numel(), 1), None, 1.0)
            drawn: Tensor = self.model._likelihood(u, None).sample()
        return drawn.view(*shape, *self.event_shape)
