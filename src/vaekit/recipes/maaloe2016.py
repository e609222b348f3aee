r"""Auxiliary Deep Generative Models: Maaløe et al. 2016, https://arxiv.org/abs/1602.05473.

.. math:: E_{q(a|x)}\Big[\sum_y q(y|x,a)\, E_{q(z|x,y,a)} \log
          \frac{p(y)\, p(z)\, p(x|y,z)\, p(a|x,y,z)}{q(a|x)\, q(y|x,a)\, q(z|x,y,a)}\Big]
"""

from __future__ import annotations

__all__ = ["auxiliary_dgm", "skip_dgm"]

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from vaekit.data import Context
from vaekit.messages import require_count
from vaekit.models import VAE
from vaekit.networks import Dense, Pair
from vaekit.objectives import AuxiliaryELBO, Classification, Recipe, SkipELBO
from vaekit.posteriors import Auxiliary, Classed, Gaussian, Skipping
from vaekit.priors import Classed as ClassedPrior
from vaekit.priors import ConditionalGaussian, Stacked
from vaekit.recipes.classed import the_label
from vaekit.recipes.compose import latent_size, pair_of
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014b import m2


@extends(m2)
def auxiliary_dgm(
    *, context: Context | None = None, auxiliary_dim: int | None = None, alpha: float = 10.0, **vae_arguments: object
) -> Recipe:
    """M2 with an auxiliary variable a behind class and z: q(a|x) q(y|x,a) q(z|x,y,a), and p(a|x,y,z) to score it.

    p(x, y, z) is that of M2; the posterior is a mixture over a, and so no Gaussian. `model.encode(x)` without y tells
    q(y|x), an average over draws of a, as `probs`.

    Args:
        context: one label; `vk.recipe("auxiliary_dgm", data, y=...)` fits it to y, "" or -1 where the label is missing.
        auxiliary_dim: the dimensions of a; as many as z has where nothing is given.
        alpha: the weight of the mean of -log q(y|x,a) over the labelled items.
        vae_arguments: as for `m2`.

    Example:
        >>> import torch
        >>> digits = Context({"digit": {"levels": [0, 1, 2]}})
        >>> model, objective = auxiliary_dgm(shape=(8, 8), latent_dim=2, context=digits)
        >>> model.encode(torch.zeros(5, 8, 8)).probs.shape, model.sample(4, y=[2]).shape
        (torch.Size([5, 3]), torch.Size([4, 8, 8]))
    """
    the_label("auxiliary_dgm", context)
    plain: Any = m2(context=context, alpha=alpha, **vae_arguments)
    m, bound = plain.model, plain.objective.parts[0]
    pair = _pair(vae_arguments)
    classes, (both,) = m.posterior.classes, m.posterior.latent_shape
    size = both - classes if auxiliary_dim is None else require_count("auxiliary_dim", auxiliary_dim)

    def net(given: int) -> nn.Module:
        return pair.encoder(m.shape, given)

    then = Classed(net(classes + size), net(size), both - classes, classes, reads=m.prior.reads)
    posterior = Auxiliary(Gaussian(net(0), size), then, Gaussian(net(both), size))
    model = VAE(m.prior, posterior, m.likelihood, transform=m.transform, context=m.context)
    return Recipe(model, AuxiliaryELBO(beta=bound.beta) + alpha * Classification())


@extends(m2)
def skip_dgm(
    *,
    shape: Sequence[int],
    context: Context | None = None,
    latent_dim: int | None = None,
    auxiliary_dim: int | None = None,
    alpha: float = 10.0,
    **vae_arguments: object,
) -> Recipe:
    """SDGM: the auxiliary variable as a level of the model, p(y) p(z) p(a|y,z) p(x|a,y,z), all of it seen by x.

    The posterior is that of `auxiliary_dgm`. `model.encode(x)` without y tells q(y|x) as `probs`, and has class, z and
    a in the columns of its mean.

    Args:
        shape: of one item.
        context: one label; "" or -1 where it is missing.
        latent_dim: of z.
        auxiliary_dim: of a; as many as z has where nothing is given.
        alpha: the weight of the mean of -log q(y|x,a) over the labelled items.
        vae_arguments: as for `m2`.

    Example:
        >>> digits = Context({"digit": {"levels": [0, 1, 2]}})
        >>> model, objective = skip_dgm(shape=(8, 8), latent_dim=2, context=digits)
        >>> model.posterior.latent_shape, model.sample(4, y=[2]).shape  # three classes, z and a
        ((7,), torch.Size([4, 8, 8]))
    """
    field, classes = the_label("skip_dgm", context)
    width = latent_size(shape, latent_dim)
    size = width if auxiliary_dim is None else require_count("auxiliary_dim", auxiliary_dim)
    plain: Any = m2(shape=shape, context=context, latent_dim=width + size, alpha=alpha, **vae_arguments)
    m, pair = plain.model, _pair(vae_arguments)
    then = Classed(
        pair.encoder(shape, classes + size), pair.encoder(shape, size), width, classes, reads=(field,)
    )  # fmt: skip
    posterior = Skipping(Gaussian(pair.encoder(shape, 0), size), then)
    down = (pair if isinstance(pair, Dense) else Dense()).decoder((size,), classes + width, 0)
    prior = Stacked(ClassedPrior(width, classes, reads=(field,)), ConditionalGaussian(down, size, reads=()))
    model = VAE(prior, posterior, m.likelihood, transform=m.transform, context=context)
    return Recipe(model, SkipELBO(beta=plain.objective.parts[0].beta) + alpha * Classification())


def _pair(given: Mapping[str, Any]) -> Pair:
    """The networks that arguments of `vae` ask for."""
    return pair_of(given.get("networks"), given.get("hidden"), given.get("activation"))
