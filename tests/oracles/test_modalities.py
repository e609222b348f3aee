"""Several modalities against linear Gaussian models, whose joint, marginals and posteriors are all known."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from tests.laws.tables import numbers
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, kl_divergence

import vaekit as vk
from vaekit import evaluation, likelihoods, posteriors, priors, recipes
from vaekit.data import Modalities
from vaekit.distributions import DiagonalGaussian, EqualMixture
from vaekit.likelihoods import FixedScale, Joint, PerDimensionScale
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.networks import Columns
from vaekit.objectives import (
    ELBO,
    MIWAE,
    CrossELBO,
    Distortion,
    ExpertKL,
    FromSubsets,
    OfSubsets,
    RandomSubsets,
    as_game,
)
from vaekit.storage import load_model, save_model
from vaekit.training import Batch, Step

SIZES = {"wide": 3, "bit": 2, "sheet": 4}
NOISE = {"wide": 0.3, "bit": 0.6, "sheet": 0.5}
NAMES = tuple(SIZES)
SUBSETS = [list(s) for size in (1, 2, 3) for s in itertools.combinations(NAMES, size)]


class Linear:
    """x_m = A_m u_m + b_m + noise, u_m the latents that modality m reads; A_m has orthogonal columns.

    The posterior of any subset is then a diagonal Gaussian, and the product of the prior and experts that are exact.
    """

    def __init__(self, shared: int, private: int = 0) -> None:
        self.shared, self.private = shared, private
        self.latents = shared + private * len(NAMES)
        self.modalities = Modalities((sum(SIZES.values()),), {name: (size,) for name, size in SIZES.items()})
        self.reads, self.a, self.b = {}, {}, {}
        for m, name in enumerate(NAMES):
            own = shared + m * private
            self.reads[name] = [*range(shared), *range(own, own + private)]
            columns = torch.linalg.qr(numbers(10 + m, SIZES[name], shared + private))[0]
            self.a[name] = columns * (0.6 + numbers(20 + m, shared + private).abs())
            self.b[name] = numbers(30 + m, SIZES[name])

    def joint(self, names: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """W (D, latents), b and noise variances of these modalities side by side."""
        rows = []
        for name in names:
            row = torch.zeros(SIZES[name], self.latents).double()
            row[:, self.reads[name]] = self.a[name]
            rows.append(row)
        noise = torch.cat([torch.full((SIZES[n],), NOISE[n], dtype=torch.float64) for n in names])
        return torch.cat(rows), torch.cat([self.b[n] for n in names]), noise

    def log_p(self, x: Tensor, names: Sequence[str] = NAMES) -> Tensor:
        """The exact log p of these modalities, (B,)."""
        w, b, noise = self.joint(names)
        return MultivariateNormal(b, w @ w.T + torch.diag(noise)).log_prob(self.pieces(x, names))

    def pieces(self, x: Tensor, names: Sequence[str]) -> Tensor:
        return torch.cat([self.modalities.split(x)[n] for n in names], -1)

    def posterior(self, x: Tensor, names: Sequence[str] = NAMES) -> MultivariateNormal:
        """The exact p(z | these modalities)."""
        w, b, noise = self.joint(names)
        precision = torch.eye(self.latents).double() + w.T @ (w / noise[:, None])
        mean = torch.linalg.solve(precision, ((self.pieces(x, names) - b) / noise) @ w, left=False)
        return MultivariateNormal(mean, precision_matrix=precision)

    def expert(self, name: str, *, whole: bool = False, off: float = 0.0) -> Any:
        """A Gaussian posterior: the likelihood as a function of z, or with the prior in it; `off` makes it wrong."""
        a, c, size = self.a[name], NOISE[name], SIZES[name]
        precision = a.square().sum(0) / c + (1.0 if whole else 0.0)
        q: Any = posteriors.Gaussian(nn.Identity(), len(precision), features=size).double()
        with torch.no_grad():
            q.head.layer.weight.zero_()
            q.head.layer.weight[: len(precision)] = (a / c).T / precision[:, None]
            q.head.layer.bias[: len(precision)] = -q.head.layer.weight[: len(precision)] @ self.b[name] + off
            q.head.layer.bias[len(precision) :] = -0.5 * precision.log() + off
        return q

    def experts(self, **how: Any) -> dict[str, Any]:
        return {name: self.expert(name, **how) for name in NAMES}

    def model(self, posterior: Any) -> Any:
        parts = {}
        for name in NAMES:
            net = Columns(self.reads[name], nn.Identity())
            p: Any = likelihoods.Gaussian(
                net, (SIZES[name],), scale=FixedScale(NOISE[name]), features=len(self.reads[name])
            ).double()
            with torch.no_grad():
                p.head.layer.weight.copy_(self.a[name])
                p.head.layer.bias.copy_(self.b[name])
                p.scale.log_scale = p.scale.log_scale.double().fill_(0.5 * math.log(NOISE[name]))
            parts[name] = p
        prior = priors.StandardNormal(self.latents)
        return VAE(prior, posterior, Joint(parts, self.modalities)).double().eval()

    def data(self, n: int = 6) -> Tensor:
        w, b, noise = self.joint(NAMES)
        return numbers(1, n, self.latents) @ w.T + b + numbers(2, n, len(b)) * noise.sqrt()


def near(got: Tensor, want: Tensor, tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(got, want, rtol=tolerance, atol=tolerance)  # float64, other orders of sums


def mean_of(values: Tensor, want: Tensor) -> None:
    """Draws (K, B) have this mean, to four and a half standard errors."""
    error = values.std(0) / len(values) ** 0.5
    assert bool(((values.mean(0) - want).abs() < 4.5 * error + 1e-9).all()), (values.mean(0) - want) / error


@functools.lru_cache
def world(shared: int = 2, private: int = 0) -> Linear:
    return Linear(shared, private)


# -- products ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", SUBSETS, ids="+".join)
def test_a_product_of_exact_experts_is_the_posterior_of_any_subset(names: list[str]) -> None:
    """And the bound is log p of what is seen: a missing modality is the model without it."""
    w = world()
    model, x = w.model(posteriors.ProductOfExperts(w.experts(), w.modalities)), w.data()
    left = w.modalities.only(x, names)
    q, want = model.encode(left), w.posterior(x, names)
    near(q.mean, want.mean)
    near(q.variance, want.variance)
    trace = model.trace(left, samples=5)
    near(trace.log_w, w.log_p(x, names).expand(5, -1))
    near(ELBO(samples=50_000).bound(model, model.trace(left, samples=50_000)), w.log_p(x, names), 0.03)  # of draws
    near(model.log_prob(left, samples=3), w.log_p(x, names))


def test_nothing_seen_is_the_prior() -> None:
    w = world()
    nothing = torch.full((3, 9), torch.nan).double()
    none = torch.zeros(3, 2).double()
    for family in (posteriors.ProductOfExperts, posteriors.MixtureOfExperts):
        model = w.model(family(w.experts(off=0.1), w.modalities))
        q = model.encode(nothing)
        near(q.mean, none)
        near(q.variance, none + 1)
        near(model.trace(nothing).log_w, torch.zeros(1, 3).double())  # log p of nothing is 0
        loss = ELBO()(model, model.trace(nothing)).sum()
        grads = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
        assert all(g is None or bool((g == 0).all()) for g in grads)


@pytest.mark.parametrize("kind", ["product", "mixture", "subsets", "joint", "shared", "shared mixture"])
def test_the_bound_is_log_p_less_the_distance_from_the_posterior(kind: str) -> None:
    """ELBO = log p(x) - KL(q || p(z|x)) for wrong experts, whatever is seen; by quadrature for mixtures."""
    private = int("shared" in kind)
    w = world(1, private)
    experts = w.experts(off=0.2)
    joint = posteriors.Gaussian(nn.Identity(), 1, features=9).double()
    make = {
        "product": lambda: posteriors.ProductOfExperts(experts, w.modalities),
        "mixture": lambda: posteriors.MixtureOfExperts(experts, w.modalities),
        "subsets": lambda: posteriors.MixtureOfExperts(experts, w.modalities, subsets=SUBSETS),
        "joint": lambda: posteriors.JointOrExperts(joint, experts, w.modalities),
        "shared": lambda: posteriors.SharedAndPrivate(experts, w.modalities, shared=1),
        "shared mixture": lambda: posteriors.MixtureOfShared(experts, w.modalities, shared=1),
    }[kind]
    model = w.model(make())
    for names in (list(NAMES), ["wide", "sheet"], ["bit"]):
        x = w.data()
        left, exact, log_p = w.modalities.only(x, names), w.posterior(x, names), w.log_p(x, names)
        q = model.encode(left)
        if isinstance(q, EqualMixture):
            z = q.sample((60_000,))
            gap = q.log_prob(z) - exact.log_prob(z)
            want, error = log_p - gap.mean(0), gap.std(0) / len(z) ** 0.5
            if z.shape[-1] == 1:
                line = torch.linspace(-15, 15, 30_001, dtype=torch.float64)
                density = q.log_prob(line.view(-1, 1, 1))  # (G, B)
                step = line[1] - line[0]
                total = (density.exp() * step).sum(0)
                near(total, torch.ones_like(total), 1e-9)  # the trapezium rule, exact for what vanishes at the ends
                gap = density - exact.log_prob(line.view(-1, 1, 1))
                want, error = log_p - (density.exp() * gap * step).sum(0), torch.zeros(len(x)).double()
        else:
            want = log_p - kl_divergence(MultivariateNormal(q.mean, torch.diag_embed(q.variance)), exact)
            error = torch.zeros(len(x)).double()
        torch.manual_seed(0)
        log_w = model.trace(left, samples=30_000).log_w
        spread = log_w.std(0) / len(log_w) ** 0.5
        assert bool(((log_w.mean(0) - want).abs() < 4.5 * torch.hypot(spread, error) + 1e-9).all())
        assert bool((want < log_p).all())
        weights = (log_w - log_p).exp()
        mean_of(weights, torch.ones_like(log_p))  # importance sampling is exact in the mean


# -- mixtures ---------------------------------------------------------------------------------------------------


def test_parts_of_a_mixture_are_the_products_of_its_subsets() -> None:
    w = world()
    every = posteriors.MixtureOfExperts.all_subsets(w.modalities)
    assert every == SUBSETS
    experts = w.experts(off=0.2)
    posterior: Any = posteriors.MixtureOfExperts(experts, w.modalities, subsets=every)
    x = w.data()
    q = posterior(x)
    beliefs = {n: experts[n](w.modalities.split(x)[n]) for n in NAMES}
    for s, names in enumerate(every):
        precision = sum(beliefs[n].variance.reciprocal() for n in names)
        mean = sum(beliefs[n].mean / beliefs[n].variance for n in names) / precision
        near(q.parts.loc[:, s], mean)
        near(q.parts.variance[:, s], 1 / precision)
    assert bool(q.there[:, :7].all()) and not bool(q.there[:, 7].any())
    left = posterior(w.modalities.only(x, ["wide", "sheet"]))
    found = [names for names, there in zip(every, left.there[0, :7].tolist(), strict=True) if there]
    assert found == [["wide"], ["sheet"], ["wide", "sheet"]]
    near(left.parts.loc[:, [0, 2, 4]], q.parts.loc[:, [0, 2, 4]])


def test_draws_come_from_all_parts_in_equal_shares() -> None:
    """Exactly where their number is a multiple, within one else; and each draw alone is from any part alike."""
    there = torch.tensor([[True, True, True, False], [True, False, True, False], [False, False, False, True]])
    loc = (100.0 * torch.arange(4)).view(1, 4, 1).expand(3, 4, 1)
    q = EqualMixture(DiagonalGaussian(loc, torch.zeros_like(loc)), there)
    for k in (6, 7, 1):
        torch.manual_seed(k)
        parts = (q.sample((k,)) / 100).round().long().squeeze(-1)  # (K, B)
        for b, allowed in enumerate(([0, 1, 2], [0, 2], [3])):
            counts = [(parts[:, b] == s).sum().item() for s in range(4)]
            assert sum(counts[s] for s in allowed) == k
            assert max(counts[s] for s in allowed) - min(counts[s] for s in allowed) <= (1 if k % len(allowed) else 0)
    torch.manual_seed(0)
    draws = torch.stack([q.strata(4) for _ in range(4000)])  # (N, K, B)
    for b, allowed in enumerate(([0, 1, 2], [0, 2], [3])):
        for s in allowed:
            share = (draws[:, :, b] == s).double().mean(0)  # of each of the four draws
            p = 1 / len(allowed)
            assert bool(((share - p).abs() < 4 * (p * (1 - p) / 4000) ** 0.5 + 1e-9).all())


def test_single_draws_have_the_mixtures_density() -> None:
    """Kolmogorov and Smirnov's test of one draw for each of many equal items."""
    loc = torch.tensor([-1.0, 0.5, 4.0]).double().view(1, 3, 1).expand(4000, 3, 1)
    scale = torch.tensor([0.0, -1.0, 0.5]).double().view(1, 3, 1).expand(4000, 3, 1)
    q = EqualMixture(DiagonalGaussian(loc, scale), torch.tensor([[True, False, True]]).expand(4000, 3))
    torch.manual_seed(0)

    def below(x: Any) -> Any:
        return 0.5 * scipy.stats.norm(-1, 1).cdf(x) + 0.5 * scipy.stats.norm(4, math.exp(0.5)).cdf(x)

    assert scipy.stats.kstest(q.sample().flatten().numpy(), below).pvalue > 0.01
    with torch.no_grad():
        near(q.log_prob(torch.zeros(4000, 1).double()).exp()[0], _pdf(0.0))


