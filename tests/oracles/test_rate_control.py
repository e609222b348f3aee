"""Rates that cannot vanish: a batch-normalised posterior, means that are kept apart, a correlated prior, and a weight
that comes and goes.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import scipy.stats
import torch
from tests.laws.tables import numbers
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, kl_divergence

from vaekit import distributions as d
from vaekit import priors, recipes
from vaekit.messages import Mistake
from vaekit.models import Trace
from vaekit.networks import MLP
from vaekit.objectives import MuForcing
from vaekit.objectives.schedules import Cyclical
from vaekit.posteriors import NormalisedGaussian
from vaekit.priors.chain import committed_rate
from vaekit.training import Batch, Step

T, C, ALPHA = 4, 2, 0.7


def twin(temperature: float = 1.0) -> MultivariateNormal:
    """The same as one Gaussian: correlation alpha^|t - s| between steps, none between channels."""
    steps = torch.arange(T, dtype=torch.float64)
    in_time = ALPHA ** (steps[:, None] - steps).abs()
    return MultivariateNormal(torch.zeros(T * C).double(), temperature**2 * torch.kron(in_time, torch.eye(C).double()))


def chain() -> d.GaussianChain:
    return d.GaussianChain(torch.zeros(T, C, dtype=torch.float64), ALPHA)


def test_the_chain_is_one_gaussian() -> None:
    z = numbers(1, 5, 3, T * C)
    torch.testing.assert_close(chain().log_prob(z), twin().log_prob(z), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(chain().tempered(0.3).log_prob(z), twin(0.3).log_prob(z), rtol=1e-10, atol=1e-10)
    q = d.DiagonalGaussian(numbers(2, 5, T * C), 0.3 * numbers(3, 5, T * C))
    wide = MultivariateNormal(q.loc, scale_tril=torch.diag_embed(q.scale))
    torch.testing.assert_close(kl_divergence(q, chain()), kl_divergence(wide, twin()), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(
        kl_divergence(q, chain().tempered(2.0)), kl_divergence(wide, twin(2.0)), rtol=1e-10, atol=1e-10
    )


def test_draws_follow_the_chain() -> None:
    torch.manual_seed(0)
    z = chain().sample((4000,))
    white = torch.linalg.solve_triangular(twin().scale_tril, z.T, upper=False)
    assert scipy.stats.kstest(white.flatten().numpy(), "norm").pvalue > 1e-3
    moment = white @ white.T / 4000 - torch.eye(T * C)
    assert float(moment.abs().max()) < 4.5 * math.sqrt(2 / 4000)  # standard errors of a variance
    assert float(chain().tempered(0.0).sample((3,)).abs().max()) < 1e-20


@pytest.mark.parametrize("steps, channels, alpha", [(2, 1, 0.5), (5, 2, 0.3), (32, 1, 0.9), (3, 4, 0.99)])
def test_the_committed_rate_is_the_least(steps: int, channels: int, alpha: float) -> None:
    """At the mean 0 and the variances 1 / (diagonal of the precision); everywhere else it is more."""
    p = d.GaussianChain(torch.zeros(steps, channels, dtype=torch.float64), alpha)
    inner = torch.full((steps,), (1 - alpha**2) / (1 + alpha**2), dtype=torch.float64)
    inner[0] = inner[-1] = 1 - alpha**2
    best = 0.5 * inner.log().unsqueeze(1).expand(-1, channels).flatten()
    loc = torch.zeros_like(best).requires_grad_()
    log_scale = best.clone().requires_grad_()
    kl = kl_divergence(d.DiagonalGaussian(loc, log_scale), p)
    assert float(kl.detach()) == pytest.approx(committed_rate(steps, channels, alpha), rel=1e-10)
    assert all(float(g.abs().max()) < 1e-10 for g in torch.autograd.grad(kl, [loc, log_scale]))
    away = d.DiagonalGaussian(0.1 * numbers(1, 50, len(best)), best + 0.1 * numbers(2, 50, len(best)))
    assert bool((kl_divergence(away, p) > kl.detach()).all())


@pytest.mark.parametrize("rate", [0.05, 1.0, 5.0, 15.0])
def test_the_prior_holds_the_rate_asked_for(rate: float) -> None:
    prior = priors.Autoregressive(32, 1, rate=rate)
    assert committed_rate(32, 1, prior.correlation) == pytest.approx(rate, rel=1e-9)


def test_rates_that_cannot_be_held_are_refused() -> None:
    with pytest.raises(Mistake, match="cannot be held"):
        priors.Autoregressive(2, 1, rate=50.0)
    with pytest.raises(Mistake, match="two steps or more"):
        recipes.delta_vae(shape=(6,), latent_dim=3, hidden=[4], channels=2)


def normalised(gamma: float = 0.5) -> Any:
    torch.manual_seed(0)
    return NormalisedGaussian(MLP(6, [9], activation=nn.Tanh), 4, gamma=gamma).double()


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_the_mean_rate_is_above_its_floor(size: float) -> None:
    """D gamma^2 / 2, met where beta is 0 and every scale is 1, whatever the size of the encoder's outputs."""
    q = normalised()
    with torch.no_grad():
        q.head.layer.weight.mul_(size)
    p = d.StandardGaussian(torch.zeros(4, dtype=torch.float64))
    x = numbers(1, 50, 6)
    floor = 4 * 0.5**2 / 2
    found = q(x)
    torch.testing.assert_close(found.loc.mean(0), torch.zeros(4).double(), rtol=0, atol=1e-9)
    tolerance = 1e-4  # the 1e-12 that stands beside the variance
    torch.testing.assert_close(found.loc.var(0, correction=0), torch.full((4,), 0.25).double(), rtol=tolerance, atol=0)
    assert float(kl_divergence(found, p).mean().detach()) > floor * (1 - tolerance)
    even = d.DiagonalGaussian(found.loc.detach(), torch.zeros_like(found.loc))
    assert float(kl_divergence(even, p).mean()) == pytest.approx(floor, rel=tolerance)


