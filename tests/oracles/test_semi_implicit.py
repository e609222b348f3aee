"""Semi-implicit posteriors where the mixture is known: a Gaussian marginal, and two parts that can be enumerated."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, kl_divergence

from vaekit import distributions as d
from vaekit import likelihoods, posteriors, priors, recipes
from vaekit.distributions import frozen
from vaekit.evaluation import log_likelihoods
from vaekit.evaluation.surgery import surgery_numbers
from vaekit.likelihoods import FixedScale
from vaekit.maths import log_mean_exp
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.objectives import ELBO, IWAE, STL

from ..laws.tables import numbers

MIX, CENTRE, LOG_SCALE = numbers(1, 2, 3), numbers(2, 2), torch.tensor([-0.7, -0.3]).double()


def mixed(extra: int, rows: int) -> d.SemiImplicit:
    """mu(e) = W e + a with three numbers of noise and a scale that is fixed, many rows of it."""

    def make(noise: Tensor) -> d.DiagonalGaussian:
        loc = noise @ MIX.T + CENTRE
        return d.DiagonalGaussian(loc, LOG_SCALE.expand_as(loc))

    return d.SemiImplicit(make, numbers(3, 4, 3), (rows, 2), extra)


def marginal() -> MultivariateNormal:
    return MultivariateNormal(CENTRE, MIX @ MIX.T + torch.diag((2 * LOG_SCALE).exp()))


def test_draws_are_those_of_the_exact_marginal() -> None:
    torch.manual_seed(0)
    n, exact = 100_000, marginal()
    z = mixed(2, n).rsample()
    white = torch.linalg.solve_triangular(exact.scale_tril, (z - exact.mean).mT, upper=False)
    assert float(white.mean(1).abs().max()) < 4 / n**0.5
    assert float((torch.cov(white) - torch.eye(2)).abs().max()) < 4 * (2 / n) ** 0.5


def test_the_bound_rises_to_the_elbo_of_the_exact_marginal() -> None:
    """Below -KL(q || p) of the two Gaussians at any K, nearer with every K, and at it with many."""
    p = MultivariateNormal(torch.zeros(2).double(), torch.tensor([[2.0, 0.7], [0.7, 1.0]]).double())
    exact = -float(kl_divergence(marginal(), p))
    n, found, errors = 20_000, [], []
    for extra in (0, 1, 4, 16, 64, 256):
        torch.manual_seed(1)
        q = mixed(extra, n)
        z = q.rsample()
        bound = p.log_prob(z) - q.log_prob(z)
        found.append(float(bound.mean()))
        errors.append(float(bound.std()) / n**0.5)
    for one, more, error in zip(found, found[1:], errors, strict=False):
        assert one < more + 2 * error
    assert found[0] < exact - 0.3  # with no others it is far from tight
    assert all(bound < exact + 3 * error for bound, error in zip(found, errors, strict=True))
    assert found[-1] == pytest.approx(exact, abs=3 * errors[-1] + 0.01)  # and 1 / K of a few nats


def test_with_no_others_a_draw_is_scored_under_its_own_part() -> None:
    torch.manual_seed(0)
    q = mixed(0, 50)
    z = q.rsample((3,))
    assert q._parts is not None
    torch.testing.assert_close(q.log_prob(z), q._parts.log_prob(z)[0], rtol=1e-12, atol=1e-12)


# -- two parts, by the sign of the noise ------------------------------------------------------------------------------

TARGET = d.GaussianMixture(torch.tensor([[-0.5], [1.4]]).double(), torch.tensor([[-0.3], [0.1]]).double(),
                           torch.tensor([0.3, -0.2]).double())  # fmt: skip


def coins(values: Tensor, extra: int) -> d.SemiImplicit:
    """values (B, 4): the two locations and the two log-scales of each row's parts."""

    def make(noise: Tensor) -> d.DiagonalGaussian:
        heads = noise > 0
        loc = torch.where(heads, values[:, :1], values[:, 1:2])
        return d.DiagonalGaussian(loc, torch.where(heads, values[:, 2:3], values[:, 3:]))

    return d.SemiImplicit(make, numbers(3, 4, 1), (len(values), 1), extra)


