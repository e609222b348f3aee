"""Score-function estimators against autodiff of the exact bound, over every tuple of draws; and their noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.oracles.enumerated import Enumerated, binary, categorical, flat, pictures
from torch import Tensor

from vaekit import posteriors
from vaekit.distributions import Bernoulli
from vaekit.messages import Mistake
from vaekit.models import Trace
from vaekit.objectives import ELBO, REINFORCE, VIMCO, DisARM, Game, Sleep, WakePhi, as_game, check

X = pictures()[5:6]
MODELS = {"binary": binary, "categorical": categorical}
kinds = pytest.mark.parametrize("kind", MODELS)


def gradient(value: Tensor, model: Any) -> Tensor:
    return flat(torch.autograd.grad(value, list(model.parameters()), retain_graph=True))


@kinds
@pytest.mark.parametrize("k", [2, 3])
def test_reinforce_is_unbiased(kind: str, k: int) -> None:
    case: Enumerated = MODELS[kind]()
    trace, weight = case.draws(X, k)
    found = (weight * REINFORCE(k).bound(case.model, trace)).sum()
    exact = case.elbo(X).sum()
    torch.testing.assert_close(found, exact, rtol=1e-10, atol=0)
    torch.testing.assert_close(gradient(found, case.model), gradient(exact, case.model), rtol=1e-8, atol=1e-10)


@kinds
@pytest.mark.parametrize("k", [2, 3])
def test_vimco_is_unbiased(kind: str, k: int) -> None:
    case: Enumerated = MODELS[kind]()
    trace, weight = case.draws(X, k)
    found, exact = (weight * VIMCO(k).bound(case.model, trace)).sum(), case.bound(X, k)
    torch.testing.assert_close(found, exact, rtol=1e-10, atol=0)
    torch.testing.assert_close(gradient(found, case.model), gradient(exact, case.model), rtol=1e-8, atol=1e-10)


def pairs(case: Enumerated) -> tuple[Trace, Tensor, Tensor]:
    """Every draw with every partner: the trace, the partners (1, N, D) and the probabilities of u < p and 1 - u < p."""
    p = case.model.posterior(X).mean.detach()[0]
    rows = case.rows(2)
    first, second = case.states[rows[:, 0]], case.states[rows[:, 1]]
    both, neither = (2 * p - 1).clamp_min(0), (1 - 2 * p).clamp_min(0)
    each = torch.where(first * second == 1, both, torch.where(first + second == 0, neither, torch.minimum(p, 1 - p)))
    items = X.expand(len(rows), -1)
    q, prior = case.model.posterior(items), case.model.prior()
    trace = Trace(items, None, ((q, prior, first[None]),), case.model.likelihood(first[None]))
    return trace, second[None], each.prod(1)


def test_disarm_is_unbiased(monkeypatch: pytest.MonkeyPatch) -> None:
    case = binary()
    trace, partner, weight = pairs(case)
    assert float(weight.sum()) == pytest.approx(1, abs=1e-12)
    monkeypatch.setattr(Bernoulli, "antithetic", lambda q, z: partner)
    found, exact = (weight * DisARM().bound(case.model, trace)).sum(), case.elbo(X).sum()
    torch.testing.assert_close(found, exact, rtol=1e-10, atol=0)
    torch.testing.assert_close(gradient(found, case.model), gradient(exact, case.model), rtol=1e-8, atol=1e-10)


def test_a_partner_is_drawn_as_one_uniform_says() -> None:
    logits = torch.tensor([-40.0, -2.0, -0.3, 0.0, 0.7, 3.0, 40.0], dtype=torch.float64)
    q, n = Bernoulli(logits), 40_000
    torch.manual_seed(0)
    a = q.sample((n,))
    b, p = q.antithetic(a), q.mean
    for first, second, chance in [
        (1, 1, (2 * p - 1).clamp_min(0)), (0, 0, (1 - 2 * p).clamp_min(0)), (1, 0, torch.minimum(p, 1 - p))
    ]:  # fmt: skip
        seen = ((a == first) & (b == second)).double().mean(0)
        assert bool(((seen - chance).abs() < 4 * (chance * (1 - chance) / n).sqrt() + 1e-9).all())  # standard errors


def noise(value: Tensor, trace: Trace, weight: Tensor) -> float:
    """The total variance of an estimator's gradient for q's logits, over all tuples."""
    q: Any = trace.q
    logits = q.logits if isinstance(q, Bernoulli) else q.log_probs
    (each,) = torch.autograd.grad(value.sum(), logits, retain_graph=True)  # (N, *Z)
    each, w = each.flatten(1), weight.unsqueeze(1)
    mean = (w * each).sum(0)
    return float((w * (each - mean).square()).sum())


@kinds
def test_the_noise_is_less_than_without_a_baseline(kind: str) -> None:
    case: Enumerated = MODELS[kind]()
    trace, weight = case.draws(X, 3)
    f = (trace.log_px + trace.log_p - trace.log_q).detach()
    plain = noise((f * trace.log_q).mean(0), trace, weight)
    ours = noise(REINFORCE(3).bound(case.model, trace), trace, weight)
    bound = f.logsumexp(0)
    plain_k = noise((bound * trace.log_q).sum(0) + trace.log_w.logsumexp(0), trace, weight)
    ours_k = noise(VIMCO(3).bound(case.model, trace), trace, weight)
    assert ours < 0.5 * plain and ours_k < 0.5 * plain_k, (ours, plain, ours_k, plain_k)


def test_disarm_is_quieter_than_two_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Than REINFORCE of two draws without a baseline, and with each other as one (Dong et al. 2020, figure 2)."""
    case = binary()
    two, by_two = case.draws(X, 2)
    f = (two.log_px + two.log_p - two.log_q).detach()
    plain = noise((f * two.log_q).mean(0), two, by_two)
    each_other = noise(REINFORCE(2).bound(case.model, two), two, by_two)
    trace, partner, weight = pairs(case)
    monkeypatch.setattr(Bernoulli, "antithetic", lambda q, z: partner)
    ours = noise(DisARM().bound(case.model, trace), trace, weight)
    assert ours < each_other < plain, (ours, each_other, plain)


