r"""Bounds with the class summed out, and what a classifier is charged for the labels that are there.

.. math:: \sum_y q(y|x) \{ E_{q(z|x,y)}[\log p(x|y,z)] - KL(q(z|x,y) \| p(z|y)) \} - KL(q(y|x) \| p(y))
"""

from __future__ import annotations

__all__ = ["AuxiliaryELBO", "Classification", "ClusterELBO", "EnumeratedELBO", "SkipELBO", "StackedELBO"]

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import kl_divergence

from vaekit.distributions import Auxiliary, Chained, ClassedGaussian, DiagonalGaussian, GaussianMixture
from vaekit.maths import log_mean_exp
from vaekit.messages import Mistake
from vaekit.models import Model, Trace
from vaekit.objectives.bounds import ELBO
from vaekit.objectives.term import Term


class EnumeratedELBO(ELBO):
    """The ELBO of a class and z, the class summed out: its gradient reaches q(y|x) without draws of y.

    Where the class is given its share is 1 and the bound is one on log p(x|y): L(x, y) of Kingma et al. (2014,
    arXiv:1406.5298) less log p(y); where it is missing one on log p(x), their U(x).

    Args:
        beta: the weight of the rate, that of the class included.
        samples: draws of z for each class.
    """

    cites: ClassVar[tuple[str, ...]] = ("kingma2014b",)
    scores = True  # it needs no gradient of draws

    def bound(self, model: Model, trace: Trace) -> Tensor:
        q = trace.q
        if not isinstance(q, ClassedGaussian):
            raise Mistake(f"{self.name} sums over classes and got {type(q).__name__}: give a Classed posterior.")
        px: Any = model._likelihood(q.every(self.samples), trace.y)  # (C * K, B)
        scores = (px.log_prob_observed if trace.missing else px.log_prob)(trace.x)
        each = scores.unflatten(0, (q.classes, self.samples)).mean(1)  # (C, B)
        return (q.probs.T * each).sum(0) - self.beta.value() * trace.kl


class AuxiliaryELBO(EnumeratedELBO):
    r"""The same with an auxiliary variable behind the posterior (Maaløe et al. 2016, arXiv:1602.05473).

    It is E_{q(a|x)} of \sum_y q(y|x,a) E_{q(z|x,y,a)}[log p(x|y,z) + log p(a|x,y,z)] - KL(q(y,z|x,a) || p(y,z)), and
    the entropy of q(a|x).

    Args:
        beta: the weight of the rate, all but log p(x|y,z).
        samples: draws of a, and for each of them one of z for each class.
    """

    cites: ClassVar[tuple[str, ...]] = ("maaloe2016",)

    def bound(self, model: Model, trace: Trace) -> Tensor:
        q = trace.q
        if not isinstance(q, Auxiliary) or not isinstance(q.given, ClassedGaussian):
            raise Mistake(
                f"{self.name} wants an auxiliary variable behind a class and got {type(q).__name__}: give "
                "vk.posteriors.Auxiliary around a Classed posterior."
            )
        z = q.given.every()  # (C, K, B, C + D)
        px: Any = model._likelihood(z, trace.y)
        scores = (px.log_prob_observed if trace.missing else px.log_prob)(trace.x)
        rate = _rate(q, trace.p, q.back(z).log_prob(q.a))
        return (_over_classes(q.given, scores) - self.beta.value() * rate).mean(0)


class StackedELBO(EnumeratedELBO):
    r"""The bound of a second stage with a class on the latents a of a first one (Kingma et al. 2014, arXiv:1406.5298).

    It is E_{q(a|x)} of log p(x|a) + \sum_y q(y|a) E_{q(z|y,a)}[log p(a|y,z)] - KL(q(y,z|a) || p(y,z)), and the entropy
    of q(a|x). Where the first stage stands still its slopes are those of `EnumeratedELBO` on draws of a as items.

    Args:
        beta: the weight of the rate, all but log p(x|a).
        samples: draws of a, and for each of them one of z for each class.
    """

    def bound(self, model: Model, trace: Trace) -> Tensor:
        q, p = trace.q, trace.p
        if not isinstance(q, Chained) or not isinstance(p, Chained) or not isinstance(q.given, ClassedGaussian):
            raise Mistake(
                f"{self.name} wants two stages, the second one with a class, and got {type(q).__name__}: give "
                "vk.posteriors.Stacked with a Classed posterior, and vk.priors.Stacked."
            )
        z = q.given.every()  # (C, K, B, C + D)
        rate = _rate(q, p.first, p.then(z).log_prob(q.a))
        return (self.scores_of(model, trace, z) - self.beta.value() * rate).mean(0)

    def scores_of(self, model: Model, trace: Trace, z: Tensor) -> Tensor:
        """log p(x|a), (K, B): the same for every class."""
        return trace.log_px


