"""Binary latents few enough to enumerate: log p(x), the ELBO, the KL and gradients are exact sums."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vaekit import likelihoods, posteriors, priors
from vaekit.evaluation import log_likelihoods
from vaekit.models import VAE
from vaekit.networks import MLP
from vaekit.objectives import ELBO, IWAE

D, PIXELS = 3, 4
POSTERIORS = {"straight-through": posteriors.StraightThroughBernoulli, "relaxed": posteriors.RelaxedBernoulli}
kinds = pytest.mark.parametrize("kind", POSTERIORS)


def model_of(kind: str) -> Any:
    torch.manual_seed(0)
    model = VAE(
        priors.FairBernoulli(D),
        POSTERIORS[kind](MLP(PIXELS, [6], activation=nn.Tanh), D),
        likelihoods.Bernoulli(MLP(D, [6], activation=nn.Tanh), (PIXELS,)),
    ).double()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(3.0)
    return model


def data() -> Tensor:
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=PIXELS)), dtype=torch.float64)  # all sixteen pictures


def states(n: int) -> Tensor:
    z = torch.tensor(list(itertools.product([0.0, 1.0], repeat=D)), dtype=torch.float64)
    return z[:, None].expand(-1, n, -1)  # (8, n, D)


def enumerated(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """log p(x, z) and log q(z|x) of all eight states, (8, B)."""
    z = states(len(x))
    px = model.likelihood(z)
    logits = model.posterior.parameters_of(x)[0]
    log_q = (z * logits - nn.functional.softplus(logits)).sum(-1)
    log_px = (x * px.logits - nn.functional.softplus(px.logits)).sum(-1)
    return log_px - D * math.log(2), log_q


def test_the_model_is_normalised() -> None:
    log_joint, log_q = enumerated(model_of("straight-through"), data())
    assert log_joint.logsumexp(0).exp().sum().item() == pytest.approx(1, abs=1e-12)  # over all pictures and states
    torch.testing.assert_close(log_q.exp().sum(0), torch.ones(16).double(), rtol=0, atol=1e-12)


@kinds
def test_the_estimate_is_of_the_discrete_model(kind: str) -> None:
    model, x = model_of(kind).eval(), data()
    exact = enumerated(model, x)[0].logsumexp(0).detach()
    torch.manual_seed(0)
    got, error, _ = log_likelihoods(model, x, None, 80_000)
    assert bool(((got - exact).abs() < 4 * error + 1e-9).all()), (got - exact) / error
    assert float(error.max()) < 0.05
    with torch.no_grad():
        z = model.trace(x, samples=100).z
    assert bool(((z == 0) | (z == 1)).all()), "an evaluation drew relaxed latents"


@kinds
def test_elbo_and_kl_are_the_sums(kind: str) -> None:
    model, x = model_of(kind).eval(), data()
    log_joint, log_q = enumerated(model, x)
    kl = (log_q.exp() * (log_q + D * math.log(2))).sum(0)
    elbo = (log_q.exp() * (log_joint - log_q)).sum(0)
    torch.manual_seed(0)
    with torch.no_grad():
        trace = model.trace(x, samples=20_000)
        bound = ELBO().bound(model, trace)
    torch.testing.assert_close(trace.kl, kl.detach(), rtol=1e-12, atol=1e-12)
    assert bool(((bound - elbo).abs() < 4 * trace.log_px.std(0) / 20_000**0.5).all())  # four standard errors
    assert bool((elbo <= log_joint.logsumexp(0) + 1e-12).all())


def test_relaxed_latents_are_relaxed_in_training_only() -> None:
    model, x = model_of("relaxed").train(), data()
    z = model.trace(x, samples=50).z
    assert float(((z == 0) | (z == 1)).double().mean()) < 0.05 and bool(((z >= 0) & (z <= 1)).all())


@pytest.mark.parametrize("k", [1, 2])
def test_the_gradient_of_iwae_is_that_of_the_enumerated_expectation(k: int) -> None:
    """For the likelihood's parameters, on which the draws do not depend; K states are 8^K sums."""
    model, x = model_of("straight-through"), data()[5:6]
    parameters = list(model.likelihood.parameters())
    log_joint, log_q = (t[:, 0] for t in enumerated(model, x))
    log_w = log_joint - log_q
    if k == 1:
        exact = (log_q.exp() * log_w).sum()
    else:
        pairs = torch.logaddexp(log_w[:, None], log_w[None]) - math.log(2)
        exact = ((log_q[:, None] + log_q[None]).exp() * pairs).sum()
    want = torch.cat([g.flatten() for g in torch.autograd.grad(exact, parameters)])
    torch.manual_seed(0)
    chunks, values = [], []
    for _ in range(60):
        bound = IWAE(k).bound(model, model.trace(x.expand(400, -1), samples=k))
        values.append(bound.mean().detach())
        chunks.append(torch.cat([g.flatten() for g in torch.autograd.grad(bound.mean(), parameters)]))
    found, spread = torch.stack(chunks).mean(0), torch.stack(chunks).std(0) / 60**0.5
    assert bool(((found - want).abs() < 4.5 * spread + 1e-12).all())  # 4.5 standard errors: some sixty parameters
    value, error = torch.stack(values).mean(), torch.stack(values).std() / 60**0.5
    assert float((value - exact).abs()) < 4 * float(error)


def test_relaxed_gradient_approaches_the_exact_one_as_it_cools() -> None:
    x = data()[5:6]
    gaps = []
    for temperature in (2.0, 0.3):
        model = model_of("relaxed").train()
        model.posterior.temperature = temperature
        log_joint, log_q = enumerated(model, x)
        exact = (log_q.exp() * (log_joint - log_q)).sum()
        parameter = model.posterior.head.layer.bias
        (want,) = torch.autograd.grad(exact, parameter)
        torch.manual_seed(0)
        bound = ELBO(samples=40_000).bound(model, model.trace(x, samples=40_000))
        (found,) = torch.autograd.grad(bound.sum(), parameter)
        gaps.append(float((found - want).norm() / want.norm()))
    assert gaps[1] < 0.5 * gaps[0] and gaps[1] < 0.1, gaps
