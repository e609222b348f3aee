"""Conditional: a part that returns a distribution, given tensors."""

from __future__ import annotations

__all__ = ["Conditional", "pick", "rows_of"]

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.distributions import Distribution

from vaekit.messages import Mistake
from vaekit.part import Part


class Conditional(Part):
    """A prior, a posterior or a likelihood.

    `reads` names the fields of the context that it wants; the model passes only those, in that order,
    as positional tensors of shape (B, width).
    """

    reads: tuple[str, ...] = ()

    def forward(self, *given: Tensor | None) -> Distribution:
        raise NotImplementedError

    def __call__(self, *given: Tensor | None) -> Any:
        return super().__call__(*given)


def pick(part: Conditional, y: Tensor | Mapping[str, Tensor] | None) -> list[Tensor | None]:
    """The fields of y that a part reads; a bare tensor is the field "y".

    Raises:
        Mistake: where the part reads a field that is not given.
    """
    if not part.reads:
        return []
    fields: Mapping[str, Tensor] = {} if y is None else {"y": y} if isinstance(y, Tensor) else y
    missing = [name for name in part.reads if name not in fields]
    if missing:
        raise Mistake(
            f"this model is conditional on {', '.join(part.reads)} and got {', '.join(fields) or 'no context'}: "
            f"give y= (or --condition, given=) with {', '.join(missing)}."
        )
    return [fields[name] for name in part.reads]


def rows_of(y: Mapping[str, Tensor] | None, rows: Any) -> dict[str, Tensor] | None:
    """Those rows of an encoded context."""
    return None if y is None else {name: value[rows] for name, value in y.items()}
