r"""Variational Deep Embedding: Jiang, Zheng, Tan, Tang and Zhou 2017, https://arxiv.org/abs/1611.05148.

.. math:: E_q[\log p(x|z)] - \sum_c \gamma_c\, KL(q(z|x) \| p(z|c)) - KL(\gamma \| \pi), \qquad \gamma_c = p(c|z)
"""

from __future__ import annotations

__all__ = ["vade"]

import dataclasses
from typing import Any

from torch import Tensor

from vaekit.objectives import ClusterELBO, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.dilokthanakul2016 import mixture_vae

STARTED_FROM = 10_000  # items whose codes the mixture begins at


def at_the_codes(model: Any, x: Tensor) -> None:
    """Let the mixture begin as the one that fits the first codes best; they are whitened features of the items."""
    some = x[:: -(-len(x) // STARTED_FROM)]
    if len(some) >= len(model.prior.logits):
        model.prior.at_best(model.posterior(some).loc)


@extends(mixture_vae, without=("context",))
def vade(**mixture_arguments: object) -> Recipe:
    """VaDE: a mixture prior whose component is inferred by q(c|x) = p(c|z).

    Args:
        mixture_arguments: as for `mixture_vae`.

    Example:
        >>> import torch
        >>> model, objective = vade(shape=(6,), latent_dim=2, components=5)
        >>> model.prior().log_responsibilities(model.encode(torch.zeros(3, 6)).mean).shape
        torch.Size([3, 5])
    """
    recipe = mixture_vae(**mixture_arguments)
    bound: Any = recipe.objective
    return dataclasses.replace(recipe, objective=ClusterELBO(beta=bound.beta), start=at_the_codes)
