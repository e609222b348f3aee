"""What the recipes share: networks in pairs, heads on the user's own modules, and the VAE made of them."""

from __future__ import annotations

__all__ = [
    "bent", "coded", "compose", "critic", "default_likelihood", "latent_size", "pair_of", "require_levels", "wired",
]  # fmt: skip

import dataclasses
import inspect
import math
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from vaekit import priors
from vaekit.data import Context
from vaekit.data.transforms import Transform
from vaekit.likelihoods import Bernoulli, Gaussian, Likelihood
from vaekit.messages import Mistake, require_count, require_counts
from vaekit.models import VAE
from vaekit.networks import MLP, Dense, Pair
from vaekit.networks.flows import Layer
from vaekit.objectives import Recipe
from vaekit.posteriors import (
    AnyQuantized,
    Categorical,
    Flow,
    GaussianCategorical,
    Posterior,
    RelaxedBernoulli,
    StraightThroughBernoulli,
    VonMisesFisher,
    WrappedNormal,
)
from vaekit.posteriors import Bernoulli as BernoulliPosterior
from vaekit.posteriors import Gaussian as GaussianPosterior
from vaekit.posteriors import Laplace as LaplacePosterior
from vaekit.priors import (
    Blocks,
    FairBernoulli,
    HypersphericalUniform,
    Laplace,
    Prior,
    StandardNormal,
    UniformCategorical,
    UniformCodes,
)


