"""Terms on the rate and on the aggregate posterior against sums written out, enumeration and closed forms."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from tests.laws.tables import numbers
from torch import Tensor

from vaekit import distributions as d
from vaekit.models import Trace
from vaekit.objectives import (
    KL,
    MMD,
    RBF,
    Capacity,
    CovarianceOfMeans,
    CovarianceOfSamples,
    FreeBits,
    InverseMultiquadric,
    MutualInformation,
    SlicedWasserstein,
    TotalCorrelation,
    schedules,
)

N, D = 6, 3


def traced(rows: Any = slice(None), *, loc: Tensor | None = None, z: Tensor | None = None) -> Trace:
    """A trace of N items with posteriors of their own, without a model."""
    loc = numbers(1, N, D) if loc is None else loc
    q = d.DiagonalGaussian(loc[rows], 0.3 * numbers(2, len(loc), D)[rows])
    draw = (loc + 0.5 * numbers(3, len(loc), D) if z is None else z)[rows]
    p = d.StandardGaussian(torch.zeros(D).double())
    return Trace(loc[rows], None, ((q, p, draw.unsqueeze(0)),), p)


def densities(trace: Trace, at: Tensor) -> Tensor:
    """q(z_j | x_n) of every item, latent and draw, (draws, N, D), one at a time."""
    q: Any = trace.q
    return torch.stack([torch.stack([torch.distributions.Normal(q.loc[n], q.scale[n]).log_prob(z).exp()
                                     for n in range(len(q.loc))]) for z in at])  # fmt: skip


def told(term: Any, n: int) -> Any:
    term.before_fit(torch.zeros(1), {}, n)
    return term


def test_with_all_items_in_the_batch_q_of_z_is_exact() -> None:
    trace = traced()
    each = densities(trace, trace.z[0])  # (N, N, D)
    joint, marginals = each.prod(2).mean(1).log(), each.mean(1).log()
    tc = told(TotalCorrelation(), N)(None, trace)
    torch.testing.assert_close(tc, joint - marginals.sum(1), rtol=1e-10, atol=1e-10)
    mi = told(MutualInformation(), N)(None, trace)
    torch.testing.assert_close(mi, trace.log_q[0] - joint, rtol=1e-10, atol=1e-10)
    # mi + tc + dimension-wise KL = log q(z|x) - log p(z)
    dimensions = marginals.sum(1) - trace.log_p[0]
    torch.testing.assert_close(mi + tc + dimensions, (trace.log_q - trace.log_p)[0], rtol=1e-10, atol=1e-10)


def test_the_estimate_of_q_is_unbiased_over_batches() -> None:
    """The mean over all batches of three that hold item 0 is the mean over all items, exactly."""
    whole, term = traced(), told(MutualInformation(), N)
    exact = densities(whole, whole.z[0])[0].prod(1).mean()
    found = []
    for others in itertools.combinations(range(1, N), 2):
        trace = traced([0, *others])
        found.append((trace.log_q[0] - term(None, trace))[0].exp())
    assert len(found) == 10
    torch.testing.assert_close(torch.stack(found).mean(), exact, rtol=1e-12, atol=0)


def test_the_first_nats_of_a_latent_are_free() -> None:
    loc = numbers(1, N, D).requires_grad_()
    trace = traced(loc=loc)
    each = trace.kl_each.mean(0)
    floor = float(each.sort().values[1]) + 1e-6  # above two of three
    value = FreeBits(floor)(None, trace)
    torch.testing.assert_close(value, 2 * torch.tensor(floor).double() + each.max(), rtol=1e-6, atol=0)
    (grad,) = torch.autograd.grad(value, loc, retain_graph=True)
    assert (grad.abs().sum(0) > 0).tolist() == (each == each.max()).tolist(), "a latent below the floor is moved"
    torch.testing.assert_close(FreeBits(0.0)(None, trace), KL()(None, trace).mean(), rtol=1e-10, atol=0)
    torch.testing.assert_close(FreeBits(0.0, group=2)(None, trace), KL()(None, trace).mean(), rtol=1e-10, atol=0)
    grouped = FreeBits(100.0, group=2)(None, trace)
    assert float(grouped) == 200.0


def test_the_capacity_pulls_from_both_sides() -> None:
    trace = traced()
    rate = float(KL()(None, trace).mean())
    assert float(Capacity(10.0, rate + 2)(None, trace)) == pytest.approx(20.0)
    assert float(Capacity(10.0, rate - 2)(None, trace)) == pytest.approx(20.0)
    growing = Capacity(1.0, schedules.Linear(0.0, 2 * rate, steps=10))
    for part in growing.walk("after_step"):
        part.after_step(5)
    assert float(growing(None, trace)) == pytest.approx(0.0, abs=1e-5)


def test_covariances_are_those_written_out() -> None:
    trace = traced()
    q: Any = trace.q
    centred = q.loc - q.loc.mean(0)
    of_means = centred.T @ centred / N
    for term, covariance in (
        (CovarianceOfMeans(2.0, 3.0), of_means),
        (CovarianceOfSamples(2.0, 3.0), of_means + torch.diag(q.variance.mean(0))),
    ):
        wanted = sum(
            (2.0 * covariance[i, j] ** 2 if i != j else 3.0 * (covariance[i, i] - 1) ** 2)
            for i in range(D) for j in range(D)
        )  # fmt: skip
        torch.testing.assert_close(term(None, trace), wanted, rtol=1e-10, atol=0)
    signs = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=D))).double()  # mean 0, covariance I
    assert float(CovarianceOfMeans()(None, traced(loc=signs))) == pytest.approx(0.0, abs=1e-20)


def test_one_latent_has_a_covariance_too() -> None:
    trace = traced(loc=numbers(1, N, D))
    q = d.DiagonalGaussian(trace.q.loc[:, :1], trace.q.log_scale[:, :1])  # type: ignore[attr-defined]
    one = Trace(trace.x, None, ((q, trace.p, trace.z[..., :1]),), trace.p)
    found = CovarianceOfMeans(2.0, 3.0)(None, one)
    torch.testing.assert_close(found, 3.0 * (q.loc.var(correction=0) - 1).square(), rtol=1e-10, atol=0)


@pytest.mark.parametrize("kernel", [RBF(), InverseMultiquadric()], ids=["RBF", "IMQ"])
def test_mmd_is_the_mean_over_pairs(kernel: Any) -> None:
    trace = traced()
    torch.manual_seed(0)
    found = MMD(kernel)(None, trace)
    torch.manual_seed(0)
    z, p = trace.z[0], trace.p.sample((N,))

    def k(a: Tensor, b: Tensor) -> float:
        square = float((a - b).square().sum())
        if isinstance(kernel, RBF):
            return math.exp(-square / (2 * D))
        return sum(2 * D * s / (2 * D * s + square) for s in (0.1, 0.2, 0.5, 1, 2, 5, 10))

    wanted = sum(k(a, b) for a in z for b in z) + sum(k(a, b) for a in p for b in p)
    wanted -= 2 * sum(k(a, b) for a in z for b in p)
    assert float(found) == pytest.approx(wanted / N**2, rel=1e-9)
    one = MMD(kernel)(None, traced(slice(0, 1)))
    assert bool(one.isfinite()) and float(one) >= 0, "a batch of one"


def test_mmd_is_the_closed_form_of_gaussians() -> None:
    """For z ~ N(m, I): 2 (s/(s+2))^(D/2) (1 - exp(-|m|^2 / (2 (s + 2)))) with s = D the kernel's variance."""
    n, m = 3000, torch.tensor([1.0, 0.5, 0.0]).double()
    z = numbers(5, n, D) + m
    trace = traced(loc=z, z=z)
    torch.manual_seed(0)
    found = float(MMD()(None, trace))
    c = (D / (D + 2)) ** (D / 2)
    wanted = 2 * c * (1 - math.exp(-float(m.square().sum()) / (2 * (D + 2))))
    assert abs(found - wanted) < 0.01  # 2 / n of items with themselves, and sampling of 1 / sqrt(n) of the value


def test_the_sliced_distance_of_a_shift_is_its_square_over_the_latents() -> None:
    n, m = 4000, torch.tensor([3.0, 1.0, 0.0]).double()
    z = numbers(5, n, D) + m
    torch.manual_seed(0)
    found = float(SlicedWasserstein(2000)(None, traced(loc=z, z=z)))
    assert abs(found - float(m.square().sum()) / D) < 0.15  # of 3.33: 2,000 directions
    torch.manual_seed(0)
    at_home = float(SlicedWasserstein(200)(None, traced(loc=z - m, z=z - m)))
    assert at_home < 0.02
