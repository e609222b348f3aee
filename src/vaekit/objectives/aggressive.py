"""Aggressive: an encoder that moves several times for each move of the model, so that it does not lag behind."""

from __future__ import annotations

__all__ = ["Aggressive"]

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import nn

from vaekit.objectives.game import Game
from vaekit.objectives.schedules import Schedule
from vaekit.objectives.term import Term


class Aggressive(Game):
    """A game whose first player waits while the others move (He et al. 2019, arXiv:1901.05534).

    Args:
        inner: a schedule of how many moves of the others there are to each of the first player's.
        owns, terms: as for Game.

    Example:
        >>> from vaekit.objectives import ELBO
        >>> from vaekit.objectives.schedules import Constant
        >>> game = Aggressive(inner=Constant(3), model=ELBO(), encoder=ELBO(), owns={"encoder": []})
        >>> [sorted(game.turns(step)) for step in range(3)]
        [['encoder'], ['encoder'], ['encoder', 'model']]
    """

    cites: ClassVar[tuple[str, ...]] = ("he2019",)

    def __init__(
        self, *, inner: Schedule, owns: Mapping[str, Sequence[nn.Module]] | None = None, **terms: Term
    ) -> None:
        super().__init__(owns=owns, **terms)
        self.inner = inner

    def turns(self, step: int) -> set[str]:
        every = max(1, round(self.inner.at(step)))
        if (step + 1) % every == 0:
            return self._everyone
        first = next(iter(self.roles))
        return self._everyone - {first}