def test_the_encoder_stands_still_where_q_is_exact() -> None:
    """One latent: q(z|x) = p(z|x) can be written down, and every single tuple's gradient is 0."""
    case = binary()
    z = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    likelihood, x = (lambda s: case.model.likelihood(s.expand(*s.shape[:-1], 3))), X
    log_px = likelihood(z[:, None]).log_prob(x)[:, 0]
    logits = (log_px[1] - log_px[0]).detach().expand(4, 1).clone().requires_grad_()
    rows = torch.cartesian_prod(*[torch.arange(2)] * 2)
    draws = z[rows.T]
    fair = Bernoulli(torch.zeros(1, dtype=torch.float64))
    trace = Trace(x.expand(4, -1), None, ((Bernoulli(logits), fair, draws),), likelihood(draws))
    (found,) = torch.autograd.grad(REINFORCE(2).bound(case.model, trace).sum(), logits)
    assert float(found.abs().max()) < 1e-12


@pytest.mark.parametrize(
    "objective, exact",
    [
        (REINFORCE(4), lambda c: c.elbo(X).sum()),
        (VIMCO(3), lambda c: c.bound(X, 3)),
        (DisARM(2), lambda c: c.elbo(X).sum()),
    ],
    ids=["REINFORCE", "VIMCO", "DisARM"],
)
def test_real_draws_have_that_mean_too(objective: Any, exact: Callable[[Enumerated], Tensor]) -> None:
    """Through the model's own traces, in standard errors of 60 batches of 500."""
    case = binary()
    want = gradient(exact(case), case.model)
    torch.manual_seed(0)
    found = torch.stack([
        gradient(objective.bound(case.model, case.model.trace(X.expand(500, -1), samples=objective.samples)).mean(),
                 case.model) for _ in range(60)])  # fmt: skip
    error = found.std(0) / 60**0.5
    assert bool(((found.mean(0) - want).abs() < 4.5 * error + 1e-12).all())


