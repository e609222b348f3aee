"""Recipe: a model and its objective, composed by a function with a paper's name."""

from __future__ import annotations

__all__ = ["Recipe"]

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from vaekit.models import Model
from vaekit.objectives.game import Game
from vaekit.objectives.term import Term


@dataclass(frozen=True)
class Recipe:
    """What a recipe function returns; unpacks as (model, objective).

    Attributes:
        model: the composition, untrained.
        objective: a Term or a Game.
        defaults: training arguments that suit it (lr, epochs, batch_size), below those that the user gives.
        start: called once before the first step with the model and the training data in the model's units,
            where a closed form exists.
        name: the recipe's name; arguments: what it was called with, for the record.
        build: the recipe function, with which a run makes the model anew under its own seed; without it
            the model is trained as it is.
        made: the model and objective that the recipe function gave.
    """

    model: Model
    objective: Term | Game
    defaults: Mapping[str, Any] = field(default_factory=dict)
    start: Callable[[Any, Tensor], None] | None = None
    name: str = "custom"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    build: Callable[..., Recipe] | None = None
    made: tuple[Model, Term | Game] | None = field(default=None, repr=False)

    @property
    def changed(self) -> bool:
        """Whether model or objective were put in afterwards, by `dataclasses.replace`: they are trained as they are."""
        return self.made is not None and any(a is not b for a, b in zip(self, self.made, strict=True))

    def __iter__(self) -> Iterator[Any]:
        return iter((self.model, self.objective))
