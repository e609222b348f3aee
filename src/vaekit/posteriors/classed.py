r"""A posterior over a class and latents; a class that is given is not inferred.

.. math:: q(y, z|x) = q(y|x)\, q(z|x, y)
"""

from __future__ import annotations

__all__ = ["Classed"]

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import hardtanh

from vaekit.distributions import ClassedGaussian
from vaekit.distributions.classed import known_class
from vaekit.messages import require_count
from vaekit.networks import Head, features_of
from vaekit.posteriors.base import AnyPosterior
from vaekit.posteriors.gaussian import LOG_SCALE


class Classed(AnyPosterior):
    """q(y|x) from a classifier, and q(z|x,y) = N(mean, diag(scale^2)) for every class (Kingma et al. 2014,
    arXiv:1406.5298).

    Args:
        net: any module from x (N, *X), the class, one-hot (N, C), and what is aside to features.
        classifier: any module from x (B, *X) and what is aside to features.
        latent_dim: the latents beside the class.
        classes: C.
        features: the shapes of one output of net and of classifier; asked of them where they say.
        reads: the field of the context that holds the class, zeros where it is missing; none where all are.

    Latents are the class, one-hot, and z behind it. What is given behind x and the class stands aside for both nets.

    Example:
        >>> from vaekit.networks import MLP
        >>> q = Classed(MLP(784, [64], context=10), MLP(784, [64]), 8, 10)(torch.zeros(5, 784))
        >>> q.probs.shape, q.mean.shape
        (torch.Size([5, 10]), torch.Size([5, 18]))
    """

    cites: ClassVar[tuple[str, ...]] = ("kingma2014b",)

    def __init__(
        self,
        net: nn.Module,
        classifier: nn.Module,
        latent_dim: int,
        classes: int,
        *,
        features: tuple[Sequence[int] | int | None, Sequence[int] | int | None] = (None, None),
        reads: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.net, self.classifier, self.reads, self.infers = net, classifier, tuple(reads), tuple(reads)
        self.classes = require_count("classes", classes)
        self.latent_shape = (classes + latent_dim,)
        self.head = Head(features_of(net, features[0]), (latent_dim,), 2)
        self.judge = Head(features_of(classifier, features[1]), (classes,))

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Begin with scales of 1."""
        self.head.start_at(1, torch.zeros(self.latent_shape[0] - self.classes))

    def log_classes(self, x: Tensor, *aside: Tensor) -> Tensor:
        """log q(y|x) of each class, (B, C), as if none was given."""
        return self.judge(self.classifier(x, *aside))[0].log_softmax(-1)

    def forward(self, *given: Tensor | None) -> ClassedGaussian:
        x, *more = given
        assert x is not None
        n, classes = len(x), self.classes
        label = more.pop(0) if self.reads else None
        aside = [part for part in more if part is not None]
        each = torch.eye(classes, dtype=x.dtype, device=x.device).repeat(n, 1)  # (B * C, C)
        beside = [part.repeat_interleave(classes, 0) for part in aside]
        loc, log_scale = self.head(self.net(x.repeat_interleave(classes, 0), each, *beside))  # each (B * C, D)
        judged = self.log_classes(x, *aside)
        log_scale = hardtanh(log_scale, -LOG_SCALE, LOG_SCALE).unflatten(0, (n, classes))
        return ClassedGaussian(known_class(judged, label), loc.unflatten(0, (n, classes)), log_scale, judged)
