"""Categorical latents as one-hot vectors: probabilities and KLs by enumeration, relaxations by their limits."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import pytest
import scipy.stats
import torch
from tests.laws.tables import numbers
from tests.oracles.enumerated import Enumerated, categorical, pictures
from torch import Tensor
from torch.distributions import RelaxedOneHotCategorical, kl_divergence

from vaekit import distributions as d
from vaekit import posteriors, priors, recipes
from vaekit.evaluation import log_likelihoods
from vaekit.messages import Mistake
from vaekit.objectives import ELBO, IWAE, MIWAE, STL, TVO, DReG, Renyi, as_game, check
from vaekit.objectives.schedules import Exponential

N, K = 2, 3


def values() -> Tensor:
    one = torch.eye(K, dtype=torch.float64)
    return torch.stack([torch.cat(rows) for rows in itertools.product(one, repeat=N)])  # (9, N K)


def test_probabilities_are_the_products() -> None:
    logits = numbers(1, 5, N, K)
    q, p = d.OneHot(logits), d.OneHot(numbers(2, N, K))
    z = values()[:, None].expand(-1, 5, -1)
    probs = logits.softmax(-1)
    written = torch.stack([probs[:, 0, a] * probs[:, 1, b] for a, b in itertools.product(range(K), repeat=N)])
    torch.testing.assert_close(q.log_prob(z).exp(), written, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(q.entropy(), -(written * written.log()).sum(0), rtol=1e-12, atol=1e-12)
    kl = (written * (written.log() - p.log_prob(z))).sum(0)
    torch.testing.assert_close(kl_divergence(q, p), kl, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(q.mean, torch.einsum("sb,sbd->bd", written, z), rtol=1e-12, atol=1e-12)
    assert torch.equal(q.mode, z[written.argmax(0), torch.arange(5)])
    assert bool(q.supports(z).all()) and not bool(q.supports(torch.full((5, N * K), 0.5)).any())


def test_a_bernoulli_has_its_entropy() -> None:
    q = d.Bernoulli(3 * numbers(1, 5, 3))
    p = q.mean
    written = -(p * p.log() + (1 - p) * (1 - p).log()).sum(-1)
    torch.testing.assert_close(q.entropy(), written, rtol=1e-10, atol=1e-12)


def test_draws_are_as_often_as_they_should_be() -> None:
    torch.manual_seed(0)
    q = d.OneHot(numbers(3, N, K))
    z = q.sample((5000,))
    assert bool(q.supports(z).all())
    seen = (z[:, None] == values()).all(-1).sum(0)
    assert scipy.stats.chisquare(seen.numpy(), 5000 * q.log_prob(values()).exp().numpy()).pvalue > 1e-3


def test_the_relaxed_density_is_torch_s_and_its_draws_follow_it() -> None:
    q = d.RelaxedOneHot(numbers(4, 5, N, K), 0.7)
    torch.manual_seed(0)
    z = q.sample((7,))
    twin = RelaxedOneHotCategorical(torch.tensor(0.7, dtype=torch.float64), logits=q.log_probs)
    torch.testing.assert_close(q.log_prob(z), twin.log_prob(z.unflatten(-1, (N, K))).sum(-1), rtol=1e-9, atol=1e-9)
    # the largest element of a relaxed draw is the category that a hard one has
    torch.manual_seed(1)
    hard = q.perturbed((20_000,)).argmax(-1)
    shares = torch.stack([(hard == k).double().mean(0) for k in range(K)], -1)
    probs = q.log_probs.exp()
    assert bool(((shares - probs).abs() < 4.5 * (probs * (1 - probs) / 20_000).sqrt()).all())  # standard errors


def test_relaxed_draws_become_one_hot_as_they_cool_and_hard_ones_pass_their_gradient() -> None:
    logits = numbers(5, 4, N, K).requires_grad_()
    torch.manual_seed(0)
    cold = d.RelaxedOneHot(logits, 1e-3).rsample((1000,))
    assert float(((cold < 1e-6) | (cold > 1 - 1e-6)).double().mean()) > 0.98
    weight = numbers(6, N * K)
    found = []
    for family in (d.RelaxedOneHot, d.StraightThroughOneHot):
        torch.manual_seed(1)
        z = family(logits, 0.6).rsample((3,))
        found.append((z, torch.autograd.grad((z * weight).sum(), logits)[0]))
    assert bool(d.OneHot(logits).supports(found[1][0]).all()) and not bool(d.OneHot(logits).supports(found[0][0]).any())
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-9, atol=1e-12)


def test_extremes_are_finite() -> None:
    raw = torch.tensor([[[200.0, -200.0, 0.0]]], requires_grad=True)
    uniform = d.OneHot(torch.zeros(1, 3))
    for q in (d.OneHot(raw), d.RelaxedOneHot(raw, 0.1), d.StraightThroughOneHot(raw, 0.1)):
        z = q.rsample((50,)) if q.has_rsample else q.sample((50,))
        scores = [kl_divergence(q, uniform).sum(), q.entropy().sum(), q.log_prob(z).sum()]
        for score in scores:
            assert bool(score.isfinite())
            assert bool(torch.autograd.grad(score, raw, retain_graph=True)[0].isfinite().all())
        assert float(scores[0].detach()) == pytest.approx(math.log(3), rel=1e-5)


def test_the_prior_is_of_fair_dice() -> None:
    prior = priors.UniformCategorical(N, K).double()
    z = values()
    torch.testing.assert_close(
        prior().log_prob(z), torch.full((9,), -N * math.log(K), dtype=torch.float64), rtol=1e-12, atol=0
    )
    assert prior().tempered(0.5).log_prob(z).exp().sum().item() == pytest.approx(1, abs=1e-12)
    assert prior().sample((5,)).shape == (5, *prior.latent_shape)


FAMILIES: dict[str, Any] = {
    "exact": posteriors.Categorical,
    "relaxed": posteriors.RelaxedCategorical,
    "straight-through": posteriors.StraightThroughCategorical,
}


@pytest.mark.parametrize("kind", FAMILIES)
def test_what_is_reported_is_of_the_discrete_model(kind: str) -> None:
    case, x = categorical(FAMILIES[kind]), pictures()
    model = case.model.eval()
    log_joint, log_q = case.tables(x)
    assert log_joint.logsumexp(0).exp().sum().item() == pytest.approx(1, abs=1e-12)
    torch.manual_seed(0)
    got, error, _ = log_likelihoods(model, x, None, 40_000)
    assert bool(((got - log_joint.logsumexp(0)).abs() < 4 * error + 1e-9).all())
    with torch.no_grad():
        trace = model.trace(x, samples=10_000)
    kl = (log_q.exp() * (log_q + N * math.log(K))).sum(0)
    torch.testing.assert_close(trace.kl, kl.detach(), rtol=1e-10, atol=1e-12)
    assert bool(((ELBO().bound(model, trace) - case.elbo(x)).abs() < 4.5 * trace.log_px.std(0) / 100).all())


def bias(case: Enumerated, temperature: float) -> float:
    x = pictures()[5:6]
    model = case.model.train()
    model.posterior.temperature = temperature
    log_joint, _ = case.tables(x.clone())  # scored by the relaxed density: take q's own logits
    log_q = d.OneHot(model.posterior.logits_of(x)).log_prob(case.states[:, None])
    exact = (log_q.exp() * (log_joint - log_q)).sum()
    weight = model.posterior.head.layer.weight
    (want,) = torch.autograd.grad(exact, weight, retain_graph=True)
    torch.manual_seed(0)
    (found,) = torch.autograd.grad(ELBO(samples=40_000).bound(model, model.trace(x, samples=40_000)).sum(), weight)
    return float((found - want).norm() / want.norm())


def test_the_relaxed_gradient_nears_the_exact_one_as_it_cools() -> None:
    case = categorical(posteriors.RelaxedCategorical)
    warm, cool = bias(case, 2.0), bias(case, 0.2)
    assert cool < 0.5 * warm and cool < 0.1, (warm, cool)


def test_the_temperature_is_a_schedule_that_steps_move() -> None:
    """exp(-r t) down to 0.5, as in Jang et al. 2017; evaluation has none."""
    falling = Exponential(1.0, 0.5, steps=100)
    assert falling.at(30) == pytest.approx(math.exp(-30 * math.log(2) / 100))
    model = categorical(posteriors.RelaxedCategorical, temperature=falling).model
    x = pictures()
    assert float(model.posterior(x).temperature) == 1.0
    for part in model.walk("after_step"):
        part.after_step(100)
    assert float(model.posterior(x).temperature) == 0.5
    assert type(model.eval().posterior(x)) is d.OneHot


@pytest.mark.parametrize(
    "term", [IWAE(3), MIWAE(1, 3), Renyi(0.5, 3), TVO(samples=3), STL(), DReG(3)], ids=lambda term: term.name
)
def test_terms_that_read_densities_of_relaxed_draws_are_refused(term: Any) -> None:
    """log p(z) of a relaxed value is no density."""
    model = categorical(posteriors.RelaxedCategorical).model
    with pytest.raises(Mistake, match="relaxed"):
        check(model, as_game(term), pictures(), None, batch_size=2)


def test_uneven_latents_are_refused() -> None:
    with pytest.raises(Mistake, match="N \\* K"):
        recipes.vae(shape=(6,), latent_dim=7, hidden=[4], posterior=posteriors.Categorical)


def test_two_kinds_of_latents_are_met_by_a_prior_of_both() -> None:
    """In `vae` as in `joint_vae`: the rate is the Gaussian's and log K less the entropy of the categories."""
    torch.manual_seed(0)
    kind = functools.partial(posteriors.GaussianCategorical, variables=2, levels=3)
    model = recipes.vae(shape=(4,), latent_dim=8, posterior=kind).model.double().eval()
    trace: Any = model.trace(torch.randn(5, 4, dtype=torch.float64))
    gaussian, categories = trace.q.parts
    rate = 0.5 * (gaussian.loc**2 + gaussian.scale**2 - 1 - 2 * gaussian.scale.log()).sum(1)
    rate = rate + 2 * math.log(3) + (categories.log_probs.exp() * categories.log_probs).sum((1, 2))
    torch.testing.assert_close(trace.kl, rate, rtol=1e-10, atol=1e-12)
