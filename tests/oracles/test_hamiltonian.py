"""Hamiltonian posteriors: reversible, of known volume, and unbiased for the exact p(x) of a linear Gaussian model."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tests.laws.tables import numbers
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from vaekit import evaluation, likelihoods, networks, posteriors, priors, recipes
from vaekit.evaluation.surgery import surgery_numbers
from vaekit.likelihoods import FixedScale
from vaekit.maths import log_mean_exp, tempered_leapfrog
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.objectives import ELBO, STL

VARIANCE = 0.5


def bent(z: Tensor) -> Tensor:
    """The log-density of nothing simple."""
    w = numbers(3, 4, 3)
    return -0.5 * z.square().sum(-1) + (z @ w.T).tanh().sum(-1) + 0.3 * (z[..., 0] * z[..., 1]).sin()


def linear(z_dim: int, x_dim: int = 7, **more: Any) -> tuple[Any, Tensor, Tensor]:
    """A linear Gaussian model with an encoder that is off in mean and in width; items and their exact log p(x)."""
    torch.manual_seed(0)
    w, b = numbers(1, x_dim, z_dim) / math.sqrt(z_dim), numbers(2, x_dim)
    prior = priors.StandardNormal(z_dim)
    p = likelihoods.Gaussian(nn.Identity(), (x_dim,), scale=FixedScale(c=VARIANCE), features=z_dim)
    base = posteriors.Gaussian(nn.Identity(), z_dim, features=x_dim)
    model: Any = VAE(prior, posteriors.Hamiltonian(base, prior, p, **more), p).double().eval()
    covariance = torch.linalg.inv(torch.eye(z_dim).double() + w.T @ w / VARIANCE)
    with torch.no_grad():
        p.head.layer.weight.copy_(w)
        p.head.layer.bias.copy_(b)
        base.head.layer.weight.zero_()
        base.head.layer.weight[:z_dim] = covariance @ w.T / VARIANCE
        base.head.layer.bias[:z_dim] = -base.head.layer.weight[:z_dim] @ b + 0.2
        base.head.layer.bias[z_dim:] = 0.5 * covariance.diagonal().log() + 0.1
    exact = MultivariateNormal(b, w @ w.T + VARIANCE * torch.eye(x_dim).double())
    x = exact.sample((6,))
    return model, x, exact.log_prob(x)


def test_steps_are_reversible() -> None:
    """Elsewhere z moved by the momentum before its half step, and came back 0.26 away."""
    z, v = numbers(1, 5, 3), numbers(2, 5, 3)
    step = 0.2 + 0.1 * numbers(4, 5, 3).sigmoid()
    there = tempered_leapfrog(bent, z, v, step, [1.0] * 7)
    assert float((there[0] - z).detach().abs().max()) > 0.5
    back = tempered_leapfrog(bent, there[0], -there[1], step, [1.0] * 7)
    torch.testing.assert_close(back[0], z, rtol=0, atol=1e-12)
    torch.testing.assert_close(-back[1], v, rtol=0, atol=1e-12)


@pytest.mark.parametrize("scales", [[1.0] * 4, [0.9, 0.7, 0.8]])
def test_the_volume_is_that_of_the_scales(scales: list[float]) -> None:
    z, v = numbers(1, 3), numbers(2, 3)

    def both(state: Tensor) -> Tensor:
        return torch.cat(tempered_leapfrog(bent, *state.split(3), 0.3, scales))

    jacobian = torch.autograd.functional.jacobian(both, torch.cat([z, v]))
    want = 3 * sum(math.log(s) for s in scales)
    assert float(torch.linalg.slogdet(jacobian).logabsdet) == pytest.approx(want, abs=1e-10)


def test_steps_follow_the_exact_trajectory() -> None:
    """Of a Gaussian: places and momenta turn in a circle; the error falls with the square of the step."""
    z, v, time = numbers(1, 4, 2), numbers(2, 4, 2), 1.3
    want = z * math.cos(time) + v * math.sin(time)
    errors = []
    for n in (8, 16, 32):
        found = tempered_leapfrog(lambda z: -0.5 * z.square().sum(-1), z, v, time / n, [1.0] * n)[0].detach()
        errors.append(float((found - want).abs().max()))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1) and errors[1] / errors[2] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("cooling", [0.999, 0.7])
@pytest.mark.parametrize("leapfrog, step", [(1, 0.3), (4, 0.25)])
def test_weights_are_unbiased_for_p(leapfrog: int, step: float, cooling: float) -> None:
    """And the bound is below. Elsewhere the momentum's weights cancelled: 2.5 to 4.4 nats too much."""
    model, x, exact = linear(3, leapfrog=leapfrog, step=step, cooling=cooling)
    torch.manual_seed(1)
    log_p, error, _ = evaluation.log_likelihoods(model, x, None, 20_000)
    ratio = (log_p - exact).exp()
    assert bool(((ratio - 1).abs() < 4.5 * error * ratio).all()) and float(error.max()) < 0.05
    with torch.no_grad():
        trace = model.trace(x, samples=4000)
    bound = ELBO(samples=4000).bound(model, trace)
    assert bool((bound < exact).all())
    several = log_mean_exp(trace.log_w.view(1000, 4, 6), 1).mean(0)  # IWAE of four draws lies between
    assert bool((bound < several).all()) and bool((several < exact).all())


