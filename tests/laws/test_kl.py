"""Laws of the divergence: not negative, zero at equality, the mean of log q - log p, a sum over latents."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from vaekit import distributions as d

from .tables import KL_PAIRS, numbers

pairs = pytest.mark.parametrize("pair", KL_PAIRS)


@pairs
def test_is_the_mean_of_the_log_ratio(pair: str) -> None:
    q, p = (make() for make in KL_PAIRS[pair])
    kl = kl_divergence(q, p)
    assert kl.shape == (4,) and bool((kl > 0).all())
    if "bernoulli" in pair:  # exact, over the eight states
        z = torch.tensor(list(itertools.product([0.0, 1.0], repeat=3)), dtype=torch.float64)[:, None].expand(-1, 4, -1)
        exact = (q.log_prob(z).exp() * (q.log_prob(z) - p.log_prob(z))).sum(0)
        torch.testing.assert_close(kl, exact, rtol=1e-12, atol=1e-12)
        return
    torch.manual_seed(0)
    n = 100_000
    z = q.sample((n,))
    ratio = q.log_prob(z) - p.log_prob(z)  # (n, 4)
    assert bool(((ratio.mean(0) - kl).abs() < 4 * ratio.std(0) / n**0.5).all())  # four standard errors


def test_zero_at_equality() -> None:
    g = d.DiagonalGaussian(numbers(1, 4, 3), 0.3 * numbers(2, 4, 3))
    diagonal = d.FullGaussian(g.loc, torch.diag_embed(g.scale))
    b = d.Bernoulli(3 * numbers(6, 4, 3))
    standard = d.StandardGaussian(torch.zeros(3, dtype=torch.float64))
    zeros = torch.zeros(4, 3, dtype=torch.float64)
    for q, p in [(g, g), (diagonal, g), (b, b), (d.DiagonalGaussian(zeros, zeros), standard)]:
        kl = kl_divergence(q, p)
        torch.testing.assert_close(kl, torch.zeros_like(kl), rtol=0, atol=1e-12)  # float64 rounding


@pairs
def test_sums_over_latents(pair: str) -> None:
    q, p = (make() for make in KL_PAIRS[pair])
    if hasattr(q, "kl_each") and hasattr(p, "event_dims"):
        each = q.kl_each(p)
        assert each.shape == (4, 3) and bool((each >= 0).all())
        torch.testing.assert_close(each.sum(-1), kl_divergence(q, p), rtol=1e-12, atol=1e-12)
    else:
        with pytest.raises(AttributeError):  # a full covariance does not factorise
            q.kl_each(p)


@pytest.mark.parametrize("pair", [name for name in KL_PAIRS if "bernoulli" not in name and "classed" not in name])
def test_agrees_with_torch(pair: str) -> None:
    def twin(g: object) -> MultivariateNormal:
        tril = g.scale_tril if isinstance(g, d.FullGaussian) else torch.diag_embed(g.scale)  # type: ignore[attr-defined]
        return MultivariateNormal(g.loc, scale_tril=tril)  # type: ignore[attr-defined]

    q, p = (make() for make in KL_PAIRS[pair])
    torch.testing.assert_close(kl_divergence(q, p), kl_divergence(twin(q), twin(p)), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(q.entropy(), twin(q).entropy(), rtol=1e-10, atol=1e-10)


def test_relaxed_pair_is_the_pair_of_the_discrete_variables() -> None:
    logits, p = numbers(6, 4, 3), d.Bernoulli(numbers(7, 3))
    relaxed = kl_divergence(d.BinaryConcrete(logits, 0.5), p)
    torch.testing.assert_close(relaxed, kl_divergence(d.Bernoulli(logits), p), rtol=0, atol=0)


@pytest.mark.parametrize("logit", [80.0, -80.0])
def test_extremes_are_finite(logit: float) -> None:
    raw = torch.full((1, 2), logit, requires_grad=True)
    fair = d.Bernoulli(torch.zeros(2))
    kl = kl_divergence(d.Bernoulli(raw), fair)
    torch.testing.assert_close(kl, torch.full((1,), 2 * 0.6931472), rtol=1e-6, atol=0)  # log 2 a certain bit, float32
    (grad,) = torch.autograd.grad(kl.sum(), raw)
    assert bool(grad.isfinite().all())
    scale = torch.full((1, 2), logit / 8, requires_grad=True)  # the posterior's clamps, +-10
    kl = kl_divergence(d.DiagonalGaussian(raw, scale), d.StandardGaussian(torch.zeros(2)))
    assert bool(kl.isfinite().all()) and bool(torch.autograd.grad(kl.sum(), scale)[0].isfinite().all())
