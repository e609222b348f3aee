"""Learned rejection, second stages and flows in time, as priors: exact densities, known fields, samples as scored."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import scipy.stats
import torch
from tests.laws.tables import numbers
from tests.oracles.test_fitted_priors import autoencoder, clusters, grid
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

import vaekit as vk
from vaekit import evaluation, posteriors, priors, recipes
from vaekit.messages import Mistake
from vaekit.models import VAE


def white() -> Tensor:
    """Two clusters with mean 0 and covariance I, so that N(0, I) is the best Gaussian."""
    z = clusters(1000) - clusters(1000).mean(0)
    return torch.linalg.solve_triangular(torch.linalg.cholesky(torch.cov(z.T)), z.T, upper=False).T


REGIONS: list[Callable[[Tensor], Tensor]] = [
    lambda z: z[:, 0] > 0.5, lambda z: z.prod(1) < 0, lambda z: z.norm(dim=1) < 1,
]  # fmt: skip


@torch.no_grad()
def follows(p: Any, n: int = 20_000) -> None:
    """That a density in two dimensions integrates to one, and that samples fall into regions as often as it says."""
    points, cell = grid(8.0, 401)
    density = p.log_prob(points).exp() * cell
    assert float(density.sum()) == pytest.approx(1, abs=1e-3)
    torch.manual_seed(1)
    drawn = p.sample((n,))
    for region in REGIONS:
        share = float(density[region(points)].sum())
        # four standard errors, and what the grid's cells at the edge hold
        assert float(region(drawn).double().mean()) == pytest.approx(share, abs=4 * 0.5 / n**0.5 + 0.008)


# -- learned rejection -----------------------------------------------------------------------------------------------


def choosy(tries: int) -> Any:
    """A prior that keeps a third of its draws, far from evenly."""
    torch.manual_seed(0)
    prior: Any = priors.Resampled(2, hidden=[16, 16], tries=tries, draws=256).double().eval()
    with torch.no_grad():
        for p in prior.parameters():
            p.mul_(3.0)
    return prior


@pytest.mark.parametrize("tries", [1, 2, 5, 100])
def test_what_rejection_leaves_integrates_to_one_and_is_what_is_drawn(tries: int) -> None:
    follows(choosy(tries)())


def test_the_density_counts_the_tries() -> None:
    """The sum over the try that is kept, written out; one try is the base itself."""
    points, cell = grid(8.0, 401)
    prior = choosy(4)
    p = prior()
    with torch.no_grad():
        base, accept = p.base.log_prob(points).exp(), prior.log_accept(points).exp()
        z = float((base * accept).sum() * cell)
        assert float(p.log_rate.exp()) == pytest.approx(z, rel=1e-3) and 0.1 < z < 0.9
        rejected = 1 - float(p.log_rate.exp())
        want = sum(rejected**k * base * accept for k in range(3)) + rejected**3 * base
        torch.testing.assert_close(p.log_prob(points), want.log(), rtol=1e-9, atol=1e-9)
        alone = choosy(1)()
        torch.testing.assert_close(alone.log_prob(points), alone.base.log_prob(points), rtol=0, atol=1e-6)


def test_the_rate_of_acceptance_in_training_is_unbiased_and_in_evaluation_follows_the_weights() -> None:
    prior = choosy(5)
    known = prior.log_rate()
    assert prior.log_rate() is known, "worked out once"
    torch.manual_seed(2)
    with torch.no_grad():
        prior.train()
        drawn = torch.stack([prior.log_rate().exp() for _ in range(400)])
        prior.eval()
        assert float((drawn.mean() - known.exp()).abs()) < 4 * float(drawn.std()) / 20
        prior.out.bias.sub_(1.0)
        assert float(prior.log_rate()) < float(known)


@pytest.mark.parametrize("bias", [1e4, -80.0, -1e4])
def test_extreme_networks_give_finite_scores(bias: float) -> None:
    prior: Any = priors.Resampled(2)
    with torch.no_grad():
        prior.out.bias.fill_(bias)
    score = prior().log_prob(numbers(1, 7, 2).float())
    slopes = torch.autograd.grad(score.sum(), list(prior.parameters()))
    assert bool(score.isfinite().all()) and all(bool(g.isfinite().all()) for g in slopes)


def test_learned_rejection_is_fitted_to_latents() -> None:
    """Also to such as lie far from N(0, I)."""
    z, model = 0.2 * white() + torch.tensor([0.5, -0.3]), autoencoder()
    torch.manual_seed(0)
    prior = priors.Resampled(2, hidden=[32, 32]).double()
    found = vk.fit_prior(model, z.numpy(), prior, epochs=150, lr=5e-3, verbose=False).prior
    with torch.no_grad():
        gain = float((found().log_prob(z) - found().base.log_prob(z)).mean())
        assert gain > 0.1, gain  # the clusters are no Gaussian
        torch.testing.assert_close(found().base.loc, z.mean(0), rtol=1e-12, atol=1e-12)
        points, cell = grid(3.0, 601)
        density = found().log_prob(points).exp() * cell
        assert float(density.sum()) == pytest.approx(1, abs=1e-3)
        drawn = found().sample((5000,))
    torch.testing.assert_close(drawn.mean(0), density @ points, rtol=0, atol=4 * 0.2 / 5000**0.5)


# -- a second stage ---------------------------------------------------------------------------------------------------


def linear_stage(wrong: float = 0.0) -> tuple[Any, MultivariateNormal]:
    """Probabilistic PCA of three numbers at its closed form, whose marginal is known; its posterior may be shifted."""
    z = numbers(1, 400, 3) @ numbers(2, 3, 3) + 1.0
    torch.manual_seed(0)
    recipe = recipes.ppca(shape=(3,), latent_dim=2)
    model: Any = recipe.model.double().eval()
    assert recipe.start is not None
    recipe.start(model, z)
    w, b = model.likelihood(torch.eye(2).double()).loc - model.likelihood(torch.zeros(1, 2).double()).loc, None
    b = model.likelihood(torch.zeros(1, 2).double()).loc[0]
    noise = model.likelihood(torch.zeros(1, 2).double()).variance[0]
    exact = MultivariateNormal(b.detach(), (w.mT @ w + torch.diag(noise)).detach())
    with torch.no_grad():
        model.posterior.head.bias(0).add_(wrong)
    return model, exact


def test_a_second_stage_at_its_closed_form_is_exact() -> None:
    model, exact = linear_stage()
    p, z = priors.SecondStage(model, samples=3)(), exact.sample((50,))
    torch.testing.assert_close(p.log_prob(z), exact.log_prob(z), rtol=1e-8, atol=1e-8)
    assert p.log_prob(z.view(5, 10, 3)).shape == (5, 10)
    torch.manual_seed(0)
    drawn = p.sample((20_000,))
    torch.testing.assert_close(drawn.mean(0), exact.mean, rtol=0, atol=4 * float(exact.variance.max() / 20_000) ** 0.5)
    torch.testing.assert_close(torch.cov(drawn.T), exact.covariance_matrix, rtol=0.06, atol=0.06)


def test_a_second_stage_estimates_the_density_without_bias() -> None:
    model, exact = linear_stage(0.3)
    p = priors.SecondStage(model, samples=4)()
    z = exact.mean + torch.tensor([0.5, -0.3, 0.2])
    torch.manual_seed(0)
    with torch.no_grad():
        ratio = (p.log_prob(z.expand(20_000, 3)) - exact.log_prob(z)).exp()
    assert float(ratio.std()) > 0.05, "nothing was estimated"
    assert abs(float(ratio.mean()) - 1) < 4 * float(ratio.std()) / 20_000**0.5


def test_bounds_with_a_second_stage_are_bounds_on_the_chain() -> None:
    """x = A z + noise and z from the second stage: log p(x) is known, and its estimate unbiased in p(x)."""
    stage, exact = linear_stage(0.3)
    model = autoencoder(3, posteriors.Gaussian)
    with torch.no_grad():
        model.likelihood.scale.log_scale.fill_(math.log(0.5))
        model.posterior.head.layer.bias[3:] = math.log(0.5)
    model = VAE(priors.SecondStage(stage, samples=2), model.posterior, model.likelihood).double().eval()
    marginal = MultivariateNormal(exact.mean, exact.covariance_matrix + 0.25 * torch.eye(3))
    torch.manual_seed(0)
    x = marginal.sample((6,))
    found, error, _ = evaluation.log_likelihoods(model, x, None, 20_000)
    assert bool(((found - marginal.log_prob(x)).abs() < 4 * error).all()), (found - marginal.log_prob(x)) / error
    with torch.no_grad():
        log_w = model.trace(x, samples=4000).log_w
    assert bool((log_w.mean(0) < marginal.log_prob(x)).all())
    with pytest.raises(Mistake, match="Marginal estimates its density"):
        evaluation.annealed_log_likelihoods(model, x)


def test_a_second_stage_is_fitted_to_latents() -> None:
    z = white()
    torch.manual_seed(0)
    stage = priors.SecondStage(recipes.vae(shape=(2,), latent_dim=2, hidden=[64]).model.double(), samples=64)
    found = vk.fit_prior(autoencoder(), z.numpy(), stage, epochs=300, lr=3e-3, verbose=False).prior
    with torch.no_grad():
        torch.manual_seed(0)
        gain = float((found().log_prob(z) - autoencoder().prior().log_prob(z)).mean())
        torch.manual_seed(0)
        cost = found.lost(z[:5])
        torch.manual_seed(0)
        trace = found.model.trace(z[:5])
    assert gain > 0.05, gain
    torch.testing.assert_close(cost, -trace.log_px[0] + trace.kl, rtol=1e-12, atol=1e-12)


# -- flows in time ----------------------------------------------------------------------------------------------------

MEAN, SCALE = torch.tensor([0.7, -0.4]).double(), torch.tensor([0.5, 1.6]).double()


class GaussianField(nn.Module):
    """The velocity of least error where latents are N(m, s^2), in closed form."""

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        spread = t**2 * SCALE**2 + (1 - t) ** 2
        return MEAN + (t * SCALE**2 - (1 - t)) / spread * (z - t * MEAN)


class Beside(nn.Module):
    """A field a little off."""

    def __init__(self, field: nn.Module) -> None:
        super().__init__()
        self.field = field

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        found: Tensor = self.field(z, t) + 0.1 * z
        return found


def gaussian_flow(steps: int = 24) -> Any:
    return priors.FlowMatching(2, net=GaussianField(), steps=steps).double().eval()


def test_the_field_of_a_gaussian_has_the_gaussians_density() -> None:
    exact = torch.distributions.Independent(torch.distributions.Normal(MEAN, SCALE), 1)
    z = exact.sample((200,))
    gaps = [float((gaussian_flow(steps)().log_prob(z) - exact.log_prob(z)).abs().max()) for steps in (6, 12, 24)]
    assert gaps[2] < 1e-4 and gaps[0] > 8 * gaps[1] > 64 * gaps[2], gaps  # fourth order: 16 a halving
    torch.manual_seed(0)
    drawn = gaussian_flow()().sample((4000,))
    for k in range(2):
        assert scipy.stats.kstest(drawn[:, k].numpy(), "norm", (float(MEAN[k]), float(SCALE[k]))).pvalue > 1e-3


def test_the_field_of_a_gaussian_has_the_least_error() -> None:
    """E|z - noise - v|^2 is the integral of s^2 / (t^2 s^2 + (1 - t)^2); any other field has more."""
    t = torch.linspace(0, 1, 100_001).double()[:, None]
    least = float(torch.trapezoid(SCALE**2 / (t**2 * SCALE**2 + (1 - t) ** 2), t, dim=0).sum())
    torch.manual_seed(0)
    z = MEAN + SCALE * torch.randn(400_000, 2).double()
    prior = gaussian_flow()
    lost = prior.lost(z)
    assert float(lost.mean()) == pytest.approx(least, abs=4 * float(lost.std()) / 400_000**0.5)
    prior.net = Beside(prior.net)
    assert float(prior.lost(z).mean()) > least + 4 * float(lost.std()) / 400_000**0.5


def test_a_flow_integrates_to_one_and_is_what_is_drawn() -> None:
    torch.manual_seed(0)
    prior: Any = priors.FlowMatching(2, hidden=[8]).double().eval()
    with torch.no_grad():
        for p in prior.parameters():
            p.mul_(1.5)
        prior.loc.copy_(torch.tensor([0.2, -0.1]))
        prior.scale.copy_(torch.tensor([0.8, 1.1]))
    follows(prior())


def test_the_divergence_is_the_trace_of_the_jacobian() -> None:
    prior: Any = priors.FlowMatching(3, hidden=[8]).double().eval()
    z, t = numbers(1, 5, 3), torch.tensor(0.3).double()
    v, divergence = prior()._with_divergence(z, t)
    slopes = torch.stack([torch.autograd.functional.jacobian(lambda r: prior.velocity(r[None], t)[0], r) for r in z])
    torch.testing.assert_close(divergence, slopes.diagonal(dim1=1, dim2=2).sum(1), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(v, prior.velocity(z, t), rtol=1e-12, atol=1e-12)


def test_a_flow_is_fitted_to_latents() -> None:
    z = clusters(1000)
    torch.manual_seed(0)
    prior = priors.FlowMatching(2, hidden=[64, 64]).double()
    found = vk.fit_prior(autoencoder(), z.numpy(), prior, epochs=150, lr=3e-3, verbose=False).prior
    gaussian = vk.fit_prior(autoencoder(), z.numpy(), verbose=False).prior
    with torch.no_grad():
        assert float(found().log_prob(z).mean()) > float(gaussian().log_prob(z).mean()) + 0.1
    drawn = found().sample((2000,))
    torch.testing.assert_close(drawn.mean(0), z.mean(0), rtol=0, atol=0.3)
    torch.testing.assert_close(torch.cov(drawn.T), torch.cov(z.T), rtol=0.15, atol=0.2)