class SkipELBO(StackedELBO):
    """The same where x depends on class and z too: p(x|a,y,z) is taken for each class (Maaløe et al. 2016).

    Args:
        beta, samples: as for StackedELBO.
    """

    cites: ClassVar[tuple[str, ...]] = ("maaloe2016",)

    def scores_of(self, model: Model, trace: Trace, z: Tensor) -> Tensor:
        q: Any = trace.q
        px: Any = model._likelihood(torch.cat([z, q.a.expand(*z.shape[:-1], -1)], -1), trace.y)
        return _over_classes(q.given, (px.log_prob_observed if trace.missing else px.log_prob)(trace.x))


class Classification(Term):
    """-log q(y|x) of the items whose class is given, over their share of the training data: its mean over a batch
    estimates the mean over the labelled items.

    Kingma et al. (2014) weigh it by alpha = 0.1 N beside the sum over all N items: by 0.1 here, where all is a mean.
    """

    cites: ClassVar[tuple[str, ...]] = ("kingma2014b",)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("share", torch.ones(()))
        self.share: Tensor

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Count how many items have a class."""
        labelled = torch.cat([field.sum(1) for field in y.values()])
        if not bool(labelled.any()):
            raise Mistake("no item has a class, so that there is nothing to learn a classifier from: give some labels.")
        self.share.copy_((labelled > 0).double().mean())

    def forward(self, model: Model, trace: Trace) -> Tensor:
        q: Any = trace.q
        judged: Tensor | None = (q.given if isinstance(q, Chained) else q).judged
        assert trace.y is not None and judged is not None
        label = trace.y[model.posterior.reads[0]]  # type: ignore[union-attr, index]
        charged = -(label * judged).sum(-1) / self.share
        return charged.mean(0) if charged.ndim == 2 else charged  # over the draws of what stands aside


class ClusterELBO(ELBO):
    """The ELBO of VaDE (Jiang et al. 2017, arXiv:1611.05148): a mixture's component c is inferred by q(c|x) = p(c|z).

    The rate is sum_c q(c|x) KL(q(z|x) || p(z|c)) + KL(q(c|x) || p(c)), in closed form given q(c|x), for which p(c|z)
    is averaged over the draws of z.

    Args:
        beta: the weight of the rate.
        samples: draws of z.
    """

    cites: ClassVar[tuple[str, ...]] = ("jiang2017",)

    def bound(self, model: Model, trace: Trace) -> Tensor:
        q, p = trace.q, trace.p
        if not isinstance(q, DiagonalGaussian) or not isinstance(p, GaussianMixture):
            raise Mistake(
                f"{self.name} wants a Gaussian posterior and a mixture as the prior and got {type(q).__name__} and "
                f"{type(p).__name__}: give vk.posteriors.Gaussian and vk.priors.GaussianMixture."
            )
        log_share = log_mean_exp(p.log_responsibilities(trace.z[: self.samples]))  # (B, C)
        each = DiagonalGaussian(q.loc.unsqueeze(-2), q.log_scale.unsqueeze(-2)).kl_each(p.parts).sum(-1)
        rate = (log_share.exp() * (each + log_share - p.log_share)).sum(-1)
        return trace.log_px[: self.samples].mean(0) - self.beta.value() * rate


def _over_classes(q: ClassedGaussian, each: Tensor) -> Tensor:
    """The mean over q's classes of what each of them has, (C, *batch) -> (*batch)."""
    return (q.probs.movedim(-1, 0) * each).sum(0)


def _rate(q: Chained, top: Any, log_a: Tensor) -> Tensor:
    """KL(q(y, z|a) || top) and what a costs, (K, B); log_a: its log-density under the model given each class."""
    return kl_divergence(q.given, top) - q.first.entropy() - _over_classes(q.given, log_a)
