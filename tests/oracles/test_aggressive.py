"""An encoder that moves more often: who moves when, and the gap between the ELBO and log p(x) that it closes."""

from __future__ import annotations

from typing import Any

import torch
from tests.oracles.test_importance import marginal, numbers
from torch import Tensor

from vaekit import recipes
from vaekit.objectives import ELBO
from vaekit.objectives.schedules import Constant, Switch
from vaekit.training import Batch, Step


def weights(model: Any) -> tuple[Tensor, Tensor]:
    return model.posterior.head.layer.weight.clone(), model.likelihood.head.layer.weight.clone()


def test_the_decoder_waits_and_then_waits_no_more() -> None:
    torch.manual_seed(0)
    recipe = recipes.lagging_vae(shape=(5,), latent_dim=2, hidden=[6], inner=4, share=0.5)
    for part in recipe.objective.modules():
        if isinstance(part, Switch):
            part.over(24)
    step, x = Step(recipe.model, recipe.objective), numbers(0, 32, 5).float()
    moved = []
    for _ in range(24):
        before = weights(recipe.model)
        step(Batch(x))
        moved.append(tuple(not torch.equal(a, b) for a, b in zip(before, weights(recipe.model), strict=True)))
    assert all(encoder for encoder, _ in moved)
    assert [decoder for _, decoder in moved] == [False, False, False, True] * 3 + [True] * 12


def gap(inner: int, moves: int = 25) -> float:
    """log p(x) - ELBO of a linear model after so many moves of its decoder."""
    torch.manual_seed(0)
    recipe = recipes.lagging_vae(shape=(5,), latent_dim=2, hidden=[6], inner=inner)
    recipe.objective.inner = Constant(float(inner))
    model, x = recipe.model.double(), numbers(0, 200, 5) @ numbers(1, 5, 5)
    linear = recipes.vae(shape=(5,), latent_dim=2, encoder=torch.nn.Identity(), decoder=torch.nn.Identity()).model
    model.likelihood, model.posterior = linear.double().likelihood, linear.posterior
    recipe.objective.owns["encoder"] = [model.posterior]
    players = recipe.objective.players(model)
    step = Step(model, recipe.objective.double(), {k: torch.optim.Adam(v, lr=2e-2) for k, v in players.items()})
    for _ in range(moves * inner):
        step(Batch(x))
    with torch.no_grad():
        bound = ELBO().bound(model, model.trace(x, samples=4000)).mean()
        return float(marginal(model).log_prob(x).mean() - bound)


def test_the_gap_to_log_p_is_smaller() -> None:
    lagging, keeping_up = gap(1), gap(20)
    assert 0 < keeping_up < 0.5 * lagging, (lagging, keeping_up)
