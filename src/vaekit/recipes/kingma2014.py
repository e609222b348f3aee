r"""Auto-Encoding Variational Bayes: Kingma and Welling 2014, https://arxiv.org/abs/1312.6114.

.. math:: \max E_{q(z|x)}[\log p(x|z)] - KL(q(z|x) \| p(z))
"""

from __future__ import annotations

__all__ = ["vae", "vae_conv"]

from collections.abc import Sequence

from torch import nn

from vaekit.data import Context
from vaekit.data.transforms import Transform
from vaekit.likelihoods import Likelihood
from vaekit.networks import Convolutional, Pair
from vaekit.objectives import ELBO, Recipe, Schedule
from vaekit.objectives.schedules import Linear
from vaekit.posteriors import Posterior
from vaekit.recipes.compose import compose, latent_size, pair_of
from vaekit.recipes.declare import declare, extends


@declare
def vae(
    *,
    shape: Sequence[int],
    latent_dim: int | None = None,
    hidden: Sequence[int] | None = None,
    activation: type[nn.Module] | None = None,
    networks: Pair | None = None,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    posterior: type[Posterior] | None = None,
    likelihood: Likelihood | None = None,
    beta: float | Schedule | None = None,
    transform: Transform | None = None,
    context: Context | None = None,
) -> Recipe:
    """The VAE, with fully connected networks unless others are given.

    Args:
        shape: of one item.
        latent_dim: the number of latents; 32, or half the data's dimensions where that is less.
        hidden: widths of the encoder's layers, the decoder's in reverse.
        activation: a torch.nn class, such as nn.Tanh; ReLU where nothing is given.
        networks: a pair in place of hidden and activation: vk.networks.Dense, Convolutional or Residual.
        encoder, decoder: your own torch modules; the heads add the last layers.
        posterior: a class of vk.posteriors.
        likelihood: a part of vk.likelihoods without its network.
        beta: the weight of the rate; where nothing is given it rises from 0.1 to 1 over the first fifth of the run,
            which keeps latents in use that the first steps would switch off.
        transform, context: as for vk.VAE.

    Example:
        >>> model, objective = vae(shape=(28, 28), latent_dim=8, hidden=[64])
        >>> model.sample(3).shape
        torch.Size([3, 28, 28])
    """
    model = compose(
        shape, latent_size(shape, latent_dim), networks=pair_of(networks, hidden, activation),
        encoder=encoder, decoder=decoder, posterior=posterior, likelihood=likelihood,
        transform=transform, context=context,
    )  # fmt: skip
    return Recipe(model, ELBO(beta=Linear(0.1, 1.0, steps=0.2) if beta is None else beta))


@extends(vae, without=("networks", "hidden", "activation"))
def vae_conv(*, channels: Sequence[int] = (32, 64), width: int = 256, **vae_arguments: object) -> Recipe:
    """The VAE with convolutional networks, for pictures of any channels, height and width.

    Args:
        channels: after each halving of the picture.
        width: of the fully connected layer.
        vae_arguments: as for `vae`.

    Example:
        >>> model, objective = vae_conv(shape=(3, 45, 32), channels=[8, 16], latent_dim=4)
        >>> model.sample(2).shape
        torch.Size([2, 3, 45, 32])
    """
    return vae(networks=Convolutional(channels, width), **vae_arguments)
