"""The chi upper bound where it has a closed form: a Gaussian posterior that is wrong by a known shift and width."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tests.oracles.enumerated import binary, flat, pictures
from tests.oracles.test_importance import wrong
from torch import Tensor

from vaekit.objectives import CUBO, ELBO, IWAE, Renyi


def exact_bound(model: Any, x: Tensor, log_p: Tensor) -> Tensor:
    """log p + 1/2 log of the integral of p(z|x)^2 / q, a product over latents, with gradients for q."""
    w, mu = model.likelihood.head.layer.weight.detach(), model.likelihood.head.layer.bias.detach()
    variance = (2 * model.likelihood.scale.log_scale.detach()).exp()
    t2 = 1 / (w.square().sum(0) / variance + 1)  # the loadings are orthogonal
    q = model.posterior(x)
    gap, s2 = (x - mu) @ w * t2 / variance - q.loc, q.scale.square()
    spread = 2 * s2 - t2
    each = s2.log() - 0.5 * t2.log() - 0.5 * spread.log() + gap.square() / spread
    return log_p + 0.5 * each.sum(-1)


def test_it_is_its_closed_form_in_the_mean_of_its_exponential() -> None:
    model, x, log_p = wrong()
    want = exact_bound(model, x, log_p).detach()
    assert bool((want > log_p + 0.01).all())
    torch.manual_seed(0)
    with torch.no_grad():
        found = torch.stack([CUBO(2.0, 500)(model, model.trace(x, samples=500)) for _ in range(400)])
    ratio = (2 * (found - want)).exp()
    assert bool(((ratio.mean(0) - 1).abs() < 4 * ratio.std(0) / 400**0.5).all())  # standard errors
    with torch.no_grad():
        few = CUBO(2.0, 4)(model, model.trace(x.repeat(2000, 1), samples=4)).view(2000, -1)
    assert bool((few.mean(0) < want - 0.01).all()), "the logarithm of a mean of draws is too low in the mean"


def test_its_gradient_is_that_of_the_closed_form() -> None:
    model, x, log_p = wrong()
    x, log_p = x[:4], log_p[:4]
    bias = model.posterior.head.layer.bias
    (want,) = torch.autograd.grad(exact_bound(model, x, log_p).sum(), bias)
    torch.manual_seed(0)
    found = torch.stack([
        torch.autograd.grad(CUBO(2.0, 20_000)(model, model.trace(x, samples=20_000)).sum(), bias)[0] for _ in range(30)
    ])  # fmt: skip
    error = found.std(0) / 30**0.5
    assert bool(((found.mean(0) - want).abs() < 4 * error + 1e-3 * want.abs().max()).all())  # 1e-3: the bias of K


def test_its_bias_falls_with_the_draws() -> None:
    """Over all tuples of binary draws; one draw teaches nothing, and none lead away from the bound's own gradient."""
    case, x = binary(), pictures()[5:6]
    parameters = list(case.model.posterior.parameters())
    log_joint, log_q = case.tables(x)
    want = flat(torch.autograd.grad((log_q + 2 * (log_joint.detach() - log_q)).logsumexp(0).sum() / 2, parameters))
    gaps = []
    for k in (1, 2, 4):
        trace, weight = case.draws(x, k)
        found = flat(torch.autograd.grad((weight * CUBO(2.0, k)(case.model, trace)).sum(), parameters))
        gaps.append(float((found - want).norm() / want.norm()))
    assert gaps[0] == pytest.approx(1, abs=1e-9) and gaps[2] < gaps[1] < 0.95, gaps


def test_log_p_lies_between_the_bounds() -> None:
    model, x, log_p = wrong()
    torch.manual_seed(0)
    with torch.no_grad():
        trace = model.trace(x, samples=40_000)
        lower, tight = ELBO().bound(model, trace), IWAE(40_000).bound(model, trace)
        upper = [CUBO(n)(model, trace) for n in (1.1, 1.5, 2.0, 3.0)]
    assert bool((lower < log_p).all()) and float((tight - log_p).abs().max()) < 0.02
    for below, above in zip([log_p, *upper], upper, strict=False):
        assert bool((below < above).all()), "it rises with the order"


def test_it_is_the_renyi_bound_of_a_negative_order() -> None:
    """1 / (1 - alpha) log E w^(1 - alpha) with alpha = 1 - n."""
    model, x, _ = wrong()
    term = Renyi(0.0, 8)
    term.alpha = -1.0  # its constructor refuses what is no lower bound
    torch.manual_seed(0)
    trace = model.trace(x, samples=8)
    torch.testing.assert_close(CUBO(2.0)(model, trace), term.bound(model, trace), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("order", [1.5, 2.0, 4.0])
def test_of_binary_latents_it_is_above_the_sum_over_all_states(order: float) -> None:
    case, x = binary(), pictures()
    log_joint, log_q = case.tables(x)
    log_p = log_joint.logsumexp(0)
    exact = (log_q + order * (log_joint - log_q)).logsumexp(0) / order
    assert bool((exact > log_p).all())
    torch.manual_seed(0)
    with torch.no_grad():
        found = CUBO(order)(case.model, case.model.trace(x, samples=50_000))
    torch.testing.assert_close(found, exact, rtol=0, atol=0.1)  # 50,000 draws of eight states


@pytest.mark.parametrize("order", [1.0, 0.5, math.inf])
def test_orders_that_bound_nothing_are_refused(order: float) -> None:
    with pytest.raises(ValueError, match="above 1"):
        CUBO(order)
