"""Riemannian Hamiltonian posteriors: plain in a flat metric, reversible, of known volume, and unbiased for p(x)."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from vaekit import distributions as d
from vaekit import evaluation, likelihoods, networks, posteriors, priors, recipes
from vaekit.maths import CentredMetric, log_mean_exp, riemannian_leapfrog, tempered_leapfrog
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.objectives import ELBO

from ..laws.tables import numbers
from .test_hamiltonian import bent, linear


def learned(size: float = 0.6, floor: float = 0.3) -> CentredMetric:
    """Of three latents and four centres, far from flat."""
    return CentredMetric(numbers(21, 4, 3), size * numbers(22, 4, 3, 3).tril(), reach=1.5, floor=floor)


def written_out(metric: CentredMetric, z: Tensor) -> Tensor:
    """G^-1 at one place, from the paper's formula."""
    total = metric.floor * torch.eye(len(z)).double()
    for centre, square in zip(metric.centres, metric.squares, strict=True):
        total = total + square * (-(z - centre).square().sum() / metric.reach**2).exp()
    return total


def led(z: Tensor, v: Tensor, step: Any = 0.15, n: int = 5, iterations: int = 20, **more: Any) -> Any:
    return riemannian_leapfrog(bent, learned(**more), z, v, step, [1.0] * n, iterations=iterations)


def test_a_metric_is_its_formula() -> None:
    metric, z, v = learned(), numbers(1, 6, 3), numbers(2, 6, 3)
    inverse = torch.stack([written_out(metric, row) for row in z])
    torch.testing.assert_close(metric.velocity(z, v), (inverse @ v[..., None])[..., 0], rtol=1e-12, atol=1e-12)
    root = metric.root(z)
    torch.testing.assert_close(root @ root.mT, inverse, rtol=1e-12, atol=1e-12)
    exact = MultivariateNormal(torch.zeros(3).double(), precision_matrix=inverse)
    constant = 1.5 * math.log(2 * math.pi)
    torch.testing.assert_close(metric.log_momentum(z, v) - constant, exact.log_prob(v), rtol=1e-10, atol=1e-10)
    for row, momentum, pull in zip(z, v, metric.pull(metric.around(z), v), strict=True):

        def energy(place: Tensor, v: Tensor = momentum) -> Tensor:
            inverse = written_out(metric, place)
            return 0.5 * v @ inverse @ v - 0.5 * torch.logdet(inverse)

        torch.testing.assert_close(pull, torch.autograd.functional.jacobian(energy, row), rtol=1e-10, atol=1e-10)


def test_momenta_follow_the_metric() -> None:
    metric, z, n = learned(), numbers(1, 3), 100_000
    torch.manual_seed(0)
    v = metric.momentum(z.expand(n, 3), torch.randn(n, 3).double())
    white = v @ torch.linalg.cholesky(written_out(metric, z))
    assert float((torch.cov(white.T) - torch.eye(3)).abs().max()) < 4 * (2 / n) ** 0.5


