"""Game: who minimises what; a bare term is a game of one player."""

from __future__ import annotations

__all__ = ["Game", "as_game"]

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from vaekit.messages import Mistake
from vaekit.models import Model, Trace
from vaekit.objectives.term import Term
from vaekit.part import Part


class Game(Part):
    """Players, each with a term to minimise and parameters of its own.

    Args:
        owns: the modules that a player moves; what nobody claims, the model's included, is the first player's.
        terms: player -> Term, in the order of play.

    Example:
        >>> from vaekit.objectives import ELBO
        >>> list(Game(model=ELBO()).roles)
        ['model']
    """

    def __init__(self, *, owns: Mapping[str, Sequence[nn.Module]] | None = None, **terms: Term) -> None:
        super().__init__()
        if not terms:
            raise Mistake("a game got no players and wants at least one: Game(model=ELBO()).")
        self.roles: Any = nn.ModuleDict(terms)
        self.owns = {player: list(modules) for player, modules in (owns or {}).items()}
        strangers = set(self.owns) - set(terms)
        if strangers:
            raise Mistake(f"owns names {', '.join(sorted(strangers))}, but the players are {', '.join(terms)}.")
        self._everyone = set(terms)
        self.samples = max(term.samples for term in terms.values())
        self.company = max(term.company for term in terms.values())

    @property
    def first(self) -> Term:
        """The first player's term: the model's."""
        term: Term = next(iter(self.roles.values()))
        return term

    def score(self, model: Model, trace: Trace) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """(player -> loss, a scalar; term -> its mean), from one trace."""
        losses: dict[str, Tensor] = {}
        named: dict[str, Tensor] = {}
        for player, term in self.roles.items():
            means = {name: value.mean() for name, value in term.terms(model, trace).items()}
            first, *rest = means.values()
            losses[player] = sum(rest, first)
            named.update(means)
        return losses, named

    def forward(self, model: Model, batch: Any) -> dict[str, Tensor]:
        """player -> loss, for a batch with x and y in the model's units."""
        return self.score(model, self.trace(model, batch))[0]

    def trace(self, model: Model, batch: Any) -> Trace:
        """The one trace that every term reads."""
        trace: Trace = model(batch.x, batch.y, samples=self.samples)
        return trace

    def players(self, model: Model) -> dict[str, list[nn.Parameter]]:
        """The parameters that each player moves, disjoint."""
        claimed = {id(p) for modules in self.owns.values() for m in modules for p in m.parameters()}
        everything = dict.fromkeys([*model.parameters(), *self.parameters()])
        first, *rest = self.roles
        players = {first: [p for p in everything if id(p) not in claimed and p.requires_grad]}
        for player in rest:
            own = dict.fromkeys(p for m in self.owns.get(player, []) for p in m.parameters() if p.requires_grad)
            players[player] = list(own)
        return players

    def turns(self, step: int) -> set[str]:
        """Who moves at this step."""
        return self._everyone


def as_game(objective: Term | Game) -> Game:
    """A bare term as a game of one player."""
    if isinstance(objective, Game):
        return objective
    if not isinstance(objective, Term):
        raise Mistake(f"got {type(objective).__name__} as the objective and wanted a Term or a Game, such as ELBO().")
    return Game(model=objective)
