"""Bounds of several draws where log p(x) is known, their gradients where their mean or their value is."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.oracles.test_importance import wrong
from tests.oracles.test_ppca import closed, correlated
from torch import Tensor

from vaekit.maths import log_mean_exp
from vaekit.objectives import ELBO, IWAE, MIWAE, STL, TVO, Bound, DReG, Renyi


def trace_of(model: Any, x: Tensor, samples: int, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return model.trace(x, samples=samples)


@pytest.mark.parametrize(
    "bound, same",
    [
        (MIWAE(1, 6), lambda log_w: log_mean_exp(log_w)),
        (MIWAE(6, 1), lambda log_w: log_w.mean(0)),
        (MIWAE(2, 3), lambda log_w: 0.5 * (log_mean_exp(log_w[:3]) + log_mean_exp(log_w[3:]))),
        (Renyi(0.0, 6), lambda log_w: log_mean_exp(log_w)),
        (Renyi(1.0, 6), lambda log_w: log_w.mean(0)),
        (Renyi(0.5, 6), lambda log_w: 2 * (log_w / 2).exp().mean(0).log()),
        (TVO(1, samples=6), lambda log_w: log_w.mean(0)),
        (STL(6), lambda log_w: log_w.mean(0)),
        (DReG(6), lambda log_w: log_mean_exp(log_w)),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, Bound) else "",
)
def test_values_are_their_formulas(bound: Bound, same: Callable[[Tensor], Tensor]) -> None:
    model, x, _ = wrong()
    trace = trace_of(model, x, bound.samples)
    torch.testing.assert_close(bound.bound(model, trace), same(trace.log_w), rtol=1e-10, atol=1e-10)


def test_all_are_below_log_p_and_in_order() -> None:
    """ELBO < Renyi(0.5) < IWAE < log p, TVO between the ELBO and log p and near it with many pieces and draws."""
    model, x, exact = wrong()
    with torch.no_grad():
        trace = trace_of(model, x, 40_000)
        bounds = [b.bound(model, trace) for b in (Renyi(1.0), Renyi(0.5), Renyi(0.1), TVO(1), TVO(8), TVO(200, 1e-3))]
        iwae = [MIWAE(40_000 // k, k).bound(model, trace) for k in (1, 5, 50)]
    for below, above in [*zip(bounds[:3], bounds[1:3], strict=False), *zip(iwae, iwae[1:], strict=False)]:
        assert bool((below < above).all())
    assert bool((bounds[3] < bounds[4]).all()) and bool((bounds[4] < bounds[5]).all())
    assert float((exact - bounds[5]).abs().max()) < 0.02  # 200 pieces; 40,000 draws leave some thousandths
    assert float((iwae[2] - exact).abs().max()) < 0.05


def encoder(model: Any) -> list[Tensor]:
    return list(model.posterior.parameters())


def gradient(bound: Bound, model: Any, x: Tensor, seed: int, of: list[Tensor]) -> Tensor:
    value = bound.bound(model, trace_of(model, x, bound.samples, seed)).mean()
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, of)])


@pytest.mark.parametrize("better, plain", [(STL(4), ELBO(samples=4)), (DReG(8), IWAE(8))], ids=["STL", "DReG"])
def test_gradients_have_the_plain_one_s_mean_and_less_noise(better: Bound, plain: Bound) -> None:
    model, x, _ = wrong()
    x = x[:4].repeat(300, 1)
    runs = [(gradient(better, model, x, s, encoder(model)), gradient(plain, model, x, s, encoder(model)))
            for s in range(40)]  # fmt: skip
    apart = torch.stack([a - b for a, b in runs])
    error = apart.std(0) / len(runs) ** 0.5
    assert float((apart.mean(0) / error.clamp_min(1e-12)).abs().max()) < 4  # standard errors, 24 parameters
    if isinstance(better, DReG):  # its noise falls as K grows, where IWAE's signal drowns
        ours, theirs = (torch.stack(list(g)).var(0).mean() for g in zip(*runs, strict=True))
        assert float(ours) < float(theirs)


def test_the_decoder_s_gradient_is_iwae_s_own() -> None:
    model, x, _ = wrong()
    decoder = list(model.likelihood.parameters())
    ours, theirs = (gradient(bound, model, x, 0, decoder) for bound in (DReG(8), IWAE(8)))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_dreg_is_its_estimator_written_out() -> None:
    """Sum over k of the squared weight times d log w / d z times d z / d phi, with q's score left out."""
    model, x, _ = wrong()
    trace = trace_of(model, x, 8)
    q, z = trace.q, trace.z
    leaf = z.detach().requires_grad_()
    q_fixed = type(q)(q.loc.detach(), q.log_scale.detach())
    log_w = model.likelihood(leaf).log_prob(x) + model.prior().log_prob(leaf) - q_fixed.log_prob(leaf)
    weight = log_w.detach().softmax(0).square()
    (direction,) = torch.autograd.grad((weight * log_w).sum(), leaf)
    wanted = torch.autograd.grad((direction * z).sum() / len(x), encoder(model), retain_graph=True)
    found = torch.autograd.grad(DReG(8).bound(model, trace).mean(), encoder(model))
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)


def test_sticking_the_landing_is_still_where_q_is_exact() -> None:
    x = correlated()
    model = closed(x)
    stuck = gradient(STL(), model, x, 0, encoder(model))
    assert float(stuck.abs().max()) < 1e-9
    assert float(gradient(Renyi(0.0, 1), model, x, 0, encoder(model)).abs().max()) > 1e-3, "the plain one is not"


def test_one_term_leaves_another_s_gradient_alone() -> None:
    """A sum's gradient is the sum of the gradients: nothing is hooked into the shared draw."""
    model, x, _ = wrong()
    everything = list(model.parameters())
    trace = trace_of(model, x, 8)

    def grads(term: Any) -> Tensor:
        found = torch.autograd.grad(term(model, trace).mean(), everything, retain_graph=True, allow_unused=True)
        return torch.cat([torch.zeros_like(p).flatten() if g is None else g.flatten()
                          for p, g in zip(everything, found, strict=True)])  # fmt: skip

    both = grads(0.5 * ELBO() + DReG(8) + STL(8))
    torch.testing.assert_close(both, 0.5 * grads(ELBO()) + grads(DReG(8)) + grads(STL(8)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("alpha", [-0.5, math.inf])
def test_alphas_that_give_no_bound_are_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="wanted 0 or more"):
        Renyi(alpha)
