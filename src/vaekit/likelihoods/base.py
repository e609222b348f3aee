"""Likelihood: a network, its head and the family of distributions over items that they give."""

from __future__ import annotations

__all__ = ["Likelihood"]

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from vaekit.conditional import Conditional
from vaekit.messages import Mistake
from vaekit.networks import MLP, Head, features_of


class Likelihood(Conditional):
    """p(x|z,y) = family(head(net(z, y))).

    Without a net it is a template, `Gaussian(scale=LearnedScale())`, that a recipe completes with `with_net`.

    Args:
        net: any module from z (N, D) and the context it reads, (N, W), to features; N is draws times items.
        shape: the shape of one item.
        features: the shape of one output of net; asked of `net.features` where it has one.
        reads: the fields of the context that net wants.
    """

    label: ClassVar[str]  # the name that reports print
    wants: ClassVar[str]  # the data it can score, in words
    discrete: ClassVar[bool] = False  # whether it gives probabilities, not densities
    narrow: ClassVar[bool] = False  # whether the head may multiply in bfloat16: logits, where 1/256 hardly shows

    def __init__(
        self,
        net: nn.Module | None = None,
        shape: Sequence[int] | None = None,
        *,
        features: Sequence[int] | int | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.reads = tuple(reads)
        if net is None or shape is None:
            return
        self.shape = tuple(shape)
        self.net = net
        found, each = features_of(net, features), self.parameters_each()
        self.head = Head(found, self.shape, each, narrow=self.narrow, steps=True)

    def parameters_each(self) -> int:
        """Numbers per element of the item that the head makes."""
        return 1

    def scored(self, x: Tensor) -> Tensor:
        """How many numbers of each item (B, *X) are scored, (B,): those that are not missing."""
        return (~x.isnan()).flatten(1).sum(1)

    def with_net(self, net: nn.Module, shape: Sequence[int], **more: Any) -> Likelihood:
        """The same family with this network behind it."""
        return type(self)(**{**self.arguments, "net": net, "shape": tuple(shape), **more})

    def features_of(self, *given: Tensor | None) -> tuple[Tensor, Sequence[int] | None]:
        """What the head reads: features (N, ...), and the axes to unfold N to, None where z had one axis before D."""
        if not hasattr(self, "net"):
            raise Mistake(
                f"this {type(self).__name__} likelihood has no network yet: give net= and shape=, "
                "or pass it to a recipe as likelihood=."
            )
        z = given[0]
        assert z is not None
        if z.ndim <= 2:
            return self.net(*given), None
        leading = z.shape[:-1]  # what a user's network need not know of
        return self.net(*(g.expand(*leading, g.shape[-1]).flatten(0, -2) for g in given if g is not None)), leading

    def parameters_of(self, *given: Tensor | None) -> tuple[Tensor, ...]:
        """The head's output, parameters_each() tensors (*leading, *X)."""
        out: tuple[Tensor, ...] = self.head(*self.features_of(*given))
        return out

    @property
    def entrance(self) -> nn.Linear | None:
        """The linear layer that z enters, its context behind it; None where the network does not tell."""
        first = getattr(self.net, "entrance", None)
        if first is None and isinstance(self.net, MLP) and not self.net.layers:
            first = self.head.layer  # nothing stands before the head
        return first if isinstance(first, nn.Linear) else None

    @property
    def family(self) -> Likelihood:
        """The likelihood of single elements: this one, or the one that it is made of."""
        return self

    def describe(self) -> str:
        """The family in a few words, for tables."""
        return self.label