def latent_size(shape: Sequence[int], latent_dim: int | None) -> int:
    """The number of latents: as asked, else 32, and at most half of the data's own dimensions.

    Example:
        >>> latent_size((28, 28), None), latent_size((6,), None)
        (32, 3)
    """
    if latent_dim is None:
        return min(32, max(1, math.prod(shape) // 2))
    if not isinstance(latent_dim, Integral) or isinstance(latent_dim, bool) or latent_dim < 1:
        raise Mistake(f"got latent_dim={latent_dim!r} and wanted a whole number, 1 or more.")
    return int(latent_dim)


def require_levels(latent_dims: Sequence[int], hidden: Sequence[int]) -> tuple[list[int], list[int]]:
    """The latents of each level of a hierarchy and the width of its state, from the top down; others are refused.

    Example:
        >>> require_levels((2, 4), [16, 32])
        ([2, 4], [16, 32])
    """
    latents, widths = require_counts("latent_dims", latent_dims), require_counts("hidden", hidden)
    if len(latents) != len(widths):
        raise Mistake(f"got {len(latents)} latent_dims and {len(widths)} hidden widths: give one each a level.")
    return latents, widths


def default_likelihood(shape: Sequence[int]) -> Likelihood:
    """Bernoulli for pictures, Gaussian with one learned scale for vectors; `vk.recipe` asks the data instead."""
    return Bernoulli() if len(shape) > 1 else Gaussian()


def critic(shape: Sequence[int] | int, hidden: Sequence[int] = (256,) * 4) -> nn.Module:
    """A discriminator of vectors, or of items of any shape that it flattens: one logit each, (B, 1).

    Example:
        >>> critic(3)(torch.zeros(5, 3)).shape
        torch.Size([5, 1])
    """
    return nn.Sequential(MLP(shape, hidden, activation=nn.LeakyReLU), nn.Linear(hidden[-1], 1))


def pair_of(
    networks: Pair | None, hidden: Sequence[int] | None = None, activation: type[nn.Module] | None = None
) -> Pair:
    """The networks as asked for: a pair, or Dense of these widths and this activation.

    Raises:
        Mistake: where both are given.
    """
    plain: dict[str, Any] = {k: v for k, v in {"hidden": hidden, "activation": activation}.items() if v is not None}
    if plain and networks is not None:
        raise Mistake(f"got {' and '.join(plain)} beside networks: give networks=vk.networks.Dense((512,), nn.Tanh).")
    return networks if networks is not None else Dense(**plain)


def output_shape(net: nn.Module, shape: Sequence[int], widths: Sequence[int]) -> tuple[int, ...]:
    """The shape of one output of a module, found by passing zeros through it."""
    known = getattr(net, "features", None)
    if isinstance(known, tuple):
        return known
    like = next(net.parameters(), torch.zeros(()))
    given = [like.new_zeros(2, w) for w in widths]
    was = net.training
    try:
        with torch.no_grad():
            out = net.eval()(like.new_zeros(2, *shape), *given)
    except (RuntimeError, TypeError, ValueError) as error:
        raise Mistake(
            f"{type(net).__name__} does not take an input of shape (batch, {', '.join(map(str, shape))}): {error}."
        ) from error
    finally:
        net.train(was)
    if not isinstance(out, Tensor) or out.ndim < 2 or len(out) != 2:
        raise Mistake(f"{type(net).__name__} must return one tensor with the batch first, such as (batch, features).")
    return tuple(out.shape[1:])


def reads_of(net: nn.Module, context: Context | None) -> tuple[str, ...]:
    """The fields of the context that a network is given: all, or none where its forward takes one argument only."""
    if context is None:
        return ()
    parameters = inspect.signature(net.forward).parameters.values()
    room = any(p.kind is p.VAR_POSITIONAL for p in parameters) or len(list(parameters)) > 1
    return tuple(context.widths) if room else ()


def wired(net: nn.Module, shape: Sequence[int], context: Context | None) -> dict[str, Any]:
    """What a part has to know of its network, which takes (B, *shape): the shape of its output and what it reads."""
    reads = reads_of(net, context)
    widths = tuple(context.widths.values()) if context is not None and reads else ()
    return {"features": output_shape(net, shape, widths), "reads": reads}


def prior_for(posterior: Posterior) -> Prior:
    """What a posterior is usually met by: fair coins for bits, the uniform density on a sphere, else the normal."""
    (latent_dim,) = posterior.latent_shape
    if isinstance(posterior, GaussianCategorical):
        categories = UniformCategorical((latent_dim - posterior.reals) // posterior.levels, posterior.levels)
        return Blocks([StandardNormal(posterior.reals), categories])
    if isinstance(posterior, Categorical):
        return UniformCategorical(latent_dim // posterior.levels, posterior.levels)
    if isinstance(posterior, WrappedNormal):
        return priors.WrappedNormal(latent_dim, curvature=posterior.curvature)
    if isinstance(posterior, VonMisesFisher):
        return HypersphericalUniform(latent_dim)
    if isinstance(posterior, LaplacePosterior):
        return Laplace(latent_dim)
    binary = isinstance(posterior, (BernoulliPosterior, RelaxedBernoulli, StraightThroughBernoulli))
    return FairBernoulli(latent_dim) if binary else StandardNormal(latent_dim)


def compose(
    shape: Sequence[int],
    latent_dim: int,
    *,
    networks: Pair | None = None,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    posterior: Callable[..., Posterior] | None = None,
    likelihood: Likelihood | None = None,
    transform: Transform | None = None,
    context: Context | None = None,
) -> VAE:
    """A VAE of one level.

    Args:
        shape: of one item.
        latent_dim: the number of latents.
        networks: makes the encoder and the decoder; Dense() where nothing is given.
        encoder, decoder: the user's own modules; the heads add the last layers.
        posterior: the family, or what makes one from (net, latent_dim, features=, reads=); the diagonal Gaussian where
            nothing is given.
        likelihood: a template such as Gaussian(scale=...).
        transform, context: as for VAE.
    """
    widths = tuple(context.widths.values()) if context is not None else ()
    for name, net in (("encoder", encoder), ("decoder", decoder)):
        if net is not None and not isinstance(net, nn.Module):
            raise Mistake(f"got {name}={net!r:.60} and wanted a torch module: give an instance, such as MyNet().")
    pair = networks if networks is not None else Dense()
    family = posterior if posterior is not None else GaussianPosterior
    own = encoder is not None
    encoder = encoder if encoder is not None else pair.encoder(shape, sum(widths))
    decoder = decoder if decoder is not None else pair.decoder(shape, latent_dim, sum(widths))
    if isinstance(pair, Dense) and not pair.hidden and not own and latent_dim > math.prod(shape):
        most = math.prod(shape)
        raise Mistake(f"got latent_dim={latent_dim} and a linear model of {most} numbers an item takes {most} at most.")
    template = likelihood if likelihood is not None else default_likelihood(shape)
    q = family(encoder, latent_dim, **wired(encoder, shape, context))
    return VAE(
        prior_for(q),
        q,
        template.with_net(decoder, shape, **wired(decoder, (latent_dim,), context)),
        transform=transform,
        context=context,
    )


def coded(
    shape: Sequence[int],
    posterior: AnyQuantized,
    decoder: nn.Module,
    *,
    likelihood: Likelihood | None,
    transform: Transform | None,
    context: Context | None,
) -> VAE:
    """A VAE whose latents are vectors of a codebook, all of them equally likely.

    Args:
        shape: of one item.
        posterior: gives the codes.
        decoder: from the vectors of all places, one after the other.
        likelihood: a template; as for `compose` where it is None.
        transform, context: as for VAE.
    """
    book, template = posterior.codebook, likelihood if likelihood is not None else default_likelihood(shape)
    decoder = book.entered(decoder)
    px = template.with_net(decoder, shape, **wired(decoder, posterior.latent_shape, context))
    prior = UniformCodes(book, math.prod(posterior.places))
    return VAE(prior, posterior, px, transform=transform, context=context)


def bent(recipe: Recipe, layer: Callable[..., Layer], layers: int, **more: Any) -> Recipe:
    """The same with its Gaussian posterior pushed through a flow.

    Args:
        recipe: a VAE's.
        layer: (latents, features) -> one layer.
        layers: how many.
        more: of each layer.
    """
    m: Any = recipe.model
    base = m.posterior
    flow = [layer(base.latent_shape[0], base.head.features, **more) for _ in range(require_count("flows", layers))]
    model = VAE(m.prior, Flow(base, flow), m.likelihood, transform=m.transform, context=m.context)
    return dataclasses.replace(recipe, model=model)