def test_the_weight_of_the_rate_is_the_elbo_s() -> None:
    case = binary()
    trace, weight = case.draws(X, 2)
    _, log_q = case.tables(X)
    kl = (log_q.exp() * (log_q - case.model.prior().log_prob(case.states).unsqueeze(1))).sum()
    exact = case.elbo(X).sum() + (1 - 0.5) * kl
    found = (weight * REINFORCE(2, beta=0.5).bound(case.model, trace)).sum()
    torch.testing.assert_close(found, exact, rtol=1e-10, atol=0)
    torch.testing.assert_close(gradient(found, case.model), gradient(exact, case.model), rtol=1e-8, atol=1e-10)


def encoder(value: Tensor, case: Enumerated) -> Tensor:
    return flat(torch.autograd.grad(value, list(case.model.posterior.parameters()), retain_graph=True))


def test_the_wake_phase_turns_q_to_p_with_a_bias_that_falls() -> None:
    """Towards the gradient of KL(p(z|x) || q(z|x)); one draw has a weight of 1 and teaches nothing."""
    case = binary()
    log_joint, log_q = case.tables(X)
    want = encoder(-(log_joint.softmax(0).detach() * log_q).sum(), case)
    gaps = []
    for k in (1, 2, 4):
        trace, weight = case.draws(X, k)
        found = encoder((weight * WakePhi(k)(case.model, trace)).sum(), case)
        gaps.append(float((found - want).norm() / want.norm()))
    assert gaps[0] == pytest.approx(1, abs=1e-9) and gaps[1] < 0.9 and gaps[2] < 0.8 * gaps[1], gaps


@kinds
def test_dreams_teach_the_encoder_the_model_s_posterior(kind: str) -> None:
    """The gradient of -E log q(z|x) over all pictures and states of the model itself, in standard errors."""
    case: Enumerated = MODELS[kind]()
    log_joint, log_q = case.tables(pictures())
    want = encoder(-(log_joint.exp().detach() * log_q).sum(), case)
    torch.manual_seed(0)
    trace = case.model.trace(X.expand(1000, -1))
    found = torch.stack([encoder(Sleep()(case.model, trace).mean(), case) for _ in range(60)])
    assert bool(((found.mean(0) - want).abs() < 4.5 * found.std(0) / 60**0.5 + 1e-12).all())


def test_relaxed_and_other_latents_are_refused_by_name() -> None:
    case = binary(posteriors.StraightThroughBernoulli)
    with pytest.raises(Mistake, match="StraightThroughBernoulli"):
        REINFORCE(2)(case.model, case.model.trace(X, samples=2))
    dice = categorical()
    with pytest.raises(Mistake, match="DisARM is for Bernoulli"):
        DisARM()(dice.model, dice.model.trace(X))
    for objective in (REINFORCE, VIMCO):
        with pytest.raises(Mistake, match="2 or more"):
            objective(1)


def test_an_objective_that_cannot_reach_the_encoder_is_refused() -> None:
    """The rate alone would move q, and nothing would say that the distortion does not."""
    case = binary()
    with pytest.raises(Mistake, match="carry no gradient"):
        check(case.model, as_game(ELBO()), X, None, batch_size=1)
    check(case.model, as_game(REINFORCE(2)), X, None, batch_size=1)
    apart = Game(model=ELBO(), posterior=Sleep(), owns={"posterior": [case.model.posterior]})
    check(case.model, apart, X, None, batch_size=1)


def test_weights_of_any_size_give_finite_gradients() -> None:
    case = binary()
    for p in case.model.parameters():
        p.data.mul_(1e4)
    model = case.model.float()
    torch.manual_seed(0)
    for objective in (REINFORCE(4), VIMCO(4), DisARM(2), WakePhi(4), Sleep()):
        loss = objective(model, model.trace(X.float().expand(20, -1), samples=objective.samples)).mean()
        grads = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
        assert all(bool(g.isfinite().all()) for g in grads if g is not None)
