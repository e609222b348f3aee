"""Log-probabilities where formulas break: the logistic's tails, and the continuous Bernoulli around logit 0."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import scipy.integrate
import torch

from vaekit.distributions import Bernoulli, BinaryConcrete, ContinuousBernoulli, DiscretizedLogistic

mpmath.mp.dps = 60
pytestmark = pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")  # at float64 rounding


def logistic_mass(x: float, loc: float, log_scale: float, levels: int) -> float:
    """log of the mass of one level, in many digits."""
    mpmath.mp.dps = 1200  # the difference of two numbers that are one to e^-2600
    half, scale = mpmath.mpf(1) / (levels - 1), mpmath.exp(log_scale)

    def above(v: mpmath.mpf) -> mpmath.mpf:
        return 1 / (1 + mpmath.exp((v - loc) / scale))

    upper = mpmath.mpf(0) if x > 1 - float(half) else above(mpmath.mpf(x) + half)
    lower = mpmath.mpf(1) if x < -1 + float(half) else above(mpmath.mpf(x) - half)
    return float(mpmath.log(lower - upper))


@pytest.mark.parametrize("log_scale", [-7.0, -4.0, -1.0, 3.0])
@pytest.mark.parametrize("loc", [-1.4, -0.9, 0.003, 1.0])
def test_discretized_logistic_at_every_distance(loc: float, log_scale: float) -> None:
    values = torch.linspace(-1, 1, 256, dtype=torch.float64)[[0, 1, 7, 120, 127, 128, 200, 254, 255]]
    want = torch.tensor([logistic_mass(float(v), loc, log_scale, 256) for v in values], dtype=torch.float64)
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 3e-4)):
        # float32 holds x - loc to 1e-7, which a scale of e^-7 multiplies by a thousand
        p = DiscretizedLogistic(torch.tensor([loc], dtype=dtype), torch.tensor([log_scale], dtype=dtype), 256, 1)
        got = p.log_prob(values.to(dtype)[:, None])
        torch.testing.assert_close(got.double(), want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("log_scale", [-7.0, -5.0, -2.0, 0.0, 3.0])
@pytest.mark.parametrize("loc", [-1.2, -0.3, 0.99])
def test_discretized_logistic_mean_and_mode_are_the_sums(loc: float, log_scale: float) -> None:
    p = DiscretizedLogistic(torch.tensor([loc]).double(), torch.tensor([log_scale]).double(), 256, 1)
    x = torch.linspace(-1, 1, 256, dtype=torch.float64)
    mass = p.log_prob(x[:, None]).exp()
    assert float(p.mean) == pytest.approx(float((mass * x).sum()), abs=1 / 255)  # half a level
    assert float(p.mode) == pytest.approx(float(x[mass.argmax()]), abs=1e-9)


LOGITS = [0.0, 1e-8, -1e-4, 9.9e-3, 1.01e-2, -0.3, 2.0, -15.0, 80.0]


@pytest.mark.parametrize("logit", LOGITS)
def test_continuous_bernoulli_against_sixty_digits(logit: float) -> None:
    value = mpmath.mpf(logit)
    normaliser = mpmath.mpf(2) if logit == 0 else value / mpmath.tanh(value / 2)
    mean = mpmath.mpf("0.5") if logit == 0 else 1 / (1 - mpmath.exp(-value)) - 1 / value
    p = ContinuousBernoulli(torch.tensor([logit], dtype=torch.float64))
    assert float(p.log_normaliser_each()) == pytest.approx(float(mpmath.log(normaliser)), abs=1e-10)  # the next term
    assert float(p.mean) == pytest.approx(float(mean), abs=2e-9)  # l^3 / 720 at the seam
    for x in (0.0, 0.25, 1.0):
        want = mpmath.log(normaliser) + value * x - mpmath.log(1 + mpmath.exp(value))
        assert float(p.log_prob(torch.tensor([x]).double())) == pytest.approx(float(want), abs=1e-9)


@pytest.mark.parametrize("logit", LOGITS)
def test_continuous_bernoulli_integrates_by_adaptive_quadrature(logit: float) -> None:
    p = ContinuousBernoulli(torch.tensor([logit], dtype=torch.float64))
    total, _ = scipy.integrate.quad(lambda x: float(p.log_prob(torch.tensor([x]).double()).exp()), 0, 1, limit=200)
    assert total == pytest.approx(1.0, abs=1e-8)


def test_continuous_bernoulli_is_smooth_across_its_seam() -> None:
    """Where the series takes over, neither values nor gradients jump."""
    found = []
    for logit in (0.01 - 1e-9, 0.01 + 1e-9):
        raw = torch.tensor([logit], dtype=torch.float64, requires_grad=True)
        p = ContinuousBernoulli(raw)
        value = p.log_prob(torch.tensor([0.8]).double()).sum()
        found.append((value.item(), torch.autograd.grad(value, raw)[0].item(), p.mean.item()))
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=2e-8)  # l^3 / 720 in the slope


@pytest.mark.parametrize("logit", [-200.0, -80.0, -20.0, 0.0, 20.0, 80.0])
def test_bernoulli_is_exact_in_its_logits(logit: float) -> None:
    value = mpmath.mpf(logit)
    for x in (0.0, 1.0):
        raw = torch.tensor([logit], dtype=torch.float64, requires_grad=True)
        score = Bernoulli(raw).log_prob(torch.tensor([x]).double()).sum()
        want = -mpmath.log(1 + mpmath.exp(-value)) if x else -mpmath.log(1 + mpmath.exp(value))
        assert score.item() == pytest.approx(float(want), abs=1e-13, rel=1e-13)
        slope = x - float(1 / (1 + mpmath.exp(-value)))
        assert torch.autograd.grad(score, raw)[0].item() == pytest.approx(slope, abs=1e-15)


def test_concrete_log_prob_is_that_of_the_logit_with_its_jacobian() -> None:
    logits, t = torch.linspace(-3, 3, 5, dtype=torch.float64), torch.tensor(0.6, dtype=torch.float64)
    torch.manual_seed(0)
    u = torch.distributions.relaxed_bernoulli.LogitRelaxedBernoulli(t, logits=logits).sample((50,))
    x = u.sigmoid()
    base = torch.distributions.relaxed_bernoulli.LogitRelaxedBernoulli(t, logits=logits).log_prob(u)
    got = BinaryConcrete(logits, 0.6, 0).log_prob(x)
    torch.testing.assert_close(got, base - x.log() - torch.log1p(-x), rtol=1e-9, atol=1e-9)
