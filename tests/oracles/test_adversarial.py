"""Adversaries: the best discriminator is the density ratio, KL and JS are what it says, and nobody moves another."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from vaekit import recipes
from vaekit.objectives import (
    DensityRatio,
    Discriminate,
    DiscriminateItems,
    Fool,
    FoolItems,
    as_game,
    posterior_sample,
    prior_sample,
    with_posterior,
    with_prior,
)
from vaekit.posteriors import Implicit
from vaekit.training import Batch, Step

# -- discrete densities, enumerated ------------------------------------------------------------------------------

COUNTS_A, COUNTS_B = torch.tensor([6, 3, 1, 2]), torch.tensor([2, 2, 5, 3])  # of 12 items each
A, B = COUNTS_A.double() / 12, COUNTS_B.double() / 12


def states(counts: Tensor) -> Tensor:
    return one_hot(torch.repeat_interleave(torch.arange(4), counts), 4).double()


def view_a(trace: Any) -> Tensor:
    return states(COUNTS_A)


def view_b(trace: Any) -> Tensor:
    return states(COUNTS_B)


def trained(term: Any) -> float:
    optimizer = torch.optim.LBFGS(
        term.discriminator.parameters(), line_search_fn="strong_wolfe", tolerance_grad=1e-12, tolerance_change=1e-16
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        value: Tensor = term(None, None).mean()
        value.backward()
        return value

    optimizer.step(loss)
    return float(loss().detach())


def test_the_best_discriminator_of_a_table_is_the_log_ratio() -> None:
    judge = nn.Linear(4, 1, bias=False).double()
    least = trained(Discriminate(judge, view_a, view_b))
    torch.testing.assert_close(judge.weight[0].detach(), (A / B).log(), rtol=0, atol=1e-5)  # where the search stops
    middle = (A + B) / 2
    js = 0.5 * float((A * (A / middle).log()).sum() + (B * (B / middle).log()).sum())
    assert least == pytest.approx(math.log(2) - js, abs=1e-9)
    kl = float((A * (A / B).log()).sum())
    assert float(DensityRatio(judge, view_a)(None, None).mean().detach()) == pytest.approx(kl, abs=1e-5)  # type: ignore[arg-type]
    fooled = float(Fool(judge, view_a)(None, None).mean().detach())  # type: ignore[arg-type]
    assert fooled == pytest.approx(float((A * (1 + A / B).log()).sum()), abs=1e-5)


def test_equal_views_leave_chance() -> None:
    judge = nn.Linear(4, 1, bias=False).double()
    assert trained(Discriminate(judge, view_a, view_a)) == pytest.approx(math.log(2), abs=1e-9)
    assert float(Fool(judge, view_a)(None, None).mean()) == pytest.approx(math.log(2), abs=1e-5)  # type: ignore[arg-type]


# -- a Gaussian posterior whose density is known, and not used ------------------------------------------------------

SLOPE, SPREAD = torch.tensor([[0.6, -0.3], [0.2, 0.5]]).double(), torch.tensor([0.5, 0.8]).double()


class Pairs(nn.Module):
    """log q(z|x) - log p(z) of q = N(S x, diag(s^2)), at fixed numbers."""

    def forward(self, pair: Tensor) -> Tensor:
        x, z = pair.chunk(2, -1)
        q = torch.distributions.Normal(x @ SLOPE.T, SPREAD).log_prob(z)
        return (q - torch.distributions.Normal(0.0, 1.0).log_prob(z)).sum(-1, keepdim=True)


def test_the_gradient_of_the_ratio_is_that_of_the_kl() -> None:
    """With the discriminator at its best and held, E T has the KL's gradient (Mescheder et al. 2017, proposition 2)."""
    n = 200_000
    generator = torch.Generator().manual_seed(0)
    x, noise = (torch.randn(n, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    slope, spread = SLOPE.clone().requires_grad_(), SPREAD.clone().requires_grad_()
    z = x @ slope.T + spread * noise
    ratio = DensityRatio(Pairs(), with_posterior)(None, SimpleNamespace(x=x, z=z[None]))  # type: ignore[arg-type]
    kl = 0.5 * (spread.square() + (x @ slope.T).square() - 1 - 2 * spread.log()).sum(1)  # exact, an item each
    error = 4 * float((ratio - kl).std()) / n**0.5  # four standard errors
    assert abs(float((ratio - kl).mean())) < error
    got = torch.autograd.grad(ratio.mean(), [slope, spread])
    want = torch.autograd.grad(kl.mean(), [slope, spread])
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=4 * 5 / n**0.5)  # terms of a spread of about 5


def test_the_trained_discriminator_of_pairs_gives_the_rate() -> None:
    """A quadratic logit, which holds the exact ratio, trained on draws: the mean KL of the posteriors."""

    class Quadratic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(10, 1).double()

        def forward(self, pair: Tensor) -> Tensor:
            i, j = torch.triu_indices(4, 4)
            return self.layer(pair[:, i] * pair[:, j])

    generator = torch.Generator().manual_seed(1)
    x, noise, other = (torch.randn(20_000, 2, generator=generator, dtype=torch.float64) for _ in range(3))
    z = x @ SLOPE.T + SPREAD * noise
    trace = SimpleNamespace(x=x, z=z[None], p=SimpleNamespace(batch_shape=(1,), sample=lambda: other))
    judge = Quadratic()
    term = Discriminate(judge, with_posterior, with_prior)
    optimizer = torch.optim.LBFGS(judge.parameters(), max_iter=100)

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = term(None, trace).mean()  # type: ignore[arg-type]
        value.backward()
        return value

    optimizer.step(loss)
    found = float(DensityRatio(judge, with_posterior)(None, trace).mean())  # type: ignore[arg-type]
    exact = 0.5 * float((SPREAD.square() - 1 - 2 * SPREAD.log()).sum() + SLOPE.square().sum())
    assert found == pytest.approx(exact, abs=0.03)  # 20,000 pairs give the weights to about 0.03 each


def test_an_implicit_posterior_is_the_network_of_its_noise() -> None:
    """Made linear, it is a Gaussian whose moments are known; the draws have them, and the fixed ones do not vary."""
    torch.manual_seed(0)
    q: Any = Implicit(nn.Identity(), 2, features=3, noise=2).double()
    with torch.no_grad():
        first = q.mix.layers[0]
        first.bias.fill_(60.0)  # no rectifier ever closes
        weight = q.last.layer.weight @ first.weight  # (2, W + 2)
    x = torch.randn(5, 3).double()
    seen = q.head(x)[0]
    mean = seen @ weight[:, :-2].T + 60 * q.last.layer.weight.sum(1) + q.last.layer.bias
    covariance = (weight[:, -2:] @ weight[:, -2:].T).detach()
    p = q(x)
    draws = p.rsample((40_000,)).detach()
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(covariance), (draws - mean).detach().mT, upper=False)
    assert float(white.mean((0, 2)).abs().max()) < 4 / (5 * 40_000) ** 0.5  # four standard errors
    each = torch.cov(white.permute(1, 0, 2).flatten(1))
    assert float((each - torch.eye(2)).abs().max()) < 4 * (2 / (5 * 40_000)) ** 0.5
    assert torch.equal(p.mean, q(x).mean) and not torch.equal(p.rsample(), p.rsample())
    torch.testing.assert_close(p.mean, mean + q.fixed.mean(0) @ weight[:, -2:].T, rtol=1e-9, atol=1e-9)