def _pdf(x: float) -> Tensor:
    parts = scipy.stats.norm(-1, 1).pdf(x), scipy.stats.norm(4, math.exp(0.5)).pdf(x)
    return torch.tensor(0.5 * sum(parts), dtype=torch.float64)


def test_the_mixtures_bound_is_the_papers() -> None:
    """1/M sum_m E_{q_m} log 1/2 (w_1 + w_2), w = p(x, z) / q(z|x): two draws, by quadrature over the plane."""
    w = world(1)
    model = w.model(posteriors.MixtureOfExperts(w.experts(off=0.2), w.modalities))
    x = w.data(3)
    q = model.encode(x)
    line = torch.linspace(-9, 9, 301, dtype=torch.float64)
    step = float(line[1] - line[0])
    log_q = q.log_prob(line.view(-1, 1, 1))
    joint = model.likelihood(line.view(-1, 1, 1).expand(-1, 3, 1)).log_prob(x) - 0.5 * line.square()[:, None]
    log_w = joint - 0.5 * math.log(2 * math.pi) - log_q  # (G, B)
    want = torch.zeros(3).double()
    for m in range(3):
        own = DiagonalGaussian(q.parts.loc[:, m], q.parts.log_scale[:, m]).log_prob(line.view(-1, 1, 1)).exp() * step
        pair = torch.logaddexp(log_w[:, None], log_w[None]) - math.log(2)  # (G, G, B)
        want += (own[:, None] * own[None] * pair).sum((0, 1)) / 3
    torch.manual_seed(0)
    found = MIWAE(3, 2).bound(model, model.trace(x.repeat(20_000, 1), samples=6))
    mean_of(found.view(20_000, 3), want)
    assert bool((want < w.log_p(x)).all())


