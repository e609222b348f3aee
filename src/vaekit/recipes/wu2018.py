r"""Multimodal Generative Models for Scalable Weakly-Supervised Learning: Wu and Goodman 2018,
https://arxiv.org/abs/1802.05335.

.. math:: q(z|x) \propto p(z) \prod_m q_m(z|x_m), \qquad
          \mathrm{ELBO}(x) + \sum_m \mathrm{ELBO}(x_m) + \sum_{j \le k} \mathrm{ELBO}(x_{s_j})
"""

from __future__ import annotations

__all__ = ["mvae"]

from collections.abc import Mapping, Sequence

from vaekit.data.transforms import Transform
from vaekit.likelihoods import Likelihood
from vaekit.networks import Pair
from vaekit.objectives import OfSubsets, RandomSubsets, Recipe, Schedule
from vaekit.posteriors import ProductOfExperts
from vaekit.recipes.declare import declare
from vaekit.recipes.multimodal import multimodal, rising, weighed


@declare
def mvae(
    *,
    shape: Sequence[int],
    modalities: Mapping[str, Sequence[int]] | None = None,
    latent_dim: int | None = None,
    hidden: Sequence[int] | None = None,
    networks: Pair | Mapping[str, Pair] | None = None,
    likelihood: Likelihood | Mapping[str, Likelihood] | None = None,
    weights: Mapping[str, float] | None = None,
    beta: float | Schedule | None = None,
    subsets: int = 0,
    transform: Transform | None = None,
) -> Recipe:
    """A VAE of several modalities whose posterior is the product of an expert for each; any of them may be missing.

    A missing modality is NaN. The model's `reconstruct` makes all modalities from those that are there, `run.impute`
    (`vaekit impute`) fills in the others, by their mean or by draws, and `vk.evaluation.conditional_log_likelihoods`
    gives log p of some given others.

    Args:
        shape: of one item, the modalities side by side.
        modalities: name -> shape of each, cut from an item along its last axis in this order; two halves of it,
            "first" and "second", where nothing is given.
        latent_dim: the number of latents; 32, or half the data's dimensions where that is less.
        hidden: widths of each encoder's layers, each decoder's in reverse.
        networks: a pair of vk.networks, or name -> pair.
        likelihood: a part of vk.likelihoods without its network, or name -> part.
        weights: name -> how often the likelihood of that modality counts in training, 1 where nothing is given.
        beta: the weight of the rate, as for `vae`.
        subsets: k, random subsets of the modalities that each step is trained on too, beside all and each alone.
        transform: as for vk.VAE.

    Example:
        >>> import torch
        >>> modalities = {"digit": (8, 8), "name": (1,)}
        >>> from vaekit.likelihoods import Bernoulli, Categorical
        >>> likelihood = {"digit": Bernoulli(), "name": Categorical(levels=10)}
        >>> model, objective = mvae(shape=(65,), modalities=modalities, likelihood=likelihood, hidden=[32])
        >>> x = model.posterior.modalities.join({"name": torch.tensor([[3.0], [7.0]])})  # what does a 3 look like?
        >>> model.posterior.modalities.split(model.reconstruct(x))["digit"].shape
        torch.Size([2, 8, 8])
    """
    model = multimodal(
        ProductOfExperts, shape=shape, modalities=modalities, latent_dim=latent_dim, hidden=hidden, networks=networks,
        likelihood=likelihood, transform=transform,
    )  # fmt: skip
    bound = weighed(rising(beta), weights)
    objective = bound + OfSubsets(bound)
    return Recipe(model, objective + RandomSubsets(bound, subsets) if subsets else objective)