# -- who moves what -------------------------------------------------------------------------------------------------


def gamed(name: str) -> tuple[Any, Any, Batch]:
    torch.manual_seed(0)
    arguments = {"latent_dim": 2} if name == "vae_gan" else {"latent_dim": 2, "hidden": [8]}
    recipe = getattr(recipes, name)(shape=(6,), **arguments)
    return recipe.model, as_game(recipe.objective), Batch(torch.randn(32, 6))


@pytest.mark.parametrize("name", ["aae", "wae_gan", "avb", "vae_gan"])
def test_the_discriminators_loss_does_not_reach_the_model(name: str) -> None:
    """PEERS P14: there the encoder was trained to help the discriminator."""
    model, game, batch = gamed(name)
    losses = game(model, batch)
    everything = list(model.parameters())
    found = torch.autograd.grad(losses["discriminator"], everything, allow_unused=True, retain_graph=True)
    assert all(g is None for g in found)
    own = list(model.posterior.parameters())
    assert all(bool((g != 0).any()) for g in torch.autograd.grad(losses["model"], own))


def test_the_players_of_a_vae_gan_move_down_the_papers_losses() -> None:
    """Each player's gradient against the losses of the paper, written out from their formulas."""
    model, game, batch = gamed("vae_gan")
    model, game = model.double(), game.double()
    x = batch.x.double()
    judge = game.roles["discriminator"].discriminator
    torch.manual_seed(3)
    losses, _ = game.score(model, game.trace(model, Batch(x)))
    players = game.players(model)
    torch.manual_seed(3)
    q = model.posterior(x)
    z = q.rsample((1,))[0]
    priors = [torch.randn(32, 2, dtype=torch.float64) for _ in range(2)]  # for the decoder, for the discriminator
    remade = model.likelihood(z).mean
    likeness = 0.5 * (judge[0](x) - judge[0](remade)).square().sum(1).mean()

    def fooled(made: Tensor) -> Tensor:
        return -judge(made).sigmoid().log().mean()

    def caught(made: Tensor) -> Tensor:
        return -(1 - judge(made).sigmoid()).log().mean()

    kl = torch.distributions.kl_divergence(
        torch.distributions.Normal(q.loc, q.scale), torch.distributions.Normal(0.0, 1.0)
    ).sum(1).mean()  # fmt: skip
    drawn = [model.likelihood(p).mean for p in priors]
    want = {
        "model": kl + likeness,
        "decoder": 0.1 * likeness + 0.5 * (fooled(remade) + fooled(drawn[0])),
        "discriminator": 0.5 * fooled(x) + 0.25 * (caught(remade) + caught(drawn[1])),
    }
    assert set(players["decoder"]) == set(model.likelihood.parameters())
    assert set(players["model"]) == set(model.posterior.parameters())
    for player, own in players.items():
        torch.testing.assert_close(losses[player], want[player], rtol=1e-7, atol=0)  # weights are float32
        got = torch.autograd.grad(losses[player], own, retain_graph=True)
        exact = torch.autograd.grad(want[player], own, retain_graph=True)
        for a, b in zip(got, exact, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


def test_an_aae_brings_its_codes_to_the_prior() -> None:
    """Codes of one dimension from items in two heaps: after some steps they have the prior's first two moments."""
    torch.manual_seed(0)
    recipe = recipes.aae(shape=(3,), latent_dim=1, hidden=[32], weight=20.0)
    step = Step(recipe.model, recipe.objective)
    x = torch.cat([torch.randn(128, 3) * 0.3 + 2.0, torch.randn(128, 3) * 0.3 - 2.0])
    before = recipe.model.encode(x).mean.detach()
    with torch.no_grad():  # codes that begin far from the prior
        recipe.model.posterior.head.layer.bias.add_(4.0)
    for _ in range(150):
        step(Batch(x[torch.randperm(256)[:128]]))
    after = recipe.model.encode(x).mean.detach()
    assert abs(float((before + 4).mean())) > 2 and abs(float(after.mean())) < 0.5
    assert 0.5 < float(after.std()) < 1.6


@pytest.mark.parametrize("logit", [-500.0, 500.0])
def test_sure_discriminators_give_finite_losses(logit: float) -> None:
    judge = nn.Linear(2, 1)
    with torch.no_grad():
        judge.weight.zero_()
        judge.bias.fill_(logit)
    z = torch.randn(1, 8, 2, requires_grad=True)
    p = SimpleNamespace(batch_shape=(8,), sample=lambda: torch.randn(8, 2))
    px = SimpleNamespace(mean=z)
    trace: Any = SimpleNamespace(z=z, p=p, x=torch.randn(8, 2), px=px, y=None)
    model: Any = SimpleNamespace(_likelihood=lambda z, y: SimpleNamespace(mean=z))
    terms = [Fool(judge, posterior_sample), Discriminate(judge, posterior_sample, prior_sample), FoolItems(judge)]
    for term in [*terms, DiscriminateItems(judge)]:
        value = term(model, trace).sum()
        assert bool(value.isfinite()), term
        assert all(bool(g.isfinite().all()) for g in torch.autograd.grad(value, list(judge.parameters())))