def test_a_mixtures_moments_and_gradient() -> None:
    w = world(1)
    posterior: Any = posteriors.MixtureOfExperts(w.experts(off=0.2), w.modalities, subsets=SUBSETS)
    q = posterior(w.modalities.only(w.data(3), ["wide", "bit"]))
    line = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    mass = q.log_prob(line.view(-1, 1, 1)).exp() * (line[1] - line[0])  # (G, B)
    mean = (mass * line[:, None]).sum(0)
    near(q.mean.squeeze(1), mean)
    near(q.variance.squeeze(1), (mass * (line[:, None] - mean).square()).sum(0))
    parameters = list(posterior.parameters())
    want = torch.autograd.grad((mass * line[:, None].pow(3)).sum(), parameters, allow_unused=True, retain_graph=True)
    torch.manual_seed(0)
    got = torch.autograd.grad(q.rsample((400_000,)).pow(3).mean(0).sum(), parameters, allow_unused=True)
    for a, b in zip(got, want, strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:  # 400,000 draws of a cube
            torch.testing.assert_close(a, b, rtol=0.05, atol=0.05)


# -- objectives -------------------------------------------------------------------------------------------------


def test_mvae_is_the_sum_of_exact_log_p() -> None:
    w = world()
    model, x = w.model(posteriors.ProductOfExperts(w.experts(), w.modalities)), w.data()
    trace = model.trace(x, samples=1)
    alone = sum(w.log_p(x, [name]) for name in NAMES)
    wanted = ELBO(samples=20_000)
    near(-OfSubsets(wanted)(model, trace), alone, 0.05)  # 20,000 draws
    near(-OfSubsets(MIWAE(1, 4))(model, trace), alone)  # whose every draw is exact
    two = -OfSubsets(MIWAE(1, 4), [["bit", "sheet"], ["wide"]])(model, trace)
    near(two, w.log_p(x, ["bit", "sheet"]) + w.log_p(x, ["wide"]))


def test_random_subsets_are_all_equally_likely() -> None:
    w = world()
    model, x = w.model(posteriors.ProductOfExperts(w.experts(), w.modalities)), w.data(2)
    every = torch.stack([w.log_p(x, names) for names in SUBSETS])  # (7, B), all different
    term = RandomSubsets(MIWAE(1, 1), 4)
    torch.manual_seed(0)
    many = x.repeat(3000, 1)
    got = -term(model, model.trace(many)).detach() / 4
    for b in range(2):
        draws = got[b::2]
        error = float(every[:, b].std(correction=0)) / (4 * 3000) ** 0.5
        assert abs(float(draws.mean() - every[:, b].mean())) < 4.5 * error
    one = -RandomSubsets(MIWAE(1, 1), 1)(model, model.trace(many)).detach()
    which = (one.unsqueeze(1) - every.T.repeat(3000, 1)).abs().min(1)
    assert float(which.values.max()) < 1e-8
    share = torch.bincount(which.indices, minlength=7) / len(many)
    assert float((share - 1 / 7).abs().max()) < 4 * (6 / 49 / len(many)) ** 0.5


def test_random_subsets_of_an_incomplete_item_are_those_of_what_it_has() -> None:
    w = world()
    model, x = w.model(posteriors.ProductOfExperts(w.experts(), w.modalities)), w.data(3)
    kinds = [["wide", "sheet"], ["wide"], ["sheet"]]
    every = torch.stack([w.log_p(x[:1], names) for names in kinds])  # (3, 1)
    rows = [w.modalities.only(x[:1], kinds[0]), w.modalities.only(x[1:2], ["bit"]), torch.full_like(x[:1], torch.nan)]
    torch.manual_seed(0)
    many = torch.cat(rows).repeat(3000, 1)
    got = -RandomSubsets(MIWAE(1, 1))(model, model.trace(many)).detach()
    which = (got[::3] - every).abs().min(0)
    assert float(which.values.max()) < 1e-8
    share = torch.bincount(which.indices, minlength=3) / 3000
    assert float((share - 1 / 3).abs().max()) < 4 * (2 / 9 / 3000) ** 0.5
    near(got[1::3], w.log_p(x[1:2], ["bit"]).expand(3000))
    near(got[2::3], torch.zeros(3000).double())


def test_of_an_incomplete_item_each_different_subset_is_encoded_once() -> None:
    """By hand: log p of what it has, less the mean over subsets of the distance of their posterior from the exact."""
    w = world()
    model, x = w.model(posteriors.ProductOfExperts(w.experts(), w.modalities)), w.data(4)
    plain = MultivariateNormal(torch.zeros(1, 2).double(), torch.eye(2).double())
    two = [["wide", "sheet"], ["wide"], ["sheet"]]
    left = torch.cat([
        w.modalities.only(x[:1], ["wide"]), w.modalities.only(x[1:2], two[0]), x[2:3], torch.full_like(x[:1], torch.nan)
    ])  # fmt: skip
    term = MIWAE(40_000, 1)
    torch.manual_seed(0)
    got = -FromSubsets(term)(model, model.trace(left, samples=term.samples)).detach()
    near(got[0], w.log_p(x[:1], ["wide"])[0])  # whose every draw is exact
    for b, subsets in [(1, two), (2, SUBSETS)]:
        row, whole = x[b : b + 1], max(subsets, key=len)
        gaps = [kl_divergence(w.posterior(row, names), w.posterior(row, whole)) for names in subsets]
        near(got[b], (w.log_p(row, whole) - sum(gaps) / len(gaps))[0], 0.03)  # 40,000 draws
    near(got[3], torch.zeros(()).double())
    apart = -FromSubsets(term, [["bit"], ["bit", "sheet"]])(model, model.trace(left[:1], samples=1)).detach()
    want = w.log_p(x[:1], ["wide"]) - kl_divergence(plain, w.posterior(x[:1], ["wide"]))  # nothing of it is encoded
    near(apart, want, 0.03)


def test_expert_kl_and_the_total_correlation_objective() -> None:
    """Against torch's own Gaussians, with one modality missing in some items."""
    w = world()
    x = w.data()
    x[::2] = w.modalities.only(x[::2], ["wide", "sheet"])
    experts = w.experts(off=0.3)
    model = w.model(posteriors.ProductOfExperts(experts, w.modalities, prior=False))
    trace = model.trace(x, samples=3)
    q = torch.distributions.Normal(trace.q.mean, trace.q.variance.sqrt())
    pieces, seen = w.modalities.split(x), w.modalities.seen(x)
    gaps = torch.zeros(len(x)).double()
    for m, name in enumerate(NAMES):
        own = experts[name](torch.nan_to_num(pieces[name]))
        gap = kl_divergence(q, torch.distributions.Normal(own.loc, own.scale)).sum(-1)
        gaps = gaps + torch.where(seen[:, m], gap, 0.0)
    near(ExpertKL()(model, trace), gaps)
    rate = kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(-1)
    row = recipes.mvtcae(shape=(9,), modalities=w.modalities.shapes, latent_dim=2, alpha=0.6, beta=2.5)
    got = row.objective(model, trace)  # type: ignore[operator]
    want = -(3 - 0.6) / 3 * trace.log_px.mean(0) + 2.5 * (0.6 / 3 * gaps + 0.4 * rate)
    near(got, want, 1e-6)  # weights are float32
    plain = recipes.mvtcae(shape=(9,), modalities=w.modalities.shapes, latent_dim=2, alpha=0.0).objective
    near(plain(model, trace), ELBO()(model, trace), 1e-6)  # type: ignore[operator]


def test_jmvae_reaches_log_p_and_its_experts_the_exact_posteriors() -> None:
    """The gap to a single modality's exact posterior is the information that the others bring."""
    w = world()
    weight, b, noise = w.joint(NAMES)
    precision = 1 + (weight.square() / noise[:, None]).sum(0)
    joint: Any = posteriors.Gaussian(nn.Identity(), 2, features=9).double()
    with torch.no_grad():
        joint.head.layer.weight.zero_()
        joint.head.layer.weight[:2] = (weight / noise[:, None]).T / precision[:, None]
        joint.head.layer.bias[:2] = -joint.head.layer.weight[:2] @ b
        joint.head.layer.bias[2:] = -0.5 * precision.log()
    model, x = w.model(posteriors.JointOrExperts(joint, w.experts(whole=True), w.modalities)), w.data()
    trace = model.trace(x, samples=4)
    near(trace.log_w, w.log_p(x).expand(4, -1))
    want = sum(kl_divergence(w.posterior(x), w.posterior(x, [name])) for name in NAMES)
    near(ExpertKL()(model, trace), want)
    for names in ([NAMES[0]], [NAMES[1]], [NAMES[2]], [*NAMES[:2]], [*NAMES[1:]]):  # of several, the prior counts once
        left = w.modalities.only(x, names)
        near(model.trace(left, samples=4).log_w, w.log_p(x, names).expand(4, -1))
    near(-OfSubsets(MIWAE(1, 4))(model, trace), sum(w.log_p(x, [name]) for name in NAMES))


def test_the_triple_elbo_moves_experts_and_decoders_apart() -> None:
    torch.manual_seed(0)
    recipe = recipes.telbo_vae(shape=(9,), modalities=world().modalities.shapes, latent_dim=2, hidden=[6])
    model, x = recipe.model.double(), world().data(16)
    game = as_game(recipe.objective).double()
    losses = game.score(model, game.trace(model, Batch(x, None)))[0]
    players = game.players(model)
    experts = {id(p) for expert in model.posterior.experts for p in expert.parameters()}
    assert {id(p) for p in players["experts"]} == experts
    inner = torch.autograd.grad(losses["model"], players["experts"], retain_graph=True, allow_unused=True)
    assert all(g is None or bool((g == 0).all()) for g in inner)  # where all is seen the experts are not asked
    before = [p.detach().clone() for p in players["model"]]
    still = torch.optim.SGD(players["model"], lr=0.0)
    step = Step(model, game, {"model": still, "experts": torch.optim.SGD(players["experts"], lr=0.1)})
    step(Batch(x, None))
    assert all(torch.equal(a, b) for a, b in zip(before, players["model"], strict=True))


def test_shared_and_private_latents() -> None:
    """With exact experts the bound is log p(x); each cross bound is log p(x) - KL(q_m || p(z, w|x))."""
    w = world(1, 1)
    experts = w.experts()
    for name in NAMES:  # own latents' experts hold their prior; shared ones are multiplied by it
        whole = w.expert(name, whole=True)
        with torch.no_grad():
            for part in ("weight", "bias"):
                ours, theirs = (getattr(q.head.layer, part) for q in (experts[name], whole))
                ours[1::2].copy_(theirs[1::2])
    posterior = posteriors.SharedAndPrivate(experts, w.modalities, shared=1)
    model, x = w.model(posterior), w.data()
    near(model.trace(x, samples=4).log_w, w.log_p(x).expand(4, -1))
    left = w.modalities.only(x, ["wide", "sheet"])
    near(model.trace(left, samples=4).log_w, w.log_p(x, ["wide", "sheet"]).expand(4, -1))
    for names in (list(NAMES), ["wide", "sheet"]):
        exact, want = w.posterior(x, names), torch.zeros(len(x)).double()
        for name in names:
            mean, variance = exact.mean.clone(), exact.variance.clone()
            one = w.posterior(x, [name])
            mean[:, 0], variance[:, 0] = one.mean[:, 0], one.variance[:, 0]
            q = MultivariateNormal(mean, torch.diag_embed(variance))
            want += kl_divergence(q, exact) - w.log_p(x, names)
        torch.manual_seed(0)
        many = w.modalities.only(x, names).repeat(20_000, 1)
        found = CrossELBO()(model, model.trace(many)).view(20_000, -1)
        mean_of(found, want)


def test_a_draw_of_one_modality_takes_the_others_own_latents_from_the_prior() -> None:
    w = world(1, 1)
    experts = w.experts(off=0.1)
    posterior: Any = posteriors.MixtureOfShared(experts, w.modalities, shared=1)
    x = w.data()
    q = posterior(w.modalities.only(x, ["bit", "sheet"]))
    assert q.there[0].tolist() == [False, True, True, False]
    for m, name in enumerate(NAMES[1:], 1):
        own = experts[name](w.modalities.split(x)[name])
        near(q.parts.loc[:, m, 0], own.loc[:, 0])
        near(q.parts.loc[:, m, 1 + m], own.loc[:, 1])
        near(q.parts.log_scale[:, m, 1 + m], own.log_scale[:, 1])
        others = [1 + n for n in range(3) if n != m]
        assert bool((q.parts.loc[:, m, others] == 0).all()) and bool((q.parts.log_scale[:, m, others] == 0).all())


def test_weights_count_in_the_loss_and_nowhere_else() -> None:
    torch.manual_seed(0)
    arguments = {"shape": (9,), "modalities": world().modalities.shapes, "latent_dim": 2, "hidden": [6], "beta": 1.0}
    plain = recipes.mopoe_vae(**arguments)
    heavy = recipes.mopoe_vae(**arguments, weights={"bit": 5.0, "wide": 0.5}).objective
    model, x = plain.model.eval(), world().data().float()
    x[0] = world().modalities.only(x[:1], ["wide"])[0]
    trace = model.trace(x, samples=7)
    lost = {n: -v.mean(0) for n, v in trace.px.observed(x).items()}
    near(heavy(model, trace), plain.objective(model, trace) + 4 * lost["bit"] - 0.5 * lost["wide"], 1e-5)  # float32
    assert float(lost["bit"][0]) == 0 and Distortion("bit").name == "distortion of bit"
    near(sum(lost.values()), -trace.log_px.mean(0), 1e-5)  # type: ignore[arg-type]
    with pytest.raises(Mistake, match="no modality 'bits'.*wide, bit, sheet"):
        Distortion("bits")(model, trace)
    with pytest.raises(Mistake, match="weight -1.0 for bit"):
        recipes.mopoe_vae(**arguments, weights={"bit": -1.0})


def test_weights_stand_in_the_weights_of_draws() -> None:
    """From outside a weight below 1 would reward draws that hardly count for a worse likelihood, without end."""
    torch.manual_seed(0)
    arguments = {"shape": (9,), "modalities": world().modalities.shapes, "latent_dim": 2, "hidden": [6]}
    plan = recipes.mmvae(**arguments, samples=4, weights={"bit": 5.0, "wide": 0.5})
    model, x = plan.model.eval(), world().data().float()
    trace = model.trace(x, samples=12)
    scores = trace.px.observed(x)
    log_w = trace.log_w + 4 * scores["bit"] - 0.5 * scores["wide"]  # (3 experts of 4 draws, B)
    want = -(log_w.view(3, 4, -1).logsumexp(1) - math.log(4)).mean(0)
    near(plan.objective(model, trace), want, 1e-5)  # float32


# -- from some modalities to others -----------------------------------------------------------------------------


def test_log_p_of_a_modality_given_others() -> None:
    w = world()
    x = w.data()
    model = w.model(posteriors.ProductOfExperts(w.experts(), w.modalities))
    for names in (["wide"], ["bit", "sheet"]):
        found = evaluation.conditional_log_likelihoods(model, x, w.modalities.mask(names), samples=3)
        near(found.log_p, w.log_p(x) - w.log_p(x, names))
    mixed = w.model(posteriors.MixtureOfExperts(w.experts(), w.modalities))
    found = evaluation.conditional_log_likelihoods(mixed, x, w.modalities.mask(["wide"]), samples=20_000)
    exact = w.log_p(x) - w.log_p(x, ["wide"])
    assert bool(((found.log_p - exact).abs() < 4.5 * found.error).all())


@pytest.mark.parametrize("names", SUBSETS[:-1], ids="+".join)
def test_others_are_made_from_what_is_seen(names: list[str]) -> None:
    """E[x | some modalities] of a joint Gaussian; draws of z and x have its conditional mean and covariance."""
    w = world()
    x = w.data(2)
    model = w.model(posteriors.ProductOfExperts(w.experts(), w.modalities))
    left = w.modalities.only(x, names)
    weight, b, noise = w.joint(NAMES)
    near(model.reconstruct(left, mean=True), w.posterior(x, names).mean @ weight.T + b)
    torch.manual_seed(0)
    drawn = model.decode(model.encode(left).sample((40_000,))).sample()
    mean_of(drawn.flatten(1), (w.posterior(x, names).mean @ weight.T + b).flatten())
    spread = weight @ w.posterior(x, names).covariance_matrix[0] @ weight.T + torch.diag(noise)
    near(torch.cov(drawn[:, 0].T), spread, 0.05)  # 40,000 draws


@pytest.mark.parametrize("family", [posteriors.ProductOfExperts, posteriors.MixtureOfExperts])
def test_what_is_missing_is_filled_in_whatever_the_experts_think(family: Any) -> None:
    """The exact conditional mean and the spread of draws, from experts that are wrong, by importance weights."""
    w = world()
    x = w.data(2)
    model = w.model(family(w.experts(off=0.2), w.modalities))
    left = w.modalities.only(x, ["bit", "wide"])
    weight, b, noise = w.joint(NAMES)
    exact = w.posterior(x, ["bit", "wide"])
    torch.manual_seed(0)
    near(evaluation.mean_imputation(model, left, samples=20_000), exact.mean @ weight.T + b, 0.03)  # 20,000 draws
    drawn = evaluation.drawn_imputations(model, left, draws=2000, samples=2000)
    spread = weight @ exact.covariance_matrix[0] @ weight.T + torch.diag(noise)
    near(torch.cov(drawn[:, 0].T)[5:, 5:], spread[5:, 5:], 0.15)  # 2,000 draws: their covariance to 7 %


# -- items and their pieces -------------------------------------------------------------------------------------


def test_items_are_cut_and_joined() -> None:
    halves = Modalities((2, 3, 5))
    x = numbers(3, 4, 2, 3, 5)
    pieces = halves.split(x)
    assert torch.equal(pieces["first"], x[..., :3]) and torch.equal(pieces["second"], x[..., 3:])
    assert torch.equal(halves.join(pieces), x)
    flat = Modalities((8,), {"z": (2, 3), "a": (2,)})
    draws = numbers(4, 7, 4, 8)
    assert torch.equal(flat.split(draws)["z"], draws[..., :6].unflatten(-1, (2, 3)))
    assert torch.equal(flat.join(dict(reversed(flat.split(draws).items()))), draws)
    some = flat.join({"a": torch.ones(3, 2, dtype=torch.int64)})
    assert bool(some[:, :6].isnan().all()) and torch.equal(some[:, 6:], torch.ones(3, 2))
    assert flat.seen(some).tolist() == [[False, True]] * 3
    assert flat.mask(["a"]).tolist() == [False] * 6 + [True] * 2
    assert torch.equal(flat.only(torch.ones(1, 8), ["a"]).isnan()[0], ~flat.mask(["a"]))


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: Modalities((8,), {"a": (4,), "b": (3,)}), "add up to 8"),
        (lambda: Modalities((2, 4), {"a": (3,), "b": (5,)}), "cannot be cut along their last axis"),
        (lambda: Modalities((8,), {"a": (8,)}), "two or more"),
        (lambda: Modalities((1,)), "no two halves"),
        (lambda: Modalities((4,)).only(torch.ones(1, 4), ["frst"]), "no modality 'frst'.*first, second"),
        (lambda: Modalities((4,)).join({"first": torch.ones(3, 3)}), r"wanted \(3, 2\)"),
        (lambda: recipes.mvae(shape=(4,), likelihood={"first": likelihoods.Gaussian()}), "second has none"),
        (lambda: posteriors.ProductOfExperts({}, Modalities((4,))), "one for each of first, second"),
        (lambda: CrossELBO()(*_small("mvae")), "SharedAndPrivate"),
        (lambda: ExpertKL()(*_small("mmvae")), "ProductOfExperts"),
        (lambda: OfSubsets(ELBO())(*_small("vae")), "'mvae'"),
    ],
)
def test_mistakes_are_said(call: Any, words: str) -> None:
    with pytest.raises(Mistake, match=words):
        call()


