r"""Semi-supervised Learning with Deep Generative Models: Kingma et al. 2014, https://arxiv.org/abs/1406.5298.

.. math:: \sum_{labelled} L(x, y) + \sum_{rest} \Big[\sum_y q(y|x) L(x, y) + H(q(y|x))\Big]
          + \alpha\, E_{labelled}[\log q(y|x)]

M1 is `vae` with any classifier on its codes; M1+M2 is M2 with those codes as its items.
"""

from __future__ import annotations

__all__ = ["m1_m2", "m2"]

from collections.abc import Sequence
from typing import Any

from vaekit import posteriors
from vaekit.data import Context
from vaekit.data.transforms import Transform
from vaekit.likelihoods import Likelihood
from vaekit.models import VAE
from vaekit.networks import MLP, ClassAside
from vaekit.objectives import Classification, EnumeratedELBO, Recipe, Schedule, StackedELBO
from vaekit.priors import Classed, ConditionalGaussian, Stacked
from vaekit.recipes.classed import over_classes, the_label
from vaekit.recipes.compose import latent_size
from vaekit.recipes.declare import declare, extends
from vaekit.recipes.first_stage import behind, first_stage
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior", "encoder", "decoder"))
def m2(*, context: Context | None = None, alpha: float = 10.0, **vae_arguments: object) -> Recipe:
    """M2: a VAE given a class, and a classifier that infers the class where its label is missing.

    `model.encode(x)` without y tells q(y|x) in the first columns of its mean, and as `probs`; `model.sample(n)` draws
    the class too.

    Args:
        context: one label; `vk.recipe("m2", data, y=...)` fits it to y, "" or -1 where the label is missing.
        alpha: the weight of the mean of -log q(y|x) over the labelled items. The paper's is 0.1; with more of it the
            classifier follows the labels before the bound has drawn it elsewhere.
        vae_arguments: as for `vae`.

    Example:
        >>> import torch
        >>> digits = Context({"digit": {"levels": [0, 1, 2]}})
        >>> model, objective = m2(shape=(8, 8), latent_dim=2, context=digits)
        >>> model.encode(torch.zeros(5, 8, 8)).probs.shape, model.sample(4, y=[2]).shape
        (torch.Size([5, 3]), torch.Size([4, 8, 8]))
    """
    field, classes = the_label("m2", context)
    plain, given = vae(**vae_arguments), vae(context=context, **vae_arguments)
    both: Any = given.model
    bound: Any = given.objective
    prior = Classed(both.posterior.latent_shape[0], classes, reads=(field,))
    model = over_classes(prior, plain.model, both, both.likelihood, ClassAside)
    return Recipe(model, EnumeratedELBO(beta=bound.beta) + alpha * Classification())


@declare
def m1_m2(
    *,
    shape: Sequence[int],
    m1: Any = None,
    latent_dim: int | None = None,
    hidden: Sequence[int] = (256,),
    likelihood: Likelihood | None = None,
    beta: float | Schedule | None = None,
    alpha: float = 10.0,
    transform: Transform | None = None,
    context: Context | None = None,
) -> Recipe:
    """M1+M2: M2 on draws of the codes of a VAE, which was fitted before and stays as it is.

    The model is p(y) p(z) p(a|y,z) p(x|a) with M1's codes a, its decoder p(x|a) and its encoder q(a|x): `sample`,
    `encode` and `log_prob` go through both stages. `model.encode(x)` without y tells q(y|x) as `probs`, and has class,
    z and a in the columns of its mean.

    Args:
        shape: of one item.
        m1: a VAE with a Gaussian posterior that was fitted to such items without y: a run, its folder or its model.
            Where nothing is given one of the recipe 'vae' is learned together with M2, which the paper does not do.
        latent_dim: of z; half of M1's latents where nothing is given.
        hidden: widths of M2's layers.
        likelihood, transform: where no m1 is given; else M1's own stay.
        beta: the weight of the rate; as for `vae`.
        alpha: the weight of the mean of -log q(y|a) over the labelled items.
        context: one label, as for `m2`.

    Example:
        >>> import torch
        >>> digits = Context({"digit": {"levels": [0, 1, 2]}})
        >>> first = vae(shape=(8, 8), latent_dim=4)  # fitted to all items, with or without labels
        >>> model, objective = m1_m2(shape=(8, 8), m1=first.model, latent_dim=2, context=digits)
        >>> model.encode(torch.zeros(5, 8, 8)).probs.shape, model.sample(4, y=[2]).shape
        (torch.Size([5, 3]), torch.Size([4, 8, 8]))
    """
    field, classes = the_label("m1_m2", context)
    plain: Any = vae(shape=shape, likelihood=likelihood, transform=transform, beta=beta)
    first = plain.model if m1 is None else first_stage(m1, shape)
    (codes,) = first.posterior.latent_shape
    size = latent_size((codes,), latent_dim)
    net, classifier = MLP(codes, hidden, context=classes), MLP(codes, hidden)
    then = posteriors.Classed(net, classifier, size, classes, reads=(field,))
    below = ConditionalGaussian(MLP(classes + size, hidden), codes, reads=())
    model = VAE(
        Stacked(Classed(size, classes, reads=(field,)), below), posteriors.Stacked(first.posterior, then),
        behind(first.likelihood, classes + size, codes), transform=first.transform, context=context,
    )  # fmt: skip
    return Recipe(model, StackedELBO(beta=plain.objective.beta) + alpha * Classification())
