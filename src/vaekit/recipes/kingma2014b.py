r"""Semi-supervised Learning with Deep Generative Models: Kingma et al. 2014, https://arxiv.org/abs/1406.5298.

.. math:: \sum_{labelled} L(x, y) + \sum_{rest} \Big[\sum_y q(y|x) L(x, y) + H(q(y|x))\Big]
          + \alpha\, E_{labelled}[\log q(y|x)]

M1 is `vae` with any classifier on its codes; M1+M2 is `m2` fitted to such codes.
"""

from __future__ import annotations

__all__ = ["m2"]

from typing import Any

from vaekit.data import Context
from vaekit.networks import ClassAside
from vaekit.objectives import Classification, EnumeratedELBO, Recipe
from vaekit.priors import Classed
from vaekit.recipes.classed import over_classes, the_label
from vaekit.recipes.declare import extends
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