def _small(name: str) -> tuple[Any, Any]:
    model = getattr(recipes, name)(shape=(4,), latent_dim=2, hidden=[3]).model
    return model, model.trace(torch.zeros(2, 4))


def test_each_part_begins_at_the_items_that_have_its_modality() -> None:
    """Once, at its own piece: the mean of the items that are there, not of zeros in place of what is missing."""
    x = 0.1 * numbers(5, 40, 6).float() + 5
    x[::2, 2:] = torch.nan
    model: Any = recipes.mvae(shape=(6,), modalities={"b": (2,), "a": (4,)}, latent_dim=2, hidden=[5]).model
    parts = model.walk("before_fit")
    assert {type(part).__name__ for part in parts} == {"ProductOfExperts", "Joint"}
    with torch.no_grad():
        for part in parts:
            part.before_fit(x, {}, 40)
    near(model.likelihood.parts[1].head.layer.bias, x[1::2, 2:].mean(0), 1e-5)
    near(model.likelihood.parts[0].head.layer.bias, x[:, :2].mean(0), 1e-5)
    codes = model.posterior.experts[1](x[1::2, 2:])
    near(codes.loc.mean(0), torch.zeros(2), 1e-4)
    near(torch.cov(codes.loc.T, correction=0), torch.eye(2), 1e-3)  # float32


