"""Refined posteriors where the best is known, and their gradient against differences."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.laws.tables import numbers
from tests.oracles.test_importance import wrong
from torch import Tensor

from vaekit import recipes
from vaekit.distributions import DiagonalGaussian
from vaekit.models import VAE
from vaekit.objectives import ELBO
from vaekit.posteriors import Refined


def refined(model: Any, steps: int, rate: float = 0.5) -> Any:
    torch.manual_seed(0)
    return Refined(model.posterior, model.prior, model.likelihood, steps=steps, rate=rate).double().eval()


def best(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of p(z|x), whose covariance is diagonal as the loadings are orthogonal."""
    layer = model.likelihood.head.layer
    variance = (2 * model.likelihood.scale.log_scale).exp()
    spread = 1 / (layer.weight.square().sum(0) / variance + 1)
    return ((x - layer.bias) @ layer.weight * spread / variance).detach(), spread.detach()


def test_one_whole_step_from_the_right_width_is_exact() -> None:
    """The natural gradient of a quadratic is Newton's step."""
    model, x, _ = wrong(shift=0.5, wider=1.0)
    mean, variance = best(model, x)
    assert float((model.posterior(x).loc - mean).detach().abs().max()) > 0.1
    q = refined(model, 1, 1.0)(x)
    # the fixed points have the moments of N(0, I) to float32
    torch.testing.assert_close(q.loc, mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(q.variance, variance.expand_as(q.loc), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("latents", [1, 2, 5, 32])
def test_the_fixed_points_have_the_first_two_moments_of_a_gaussian(latents: int) -> None:
    """Between latents too, else the curvature along one would be taken for that along another."""
    plan = recipes.sa_vae(shape=(6,), latent_dim=latents, hidden=[8])
    points = plan.model.posterior.points.double()
    assert torch.equal(points.mean(0), torch.zeros(latents).double())
    assert torch.equal(points.T @ points / len(points), torch.eye(latents).double())


def test_many_steps_end_at_the_posterior() -> None:
    model, x, log_p = wrong(shift=2.0, wider=3.0)
    mean, variance = best(model, x)
    gaps = []
    for steps in (1, 3, 10, 60):
        q = refined(model, steps)(x)
        ratio = q.variance / variance
        gaps.append(float(0.5 * (ratio - 1 - ratio.log() + (q.loc - mean).square() / variance).sum(1).mean()))
    assert gaps == sorted(gaps, reverse=True) and gaps[-1] < 1e-9, gaps
    whole = VAE(model.prior, refined(model, 60), model.likelihood).double().eval()
    torch.manual_seed(0)
    with torch.no_grad():
        log_w = whole.trace(x, samples=20).log_w
    torch.testing.assert_close(log_w, log_p.expand(20, -1), rtol=0, atol=1e-4)  # log w is log p(x) in every draw


def test_its_gradient_is_that_of_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the steps, for the encoder and for the decoder, at fixed noise."""
    torch.manual_seed(0)
    recipe = recipes.sa_vae(shape=(5,), latent_dim=2, hidden=[6], steps=3)
    model, x = recipe.model.double().train(), numbers(1, 4, 5)
    monkeypatch.setattr(DiagonalGaussian, "noise", lambda q, shape=(): numbers(2, *shape, *q.loc.shape))
    for parameter in (model.posterior.posterior.head.layer.weight, model.likelihood.head.layer.weight):
        (found,) = torch.autograd.grad(ELBO().bound(model, model.trace(x)).sum(), parameter)
        direction = numbers(3, *parameter.shape)
        values = []
        for sign in (1.0, -1.0):
            with torch.no_grad():
                parameter.add_(sign * 1e-5 * direction)
            values.append(float(ELBO().bound(model, model.trace(x)).sum().detach()))
            with torch.no_grad():
                parameter.sub_(sign * 1e-5 * direction)
        assert (values[0] - values[1]) / 2e-5 == pytest.approx(float((found * direction).sum()), rel=1e-5)


def test_evaluation_gives_an_item_one_posterior_and_leaves_nothing_behind() -> None:
    torch.manual_seed(0)
    model = recipes.sa_vae(shape=(5,), latent_dim=2, hidden=[6]).model.double().eval()
    x = numbers(1, 7, 5)
    with torch.no_grad():
        first, again = model.posterior(x), model.posterior(x)
        alone = torch.cat([model.posterior(row[None]).loc for row in x])
    assert torch.equal(first.loc, again.loc) and not first.loc.requires_grad
    torch.testing.assert_close(alone, first.loc, rtol=1e-10, atol=1e-12)
    assert all(p.grad is None for p in model.parameters())
    with torch.no_grad():
        plain = VAE(model.prior, model.posterior.posterior, model.likelihood).double().eval()
        better, start = (ELBO().bound(m, m.trace(x, samples=2000)).mean() for m in (model, plain))
    assert float(better) > float(start), "the steps climb the ELBO"


def test_steep_items_stay_finite() -> None:
    torch.manual_seed(0)
    model = recipes.sa_vae(shape=(5,), latent_dim=2, hidden=[6]).model.train()
    loss = ELBO()(model, model.trace(1e4 * numbers(1, 7, 5).float())).mean()
    loss.backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)
