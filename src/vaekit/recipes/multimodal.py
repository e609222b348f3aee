"""What the recipes of several modalities share: an expert and a decoder for each, and the VAE made of them."""

from __future__ import annotations

__all__ = [
    "checked", "encoder_of", "for_each", "joint_or_experts", "multimodal", "rising", "shared_and_private", "weighed",
]  # fmt: skip

import copy
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

from torch import nn

from vaekit.data import Modalities
from vaekit.data.transforms import Transform
from vaekit.likelihoods import Categorical, Joint, Likelihood
from vaekit.messages import Mistake, require_count
from vaekit.models import VAE
from vaekit.networks import Columns, Dense, OneHot, Pair, ZeroFill
from vaekit.objectives import ELBO, Distortion, Schedule, Term
from vaekit.objectives.schedules import Linear
from vaekit.posteriors import EachThenAll, Experts, Gaussian, JointOrExperts, SharedAndPrivate
from vaekit.priors import StandardNormal
from vaekit.recipes.compose import default_likelihood, latent_size, wired


def multimodal(
    combine: Callable[[dict[str, Gaussian], Modalities], Experts],
    *,
    shape: Sequence[int],
    modalities: Mapping[str, Sequence[int]] | None = None,
    latent_dim: int | None = None,
    hidden: Sequence[int] | None = None,
    networks: Pair | Mapping[str, Pair] | None = None,
    likelihood: Likelihood | Mapping[str, Likelihood] | None = None,
    transform: Transform | None = None,
    private: int = 0,
) -> VAE:
    """A VAE of several modalities.

    Args:
        combine: makes the posterior of the experts.
        shape, modalities, latent_dim, hidden, networks, likelihood, transform: as for the recipe 'mvae'.
        private: latents of each modality's own, behind the `latent_dim` that all share.
    """
    cut = Modalities(shape, modalities)
    shared = latent_size(shape, latent_dim)
    if hidden is not None and networks is not None:
        raise Mistake("got hidden beside networks: give networks=vk.networks.Dense((512,)).")
    pairs = for_each(cut, "networks", networks if networks is not None else Dense(hidden) if hidden else Dense())
    likelihoods = for_each(cut, "likelihood", likelihood if likelihood is not None else default_likelihood(shape))
    experts, parts = {}, {}
    for m, (name, piece) in enumerate(cut.shapes.items()):
        template, pair = copy.deepcopy(likelihoods[name]), pairs[name]
        net = encoder_of(pair, piece, template)
        experts[name] = Gaussian(net, shared + private, **wired(net, piece, None))
        decoder = pair.decoder(piece, shared + private, 0)
        if private:
            own = shared + m * private
            decoder = Columns([*range(shared), *range(own, own + private)], decoder)
        parts[name] = template.with_net(decoder, piece, **wired(decoder, (shared + private * len(cut.names),), None))
    posterior = combine(experts, cut)
    prior = StandardNormal(posterior.latent_shape[0])
    return VAE(prior, posterior, Joint(parts, cut), transform=transform)


def encoder_of(pair: Pair, piece: Sequence[int], likelihood: Likelihood) -> nn.Module:
    """A network for a piece with gaps; named levels are given to it as a 1 among zeros."""
    if isinstance(likelihood, Categorical):
        return OneHot(likelihood.levels, pair.encoder((*piece, likelihood.levels), 0))
    return ZeroFill(pair.encoder(piece, 0))


def joint_or_experts(experts: Mapping[str, Gaussian], modalities: Modalities) -> JointOrExperts:
    """The experts, and a posterior of all modalities whose network has as many layers for each as its expert."""
    nets = [copy.deepcopy(experts[name].net) for name in modalities.names]
    (latents,) = experts[modalities.names[0]].latent_shape
    return JointOrExperts(Gaussian(EachThenAll(nets, modalities), latents), experts, modalities)


def shared_and_private(
    family: type[SharedAndPrivate],
    *,
    private_dim: int = 4,
    shape: Sequence[int],
    latent_dim: int | None = None,
    **more: Any,
) -> VAE:
    """A VAE of several modalities with latents of each one's own behind those that all share."""
    shared = latent_size(shape, latent_dim)
    combine = functools.partial(family, shared=shared)
    private = require_count("private_dim", private_dim)
    return multimodal(combine, shape=shape, latent_dim=shared, private=private, **more)


def rising(beta: float | Schedule | None, samples: int = 1) -> ELBO:
    """The ELBO with this weight of the rate; where nothing is given it rises as that of the recipe 'vae'."""
    return ELBO(beta=Linear(0.1, 1.0, steps=0.2) if beta is None else beta, samples=samples)


def weighed(term: Term, weights: Mapping[str, float] | None) -> Term:
    """A bound in which the likelihood of a modality counts as often as its weight says."""
    for name, weight in checked(weights).items():
        if weight != 1:
            term = term + (weight - 1) * Distortion(name)
    return term


def checked(weights: Mapping[str, float] | None) -> dict[str, float]:
    """The weights of modalities, which have to be above 0."""
    for name, weight in (weights or {}).items():
        if not isinstance(weight, Real) or not 0 < weight < math.inf:
            raise Mistake(f"got the weight {weight!r} for {name} and wanted a number above 0.")
    return {name: float(weight) for name, weight in (weights or {}).items()}


def for_each(cut: Modalities, what: str, given: Any) -> dict[str, Any]:
    """One for each modality: of all, or by name."""
    if not isinstance(given, Mapping):
        return dict.fromkeys(cut.names, given)
    cut.require(given)
    missing = [name for name in cut.names if name not in given]
    if missing:
        raise Mistake(f"got {what} for {', '.join(given)}, and {missing[0]} has none: give one for each modality.")
    return dict(given)