def test_weights_without_the_momentum_overstate_p() -> None:
    """So that the test above can fail: what others report is no estimate of p(x)."""
    model, x, exact = linear(8, x_dim=12, leapfrog=4, step=0.5, cooling=0.999)
    torch.manual_seed(1)
    with torch.no_grad():
        q = model.posterior(x)
        start, gamma = q.base.rsample((4000,)), numbers(7, 4000, 6, 8)
        z, _ = q._led(start, gamma)
        wrong = q.log_joint(z) - q.base.log_prob(start)
    over = torch.logsumexp(wrong, 0) - math.log(4000) - exact
    assert float(over.mean()) > 0.5


def test_steps_tighten_the_bound() -> None:
    """Of a poor encoder, and cooling acts: the momenta end colder than without it."""
    model, x, exact = linear(3, leapfrog=3, step=0.5, cooling=0.9)
    torch.manual_seed(2)
    with torch.no_grad():
        model.posterior.base.head.layer.bias[:3] += 0.7
        own = VAE(model.prior, model.posterior.base, model.likelihood)
        plain = ELBO(samples=4000).bound(own, own.trace(x, samples=4000)).mean()
        led = ELBO(samples=4000).bound(model, model.trace(x, samples=4000)).mean()
    assert float(plain) + 0.3 < float(led) < float(exact.mean())


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_schedule_is_the_papers(steps: int) -> None:
    """Quadratic in k, from beta_0 to 1; the product of all is sqrt(beta_0)."""
    q = linear(2, leapfrog=steps, cooling=0.3)[0].posterior(numbers(5, 4, 7))
    scales = torch.stack(q.scales()).detach()
    assert float(scales.prod()) == pytest.approx(math.sqrt(0.3), rel=1e-6)  # the logit is a float32
    before = torch.cat([torch.ones(1), scales.cumprod(0)]) / math.sqrt(0.3)
    k = torch.arange(steps + 1) / steps
    wanted = (1 - 1 / math.sqrt(0.3)) * k**2 + 1 / math.sqrt(0.3)
    torch.testing.assert_close(before.double(), wanted.double(), rtol=1e-6, atol=1e-6)


def test_gradients_of_the_bound_are_the_finite_differences() -> None:
    """For encoder, decoder, step and cooling at once, through the forces."""
    torch.manual_seed(0)
    prior = priors.StandardNormal(2)
    p = likelihoods.Bernoulli(networks.MLP(2, [4], activation=nn.Tanh), (5,))
    base = posteriors.Gaussian(networks.MLP(5, [4], activation=nn.Tanh), 2)
    model: Any = VAE(prior, posteriors.Hamiltonian(base, prior, p, leapfrog=2), p).double()
    x = (numbers(1, 3, 5) > 0).double()
    names = list(dict(model.named_parameters()))

    def bound(*values: Tensor) -> Tensor:
        torch.manual_seed(3)
        trace = torch.func.functional_call(model, dict(zip(names, values, strict=True)), (x,), {"samples": 2})
        return trace.log_w.sum()

    values = [v.detach().clone().requires_grad_() for v in model.parameters()]
    assert {"posterior.step_logit", "posterior.cooling_logit"} <= set(names)
    assert torch.autograd.gradcheck(bound, values)


def test_pictures_of_any_shape_without_gradients() -> None:
    """Elsewhere the NLL reshaped to 28 x 28, and raised where gradients were off."""
    model: Any = recipes.hamiltonian_vae(shape=(8, 8), latent_dim=2, hidden=[8]).model.eval()
    x = (numbers(1, 4, 8, 8) > 0).float()
    with torch.no_grad():
        assert bool(model.log_prob(x, samples=5).isfinite().all())
        trace = model.trace(x, samples=2)
    assert not trace.log_w.requires_grad and not trace.z.requires_grad
    frozen = model.requires_grad_(False).trace(x)  # gradients on, and nothing that wants one
    assert bool(frozen.log_w.isfinite().all())


def test_means_are_those_of_draws_and_do_not_vary() -> None:
    model, x, _ = linear(3, step=0.5)
    q = model.posterior(x)
    assert torch.equal(q.mean, model.posterior(x).mean)
    torch.testing.assert_close(q.mean, torch.cat([model.posterior(row[None]).mean for row in x]))
    torch.manual_seed(0)
    with torch.no_grad():
        z = q.rsample((4000,))
    spread = z.std(0)
    assert bool(((q.mean - z.mean(0)).abs() < 4.5 * spread / 32**0.5).all())
    assert bool(((q.variance / z.var(0)).log().abs() < 1).all())  # 32 draws


def test_only_own_draws_are_scored() -> None:
    model, x, _ = linear(3)
    q = model.posterior(x)
    z = q.rsample((2,))
    assert q.log_prob(z).shape == (2, 6)
    for call in (
        lambda: q.log_prob(z + 0.0),
        lambda: STL().bound(model, model.trace(x)),
        lambda: surgery_numbers(model, x),  # scores each draw under all items' posteriors
    ):
        with pytest.raises(Mistake, match="ELBO"):
            call()


@pytest.mark.parametrize("name, value", [("cooling", 1.0), ("cooling", 0.0), ("step", 1.5), ("leapfrog", 0)])
def test_arguments_that_make_no_sense_are_refused(name: str, value: float) -> None:
    with pytest.raises(Mistake, match=name):
        recipes.hamiltonian_vae(shape=(6,), **{name: value})