def test_named_levels_enter_and_leave() -> None:
    """A label and a vector: log p(label | vector) by enumeration of the label, from the model's own joint."""
    torch.manual_seed(0)
    parts = {"label": likelihoods.Categorical(levels=3), "point": likelihoods.Gaussian()}
    recipe = recipes.mvae(shape=(3,), modalities={"label": (1,), "point": (2,)}, likelihood=parts, hidden=[8])
    model: Any = recipe.model.double().eval()
    point = numbers(6, 4, 2)
    whole = torch.stack([torch.cat([torch.full((4, 1), float(k)).double(), point], 1) for k in range(3)])
    torch.manual_seed(1)
    log_joint = torch.stack([model.log_prob(x, samples=20_000) for x in whole])  # (3, B)
    alone = model.log_prob(model.posterior.modalities.only(whole[0], ["point"]), samples=20_000)
    near(log_joint.logsumexp(0), alone, 0.03)  # 20,000 draws of each
    made = model.reconstruct(model.posterior.modalities.only(whole[0], ["point"]), mean=False)
    assert set(made[:, 0].tolist()) <= {0.0, 1.0, 2.0}
    x = whole[1].clone()
    x[0, 0] = 7
    with pytest.raises(Mistake, match="cannot produce"):
        model.log_prob(x)


