"""Laplace posteriors and priors, and the Dirichlet in the softmax basis, against torch, scipy, quadrature, autodiff."""

from __future__ import annotations

from typing import Any

import pytest
import scipy.stats
import torch
from torch import Tensor
from torch import distributions as td
from torch.distributions import kl_divergence

from vaekit import distributions as d
from vaekit import likelihoods, posteriors, priors, recipes
from vaekit.messages import Mistake
from vaekit.networks import MLP, Shares

from ..laws.tables import numbers


def laplace(a: int, b: int, *shape: int) -> d.Laplace:
    return d.Laplace(numbers(a, *shape), 0.5 * numbers(b, *shape))


def twin(p: Any) -> td.Distribution:
    family = td.Laplace if isinstance(p, d.Laplace) else td.Normal
    return td.Independent(family(p.loc, p.log_scale.exp()), 1)


def test_agrees_with_torch() -> None:
    p, z = laplace(1, 2, 4, 3), numbers(3, 6, 4, 3)
    torch.testing.assert_close(p.log_prob(z), twin(p).log_prob(z), rtol=1e-12, atol=1e-12)
    for name in ("mean", "variance"):
        torch.testing.assert_close(getattr(p, name), getattr(twin(p), name), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(p.entropy(), twin(p).entropy(), rtol=1e-12, atol=1e-12)
    other = laplace(4, 5, 3)
    torch.testing.assert_close(kl_divergence(p, other), kl_divergence(twin(p), twin(other)), rtol=1e-10, atol=1e-10)
    assert float(kl_divergence(p, p).abs().max()) < 1e-12
    cold = p.tempered(0.5)
    torch.testing.assert_close(cold.variance, p.variance / 4, rtol=1e-12, atol=0)


@pytest.mark.parametrize("pair", ["laplace-laplace", "laplace-gaussian", "gaussian-laplace"])
def test_rates_are_those_of_quadrature(pair: str) -> None:
    first, second = pair.split("-")
    q: Any = laplace(1, 2, 5, 1) if first == "laplace" else d.DiagonalGaussian(numbers(1, 5, 1), 0.5 * numbers(2, 5, 1))
    p: Any = laplace(3, 4, 1) if second == "laplace" else d.DiagonalGaussian(numbers(3, 1), 0.5 * numbers(4, 1))
    z = torch.linspace(-60, 60, 1_200_001, dtype=torch.float64)[:, None, None]
    log_q, log_p = q.log_prob(z), p.log_prob(z)  # (G, 5), (G, 1)
    step = float(z[1, 0, 0] - z[0, 0, 0])
    torch.testing.assert_close((log_q.exp() * step).sum(0), torch.ones(5).double(), rtol=0, atol=1e-6)
    # the rule's error at a peak is the square of the step, 1e-8, times the slopes there
    torch.testing.assert_close((log_q.exp() * (log_q - log_p)).sum(0) * step, kl_divergence(q, p), rtol=0, atol=1e-6)
    torch.testing.assert_close(q.kl_each(p).sum(-1), kl_divergence(q, p), rtol=1e-12, atol=1e-12)


def test_draws_are_its_own_and_their_gradients_those_of_the_expectation() -> None:
    raw = numbers(1, 2, 1).requires_grad_()
    p = d.Laplace(raw[0], 0.5 * raw[1])
    torch.manual_seed(0)
    z = p.rsample((20_000,))
    law = scipy.stats.laplace(float(raw[0]), float((0.5 * raw[1]).exp()))
    assert scipy.stats.kstest(z.detach().flatten().numpy(), law.cdf).pvalue > 1e-3
    second = (z - 0.3).square()  # E = (loc - 0.3)^2 + 2 b^2
    (exact,) = torch.autograd.grad((raw[0] - 0.3).square() + 2 * raw[1].exp(), raw)
    (found,) = torch.autograd.grad(second.mean(), raw)
    torch.testing.assert_close(found, exact, rtol=0.1, atol=0)  # heavy tails: a few percent for 20,000 draws


@pytest.mark.parametrize("size", [-10.0, 10.0])
def test_extremes_are_finite(size: float) -> None:
    raw = torch.full((2, 3), size).requires_grad_()
    q = d.Laplace(1e4 * raw[0], raw[1])
    noise = torch.tensor([[40.0, -40.0, 0.0]])  # farther out than any draw
    for value in (q.from_noise(noise).sum(), q.log_prob(torch.zeros(3)), kl_divergence(q, priors.Laplace(3)())):
        (grad,) = torch.autograd.grad(value, raw, retain_graph=True)
        assert bool(value.isfinite()) and bool(grad.isfinite().all())


def test_the_prior_has_variance_one_and_belongs_to_its_posterior() -> None:
    torch.testing.assert_close(priors.Laplace(3)().variance, torch.ones(3), rtol=1e-6, atol=0)  # float32
    model = recipes.vae(shape=(4,), latent_dim=2, hidden=[8], posterior=posteriors.Laplace).model
    assert isinstance(model.prior, priors.Laplace)
    trace = model.trace(torch.zeros(5, 4))
    assert trace.factorises and trace.kl_each.shape == (5, 2)
    with pytest.raises(Mistake, match="scale=0.0.*above 0"):
        priors.Laplace(3, 0.0)


# -- shares of a whole -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("concentration", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("k", [2, 5])
def test_the_dirichlet_is_approximated_at_its_mode(k: int, concentration: float) -> None:
    """The Hessian of log Dirichlet(softmax z) in the softmax basis has the shift of z as its null direction."""
    p = priors.DirichletLogits(k, concentration)()
    alpha = torch.full((k,), concentration, dtype=torch.float64)

    def score(z: Tensor) -> Tensor:  # the density of z, up to a constant: prod theta_i^alpha_i
        return -(alpha * z.log_softmax(-1)).sum()

    mode = torch.zeros(k, dtype=torch.float64)
    assert float(torch.autograd.functional.jacobian(score, mode).abs().max()) < 1e-12
    covariance = torch.linalg.pinv(torch.autograd.functional.hessian(score, mode), atol=1e-9, hermitian=True)
    torch.testing.assert_close(p.variance.double(), covariance.diagonal(), rtol=1e-6, atol=0)  # float32
    torch.testing.assert_close(p.mean.double(), mode, rtol=0, atol=0)


def test_large_concentrations_have_the_dirichlets_moments() -> None:
    """Where the approximation is good: the mean 1 / K, the variance (K - 1) / (K^2 (K alpha + 1))."""
    k, alpha = 4, 50.0
    torch.manual_seed(0)
    shares = priors.DirichletLogits(k, alpha)().sample((100_000,)).softmax(-1)
    exact = td.Dirichlet(torch.full((k,), alpha))
    torch.testing.assert_close(shares.mean(0), exact.mean, rtol=0, atol=1e-3)
    # without the covariance between them, the logits' differences have (K - 1) / K of their variance
    torch.testing.assert_close(shares.var(0), exact.variance * (k - 1) / k, rtol=0.03, atol=0)


def test_the_decoder_sees_shares_alone() -> None:
    """A shift of all logits changes nothing, and the model is the VAE whose decoder begins with a softmax."""
    torch.manual_seed(0)
    model = recipes.logistic_normal_vae(shape=(5,), latent_dim=3, hidden=[8], concentration=0.5).model
    z = numbers(1, 7, 3).float()
    torch.testing.assert_close(model.likelihood(z).loc, model.likelihood(z + 4.0).loc, rtol=1e-5, atol=1e-5)  # float32
    plain = likelihoods.Gaussian(model.likelihood.net.net, (5,), features=8)
    plain.head.load_state_dict(model.likelihood.head.state_dict())
    torch.testing.assert_close(model.likelihood(z).loc, plain(z.softmax(-1)).loc, rtol=0, atol=0)
    assert isinstance(model.likelihood.net, Shares) and isinstance(model.likelihood.net.net, MLP)
    q = model.posterior(numbers(2, 4, 5).float())
    torch.testing.assert_close(model.trace(numbers(2, 4, 5).float()).kl, kl_divergence(twin(q), twin(model.prior())))
    with pytest.raises(Mistake, match="latent_dim=1.*2 or more"):
        priors.DirichletLogits(1)
