r"""log p of a part of an item given the rest of it: of one block of a multimodal model, or of cells that were hidden.

.. math:: \log p(x_a | x_b) = \log p(x_a, x_b) - \log p(x_b)
"""

from __future__ import annotations

__all__ = ["conditional_log_likelihoods"]

from typing import Any

import torch
from torch import Tensor

from vaekit.evaluation.likelihood import Estimates, log_likelihoods
from vaekit.messages import Mistake, require_count
from vaekit.models import Model
from vaekit.noise import forked


@torch.no_grad()
def conditional_log_likelihoods(
    model: Model, x: Tensor, seen: Tensor, y: Any = None, *, samples: int = 1000, seed: int = 0
) -> Estimates:
    """log p(rest | seen, y) of each item: the joint less the marginal, each by K draws of its own posterior.

    Both are below their own log p in expectation, so that the difference has no sign of its own: raise K until it
    stays.

    Args:
        model: one that takes missing values, in evaluation mode.
        x: (B, *X) in the model's units; NaN is missing and counts in neither.
        seen: True for what is given, broadcastable to x.
        y: the encoded context, (B, width) each.
        samples: K, for the joint and for the marginal.
        seed: of all noise.

    Returns:
        estimates in nats and the user's units; the effective sample size is the lesser of the two.

    Raises:
        Mistake: for a model that takes no missing values, and for a Point posterior.

    Example:
        >>> from vaekit.recipes import miwae
        >>> model, x = miwae(shape=(4,), latent_dim=2).model.eval(), torch.randn(6, 4)
        >>> found = conditional_log_likelihoods(model, x, torch.tensor([True, True, False, False]), samples=50)
        >>> sorted(found.numbers())
        ['conditional_ess', 'conditional_nll', 'conditional_nll_mc_se']
    """
    require_count("samples", samples)
    if not model.takes_missing:
        raise Mistake(
            "this model takes no missing values, so nothing can be left out of its items: train one that does, such "
            "as the recipe 'miwae', or put vk.networks.ZeroFill before the posterior's network."
        )
    if not model.has_density:
        raise Mistake("a Point posterior has no density, so there is no likelihood: train a recipe such as 'miwae'.")
    marginal = x.masked_fill(~seen.expand_as(x), torch.nan)
    with forked(seed, x.device):
        whole, whole_error, whole_ess = log_likelihoods(model, x, y, samples)
        part, part_error, part_ess = log_likelihoods(model, marginal, y, samples)
    share = float(seen.expand_as(x).double().mean())
    how = f"importance sampling with {samples} draws of the joint less that of what is given, {share:.0%} of an item"
    error, ess = torch.hypot(whole_error, part_error), torch.minimum(whole_ess, part_ess)
    return Estimates("conditional", how, whole - part, error, ess)