def test_a_template_is_left_as_it_was_and_serves_each_modality_apart(tmp_path: Path) -> None:
    """PEERS M1: a scale that was given was taken out of the settings, and a model that was loaded had another."""
    template = likelihoods.Gaussian(scale=FixedScale(0.25))
    for _ in range(2):
        model: Any = recipes.mvae(shape=(4,), likelihood=template, hidden=[3]).model
        assert template.arguments["scale"].arguments == {"c": 0.25} and not hasattr(template, "net")
    save_model(model, tmp_path, version="0")
    for made in (model, load_model(tmp_path)):
        assert torch.equal(made.likelihood(torch.zeros(1, 2)).variance, torch.full((1, 4), 0.25))
    each = recipes.mvae(shape=(5,), likelihood=likelihoods.Gaussian(scale=PerDimensionScale()), hidden=[3]).model
    assert [tuple(part.scale.log_scale.shape) for part in each.likelihood.parts] == [(3,), (2,)]


@pytest.mark.parametrize("size", [1e4, -1e4])
@pytest.mark.parametrize(
    "name", ["mvae", "mmvae", "mopoe_vae", "mvtcae", "jmvae", "jnf", "telbo_vae", "dmvae", "mmvae_plus"]
)
def test_nothing_overflows(name: str, size: float) -> None:
    """Experts that are sure of different things, or of nothing, in float32; with items that lack a modality, or all."""
    torch.manual_seed(0)
    recipe = getattr(recipes, name)(shape=(6,), modalities={"b": (2,), "a": (4,)}, latent_dim=2, hidden=[5])
    model, game = recipe.model, as_game(recipe.objective)
    with torch.no_grad():
        for expert in model.posterior.experts:
            expert.head.layer.bias[-2:] = size
    x = numbers(7, 4, 6).float()
    x[1, :2], x[2, 2:], x[3] = torch.nan, torch.nan, torch.nan
    losses, _ = game.score(model, game.trace(model, Batch(x, None)))
    for player, own in game.players(model).items():
        assert bool(losses[player].isfinite())
        found = torch.autograd.grad(losses[player], own, retain_graph=True, allow_unused=True)
        assert all(g is None or bool(g.isfinite().all()) for g in found)


