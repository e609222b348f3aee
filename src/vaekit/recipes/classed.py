"""What recipes with a context, or with a class among the latents, share."""

from __future__ import annotations

__all__ = ["conditional_prior", "over_classes", "the_label"]

from collections.abc import Sequence
from typing import Any

from vaekit.data import Context
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.networks import MLP, ClassAside
from vaekit.posteriors import Classed
from vaekit.priors import ConditionalGaussian, Prior


def the_label(name: str, context: Context | None) -> tuple[str, int]:
    """The field and the number of classes of a context that is one label.

    Raises:
        Mistake: where there is no context, several fields or a number.
    """
    fields = {} if context is None else context.fields
    if len(fields) != 1 or "levels" not in next(iter(fields.values())):
        got = f"the fields {', '.join(fields)}" if len(fields) > 1 else "a number" if fields else "nothing"
        raise Mistake(
            f"{name} wants one label as y= (or --condition COLUMN) and got {got}: give classes as strings or whole "
            'numbers, "" or -1 where they are missing.'
        )
    ((field, classes),) = context.widths.items()  # type: ignore[union-attr]
    return field, classes


def conditional_prior(context: Context, latent_dim: int, hidden: Sequence[int]) -> ConditionalGaussian:
    """p(z|y) with a fully connected network from all fields of the context."""
    first, *rest = context.widths.values()
    return ConditionalGaussian(MLP(first, hidden, context=sum(rest)), latent_dim, reads=tuple(context.widths))


def over_classes(prior: Prior, plain: Any, given: Any, source: Any, aside: type[ClassAside]) -> VAE:
    """A VAE whose latents are a class and z.

    Args:
        prior: over both; it reads the class where the data may hold it.
        plain: a VAE whose posterior's network becomes the classifier.
        given: the same with the class as its context, whose posterior's network is that of q(z|x,y).
        source: the likelihood of one of them.
        aside: what passes the latents on to the likelihood's network.
    """
    classes: int = sum(given.context.widths.values())
    encoder, classifier = given.posterior, plain.posterior
    posterior = Classed(
        encoder.net, classifier.net, encoder.latent_shape[0], classes,
        features=(encoder.head.features, classifier.head.features), reads=prior.reads,
    )  # fmt: skip
    net = aside(source.net, classes, features=source.head.features)
    likelihood = source.with_net(net, source.shape, features=net.features, reads=())
    context = given.context if prior.reads else None
    return VAE(prior, posterior, likelihood, transform=given.transform, context=context)
