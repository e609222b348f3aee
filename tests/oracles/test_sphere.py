"""Latents on a sphere against scipy, quadrature over the angle, exact expectations and exact likelihoods."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from tests.laws.tables import numbers
from torch import Tensor, nn
from torch.distributions import kl_divergence

from vaekit import evaluation, likelihoods, posteriors, priors, recipes
from vaekit.distributions import HypersphericalUniform, PowerSpherical, VonMisesFisher
from vaekit.distributions.sphere import log_area
from vaekit.likelihoods import FixedScale
from vaekit.maths import log_bessel, vmf_gap
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.objectives import ELBO

DIMS = (2, 3, 4, 10, 33, 100, 301)
CONCENTRATIONS = (0.0, 1e-6, 1e-3, 0.5, 3.0, 40.0, 1e3, 1e5)
RULE = np.polynomial.legendre.leggauss(1000)
families = pytest.mark.parametrize("family", [VonMisesFisher, PowerSpherical])


def pole(dim: int, dtype: torch.dtype = torch.float64) -> Tensor:
    direction = numbers(dim, dim)
    return (direction / direction.norm()).to(dtype)


def angles(q: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Cosines, their mass and log-densities of a distribution on the sphere, by the rule of Gauss in the angle."""
    width = min(math.pi, 12 * math.sqrt(q.dim / (float(q.concentration) + 1)))
    nodes, weights = (torch.from_numpy(part) for part in RULE)
    angle = 0.5 * width * (nodes + 1)
    across = numbers(1000, q.dim)
    across = across - (across @ q.loc) * q.loc
    across = across / across.norm()
    z = angle.cos().unsqueeze(1) * q.loc + angle.sin().unsqueeze(1) * across
    ring = math.log(2) if q.dim == 2 else log_area(q.dim - 1)  # the circle meets an angle at two points
    log_weight = (weights * 0.5 * width).log() + ring + (q.dim - 2) * angle.sin().log()
    log_q = q.log_prob(z)
    return angle.cos(), (log_weight + log_q).exp(), log_q