def test_a_run_learns_what_modalities_tell_of_each_other_and_fills_in_the_missing(tmp_path: Path) -> None:
    """Two noisy views of one number, one of them gone in a third of the items; saved, loaded, and given arrays."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(600, 1))
    x = np.concatenate([truth @ [[1.0, -1.0]], truth @ [[2.0, 1.0, 1.0]]], 1) + 0.1 * rng.normal(size=(600, 5))
    x = x.astype(np.float32)
    x[::3, 2:] = np.nan
    views = {"two": [2], "three": [3]}
    recipe = vk.recipe("mvae", x, modalities=views, latent_dim=1, hidden=[16])
    run = vk.fit(recipe, x, epochs=30, batch_size=32, seed=0, lr=1e-2, valid=0.0, test=0.0)
    run.save(tmp_path / "run")
    again = vk.load_run(tmp_path / "run")
    filled = again.reconstruct(x[::3], mean=True)
    assert isinstance(filled, np.ndarray) and not np.isnan(filled).any()
    want = truth[::3] @ [[2.0, 1.0, 1.0]]
    error = np.square(filled[:, 2:] - want).mean() / np.square(want).mean()
    assert error < 0.2, error  # the other view knows the number to 1 %; 30 epochs of a small network
    model: Any = again.model
    seen = model.posterior.modalities.mask(["two"])
    whole = model.to_model(x[1::3])
    given = evaluation.conditional_log_likelihoods(model, whole, seen, samples=500).log_p.mean()
    alone = model.log_prob(model.posterior.modalities.only(torch.from_numpy(x[1::3]), ["three"]), samples=500).mean()
    assert float(given - alone) > 1.0  # nats that one view tells of the other