def enumerated(values: Tensor, extra: int) -> Tensor:
    """The bound summed over how many of the others are heads, and over z by the trapezium rule."""
    z = torch.linspace(-12, 12, 4001, dtype=torch.float64)[:, None]
    parts = [d.DiagonalGaussian(values[i : i + 1], values[i + 2 : i + 3]).log_prob(z) for i in (0, 1)]
    log_p, total = TARGET.log_prob(z), torch.zeros(()).double()
    for own in (0, 1):
        for others in range(extra + 1):  # that are as part 0
            share = math.comb(extra, others) * 0.5 ** (extra + 1)
            first = others + (own == 0)
            counts = torch.tensor([first, extra + 1 - first]).double()
            log_q = torch.logsumexp(torch.stack(parts, -1) + counts.log(), -1) - math.log(extra + 1)
            total = total + share * (parts[own].exp() * (log_p - log_q)).sum() * float(z[1] - z[0])
    return total


@pytest.mark.parametrize("extra", [0, 1, 5])
def test_it_is_the_enumerated_bound_with_its_gradient(extra: int) -> None:
    n = 40_000
    values = torch.tensor([-1.0, 1.3, -0.6, -0.2]).double().requires_grad_()
    exact = enumerated(values, extra)
    (slope,) = torch.autograd.grad(exact, values)
    rows = values.detach().expand(n, 4).clone().requires_grad_()
    torch.manual_seed(0)
    q = coins(rows, extra)
    z = q.rsample()
    bound = TARGET.log_prob(z) - q.log_prob(z)
    assert abs(float((bound.mean() - exact).detach())) < 4 * float(bound.detach().std()) / n**0.5
    (each,) = torch.autograd.grad(bound.sum(), rows)
    assert bool(((each.mean(0) - slope).abs() < 4 * each.std(0) / n**0.5).all()), (each.mean(0), slope)


def test_the_enumerated_bound_rises_to_the_elbo() -> None:
    """So that the test above is of a bound: with both parts always there it is the mixture's own."""
    values = torch.tensor([-1.0, 1.3, -0.6, -0.2]).double()
    q = d.GaussianMixture(values[:2, None], values[2:, None], torch.zeros(2).double())
    z = torch.linspace(-12, 12, 4001, dtype=torch.float64)[:, None]
    exact = float((q.log_prob(z).exp() * (TARGET.log_prob(z) - q.log_prob(z))).sum() * (z[1] - z[0]))
    found = [float(enumerated(values, extra)) for extra in (0, 1, 2, 5, 20, 60)]
    assert found == sorted(found) and found[-1] < exact and exact - found[-1] < 0.02


@pytest.mark.parametrize("extra", [0, 3])
def test_gradients_without_the_score_have_the_same_mean_and_less_noise(extra: int) -> None:
    """The score of the drawn parts has the mean 0: for given noise they are a density."""
    n = 40_000
    rows = torch.tensor([-1.0, 1.3, -0.6, -0.2]).double().expand(n, 4).clone().requires_grad_()
    torch.manual_seed(0)
    q = coins(rows, extra)
    z = q.rsample()
    still = frozen(q)
    torch.testing.assert_close(still.log_prob(z), q.log_prob(z), rtol=1e-12, atol=1e-12)
    (score,) = torch.autograd.grad((q.log_prob(z) - still.log_prob(z)).sum(), rows)
    assert bool((score.mean(0).abs() < 4 * score.std(0) / n**0.5).all())
    assert float(score.abs().max()) > 0.1


# -- a model whose log p(x) is known ----------------------------------------------------------------------------------


