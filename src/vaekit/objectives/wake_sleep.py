r"""What an encoder learns from apart from the bound: dreams of the model, and weighed draws.

.. math:: -E_{p(z) p(x|z)} \log q(z|x), \qquad -\sum_k \tilde w_k \log q(z_k|x)

Their gradients are for the posterior, whatever its draws are, discrete or not: they belong to a player that owns it.
"""

from __future__ import annotations

__all__ = ["Sleep", "WakePhi"]

from typing import ClassVar

import torch
from torch import Tensor

from vaekit.messages import Mistake, require_count
from vaekit.models import Model, Trace
from vaekit.objectives.term import Term


class Sleep(Term):
    """-log q(z|x) of items that the model makes itself, as many as the batch holds, (B,) (Hinton et al. 1995).

    Its mean is KL(p(z|x) || q(z|x)) over the model's own x, and a constant of q.
    """

    cites: ClassVar[tuple[str, ...]] = ("hinton1995",)
    reads_densities: ClassVar[bool] = True
    scores = True

    def forward(self, model: Model, trace: Trace) -> Tensor:
        if not trace.has_density or len(trace.levels) > 1:
            raise Mistake("Sleep needs a posterior with a density over one level of latents: use the recipe 'vae'.")
        with torch.no_grad():
            z = model.prior_sample(len(trace.x), trace.y, 1.0)  # (B, D)
            x = model._likelihood(z, trace.y).sample()
        return -model._posterior(x, trace.y).log_prob(z)


class WakePhi(Term):
    """-log q of the draws, weighed by their normalised importance, (B,) (Bornschein and Bengio 2015, arXiv:1406.2751).

    It takes q to p(z|x) under KL(p || q); its bias, that of K normalised weights, falls with K.

    Args:
        samples: K.
    """

    cites: ClassVar[tuple[str, ...]] = ("bornschein2015", "le2019")
    reads_densities: ClassVar[bool] = True
    scores = True

    def __init__(self, samples: int = 5) -> None:
        super().__init__()
        self.samples = require_count("samples", samples)

    def forward(self, model: Model, trace: Trace) -> Tensor:
        weight = trace.log_w.detach().softmax(0)  # (K, B)
        return -(weight * trace.q.log_prob(trace.z.detach())).sum(0)
