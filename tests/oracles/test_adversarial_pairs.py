"""A game on pairs of items and latents, where both of their densities are known Gaussians."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal
from torch.nn.functional import softplus

from vaekit import likelihoods, posteriors, priors, recipes
from vaekit.likelihoods import FixedScale
from vaekit.models import VAE
from vaekit.objectives import DiscriminatePairs, FoolPairs, as_game
from vaekit.training import Batch

from ..laws.tables import numbers

VARIANCE = 0.5


def linear(shift: float) -> tuple[Any, MultivariateNormal, MultivariateNormal]:
    """p(x|z) = N(W z, 0.5) and its exact posterior, moved; the densities of (x, z) as they are read and as drawn."""
    w = numbers(1, 2, 1)
    p: Any = likelihoods.Gaussian(nn.Identity(), (2,), scale=FixedScale(c=VARIANCE), features=1)
    q: Any = posteriors.Gaussian(nn.Identity(), 1, features=2)
    model = VAE(priors.StandardNormal(1), q, p).double()
    spread = 1 / (1 + w.T @ w / VARIANCE)
    slope = spread @ w.T / VARIANCE
    with torch.no_grad():
        p.head.layer.weight.copy_(w)
        p.head.layer.bias.zero_()
        q.head.layer.weight.copy_(torch.cat([slope, torch.zeros(1, 2).double()]))
        q.head.layer.bias.copy_(torch.stack([torch.tensor(shift).double(), 0.5 * spread.log().squeeze()]))
    cover = w @ w.T + VARIANCE * torch.eye(2).double()
    whole = torch.cat([torch.cat([cover, w], 1), torch.cat([w.T, torch.ones(1, 1).double()], 1)])
    read = MultivariateNormal(torch.tensor([0.0, 0.0, shift]).double(), whole)
    return model, read, MultivariateNormal(torch.zeros(3).double(), whole)


class Known(nn.Module):
    """log of the ratio of the densities of pairs as they are read and as they are drawn."""

    def __init__(self, read: MultivariateNormal, drawn: MultivariateNormal) -> None:
        super().__init__()
        self.read, self.drawn = read, drawn

    def forward(self, pair: Tensor) -> Tensor:
        return (self.read.log_prob(pair) - self.drawn.log_prob(pair)).unsqueeze(-1)


class Straight(nn.Module):
    """A linear logit, which holds the log-ratio of two Gaussians of one covariance."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1).double()

    def forward(self, pair: Tensor) -> Tensor:
        return self.layer(pair)


def test_the_best_discriminator_of_pairs_is_the_log_ratio() -> None:
    """Trained on draws of the model it finds the exact one; its loss is log 2 less the Jensen-Shannon divergence."""
    model, read, drawn = linear(0.8)
    n = 40_000
    torch.manual_seed(0)
    x = read.sample((n,))[:, :2]
    judge = Straight()
    optimizer = torch.optim.LBFGS(judge.parameters(), max_iter=50)

    def loss() -> Tensor:
        optimizer.zero_grad()
        torch.manual_seed(1)
        value = DiscriminatePairs(judge)(model, model.trace(x)).mean()
        value.backward()
        return value

    optimizer.step(loss)
    slope = torch.linalg.solve(read.covariance_matrix, read.mean)
    offset = -0.5 * read.mean @ slope
    found = torch.cat([judge.layer.weight[0], judge.layer.bias]).detach()
    torch.testing.assert_close(found, torch.cat([slope, offset[None]]), rtol=0, atol=0.05)  # of 40,000 pairs of each
    pairs, other = read.sample((n,)), drawn.sample((n,))
    known = Known(read, drawn)
    each = 0.5 * (softplus(-known(pairs)) + softplus(known(other)))
    middle = torch.logaddexp(read.log_prob(pairs), drawn.log_prob(pairs)) - math.log(2)
    below = torch.logaddexp(read.log_prob(other), drawn.log_prob(other)) - math.log(2)
    js = 0.5 * ((read.log_prob(pairs) - middle).mean() + (drawn.log_prob(other) - below).mean())
    assert float(each.mean()) == pytest.approx(math.log(2) - float(js), abs=1e-9)
    assert float(loss().detach()) == pytest.approx(float(each.mean()), abs=4 * float(each.std()) * (2 / n) ** 0.5)
    assert float(js) > 0.05