def test_evaluation_scores_items_alone_by_what_training_saw() -> None:
    q, x = normalised(), numbers(1, 50, 6)
    state = {k: v.clone() for k, v in q.state_dict().items()}
    with torch.no_grad():
        q(x)
    q.after_step(0)
    assert all(torch.equal(v, state[k]) for k, v in q.state_dict().items()), "validation moved the running values"
    for step in range(300):
        q(x)
        q.after_step(step)
    seen = q(x).loc.detach()
    q.eval()
    torch.testing.assert_close(q(x).loc, seen, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(torch.cat([q(row[None]).loc for row in x]), q(x).loc, rtol=1e-12, atol=1e-12)
    alone = q.train()(x[:1]).loc
    assert bool(alone.isfinite().all()) and bool((alone != 0).any()), "a batch of one has no variance of its own"


def test_bad_numbers_leave_the_running_values() -> None:
    q = normalised()
    x = numbers(1, 50, 6)
    x[3] = float("nan")
    q(x)
    q.after_step(0)
    assert bool(q.running_mean.isfinite().all()) and bool(q.running_variance.isfinite().all())


def of_means(loc: Tensor) -> Trace:
    q, p = d.DiagonalGaussian(loc, 0.3 * numbers(3, *loc.shape)), d.StandardGaussian(loc.new_zeros(loc.shape[1:]))
    return Trace(loc, None, ((q, p, q.rsample((1,))),), q)


def test_mu_forcing_is_what_is_missing_written_out() -> None:
    """beta less the sum of the means' variances over 2, and 0 with no slope where they are wide enough."""
    loc = (1.5 + numbers(1, 7, 3)).requires_grad_()  # whose centre is no spread
    each = loc.detach()
    spread = sum(float(((each[:, j] - each[:, j].sum() / 7) ** 2).sum()) / 7 / 2 for j in range(3))
    model: Any = None
    missing = MuForcing(spread + 0.7)(model, of_means(loc))
    assert missing.ndim == 0 and float(missing.detach()) == pytest.approx(0.7, rel=1e-12)
    (slope,) = torch.autograd.grad(missing, loc)
    torch.testing.assert_close(slope, -(loc - loc.mean(0)).detach() / 7, rtol=1e-12, atol=1e-14)
    met = MuForcing(spread - 0.01)(model, of_means(loc))
    assert float(met.detach()) == 0 and not bool(torch.autograd.grad(met, loc)[0].any())
    with pytest.raises(Mistake, match="wanted a number, 0 or more"):
        MuForcing(-1.0)


@pytest.mark.parametrize("seed", range(5))
def test_where_mu_forcing_is_met_the_mean_rate_is_above_it(seed: int) -> None:
    """Tight where means are centred and every scale is 1."""
    loc = numbers(seed, 9, 4)
    model: Any = None
    floor = 100.0 - float(MuForcing(100.0)(model, of_means(loc)))
    q, p, _ = of_means(loc).levels[0]
    assert float(kl_divergence(q, p).mean()) > floor
    even = d.DiagonalGaussian(loc - loc.mean(0), torch.zeros_like(loc))
    assert float(kl_divergence(even, p).mean()) == pytest.approx(floor, rel=1e-12)


def collapsing(recipe: Any) -> dict[str, float]:
    """The rate after training on noise, which a plain VAE gives up."""
    x = (numbers(5, 256, 12) > 0).float()
    torch.manual_seed(0)
    step = Step(recipe.model, recipe.objective)
    for optimizer in step.optimizers.values():
        optimizer.param_groups[0]["lr"] = 5e-3
    for _ in range(250):
        metrics = step(Batch(x))
    return {k: float(metrics[k]) for k in ("rate", "distortion")}


def test_a_vae_gives_its_latents_up_and_these_cannot() -> None:
    small: dict[str, Any] = {"shape": (12,), "latent_dim": 4, "hidden": [8], "beta": 8.0}
    torch.manual_seed(0)
    assert collapsing(recipes.vae(**small))["rate"] < 0.1
    torch.manual_seed(0)
    assert collapsing(recipes.bn_vae(**small, gamma=0.8))["rate"] > 4 * 0.8**2 / 2 * 0.999
    torch.manual_seed(0)
    assert collapsing(recipes.delta_vae(**small, rate=1.5))["rate"] > 1.5 * 0.999
    torch.manual_seed(0)
    held = collapsing(recipes.mu_forcing_vae(**small, nats=1.5, weight=40.0))["rate"]
    assert 1.5 * 0.98 < held < 2.5, "a hinge is met up to a step's size"


def test_the_cycles_are_those_of_the_paper() -> None:
    """beta_t = min(tau / R, 1), tau = mod(t - 1, T / M) / (T / M), with four cycles and R = 0.5."""
    schedule = Cyclical(0.0, 1.0, steps=0.25, rising=0.5)
    schedule.over(400)
    for t in (1, 2, 26, 51, 76, 100):
        tau = ((t - 1) % 100) / 100
        assert schedule.at(t - 1) == pytest.approx(min(tau / 0.5, 1.0), abs=1e-12)
    values: Tensor = torch.tensor([schedule.at(step) for step in range(401)])
    assert values[0] == 0 and values[400] == 1, "the run ends at the end of a cycle"
    assert int((values.diff() < -0.5).sum()) == 3
    with pytest.raises(Mistake, match="rising"):
        Cyclical(0.0, 1.0, steps=10, rising=0.0)
    with pytest.raises(Mistake, match="2 or more"):
        recipes.cyclical_vae(shape=(6,), cycles=1)


def test_geco_asks_for_its_goal() -> None:
    """No distortion suits all data: one is asked for, and the message says how to give it."""
    with pytest.raises(Mistake, match="give distortion="):
        recipes.geco_vae(shape=(6,))


@pytest.mark.parametrize("weight", [-1.0, 0.0, "a"])
def test_a_forcing_that_pulls_the_other_way_is_refused(weight: Any) -> None:
    with pytest.raises(Mistake, match="weight"):
        recipes.mu_forcing_vae(shape=(6,), weight=weight)
