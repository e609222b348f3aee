"""What is wrong between a model and an objective, found before the first step."""

from __future__ import annotations

__all__ = ["check"]

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.distributions import BinaryConcrete, Blocks, RelaxedOneHot
from vaekit.messages import Mistake
from vaekit.models import Model, Trace
from vaekit.models.model import require_support
from vaekit.objectives.game import Game
from vaekit.objectives.term import Sum, Weighted
from vaekit.part import Part


def check(model: Model, game: Game, x: Tensor, y: dict[str, Tensor] | None, *, batch_size: int) -> None:
    """Score a few items and look at where gradients go; leaves no gradient and no state behind.

    Args:
        model, game: what will be trained.
        x: a few items in the model's units, (B, *X).
        y: their encoded context.
        batch_size: the fewest items that a loss is taken of, for the terms that need company.

    Raises:
        Mistake: where the data has gaps that the model cannot take, values the likelihood cannot produce,
            a term that needs a larger batch, or a parameter that no loss reads.
    """
    if not model.takes_missing and bool(torch.isnan(x).any()):
        raise Mistake(
            "the data has missing values (NaN) and this model cannot take them: "
            "use the recipe 'miwae', or fill or drop them first."
        )
    terms = [part for role in game.roles.values() for part in role.modules() if hasattr(part, "company")]
    for term in terms:
        if batch_size < term.company and not isinstance(term, (Sum, Weighted)):  # these only pass it on
            raise Mistake(
                f"{term.name} compares the items of a batch and the smallest one holds {batch_size}, where at least "
                f"{term.company} are wanted: give a larger batch_size, or accumulate=1."
            )
    state = {name: buffer.clone() for name, buffer in [*model.named_buffers(), *game.named_buffers()]}
    trace = model.trace(x, y, samples=game.samples)
    require_support(trace.px, x)
    _require_path(model, game, trace)
    relaxed = any(_relaxed(q) for q, _, _ in trace.levels)
    dense = next((t for t in terms if getattr(t, "reads_densities", False)), None)
    if relaxed and dense is not None:
        raise Mistake(
            f"{type(dense).__name__} needs log p(z) of the relaxed latents, which a relaxed posterior does not have: "
            "use ELBO(), or the posterior StraightThroughBernoulli or StraightThroughCategorical."
        )
    losses, _ = game.score(model, trace)
    for player, parameters in game.players(model).items():
        if not parameters:
            continue
        gradients = torch.autograd.grad(losses[player], parameters, retain_graph=True, allow_unused=True)
        names = {id(p): n for n, p in [*model.named_parameters(), *game.named_parameters()]}
        unread = [names[id(p)] for p, g in zip(parameters, gradients, strict=True) if g is None]
        if unread:
            raise Mistake(
                f"the loss of player {player!r} does not read {', '.join(unread[:3])}"
                f"{' and others' if len(unread) > 3 else ''}: remove those parameters, "
                "set requires_grad=False, or give them to another player with owns=."
            )
    for name, buffer in [*model.named_buffers(), *game.named_buffers()]:
        buffer.copy_(state[name])
    for part in [*model.modules(), *game.modules()]:
        if isinstance(part, Part):
            part.forget()


def _require_path(model: Model, game: Game, trace: Trace) -> None:
    """Refuse draws that carry no gradient where the posterior's player has no term that can do without."""
    plain = [q for q, _, _ in trace.levels if not q.has_rsample]
    posterior = getattr(model, "posterior", None)
    if not plain or posterior is None:
        return
    own = {id(p) for p in posterior.parameters()}
    for player, parameters in game.players(model).items():
        moved = any(id(p) in own for p in parameters)
        if moved and not any(getattr(part, "scores", False) for part in game.roles[player].modules()):
            raise Mistake(
                f"the draws of {type(plain[0]).__name__} carry no gradient and {game.roles[player].name} needs one: "
                "use REINFORCE(), VIMCO() or DisARM(), or a relaxed or straight-through posterior."
            )


def _relaxed(q: Distribution) -> bool:
    """Whether draws are relaxed, whose log p(z) is no density."""
    parts = q.parts if isinstance(q, Blocks) else ()
    return type(q) in (BinaryConcrete, RelaxedOneHot) or any(map(_relaxed, parts))