@pytest.mark.parametrize("floor", [1.0, 0.4])
def test_in_a_flat_metric_steps_are_the_plain_ones(floor: float) -> None:
    """G = I / lambda: momenta are those of I over sqrt lambda, and steps sqrt lambda as long."""
    metric = CentredMetric(numbers(21, 4, 3), torch.zeros(4, 3, 3).double(), reach=1.5, floor=floor)
    z, v, scales, root = numbers(1, 5, 3), numbers(2, 5, 3), [0.9, 1.0, 0.8], math.sqrt(floor)
    step = 0.2 + 0.1 * numbers(4, 5, 3).sigmoid()
    there, momentum, taken = riemannian_leapfrog(bent, metric, z, v / root, step, scales)
    want = tempered_leapfrog(bent, z, v, root * step, scales)
    torch.testing.assert_close(there, want[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(momentum * root, want[1], rtol=1e-12, atol=1e-12)
    assert bool((taken == 1).all())


def test_a_flat_posterior_is_the_hamiltonian_one() -> None:
    model, x, _ = linear(3)
    plain = model.posterior
    q = posteriors.RiemannianHamiltonian(plain, floor=1.0).double()
    with torch.no_grad():
        q.factors.zero_()
        found = []
        for one in (plain, q):
            torch.manual_seed(3)
            p = one(x)
            z = p.rsample((50,))
            found.append((z, p.log_prob(z), p.mean))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def test_steps_are_reversible_and_keep_volumes() -> None:
    z, v = numbers(1, 5, 3), numbers(2, 5, 3)
    step = 0.1 + 0.1 * numbers(4, 5, 3).sigmoid()
    there, momentum, taken = led(z, v, step, 7)
    assert bool((taken == 1).all()) and float((there - z).detach().abs().max()) > 0.5
    back, turned, _ = led(there, -momentum, step, 7)
    torch.testing.assert_close(back, z, rtol=0, atol=1e-10)
    torch.testing.assert_close(-turned, v, rtol=0, atol=1e-10)
    flat = tempered_leapfrog(bent, z, v, step, [1.0] * 7)[0]
    assert float((there - flat).detach().abs().max()) > 0.1  # the metric acts

    def both(state: Tensor) -> Tensor:
        end = riemannian_leapfrog(bent, learned(), *state.split(3), 0.2, [0.9, 0.7, 0.8], iterations=20)
        return torch.cat(end[:2])

    for row, momentum_of in zip(z[:2], v[:2], strict=True):
        jacobian = torch.autograd.functional.jacobian(both, torch.cat([row, momentum_of]))
        want = 3 * math.log(0.9 * 0.7 * 0.8)
        assert float(torch.linalg.slogdet(jacobian).logabsdet) == pytest.approx(want, abs=1e-9)


def test_energy_errors_fall_with_the_square_of_the_step() -> None:
    z, v, metric = numbers(1, 6, 3), numbers(2, 6, 3), learned()

    def energy(z: Tensor, v: Tensor) -> Tensor:
        return -bent(z) - metric.log_momentum(z, v)

    errors = []
    for n in (8, 16, 32):
        there, momentum, taken = led(z, v, 1.2 / n, n)
        assert bool((taken == 1).all())
        errors.append(float((energy(there, momentum) - energy(z, v)).detach().abs().max()))
    assert errors[0] > 1e-3
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.25) and errors[1] / errors[2] == pytest.approx(4, rel=0.15)


def riemannian(z_dim: int, floor: float = 0.1, **path: Any) -> tuple[Any, Tensor, Tensor]:
    """The linear Gaussian model of the Hamiltonian tests in a metric that is far from flat."""
    model, x, exact = linear(z_dim, **path)
    q = posteriors.RiemannianHamiltonian(model.posterior, centres=3, floor=floor).double()
    with torch.no_grad():
        q.centres.copy_(numbers(31, *q.centres.shape))
        q.factors.add_(0.4 * numbers(32, *q.factors.shape))
    return VAE(model.prior, q, model.likelihood).double().eval(), x, exact


@pytest.mark.parametrize("leapfrog, step, cooling", [(1, 0.3, 0.7), (3, 0.3, 0.999), (3, 0.4, 0.7)])
def test_weights_are_unbiased_for_p(leapfrog: int, step: float, cooling: float) -> None:
    """And the bound is below; without the metric's part in the momenta's densities they are not."""
    model, x, exact = riemannian(3, leapfrog=leapfrog, step=step, cooling=cooling)
    torch.manual_seed(1)
    with torch.no_grad():
        trace = model.trace(x, samples=8_000)
    assert float(trace.q.taken.mean()) > 0.8
    log_p = log_mean_exp(trace.log_w)
    ratio, error = (log_p - exact).exp(), (trace.log_w - exact).exp().std(0) / 8_000**0.5
    assert bool(((ratio - 1).abs() < 4.5 * error).all()), (ratio - 1) / error
    assert float(error.max()) < 0.05
    bound = ELBO(samples=8_000).bound(model, trace)
    assert bool((bound < exact).all())
    several = log_mean_exp(trace.log_w.view(2000, 4, 6), 1).mean(0)
    assert bool((bound < several).all()) and bool((several < exact).all())


def test_steps_that_are_not_solved_are_left_out_and_weights_stay_unbiased() -> None:
    """Elsewhere iterates went on to infinity. Here many steps are too long, and p(x) has its estimate all the same."""
    model, x, exact = riemannian(3, leapfrog=3, step=0.6, cooling=0.9, floor=0.3)
    torch.manual_seed(2)
    with torch.no_grad():
        trace = model.trace(x, samples=8_000)
    taken = trace.q.taken
    assert 0.02 < float((taken < 1).double().mean()) < 0.95  # of draws
    assert bool(trace.log_w.isfinite().all())
    ratio, error = (log_mean_exp(trace.log_w) - exact).exp(), (trace.log_w - exact).exp().std(0) / 8_000**0.5
    assert bool(((ratio - 1).abs() < 4.5 * error).all()), (ratio - 1) / error
    assert float(error.max()) < 0.05


@pytest.mark.parametrize("step", [0.5, 5.0, 1e4])
def test_steps_of_any_length_are_finite(step: float) -> None:
    """In float32, with their gradients; a step that is left out turns the momentum round, which undoes itself."""
    metric = CentredMetric(numbers(21, 4, 3).float(), 5 * numbers(22, 4, 3, 3).float(), reach=1.5, floor=0.01)
    z, v = numbers(1, 50, 3).float().requires_grad_(), 10 * numbers(2, 50, 3).float()
    there, momentum, taken = riemannian_leapfrog(bent_narrow, metric, z, v, step, [1.0])
    out = taken == 0
    assert bool(out.any())
    assert torch.equal(there[out], z[out]) and torch.equal(momentum[out], -v[out])
    (slope,) = torch.autograd.grad(there.sum() + momentum.sum(), z)
    assert bool(there.isfinite().all()) and bool(slope.isfinite().all())
    assert bool((slope[out] == 1).all())


def bent_narrow(z: Tensor) -> Tensor:
    return -0.5 * z.square().sum(-1) + z.tanh().sum(-1)


def test_gradients_of_the_bound_are_the_finite_differences() -> None:
    """For encoder, decoder, metric, step and cooling at once, through forces and fixed points."""
    torch.manual_seed(0)
    prior = priors.StandardNormal(2)
    p = likelihoods.Bernoulli(networks.MLP(2, [3], activation=nn.Tanh), (4,))
    base = posteriors.Gaussian(networks.MLP(4, [3], activation=nn.Tanh), 2)
    path = posteriors.Hamiltonian(base, prior, p, leapfrog=2)
    q = posteriors.RiemannianHamiltonian(path, centres=2, iterations=14)
    model: Any = VAE(prior, q, p).double()
    x = (numbers(1, 2, 4) > 0).double()
    names = list(dict(model.named_parameters()))

    def bound(*values: Tensor) -> Tensor:
        torch.manual_seed(3)
        trace = torch.func.functional_call(model, dict(zip(names, values, strict=True)), (x,))
        assert float(trace.q.taken.min()) == 1
        return trace.log_w.sum()

    values = [v.detach().clone().requires_grad_() for v in model.parameters()]
    assert {"posterior.centres", "posterior.factors", "posterior.path.step_logit"} <= set(names)
    assert torch.autograd.gradcheck(bound, values)


def test_steps_tighten_the_bound() -> None:
    model, x, exact = riemannian(3, leapfrog=3, step=0.5, cooling=0.9)
    torch.manual_seed(2)
    with torch.no_grad():
        model.posterior.path.base.head.layer.bias[:3] += 0.7
        own = VAE(model.prior, model.posterior.path.base, model.likelihood)
        plain = ELBO(samples=4000).bound(own, own.trace(x, samples=4000)).mean()
        found = ELBO(samples=4000).bound(model, model.trace(x, samples=4000)).mean()
    assert float(plain) + 0.2 < float(found) < float(exact.mean())


def test_the_metric_begins_near_the_identity_among_codes() -> None:
    torch.manual_seed(0)
    for latent_dim in (2, 32):
        model: Any = recipes.riemannian_hvae(shape=(70,), latent_dim=latent_dim, hidden=[8]).model
        z = torch.randn(500, latent_dim)
        size = model.posterior.metric.root(z).square().sum((-2, -1)) / latent_dim  # the trace of G^-1 over D
        assert 0.4 < float(size.detach().mean()) < 2.5


def test_pictures_without_gradients() -> None:
    model: Any = recipes.riemannian_hvae(shape=(8, 8), latent_dim=2, hidden=[8]).model.eval()
    x = (numbers(1, 4, 8, 8) > 0).float()
    with torch.no_grad():
        trace = model.trace(x, samples=2)
    assert not trace.log_w.requires_grad and bool(trace.log_w.isfinite().all())
    found, _, _ = evaluation.log_likelihoods(model, x, None, 5)
    assert bool(found.isfinite().all())
    assert isinstance(trace.q, d.RiemannianHamiltonian) and torch.equal(trace.q.mean, trace.q.mean)
    with pytest.raises(Mistake, match="Riemannian Hamiltonian.*ELBO"):
        trace.q.log_prob(trace.z + 0.0)


@pytest.mark.parametrize("name, value", [("centres", 0), ("floor", 0.0), ("step", 1.5), ("cooling", 1.0)])
def test_arguments_that_make_no_sense_are_refused(name: str, value: float) -> None:
    with pytest.raises(Mistake, match=name):
        recipes.riemannian_hvae(shape=(6,), **{name: value})
