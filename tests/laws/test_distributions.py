"""Laws of distributions: they are normalised, sampled as scored, differentiable, and finite at extremes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit import distributions as d

from .tables import DISTRIBUTIONS, LEVELS, Family, numbers

BATCH = 4


def those(keep: Callable[[Family], object]) -> pytest.MarkDecorator:
    """The families that a law is about."""
    return pytest.mark.parametrize("family", [f for f in DISTRIBUTIONS if keep(f)], ids=str)


each = those(lambda f: True)
DISCRETE = ("binary", "names", "grid")


def points(support: str) -> tuple[Tensor, Tensor]:
    """Quadrature nodes and weights (or all values, with weight 1), (G,), float64."""
    if support == "binary":
        return torch.tensor([0.0, 1.0], dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    if support == "names":
        return torch.arange(LEVELS, dtype=torch.float64), torch.ones(LEVELS, dtype=torch.float64)
    if support == "grid":
        return torch.linspace(-1, 1, LEVELS, dtype=torch.float64), torch.ones(LEVELS, dtype=torch.float64)
    u = torch.linspace(-35, 35, 40_001, dtype=torch.float64)
    step = u[1] - u[0]
    if support == "real":  # the trapezium rule, exact to rounding for densities that vanish at the ends
        return u, step.expand_as(u)
    x = u.sigmoid()  # the unit interval through a sigmoid, since relaxed densities rise at its ends
    return x, x * (-u).sigmoid() * step


def scalar(family: Family) -> Distribution:
    """A batch of one-element events; the standard Gaussian has no batch."""
    batch = () if family.name == "StandardGaussian" else (BATCH,)
    return family.make(numbers(0, family.parameters, *batch, 1))


def table(family: Family, p: Distribution) -> tuple[Tensor, Tensor, Tensor]:
    """Nodes (G,), weights (G,) and log p (G, BATCH)."""
    x, w = points(family.support)
    log_p = p.log_prob(x[:, None, None].expand(-1, BATCH, 1) if p.batch_shape else x[:, None])
    return x, w, log_p if log_p.ndim == 2 else log_p[:, None]


@each
def test_integrates_to_one(family: Family) -> None:
    p = scalar(family)
    _, w, log_p = table(family, p)
    total = (w[:, None] * log_p.exp()).sum(0)
    # the quadrature and float64 rounding are good to 1e-9; rows that clamp say how much they lose
    tolerance = family.mean_tolerance if family.support == "unit" else 1e-9
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=tolerance)


@each
def test_samples_match_log_prob(family: Family) -> None:
    p = scalar(family)
    x, w, log_p = table(family, p)
    torch.manual_seed(1)
    n = 4000
    draws = p.sample((n,)).reshape(n, -1).numpy()
    for column in range(draws.shape[1]):
        mass = (w * log_p[:, column].exp()).numpy()
        if family.support in DISCRETE:
            counts = np.array([(np.abs(draws[:, column] - v) < 1e-9).sum() for v in x.numpy()])
            assert counts.sum() == n, "a draw lies outside the support"
            keep = mass * n >= 5  # the chi-square approximation wants five a cell
            spare = np.array([mass[~keep].sum() * n])
            seen, want = np.append(counts[keep], counts[~keep].sum()), np.append(mass[keep] * n, spare)
            seen, want = (seen[:-1], want[:-1]) if want[-1] < 5 else (seen, want)
            p_value = scipy.stats.chisquare(seen, want * seen.sum() / want.sum()).pvalue if len(seen) > 1 else 1.0
        else:
            cdf = np.cumsum(mass) - 0.5 * mass
            p_value = scipy.stats.kstest(draws[:, column], lambda v, c=cdf: np.interp(v, x.numpy(), c)).pvalue
        assert p_value > 1e-3, f"row {column}: p = {p_value:.2g}"  # fixed seed: 1e-3 is met once and for all


@those(lambda f: f.moments)
def test_moments_and_mode(family: Family) -> None:
    p = scalar(family)
    x, w, log_p = table(family, p)
    mass = w[:, None] * log_p.exp()
    mean = (mass * x[:, None]).sum(0)
    torch.testing.assert_close(p.mean.reshape(-1), mean, rtol=0, atol=family.mean_tolerance)
    try:
        variance = p.variance.reshape(-1)
    except NotImplementedError:
        variance = None
    if variance is not None:
        exact = (mass * (x[:, None] - mean).square()).sum(0)
        torch.testing.assert_close(variance, exact, rtol=1e-9, atol=1e-9)  # the quadrature's error
    assert bool((p.log_prob(p.mode) >= log_p.max(0).values - 1e-6).all())  # 1e-6: nodes miss a mode by the spacing


def test_categorical_mode_is_the_most_probable_name() -> None:
    p = d.Categorical(numbers(1, 6, LEVELS, 1))
    all_names = torch.arange(LEVELS, dtype=torch.float64)[:, None, None].expand(-1, 6, 1)
    assert torch.equal(p.mode.squeeze(-1), p.log_prob(all_names).argmax(0).double())


@those(lambda f: f.pathwise)
def test_rsample_gradient_is_that_of_the_expectation(family: Family) -> None:
    raw = numbers(0, family.parameters, BATCH, 1).requires_grad_()
    x, w, log_p = table(family, family.make(raw))
    expectation = (w[:, None] * log_p.exp() * (x[:, None] - 0.3).square()).sum()
    (exact,) = torch.autograd.grad(expectation, raw)
    n = 20_000
    rows = raw.detach().unsqueeze(1).expand(-1, n, -1, -1).clone().requires_grad_()
    torch.manual_seed(2)
    draws = family.make(rows).rsample()  # (n, BATCH, 1): each draw has parameters of its own
    (grads,) = torch.autograd.grad((draws - 0.3).square().sum(), rows)
    error = (grads.mean(1) - exact).abs()
    assert bool((error <= 4 * grads.std(1) / n**0.5 + 1e-9).all()), error  # four standard errors


def test_straight_through_is_unbiased_for_linear_and_biased_as_known_for_square() -> None:
    logits = numbers(3, 5).requires_grad_()
    p = logits.detach().sigmoid()
    torch.manual_seed(0)
    z = d.StraightThroughBernoulli(logits).rsample((40_000,))
    assert bool(((z == 0) | (z == 1)).all())
    (linear,) = torch.autograd.grad((3 * z).mean(0).sum(), logits, retain_graph=True)
    torch.testing.assert_close(linear, 3 * p * (1 - p), rtol=1e-9, atol=0)  # no noise is left in it
    (square,) = torch.autograd.grad((z - 0.3).square().mean(0).sum(), logits)
    bias = square - (1 - 0.6) * p * (1 - p)  # the exact gradient is (f(1) - f(0)) p (1 - p)
    # 2 (z - 0.3) has standard deviation at most 1: four standard errors of 40,000 draws, times p (1 - p) <= 1/4
    torch.testing.assert_close(bias, (2 * p - 1) * p * (1 - p), rtol=0, atol=4 * 0.25 / 200)


def test_relaxed_bias_falls_with_the_temperature() -> None:
    logits = numbers(3, 5)
    gaps = []
    for temperature in (2.0, 0.5, 0.1, 0.01):
        torch.manual_seed(0)
        z = d.BinaryConcrete(logits, temperature).rsample((40_000,))
        exact = 0.49 * logits.sigmoid() + 0.09 * (1 - logits.sigmoid())  # E (b - 0.3)^2 of the 0/1 variable
        gaps.append(float(((z - 0.3).square().mean(0) - exact).abs().max()))
    assert gaps == sorted(gaps, reverse=True) and gaps[-1] < 0.005, gaps  # 0.2 / sqrt(40,000) = 0.001 an error


@those(lambda f: f.twin is not None)
def test_agrees_with_torch(family: Family) -> None:
    raw = numbers(4, family.parameters, BATCH, 3)
    p, twin = family.make(raw), family.twin(raw)
    torch.manual_seed(3)
    value = twin.sample((6,))
    # float64; torch clamps probabilities at 1e-7 in its continuous Bernoulli and its relaxed sampler
    torch.testing.assert_close(p.log_prob(value), twin.log_prob(value), rtol=1e-6, atol=1e-6)
    if family.moments:
        torch.testing.assert_close(p.mean, twin.mean, rtol=1e-6, atol=1e-6)


@each
def test_extremes_are_finite(family: Family) -> None:
    for parameters in family.extremes:
        raw = torch.tensor(parameters).reshape(-1, 1, 1).requires_grad_()  # float32, as in training
        x, _ = points(family.support)
        ends = x[[0, len(x) // 2, -1]].float()[:, None, None]
        p = family.make(raw)
        values = [p.log_prob(ends).sum(), p.mean.sum()]
        if p.has_rsample:
            torch.manual_seed(0)
            draw = p.rsample((16,))
            values += [draw.sum(), p.log_prob(draw.detach()).sum()]
        for value in values:
            assert bool(value.isfinite()), (parameters, value)
            if value.requires_grad:
                (grad,) = torch.autograd.grad(value, raw, retain_graph=True)
                assert bool(grad.isfinite().all()), (parameters, grad)


@each
def test_gradients_and_their_gradients_are_the_finite_differences(family: Family) -> None:
    raw = numbers(8, family.parameters, 2, 3).requires_grad_()
    torch.manual_seed(0)
    value = family.make(raw.detach()).sample()
    value = value.expand(2, 3)
    inputs = (raw, value.clone().requires_grad_(family.support in ("real", "unit")))
    weights = torch.tensor([0.7, -1.3], dtype=torch.float64)  # unlike, so that a gradient cannot go to the wrong item

    def score(raw: Tensor, value: Tensor) -> Tensor:
        return (weights * family.make(raw).log_prob(value)).sum() + 0 * raw.sum()

    assert torch.autograd.gradcheck(score, inputs)  # torch's own tolerances, float64
    assert torch.autograd.gradgradcheck(score, inputs)  # penalties on gradients need it


@those(lambda f: f.observed)
def test_missing_values_count_nothing(family: Family) -> None:
    raw = numbers(5, family.parameters, BATCH, 6).requires_grad_()
    torch.manual_seed(0)
    value = family.make(raw.detach()).sample()
    there = torch.tensor([True, False, True, True, False, True])
    gaps = value.masked_fill(~there, float("nan"))
    got = family.make(raw).log_prob_observed(gaps)
    want = family.make(raw[..., there]).log_prob(value[:, there])
    torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)
    (grad,), (exact,) = torch.autograd.grad(got.sum(), raw), torch.autograd.grad(want.sum(), raw)
    torch.testing.assert_close(grad, exact, rtol=1e-12, atol=1e-12)  # zero, not NaN, where nothing was seen
    nothing = family.make(raw).log_prob_observed(torch.full_like(value, float("nan")))
    assert torch.equal(nothing, torch.zeros_like(nothing))


@those(lambda f: f.name != "StandardGaussian")
def test_leading_axes_are_loops(family: Family) -> None:
    raw = numbers(6, family.parameters, 3, BATCH, 2)
    torch.manual_seed(0)
    p = family.make(raw)
    value = p.sample()
    looped = torch.stack([
        torch.stack([family.make(raw[:, k, b]).log_prob(value[k, b]) for b in range(BATCH)]) for k in range(3)
    ])  # fmt: skip
    assert p.batch_shape == (3, BATCH) and p.event_shape == (2,)
    torch.testing.assert_close(p.log_prob(value), looped, rtol=1e-12, atol=1e-12)
    single = family.make(raw[:, 0])  # one batch, K values
    torch.testing.assert_close(
        single.log_prob(value), torch.stack([single.log_prob(v) for v in value]), rtol=1e-12, atol=1e-12
    )


@those(lambda f: f.name not in ("StandardGaussian", "FullGaussian"))
def test_log_prob_sums_over_the_event(family: Family) -> None:
    raw = numbers(7, family.parameters, BATCH, 2, 3)
    torch.manual_seed(0)
    picture, flat = family.make(raw, 2), family.make(raw.flatten(2), 1)
    value = picture.sample()
    torch.testing.assert_close(picture.log_prob(value), flat.log_prob(value.flatten(1)), rtol=1e-12, atol=1e-12)
    twice = family.make(torch.cat([raw, raw], -1), 2).log_prob(torch.cat([value, value], -1))
    torch.testing.assert_close(twice, 2 * picture.log_prob(value), rtol=1e-12, atol=1e-12)  # nats add
