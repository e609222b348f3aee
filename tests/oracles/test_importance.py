"""Importance sampling where log p(x) is known: linear Gaussian models under posteriors that are wrong on purpose."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from vaekit import likelihoods, posteriors, priors, recipes
from vaekit.evaluation import log_likelihoods
from vaekit.maths import log_mean_exp
from vaekit.models import VAE
from vaekit.networks import ZeroFill
from vaekit.objectives import IWAE

SIZES = (1, 10, 100, 1000)


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def marginal(model: Any, there: Tensor | None = None) -> MultivariateNormal:
    layer = model.likelihood.head.layer
    keep = torch.ones(len(layer.bias), dtype=torch.bool) if there is None else there
    w, mu = layer.weight.detach()[keep], layer.bias.detach()[keep]
    variance = (2 * model.likelihood.scale.log_scale.detach()).exp()
    return MultivariateNormal(mu, w @ w.T + variance * torch.eye(len(mu), dtype=torch.float64))


def wrong(shift: float = 0.5, wider: float = 1.3) -> tuple[Any, Tensor, Tensor]:
    """A ppca whose posterior is shifted by some of its standard deviations and too wide; data; exact log p."""
    x = numbers(0, 400, 5) @ numbers(1, 5, 5)
    recipe = recipes.ppca(shape=(5,), latent_dim=2)
    model = recipe.model.double().eval()
    recipe.start(model, x)
    with torch.no_grad():
        bias = model.posterior.head.layer.bias
        bias[:2] += shift * bias[2:].exp()
        bias[2:] += math.log(wider)
    return model, x[:16], marginal(model).log_prob(x[:16])


@pytest.fixture(scope="module")
def gaps() -> dict[int, Tensor]:
    """K -> estimate - exact, (repetitions, items)."""
    model, x, exact = wrong()
    torch.manual_seed(0)
    with torch.no_grad():
        log_w = torch.cat([t.log_w for t in model.traces(x, None, 200_000, 20_000)])
    return {k: log_mean_exp(log_w.view(k, -1, len(x)), 0) - exact for k in SIZES}


@pytest.mark.parametrize("k", SIZES)
def test_the_estimate_is_unbiased_in_p(gaps: dict[int, Tensor], k: int) -> None:
    ratio = gaps[k].exp()
    error = ratio.std(0) / len(ratio) ** 0.5
    z = (ratio.mean(0) - 1) / error  # sixteen items, independent draws
    assert float(z.mean().abs()) < 3 / 4 and float(z.abs().max()) < 4, z  # 3 standard errors of their mean; 4 each


def test_the_bias_falls_with_k(gaps: dict[int, Tensor]) -> None:
    bias = [float(gaps[k].mean()) for k in SIZES]
    assert bias == sorted(bias) and bias[0] < -0.05, bias  # a lower bound at first
    assert abs(bias[-1]) < 0.01, bias
    # its size is Var(w) / 2K for large K (Nowozin 2018): 10 % of it, since the third order is left out
    variance = float(gaps[1].exp().var(0).mean())
    assert bias[2] == pytest.approx(-variance / 200, rel=0.15)


def test_the_elbo_lies_below_by_the_divergence_to_the_true_posterior() -> None:
    model, x, exact = wrong()
    q = model.encode(x)
    right = wrong(0.0, 1.0)[0].encode(x)
    torch.manual_seed(0)
    with torch.no_grad():
        log_w = model.trace(x, samples=100_000).log_w
    gap = exact - log_w.mean(0)
    want = torch.distributions.kl_divergence(q, right)
    assert bool(((gap - want).abs() < 4 * log_w.std(0) / 100_000**0.5).all())  # four standard errors


def test_reported_numbers_are_of_the_exact_model() -> None:
    model, x, exact = wrong()
    torch.manual_seed(0)
    got, error, ess = log_likelihoods(model, x, None, 5000)
    assert bool(((got - exact).abs() < 4 * error).all())
    spread = (1 / (1 + (5000 / ess - 1))).mean()  # ESS / K is 1 / (1 + Var w), known here
    torch.manual_seed(1)
    with torch.no_grad():
        w = (model.trace(x, samples=50_000).log_w - exact).exp()
    assert float(spread) == pytest.approx(float((1 / (1 + w.var(0))).mean()), rel=0.03)  # of 5,000 draws


def test_iwae_rises_with_k_to_log_p() -> None:
    model, x, exact = wrong()
    torch.manual_seed(0)
    with torch.no_grad():
        trace = model.trace(x, samples=4096)
        whole = IWAE(4096).bound(model, trace)
    levels = []
    for k in (1, 2, 4, 16, 64, 256, 4096):  # blocks of the same draws: Jensen holds exactly
        levels.append(float(log_mean_exp(trace.log_w.view(-1, k, len(x)), 1).mean()))
    assert levels == sorted(levels)
    assert levels[-1] == pytest.approx(float(whole.mean()), abs=1e-12)
    assert abs(levels[-1] - float(exact.mean())) < 0.01


def test_missing_values_give_the_marginal_of_what_was_seen() -> None:
    d, q = 5, 2
    model = VAE(
        priors.StandardNormal(q),
        posteriors.Gaussian(ZeroFill(nn.Identity(), features=(d,)), q, features=d),
        likelihoods.Gaussian(nn.Identity(), (d,), features=q),
    ).double().eval()  # fmt: skip
    with torch.no_grad():
        w, s2 = numbers(3, d, q), 0.5
        m = w.T @ w + s2 * torch.eye(q, dtype=torch.float64)
        model.likelihood.head.layer.weight.copy_(w)
        model.likelihood.head.layer.bias.copy_(0.5 * numbers(4, d))
        model.likelihood.scale.log_scale.fill_(0.5 * math.log(s2))
        head = model.posterior.head.layer
        head.weight.copy_(torch.cat([torch.linalg.solve(m, w.T), torch.zeros(q, d, dtype=torch.float64)]))
        head.bias.copy_(torch.tensor([0.0, 0.0, -0.3, -0.3]))
    assert model.takes_missing
    x = marginal(model).sample((12,))
    x[numbers(5, 12, d) > 0.5] = float("nan")
    x[0] = float("nan")  # nothing seen at all
    x[1] = marginal(model).loc
    zero = torch.zeros((), dtype=torch.float64)  # log p of nothing
    seen = [row[~row.isnan()] for row in x]
    exact = torch.stack([
        marginal(model, ~row.isnan()).log_prob(s) if len(s) else zero for row, s in zip(x, seen, strict=True)
    ])  # fmt: skip
    torch.manual_seed(0)
    got, error, _ = log_likelihoods(model, x, None, 40_000)
    assert bool(((got - exact).abs() < 4 * error).all()), (got - exact) / error
    assert float(error.max()) < 0.02  # so that agreement means something
