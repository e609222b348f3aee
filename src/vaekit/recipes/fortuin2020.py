r"""GP-VAE: Fortuin, Baranchuk, Rätsch and Mandt 2020, https://arxiv.org/abs/1907.04380; missing values as NaN.

.. math:: z_j \sim GP(0, k_j), \qquad q(z_j|x) = N(m_j, \Lambda_j^{-1}), \; \Lambda_j \text{ banded}, \qquad
          \prod_t p(x_t|z_t)
"""

from __future__ import annotations

__all__ = ["gp_vae"]

from collections.abc import Sequence
from functools import partial

from torch import nn

from vaekit.messages import Mistake, require_count
from vaekit.models import VAE
from vaekit.networks import Series, ZeroFill
from vaekit.objectives import Recipe
from vaekit.posteriors import Banded
from vaekit.priors import CauchyProcess, Process
from vaekit.recipes.compose import latent_size, output_shape
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("latent_dim", "posterior", "networks", "context"))
def gp_vae(
    *,
    shape: Sequence[int],
    channels: int | None = None,
    process: type[Process] = CauchyProcess,
    lengths: Sequence[float] | None = None,
    hidden: Sequence[int] = (64, 64),
    activation: type[nn.Module] = nn.ReLU,
    encoder: nn.Module | None = None,
    **vae_arguments: object,
) -> Recipe:
    """A VAE of series whose latents are Gaussian processes in time; it takes and fills in missing values.

    Args:
        shape: of one series, the steps first: (T,), (T, C) or (T, C, H, W).
        channels: latents of a step; half the numbers of a step, at most 32, where nothing is given.
        process: a class of vk.priors: CauchyProcess or SquaredExponentialProcess; `vk.recipe` takes its name too.
        lengths: the first length scale of each channel, in steps; from T / 2 down to 1 where nothing is given.
        hidden: widths of the encoder's layers behind a convolution in time, and of the decoder's of one step, reversed.
        activation: a torch.nn class.
        encoder: your own module; it is given data with zeros where values are missing.
        vae_arguments: as for `vae`.

    Example:
        >>> import torch
        >>> model, objective = gp_vae(shape=(10, 3), channels=2, hidden=[16])
        >>> model.sample(2).shape, model.prior.covariance().shape
        (torch.Size([2, 10, 3]), torch.Size([2, 10, 10]))
    """
    if not (isinstance(process, type) and issubclass(process, Process)):
        raise Mistake(f"got process={process!r} and wanted a class such as vk.priors.CauchyProcess.")
    steps = shape[0]
    each = latent_size(shape[1:], None) if channels is None else require_count("channels", channels)
    networks = Series(hidden, activation=activation)
    net = encoder if encoder is not None else networks.encoder(shape, 0)
    m, objective = vae(
        shape=shape, latent_dim=steps * each, networks=networks, posterior=partial(Banded, steps=steps),
        encoder=ZeroFill(net, features=output_shape(net, shape, ())), **vae_arguments,
    )  # fmt: skip
    return Recipe(
        VAE(process(steps, each, lengths=lengths), m.posterior, m.likelihood, transform=m.transform), objective
    )
