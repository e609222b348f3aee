"""Probabilistic PCA at its closed form: the posterior is exact, so that ELBO = log p(x), and log w does not vary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import Tensor
from torch.distributions import MultivariateNormal

import vaekit as vk
from vaekit import recipes
from vaekit.objectives import ELBO, IWAE


def correlated(n: int = 300, dims: int = 7) -> Tensor:
    g = torch.Generator().manual_seed(0)
    mixing = torch.randn(dims, dims, generator=g, dtype=torch.float64)
    return torch.randn(n, dims, generator=g, dtype=torch.float64) @ mixing + torch.arange(float(dims)).double()


def closed(x: Tensor, latents: int = 3) -> Any:
    recipe = recipes.ppca(shape=(x.shape[1],), latent_dim=latents)
    model = recipe.model.double().eval()
    recipe.start(model, x)
    return model


def pieces(model: Any) -> tuple[Tensor, Tensor, Tensor]:
    """W (D, q), mu (D,) and the noise's variance."""
    layer = model.likelihood.head.layer
    return layer.weight, layer.bias, (2 * model.likelihood.scale.log_scale).exp()


def marginal(model: Any) -> MultivariateNormal:
    w, mu, variance = pieces(model)
    return MultivariateNormal(mu, w @ w.T + variance * torch.eye(len(mu)).to(w))


def test_log_w_is_constant_and_is_log_p() -> None:
    x = correlated()
    model = closed(x)
    exact = marginal(model).log_prob(x)
    torch.manual_seed(0)
    with torch.no_grad():
        log_w = model.trace(x, samples=50).log_w
    spread = (log_w.max(0).values - log_w.min(0).values).max()
    assert float(spread) < 1e-10  # float64 rounding
    assert float((log_w - exact).abs().max()) < 1e-10


def test_elbo_with_its_expectation_in_closed_form_is_log_p() -> None:
    x = correlated()
    model = closed(x)
    w, mu, variance = pieces(model)
    with torch.no_grad():
        trace = model.trace(x)
        q = trace.q
        # E_q log N(x; Wz + mu, s^2) = log N(x; Wm + mu, s^2) - tr(W S W^T) / 2 s^2
        error = (x - q.mean @ w.T - mu).square().sum(1) + (q.variance @ w.square().T).sum(1)
        log_px = -0.5 * error / variance - 0.5 * x.shape[1] * (2 * math.pi * variance).log()
        elbo = log_px - trace.kl
    assert float((elbo - marginal(model).log_prob(x)).abs().max()) < 1e-9


@pytest.mark.parametrize("objective", [ELBO(samples=40_000), IWAE(1), IWAE(10)], ids=["ELBO", "IWAE-1", "IWAE-10"])
def test_every_bound_is_tight(objective: Any) -> None:
    x = correlated(20)
    model = closed(correlated())
    exact = marginal(model).log_prob(x)
    torch.manual_seed(0)
    with torch.no_grad():
        trace = model.trace(x, samples=objective.samples)
        bound = objective.bound(model, trace)
    # ELBO averages log p(x|z), whose noise does not cancel: four standard errors; IWAE's weights are constant
    limit = 4 * trace.log_px.std(0) / trace.log_px.shape[0] ** 0.5 if isinstance(objective, ELBO) else 1e-10
    assert bool(((bound - exact).abs() < limit).all())


def test_closed_form_is_the_maximum_of_the_likelihood() -> None:
    x = correlated()
    model = closed(x)
    loss = -marginal(model).log_prob(x).mean()
    for grad in torch.autograd.grad(loss, list(model.likelihood.parameters())):
        assert float(grad.abs().max()) < 1e-9  # a stationary point, to float64 rounding
    at = float(loss)
    torch.manual_seed(1)
    with torch.no_grad():
        for _ in range(20):  # and no small step from it is better
            moves = [0.05 * torch.randn_like(p) for p in model.likelihood.parameters()]
            for p, move in zip(model.likelihood.parameters(), moves, strict=True):
                p.add_(move)
            assert -float(marginal(model).log_prob(x).mean()) > at
            for p, move in zip(model.likelihood.parameters(), moves, strict=True):
                p.sub_(move)


def test_samples_follow_the_marginal() -> None:
    model = closed(correlated())
    torch.manual_seed(0)
    draws = model.sample(40_000, mean=False)
    p = marginal(model)
    white = torch.linalg.solve_triangular(p.scale_tril, (draws - p.loc).T, upper=False).detach()
    assert float(white.mean(1).abs().max()) < 4 / 200  # four standard errors of a mean of 40,000
    covariance = white @ white.T / white.shape[1]
    assert float((covariance - torch.eye(7)).abs().max()) < 4 * 2**0.5 / 200  # and of a variance


def test_digits_agree_with_scikit_learn_in_raw_units() -> None:
    raw = load_digits().data.astype(np.float64)
    recipe = vk.recipe("ppca", "digits", latent_dim=8)
    model = recipe.model.double().eval()
    x = torch.from_numpy(raw).reshape(-1, 8, 8)
    model.transform.before_fit(x, {}, len(x))
    recipe.start(model, model.transform(x))
    got = model.log_prob(x, samples=2).detach().numpy()
    want = PCA(8, svd_solver="full").fit(raw).score_samples(raw)
    assert abs(got.mean() - want.mean()) < 0.01  # nats; they divide the covariance by n - 1, we by n
    assert np.abs(got - want).max() < 0.2  # so an item far out, at a hundred nats, differs by 1/n of that
