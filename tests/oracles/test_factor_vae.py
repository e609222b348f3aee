"""FactorVAE: who moves what, and the density ratio of a correlated Gaussian, whose total correlation is known."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vaekit import recipes
from vaekit.objectives import DensityRatio, Discriminate, posterior_sample, shuffled
from vaekit.training import Batch, Step

RHO = 0.7


def correlated(n: int, seed: int = 0) -> Any:
    """A trace whose draws are a Gaussian of correlation RHO."""
    noise = torch.randn(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    z = torch.stack([noise[:, 0], RHO * noise[:, 0] + math.sqrt(1 - RHO**2) * noise[:, 1]], 1)
    return SimpleNamespace(z=z[None])


class Quadratic(nn.Module):
    """A logit that is a quadratic form, as the log-ratio of two Gaussians is."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 1).double()

    def forward(self, z: Tensor) -> Tensor:
        a, b = z.unbind(-1)
        return self.layer(torch.stack([a * a, b * b, a * b, a + b], -1))


def exact() -> Quadratic:
    """log N(z; 0, R) - log N(z; 0, I)."""
    d = Quadratic()
    scale = 1 - RHO**2
    with torch.no_grad():
        d.layer.weight.copy_(torch.tensor([[0.5 - 0.5 / scale, 0.5 - 0.5 / scale, RHO / scale, 0.0]]))
        d.layer.bias.fill_(-0.5 * math.log(scale))
    return d


TOTAL_CORRELATION = -0.5 * math.log(1 - RHO**2)


def test_the_exact_logit_gives_the_total_correlation() -> None:
    n = 100_000
    ratio = DensityRatio(exact(), posterior_sample)(None, correlated(n)).detach()  # type: ignore[arg-type]
    assert abs(float(ratio.mean()) - TOTAL_CORRELATION) < 4 * float(ratio.std()) / n**0.5  # four standard errors


def test_the_trained_discriminator_finds_it() -> None:
    torch.manual_seed(0)
    d, trace = Quadratic(), correlated(20_000)
    term = Discriminate(d, posterior_sample, shuffled)
    assert term(None, trace).mean().item() == pytest.approx(math.log(2), abs=0.3)  # type: ignore[arg-type]
    optimizer = torch.optim.LBFGS(d.parameters(), max_iter=100)

    def loss() -> Tensor:
        optimizer.zero_grad()
        torch.manual_seed(1)  # one permutation, so that the optimum stands still
        value = term(None, trace).mean()  # type: ignore[arg-type]
        value.backward()
        return value

    optimizer.step(loss)
    found = DensityRatio(d, posterior_sample)(None, correlated(100_000, 1)).mean().item()  # type: ignore[arg-type]
    assert found == pytest.approx(TOTAL_CORRELATION, abs=0.02)  # 20,000 draws give the weights to about 0.03 each
    assert loss().item() <= torch.nn.functional.softplus(torch.zeros(())).item()  # better than chance


def test_shuffling_keeps_the_marginals_and_breaks_the_rest() -> None:
    torch.manual_seed(0)
    trace = correlated(10_000)
    z, s = posterior_sample(trace), shuffled(trace)
    torch.testing.assert_close(s.sort(0).values, z.sort(0).values, rtol=0, atol=0)
    assert abs(float(torch.corrcoef(z.T)[0, 1]) - RHO) < 0.03
    assert abs(float(torch.corrcoef(s.T)[0, 1])) < 4 / 100  # four standard errors
    assert bool((s != z).any())


def gamed() -> tuple[Any, Batch, Step]:
    torch.manual_seed(0)
    recipe = recipes.factor_vae(shape=(6,), latent_dim=2, hidden=[8])
    x = torch.randn(32, 6)
    step = Step(recipe.model, recipe.objective)
    return recipe, Batch(x), step


def test_the_discriminators_loss_does_not_reach_the_model() -> None:
    """PEERS P14: there the encoder was trained to help the discriminator."""
    recipe, batch, _ = gamed()
    losses = recipe.objective(recipe.model, batch)
    everything = list(recipe.model.parameters())
    found = torch.autograd.grad(losses["discriminator"], everything, allow_unused=True, retain_graph=True)
    assert all(g is None for g in found)
    encoder = list(recipe.model.posterior.parameters())
    assert all(bool((g != 0).any()) for g in torch.autograd.grad(losses["model"], encoder))


def test_the_models_loss_does_not_move_the_discriminator() -> None:
    recipe, batch, step = gamed()
    own = step.players["discriminator"]
    assert {id(p) for p in own} == {id(p) for p in recipe.objective.owns["discriminator"][0].parameters()}
    torch.manual_seed(1)
    losses, _ = step.losses(batch)
    want = torch.autograd.grad(losses["discriminator"], own, retain_graph=True)
    also = torch.autograd.grad(losses["model"], own, retain_graph=True)
    assert any(bool((g != 0).any()) for g in also), "the ratio reads the discriminator, so this test can fail"
    step._backward(losses)
    for p, g in zip(own, want, strict=True):
        torch.testing.assert_close(p.grad, g, rtol=0, atol=0)


def test_a_step_of_the_model_alone_leaves_the_discriminator() -> None:
    recipe, batch, step = gamed()
    recipe.objective.turns = lambda step: {"model"}  # type: ignore[method-assign]
    before = [p.detach().clone() for p in step.players["discriminator"]]
    step(batch)
    assert all(torch.equal(p, b) for p, b in zip(step.players["discriminator"], before, strict=True))
