"""The Gaussian likelihood: its variance c is the trade-off C = 1/(2c); beta = 0 and the best scale are known too."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vaekit import recipes
from vaekit.distributions import DiagonalGaussian
from vaekit.likelihoods import FixedScale, Gaussian, LearnedScale, NetworkScale, OptimalScale, PerDimensionScale
from vaekit.networks import MLP


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def vae(likelihood: Any, beta: float = 1.0) -> Any:
    torch.manual_seed(0)
    return recipes.vae(shape=(5,), latent_dim=2, hidden=[8], likelihood=likelihood, beta=beta)


@pytest.mark.parametrize("c", [0.02, 0.5, 3.0])
def test_gradient_is_that_of_weighed_squared_error_and_kl(c: float) -> None:
    recipe = vae(Gaussian(scale=FixedScale(c)))
    model, x = recipe.model.double(), numbers(0, 6, 5)
    parameters = list(model.parameters())
    torch.manual_seed(1)
    trace = model.trace(x)
    got = torch.autograd.grad(recipe.objective(model, trace).sum(), parameters, retain_graph=True)
    error = (x - trace.px.loc[0]).square().sum()
    mean, log_scale = trace.q.loc, trace.q.log_scale
    rate = 0.5 * (mean.square() + (2 * log_scale).exp() - 1 - 2 * log_scale).sum()
    want = torch.autograd.grad(error / (2 * c) + rate, parameters)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)  # log c is stored as a float32 number


def test_variance_and_beta_are_one_trade_off() -> None:
    """beta KL at variance c has the gradient of beta times the ELBO at variance beta c."""
    a, b = vae(Gaussian(scale=FixedScale(0.3)), beta=4.0), vae(Gaussian(scale=FixedScale(1.2)))
    x, found = numbers(0, 6, 5), []
    for recipe in (a, b):
        model = recipe.model.double()
        torch.manual_seed(1)
        loss = recipe.objective(model, model.trace(x)).sum()
        found.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))]))
    torch.testing.assert_close(found[0], 4 * found[1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_without_a_rate_the_posteriors_variance_goes_to_zero(beta: float) -> None:
    recipe = vae(Gaussian(scale=FixedScale(0.1)), beta=beta)
    model = recipe.model.double()
    x = numbers(1, 64, 2) @ numbers(2, 2, 5)  # of two dimensions, as the latents
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
    torch.manual_seed(3)
    for _ in range(1200):
        optimizer.zero_grad()
        recipe.objective.loss(model, x).backward()
        optimizer.step()
    with torch.no_grad():
        variance = float(model.encode(x).variance.mean())
    if beta == 0:
        assert variance < 1e-4, variance  # nothing holds it: only the clamp at e^-20 would
    else:  # the rate does: about c / (c + w^2) of each latent
        assert 1e-3 < variance < 0.2, variance


def test_the_optimal_scale_maximises_the_likelihood() -> None:
    loc, x = numbers(4, 3, 20, 5), numbers(5, 20, 5)
    scale = OptimalScale().double()
    found = scale.observe(x - loc)
    assert float(found) == pytest.approx(0.5 * math.log(float((x - loc).square().mean())), abs=1e-12)
    free = found.detach().clone().requires_grad_()

    def total(log_scale: Tensor) -> Tensor:
        return DiagonalGaussian(loc, log_scale).log_prob(x).sum()

    slope = torch.autograd.grad(total(free), free, create_graph=True)[0]
    assert abs(slope.item()) < 1e-9  # stationary, to float64 rounding of 300 terms
    assert torch.autograd.grad(slope, free)[0].item() < 0  # and a maximum


def test_the_optimal_scale_is_the_learned_ones_optimum() -> None:
    torch.manual_seed(0)
    net = MLP(2, [8])
    z, x = numbers(6, 40, 2), 0.3 * numbers(7, 40, 5)
    learned = Gaussian(net, (5,), scale=LearnedScale()).double()
    optimal = Gaussian(net, (5,), scale=OptimalScale()).double().train()
    optimal.head.load_state_dict(learned.head.state_dict())
    parameter = learned.scale.log_scale
    newton = torch.optim.LBFGS([parameter], max_iter=100, tolerance_grad=1e-12, tolerance_change=0)

    def loss() -> Tensor:
        newton.zero_grad()
        value = -learned(z).log_prob(x).sum()
        value.backward()
        return value

    newton.step(loss)
    best = learned(z).log_prob(x).sum().item()
    assert optimal(z).log_prob(x).sum().item() == pytest.approx(best, abs=1e-8)
    # its gradient on the mean is the learned one's at that optimum: the scale's own gradient is zero (envelope)
    a = torch.autograd.grad(optimal(z).log_prob(x).sum(), optimal.head.layer.weight)[0]
    b = torch.autograd.grad(learned(z).log_prob(x).sum(), learned.head.layer.weight)[0]
    torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)  # as far as Newton went


def test_scales_start_at_the_datas_own() -> None:
    x = numbers(8, 2000, 5) * torch.tensor([1.0, 2.0, 3.0, 4.0, 0.5])
    spread = x.std(0, unbiased=False)
    one, each, optimal = LearnedScale().double(), PerDimensionScale().double(), OptimalScale().double()
    each.build((5,))
    each.double()
    for scale in (one, each, optimal):
        scale.start_at(spread)
    pooled = spread.square().mean().sqrt().log().item()
    assert one(None).item() == pytest.approx(pooled, abs=1e-12)
    assert optimal(None).item() == pytest.approx(pooled, abs=1e-12)
    torch.testing.assert_close(each(None), spread.log())


def test_a_perfect_fit_does_not_blow_up_the_optimal_scale() -> None:
    scale = OptimalScale()
    error = torch.zeros(4, 5, requires_grad=True)
    log_scale = scale.observe(error)
    assert log_scale.item() == pytest.approx(-6.0)
    assert bool(torch.autograd.grad(log_scale, error)[0].isfinite().all())


def test_network_scale_learns_noise_that_depends_on_x() -> None:
    """Two groups with noise 0.1 and 1: the maximum of the likelihood gives each its own scale."""
    torch.manual_seed(0)
    p = Gaussian(nn.Identity(), (1,), features=1, scale=NetworkScale()).double()
    group = torch.tensor([0.0, 1.0], dtype=torch.float64).repeat(2000)[:, None]
    x = numbers(9, 4000, 1) * torch.where(group > 0, 1.0, 0.1)
    optimizer = torch.optim.LBFGS(p.parameters(), max_iter=200)

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = -p(group).log_prob(x).mean()
        value.backward()
        return value

    optimizer.step(loss)
    low, high = p(torch.tensor([[0.0], [1.0]], dtype=torch.float64)).scale.flatten().tolist()
    for got, rows in ((low, x[0::2]), (high, x[1::2])):
        assert got == pytest.approx(float(rows.std()), rel=1e-3)  # LBFGS stops at 1e-7 of the gradient