@pytest.mark.parametrize("dim", DIMS)
def test_bessel_functions_are_scipys(dim: int) -> None:
    """Where scipy's do not underflow; at 1e5, where I itself overflows, 1 - ratio keeps its digits."""
    order = 0.5 * dim - 1
    x = np.array(CONCENTRATIONS[3:])
    scaled = scipy.special.ive(order, x)
    there = scaled > 1e-290
    log_f, ratio = log_bessel(order, torch.from_numpy(x))
    want = np.log(scaled[there]) + x[there] + scipy.special.gammaln(order + 1) - order * np.log(x[there] / 2)
    np.testing.assert_allclose(log_f.numpy()[there], want, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(ratio.numpy()[there], scipy.special.ive(order + 1, x[there]) / scaled[there], rtol=1e-10)


def test_bessel_functions_of_a_half_are_elementary() -> None:
    x = torch.logspace(-3, 6, 50).double()
    log_f, ratio = log_bessel(0.5, x)
    coth = 1 + 2 * torch.exp(-2 * x) / -torch.expm1(-2 * x)
    torch.testing.assert_close(ratio, coth - 1 / x, rtol=1e-9, atol=1e-12)  # 1 / x - 1 / x: 1e-13 is lost below
    torch.testing.assert_close(log_f, x + (-torch.expm1(-2 * x) / (2 * x)).log(), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("order", [0.0, 0.5, 4.0, 20.0])
def test_gradients_of_bessel_functions(order: float) -> None:
    x = torch.tensor([0.3, 2.0, 70.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: log_bessel(order, x), x)
    assert torch.autograd.gradgradcheck(lambda x: log_bessel(order, x), x)
    zero = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(log_bessel(order, zero)[1].sum(), zero)
    assert float(grad) == pytest.approx(0.5 / (order + 1), rel=1e-12)  # the first term of the series


@pytest.mark.parametrize("dim", [2, 3, 10, 100])
@pytest.mark.parametrize("k", [1e-3, 2.0, 50.0, 1e4])
def test_von_mises_fisher_is_scipys(dim: int, k: float) -> None:
    mu = pole(dim)
    q = VonMisesFisher(mu, torch.tensor(k, dtype=torch.float64))
    twin = scipy.stats.vonmises_fisher(mu.numpy(), k)
    torch.manual_seed(0)
    z = torch.cat([q.sample((20,)), HypersphericalUniform(mu).sample((5,))])
    np.testing.assert_allclose(q.log_prob(z).numpy(), twin.logpdf(z.numpy()), rtol=1e-9, atol=1e-8)
    assert float(q.entropy()) == pytest.approx(float(twin.entropy()), rel=1e-8, abs=1e-8)


@families
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("k", [0.0, 0.5, 40.0, 1e3, 1e5])
def test_densities_integrate_to_one_with_their_moments_and_kl(family: Any, dim: int, k: float) -> None:
    q = family(pole(dim), torch.tensor(k, dtype=torch.float64))
    cosine, mass, log_q = angles(q)
    assert float(mass.sum()) == pytest.approx(1, abs=1e-8)
    along, square = q._along()
    assert float((mass * (1 - cosine)).sum()) == pytest.approx(float(1 - along), rel=1e-6, abs=1e-9)
    assert float((mass * (1 - cosine.square())).sum()) == pytest.approx(float(1 - square), rel=1e-6, abs=1e-9)
    kl = kl_divergence(q, HypersphericalUniform(q.loc))
    assert float((mass * (log_q + log_area(dim))).sum()) == pytest.approx(float(kl), rel=1e-6, abs=1e-9)
    assert float(kl) > 0 if k else float(kl) == pytest.approx(0, abs=1e-12)


@families
@pytest.mark.parametrize("dim", [2, 3, 10, 100])
@pytest.mark.parametrize("k", CONCENTRATIONS)
def test_float32_is_finite_and_near_float64(family: Any, dim: int, k: float) -> None:
    """Elsewhere square roots and Bessel functions of large concentrations gave NaN."""
    mu = pole(dim, torch.float32)
    single = torch.tensor(k, requires_grad=True)
    q, wide = family(mu, single), family(mu.double(), torch.tensor(k).double())
    torch.manual_seed(0)
    z = q.rsample((50,))
    assert z.dtype == torch.float32
    kl = kl_divergence(q, HypersphericalUniform(mu))
    exact = kl_divergence(wide, HypersphericalUniform(mu.double()))
    torch.testing.assert_close(kl.double(), exact, rtol=1e-5, atol=1e-6)
    far = torch.stack([-mu, mu, torch.eye(dim)[0]])
    score = q.log_prob(torch.cat([z.detach(), far]))
    assert float((z.detach().norm(dim=-1) - 1).abs().max()) < 1e-6
    for value in (kl, score.sum(), z.sum(), q.average.sum(), q.variance.sum()):
        (grad,) = torch.autograd.grad(value, single, retain_graph=True)
        assert bool(value.isfinite()) and bool(grad.isfinite())
    assert bool(q.log_prob(-z.detach()).isfinite().all())
    # |z - mu|^2 / 2 keeps digits that 1 - mu . z has lost at 1e5
    near = (wide.log_prob(z.detach().double()) - q.log_prob(z.detach()).double()).abs().max().detach()
    assert float(near) < 2e-3 * max(1, dim / 10)


@families
@pytest.mark.parametrize("dim", [2, 3, 5, 30])
@pytest.mark.parametrize("k", [0.2, 4.0, 300.0, 1e5])
def test_samples_match_the_density(family: Any, dim: int, k: float) -> None:
    mu = pole(dim)
    q = family(mu, torch.tensor(k, dtype=torch.float64))
    torch.manual_seed(1)
    z = q.sample((4000,))
    assert float((z.norm(dim=-1) - 1).abs().max()) < 1e-12
    cosine, mass, _ = angles(q)
    cdf = np.cumsum(mass.numpy()) - 0.5 * mass.numpy()  # of the angle
    gap = 0.5 * (z - mu).square().sum(-1).numpy()
    test = scipy.stats.kstest(gap, lambda g: np.interp(g, (1 - cosine).numpy(), cdf))
    assert test.pvalue > 1e-3  # fixed seed: 1e-3 is met once and for all
    for found, want, error in (
        (z.mean(0), q.average, z.std(0) / 4000**0.5),
        (z.var(0), q.variance, (z - q.average).square().std(0) / 4000**0.5),
    ):
        assert bool(((found - want).abs() < 4.5 * error).all())


def exact_mean(q: Any, a: Tensor, b: Tensor) -> Tensor:
    """E[a . z + (b . z)^2] in closed form, differentiable."""
    along, square = q._along()
    across = (1 - square) / (q.dim - 1)
    return along * (q.loc @ a) + across * b.square().sum() + (square - across) * (q.loc @ b).square()


@families
@pytest.mark.parametrize("dim", [2, 3, 8])
@pytest.mark.parametrize("k", [0.5, 6.0, 200.0])
def test_gradients_of_samples_are_those_of_the_expectation(family: Any, dim: int, k: float) -> None:
    n = 10_000
    a, b = numbers(1, dim), numbers(2, dim)

    def made(raw: Tensor, log_k: Tensor) -> Any:
        return family(raw / raw.norm(dim=-1, keepdim=True), log_k.exp())

    raw, log_k = pole(dim).requires_grad_(), torch.tensor(math.log(k), dtype=torch.float64, requires_grad=True)
    exact = torch.autograd.grad(exact_mean(made(raw, log_k), a, b), (raw, log_k))
    rows = [t.detach().expand(n, *t.shape).clone().requires_grad_() for t in (raw, log_k)]
    torch.manual_seed(3)
    z = made(*rows).rsample()
    found = torch.autograd.grad((z @ a + (z @ b).square()).sum(), rows)
    for each, want in zip(found, exact, strict=True):
        error = each.std(0) / n**0.5
        assert bool(((each.mean(0) - want).abs() < 4.5 * error + 1e-9).all()), (each.mean(0), want, error)


def test_the_gradient_through_accepted_proposals_alone_is_biased() -> None:
    """What is left out elsewhere: the acceptance depends on the concentration too (Davidson et al. 2018, eq. 19)."""
    dim, n = 8, 50_000
    k = torch.tensor(6.0, dtype=torch.float64, requires_grad=True)
    ratio = log_bessel(0.5 * dim - 1, k)[1]
    (exact,) = torch.autograd.grad(-ratio, k)  # of the mean of 1 - mu . z
    a = dim - 1.0

    def envelope(k: Tensor) -> Tensor:
        return a / (2 * k + (4 * k.square() + a * a).sqrt())

    torch.manual_seed(0)
    gap = vmf_gap(dim, k.detach(), (n,))
    b = envelope(k.detach())
    share = gap / (2 * b + (1 - b) * gap)  # the Beta variable behind an accepted proposal
    moving = envelope(k)
    (path,) = torch.autograd.grad((2 * moving * share / (1 - (1 - moving) * share)).mean(), k)
    own = vmf_gap(dim, k.expand(n))
    (ours,) = torch.autograd.grad(own.mean(), k)
    assert abs(float(ours / exact) - 1) < 0.02 and abs(float(path / exact) - 1) > 0.1, (ours / exact, path / exact)


def test_proposals_are_accepted() -> None:
    """All 32 fail with a probability below 1e-14: one is accepted with 0.65 or more, by quadrature."""
    nodes, weights = RULE
    angle = 0.5 * np.pi * (nodes + 1)
    worst = 1.0
    for dim in DIMS:
        a = dim - 1.0
        for k in (0.01, 1.0, 10.0, 100.0, 2000.0):
            b = a / (2 * k + math.hypot(2 * k, a))
            x0 = (1 - b) / (1 + b)
            w = np.cos(angle)
            log_proposal = (dim - 2) * np.log(np.sin(angle)) - a * np.log(1 - x0 * w)
            proposal = weights * np.exp(log_proposal - log_proposal.max())
            accepted = np.exp(k * (w - x0) + a * np.log((1 - x0 * w) / (1 - x0 * x0)))
            worst = min(worst, float((proposal * accepted).sum() / proposal.sum()))
    assert worst > 0.65 and (1 - worst) ** 32 < 1e-14


def circle(family: Any) -> tuple[Any, Tensor, Tensor]:
    """A model whose latents are on the circle, items and their exact log p(x)."""
    torch.manual_seed(0)
    model: Any = VAE(
        priors.HypersphericalUniform(2),
        family(nn.Identity(), 2, features=3),
        likelihoods.Gaussian(nn.Identity(), (3,), scale=FixedScale(c=0.2), features=2),
    ).double().eval()  # fmt: skip
    torch.manual_seed(1)
    x = model.sample(10).detach()
    angle = torch.arange(4000).double() * (2 * math.pi / 4000)  # exact to rounding for periodic functions
    z = torch.stack([angle.cos(), angle.sin()], -1).unsqueeze(1)
    exact = torch.logsumexp(model.likelihood(z).log_prob(x), 0) - math.log(4000)
    return model, x, exact.detach()


@pytest.mark.parametrize("family", [posteriors.VonMisesFisher, posteriors.PowerSpherical])
def test_likelihoods_of_a_circle_are_exact(family: Any) -> None:
    model, x, exact = circle(family)
    torch.manual_seed(2)
    log_p, error, _ = evaluation.log_likelihoods(model, x, None, 10_000)
    assert bool(((log_p - exact).abs() < 4.5 * error).all()) and float(error.max()) < 0.1
    bound = ELBO(samples=2000).bound(model, model.trace(x, samples=2000))
    assert bool((bound < exact).all())


def test_means_on_the_sphere_are_decoded() -> None:
    """The average in space lies inside of the sphere, where no latent of the decoder's ever was."""
    model, x, _ = circle(posteriors.VonMisesFisher)
    with torch.no_grad():
        q = model.encode(x)
    torch.testing.assert_close(model.reconstruct(x, mean=True), model.decode(q.loc).mean)
    assert float((q.loc.norm(dim=-1) - 1).abs().max()) < 1e-12 and float(q.average.norm(dim=-1).max()) < 1


def test_a_start_lies_around_the_sphere() -> None:
    torch.manual_seed(0)
    q = posteriors.VonMisesFisher(nn.Identity(), 3, features=8).double()
    x = numbers(1, 600, 8) + 5.0
    with torch.no_grad():
        q.before_fit(x, {}, len(x))
        found = q(x)
    assert float(found.loc.mean(0).norm()) < 0.1 and len(found.concentration.unique()) == 1
    along = found.average.norm(dim=-1)[0]
    assert 0.4 < float(along) < 0.6


@pytest.mark.parametrize("family", [posteriors.VonMisesFisher, posteriors.PowerSpherical])
@pytest.mark.parametrize("size", [0.0, 1e4, -1e4, 1e30])
def test_posteriors_are_finite_for_huge_features(family: Any, size: float) -> None:
    torch.manual_seed(0)
    q = family(nn.Identity(), 3, features=4)
    with torch.no_grad():
        q.head.layer.bias.fill_(size)
        q.width.layer.bias.fill_(size)
    found = q(numbers(1, 5, 4).float())
    value = found.log_prob(found.rsample()).sum() + kl_divergence(found, HypersphericalUniform(torch.zeros(3))).sum()
    assert bool(value.isfinite())
    assert all(bool(g.isfinite().all()) for g in torch.autograd.grad(value, list(q.parameters())))


def test_what_is_no_sphere_is_refused() -> None:
    for make in (lambda: priors.HypersphericalUniform(1), lambda: recipes.svae(shape=(6,), latent_dim=1)):
        with pytest.raises(Mistake, match="sphere wants 2"):
            make()
    assert recipes.svae(shape=(2,)).model.prior.latent_shape == (2,)  # half of two dimensions would be one
    model, x, _ = circle(posteriors.VonMisesFisher)
    with pytest.raises(Mistake, match="Sphere.*importance sampling"):
        evaluation.annealed_log_likelihoods(model, x)
    with pytest.raises(Mistake, match="temperature"):
        model.sample(2, temperature=0.5)