def linear(extra: int) -> tuple[Any, Tensor, Tensor]:
    """p(x|z) = N(W z + b, 0.5), a posterior that is off; items and their exact log p(x)."""
    torch.manual_seed(0)
    w, b = numbers(1, 3, 2), numbers(2, 3)
    p: Any = likelihoods.Gaussian(nn.Identity(), (3,), scale=FixedScale(c=0.5), features=2)
    q = posteriors.SemiImplicit(nn.Identity(), 2, features=3, extra=extra)
    model: Any = VAE(priors.StandardNormal(2), q, p).double().eval()
    with torch.no_grad():
        p.head.layer.weight.copy_(w)
        p.head.layer.bias.copy_(b)
        q.last.layer.weight[:2].mul_(2.0)  # means that go far with the noise
        q.last.layer.bias[2:] = 0.2
    exact = MultivariateNormal(b, w @ w.T + 0.5 * torch.eye(3).double())
    x = exact.sample((6,))
    return model, x, exact.log_prob(x)


@pytest.mark.parametrize("extra", [0, 4])
def test_weights_are_unbiased_for_p(extra: int) -> None:
    """At any K, so that what is reported as log p(x) is an estimate of it from below."""
    model, x, exact = linear(extra)
    torch.manual_seed(1)
    log_p, error, _ = log_likelihoods(model, x, None, 40_000)
    ratio = (log_p - exact).exp()
    assert bool(((ratio - 1).abs() < 4.5 * error * ratio).all()), (ratio - 1) / error
    assert float(error.max()) < 0.05


def test_the_importance_weighted_bound_lies_between() -> None:
    model, x, exact = linear(4)
    torch.manual_seed(1)
    with torch.no_grad():
        trace = model.trace(x, samples=8000)
    bound = ELBO(samples=8000).bound(model, trace)
    several = log_mean_exp(trace.log_w.view(2000, 4, 6), 1).mean(0)
    assert bool((bound < several).all()) and bool((several < exact).all())
    assert bool((IWAE(8000).bound(model, trace) - exact).abs().max() < 0.2)


def test_moments_are_those_of_draws_and_do_not_vary() -> None:
    model, x, _ = linear(4)
    with torch.no_grad():
        q = model.posterior(x)
        assert torch.equal(q.mean, model.posterior(x).mean)
        z = q.rsample((20_000,))
    spread = (q.variance / 64).sqrt()
    assert bool(((q.mean - z.mean(0)).abs() < 4.5 * spread).all())  # of 64 fixed numbers of noise
    assert bool(((q.variance / z.var(0)).log().abs() < 1).all())


def test_it_begins_where_the_prior_is() -> None:
    torch.manual_seed(0)
    q = posteriors.SemiImplicit(nn.Identity(), 2, features=5).double()
    x = numbers(2, 640, 5)
    q.before_fit(x, {}, len(x))
    with torch.no_grad():
        numbers_of = q.mixing(q.parameters_of(x)[0])
        loc, log_scale = numbers_of(q.fixed.repeat(10, 1))
    torch.testing.assert_close(loc.mean(0), torch.zeros(2).double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(torch.cov(loc.T, correction=0), torch.eye(2).double(), rtol=0, atol=1e-9)
    assert bool((log_scale == 0).all())


def test_gradients_reach_every_parameter_and_items_are_apart() -> None:
    torch.manual_seed(0)
    q = posteriors.SemiImplicit(nn.Linear(4, 5), 3, features=5).double()
    x = numbers(1, 6, 4)
    p = q(x)
    found = torch.autograd.grad(p.log_prob(p.rsample((2,))).sum(), list(q.parameters()))
    assert all(bool((g != 0).any()) and bool(g.isfinite().all()) for g in found)
    torch.testing.assert_close(p.mean, torch.cat([q(row[None]).mean for row in x]), rtol=1e-12, atol=1e-12)


def test_only_own_draws_are_scored() -> None:
    model, x, _ = linear(2)
    q = model.posterior(x)
    z = q.rsample((2,))
    assert q.log_prob(z).shape == (2, 6)
    assert STL().bound(model, model.trace(x)).shape == (6,)
    for call in (lambda: q.log_prob(z + 0.0), lambda: surgery_numbers(model, x)):
        with pytest.raises(Mistake, match="semi-implicit.*ELBO"):
            call()


@pytest.mark.parametrize("extra", [-1, 1.5, True])
def test_numbers_of_others_that_make_no_sense_are_refused(extra: Any) -> None:
    with pytest.raises(Mistake, match="extra"):
        recipes.sivi_vae(shape=(6,), extra=extra)