def test_losses_are_those_of_the_densities() -> None:
    """Of a discriminator at its best, for both players, against means over exact draws of the pairs."""
    model, read, drawn = linear(0.8)
    n, judge = 100_000, Known(read, drawn)
    torch.manual_seed(0)
    trace = model.trace(read.sample((n,))[:, :2])
    a, b = judge(read.sample((n,))), judge(drawn.sample((n,)))
    for term, each in (
        (FoolPairs(judge), 0.5 * (softplus(a) + softplus(-b))),
        (DiscriminatePairs(judge), 0.5 * (softplus(-a) + softplus(b))),
    ):
        found = term(model, trace).detach()
        assert found.shape == (n,)
        assert abs(float(found.mean() - each.mean())) < 4 * float(each.std()) * (2 / n) ** 0.5


def test_at_the_exact_posterior_nobody_can_tell() -> None:
    """The game's value is -log 4, for the best discriminator and for the model; the model's gradient is 0 there.

    Another discriminator, whichever it is, does worse, and then the model has no slope in what it cannot improve: the
    two kinds of pairs pull it in opposite ways.
    """
    model, read, drawn = linear(0.0)
    judge, n = Known(read, drawn), 20_000
    torch.manual_seed(0)
    trace = model.trace(read.sample((n,))[:, :2])
    for term in (FoolPairs(judge), DiscriminatePairs(judge)):
        value = term(model, trace)
        torch.testing.assert_close(value, torch.full_like(value, math.log(2)), rtol=0, atol=1e-9)  # 2 of it is log 4
    own = [p for p in model.parameters() if p.requires_grad]
    value = FoolPairs(judge)(model, trace).mean()
    for slope in torch.autograd.grad(value, own, allow_unused=True):
        assert slope is None or float(slope.abs().max()) < 1e-9
    other = Straight()
    assert float(DiscriminatePairs(other)(model, trace).mean().detach()) > math.log(2) + 1e-3


def test_the_slope_leads_the_encoder_to_the_exact_posterior() -> None:
    """A posterior that is off by s, against the best discriminator: the slope in the shift has the sign of s."""
    for shift in (-0.6, 0.6):
        model, read, drawn = linear(shift)
        torch.manual_seed(0)
        trace = model.trace(read.sample((20_000,))[:, :2])
        value = FoolPairs(Known(read, drawn))(model, trace).mean()
        (slope,) = torch.autograd.grad(value, model.posterior.head.layer.bias)
        assert float(slope[0]) * shift > 0.01


def test_each_player_moves_down_its_own_loss() -> None:
    """The losses of the recipe against the paper's, written out; the discriminator's does not reach the model."""
    torch.manual_seed(0)
    recipe = recipes.ali(shape=(6,), latent_dim=2, hidden=[8])
    model: Any = recipe.model.double()
    game = as_game(recipe.objective).double()
    x = numbers(3, 32, 6)
    torch.manual_seed(3)
    losses, _ = game.score(model, game.trace(model, Batch(x)))
    torch.manual_seed(3)
    z = model.posterior(x).rsample((1,))[0]
    judge = game.roles["discriminator"].discriminator
    sure = []
    for _ in range(2):  # for the model, and for the discriminator
        drawn = torch.randn(32, 2, dtype=torch.float64)
        px = model.likelihood(drawn)
        made = px.loc + px.scale * torch.randn(32, 6, dtype=torch.float64)
        sure.append((judge(torch.cat([x, z], 1)).sigmoid(), judge(torch.cat([made, drawn], 1)).sigmoid()))
    (a, b), (c, e) = sure
    want = {
        "model": -0.5 * ((1 - a).log() + b.log()).mean(),
        "discriminator": -0.5 * (c.log() + (1 - e).log()).mean(),
    }
    for player, own in game.players(model).items():
        torch.testing.assert_close(losses[player], want[player], rtol=1e-9, atol=0)
        got = torch.autograd.grad(losses[player], own, retain_graph=True)
        for one, other in zip(got, torch.autograd.grad(want[player], own, retain_graph=True), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)
    reached = torch.autograd.grad(losses["discriminator"], list(model.parameters()), allow_unused=True)
    assert all(slope is None for slope in reached)
