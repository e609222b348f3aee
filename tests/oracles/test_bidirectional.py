"""Latents inferred on the way up and down: networks made linear, so that log p(x) and the bound are known exactly."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.laws.tables import numbers
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, kl_divergence

from vaekit import recipes
from vaekit.distributions import DiagonalGaussian, Drawn
from vaekit.evaluation import annealed_log_likelihoods, log_likelihoods, shared_log_likelihoods
from vaekit.evaluation.surgery import surgery_numbers
from vaekit.messages import Mistake
from vaekit.objectives import ELBO
from vaekit.report.diagram import diagram

X, DIMS = 4, [2, 1, 2]
SIZES = [2, 1, 1, 2, 2]  # the top, and then both halves of each level
D = sum(SIZES)


def linear() -> Any:
    """Three levels whose networks are affine: no activation, no normalisation, scales that depend on nothing."""
    torch.manual_seed(0)
    model = recipes.biva(shape=(X,), latent_dims=DIMS, hidden=[5, 6, 7]).model.double().eval()
    down = [level.down for level in model.levels if hasattr(level, "down")]
    for net in [*model.encoder, *down, model.likelihood.net]:
        net.layers = nn.Sequential(*(layer for layer in net.layers if isinstance(layer, nn.Linear)))
    heads = [level.prior for level in model.levels if level.prior is not None]
    with torch.no_grad():
        for i, head in enumerate([*heads, *(level.evidence for level in model.levels)]):
            layer = head.layer
            latent = len(layer.bias) // 2
            layer.weight[latent:] = 0.0
            layer.bias.copy_(0.2 * numbers(i, len(layer.bias)))
            layer.weight.mul_(0.5 if i < len(heads) else 0.25)
            if i >= len(heads):  # posteriors that see x, are wrong, and wider than the truth
                layer.bias[latent:] += 0.4
        model.likelihood.scale.log_scale.fill_(0.1)
    return model


def of_prior(model: Any, noise: Tensor) -> tuple[Tensor, Tensor]:
    """All latents (D,) and the mean of x that standard normal noise of the prior makes."""
    state, made = None, []
    for level, part in zip(model.levels, noise.split(SIZES, -1), strict=True):
        made.append(level.p(state, noise).from_noise(part))
        state = level.state(made[-1], state)
    return torch.cat(made, -1), model.likelihood(state).loc


def of_posterior(model: Any, x: Tensor, noise: Tensor) -> Tensor:
    """All latents (D,) that noise of the posterior makes of one item, by the definition: first up, and then down."""
    parts = noise.split(SIZES, -1)  # top, TD2, BU2, TD1, BU1
    top, td2, bu2, td1, bu1 = model.levels
    s1 = model.encoder[0](x)
    z1 = bu1.rise(s1).from_noise(parts[4])
    s2 = model.encoder[1](torch.cat([s1, z1], -1))
    z2 = bu2.rise(s2).from_noise(parts[2])
    s3 = model.encoder[2](torch.cat([s2, z2], -1))
    z = top.q(None, s3).from_noise(parts[0])
    made, state = [z], top.state(z, None)
    for td, bu, seen, up, part in ((td2, bu2, s2, z2, parts[1]), (td1, bu1, s1, z1, parts[3])):
        down = td.q(None, seen, state).from_noise(part)
        state = bu.state(up, td.state(down, state))
        made += [down, up]
    return torch.cat(made, -1)


def affine(function: Any) -> tuple[Tensor, Tensor]:
    """(A, b) of an affine function of D numbers, and a check that it is one."""
    with torch.no_grad():
        b = function(torch.zeros(D).double())
        a = torch.stack([function(e) - b for e in torch.eye(D).double()], -1)
        z = 3 * numbers(9, D)
        torch.testing.assert_close(function(z), a @ z + b, rtol=1e-9, atol=1e-9)
    return a, b


def gaussian(function: Any) -> MultivariateNormal:
    a, b = affine(function)
    return MultivariateNormal(b, a @ a.T)


@pytest.fixture(scope="module")
def known() -> tuple[Any, MultivariateNormal, Tensor]:
    model = linear()
    a, b = affine(lambda noise: of_prior(model, noise)[1])
    variance = (2 * model.likelihood.scale.log_scale).exp().item()
    p = MultivariateNormal(b, a @ a.T + variance * torch.eye(X).double())
    torch.manual_seed(1)
    return model, p, p.sample((8,))


def test_the_estimate_converges_to_the_exact_marginal(known: Any) -> None:
    model, p, x = known
    exact = p.log_prob(x)
    torch.manual_seed(0)
    got, error, _ = log_likelihoods(model, x, None, 40_000)
    assert bool(((got - exact).abs() < 4 * error).all()) and float(error.max()) < 0.06, error
    shared = shared_log_likelihoods(model, x, 10_000)
    assert bool(((shared - exact).abs() < 5 * 2 * error).all())  # a quarter of the draws
    with torch.no_grad():
        log_w = model.trace(x, samples=4000).log_w
        several = [float(log_w.view(-1, k, 8).double().exp().mean(1).log().mean()) for k in (1, 5, 50)]
    assert several == sorted(several) and several[-1] < float(exact.mean())


def test_weights_are_unbiased_at_one_draw(known: Any) -> None:
    model, p, x = known
    torch.manual_seed(2)
    with torch.no_grad():
        ratio = (model.trace(x, samples=40_000).log_w - p.log_prob(x)).exp()
    z = (ratio.mean(0) - 1) / (ratio.std(0) / 200)
    assert float(z.abs().max()) < 4, z


def test_the_bound_is_that_of_the_joint_gaussians(known: Any) -> None:
    """KL(q(z|x) || p(z)) of both as one Gaussian each; with the halves' closed forms added up it would be another.

    What an Upward's prior reads was inferred from its draw, so that its KL at a fixed prior is no part of the rate.
    """
    model, _, x = known
    p = gaussian(lambda noise: of_prior(model, noise)[0])
    q = [gaussian(lambda noise, row=row: of_posterior(model, row, noise)) for row in x]
    want = torch.stack([kl_divergence(one, p) for one in q])
    torch.manual_seed(0)
    n = 20_000
    with torch.no_grad():
        trace = model.trace(x, samples=n)
        assert trace.rates.shape == (5, 8)
        torch.testing.assert_close(trace.kl, trace.rates.sum(0), rtol=0, atol=0)
        torch.testing.assert_close(trace.kl_each.sum(-1), trace.kl, rtol=1e-9, atol=1e-9)
        gap = trace.log_q - trace.log_p
        error = gap.std(0) / n**0.5
        assert bool(((trace.kl - want).abs() < 4 * error).all()) and float(error.max()) < 0.06
        closed = torch.stack([
            kl_divergence(q.base if isinstance(q, Drawn) else q, p).mean(0) for q, p, _ in trace.levels
        ]).sum(0)  # fmt: skip
        of_mean = float(error.square().sum().sqrt()) / 8
        assert float((closed - want).mean()) > 8 * of_mean > 2 * abs(float((trace.kl - want).mean()))
        distortion = -trace.log_px.mean(0)
        torch.testing.assert_close(ELBO(samples=n)(model, trace), distortion + trace.kl)
    # the draws are of that Gaussian
    z = torch.cat(trace.z, -1)
    for i, one in enumerate(q):
        white = torch.linalg.solve_triangular(one.scale_tril, (z[:, i] - one.loc).T, upper=False)
        assert float(white.mean(1).abs().max()) < 5 / n**0.5
        assert float((white @ white.T / n - torch.eye(D)).abs().max()) < 5 * (2 / n) ** 0.5
        torch.testing.assert_close(one.log_prob(z[:50, i]), trace.log_q[:50, i], rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(p.log_prob(z), trace.log_p, rtol=1e-8, atol=1e-8)


def test_the_gradient_of_the_bound_is_that_of_the_joint_gaussians(known: Any) -> None:
    """Of the rate, in the encoder's and in the prior's weights, by differences of the exact one."""
    model, x = linear(), known[2][:2]

    def rate() -> Tensor:
        p = gaussian(lambda noise: of_prior(model, noise)[0])
        return sum(kl_divergence(gaussian(lambda n, row=row: of_posterior(model, row, n)), p) for row in x)  # type: ignore[return-value]

    places = [level.evidence.layer.weight for level in model.levels] + [model.levels[4].prior.layer.bias]
    runs = []
    torch.manual_seed(0)
    for _ in range(20):
        trace = model.trace(x, samples=2000)
        runs.append([g.flatten()[0] for g in torch.autograd.grad(trace.kl.sum(), places)])
    found = torch.tensor(runs)
    for i, place in enumerate(places):
        with torch.no_grad():
            first, ends = place.flatten()[0].item(), []
            for step in (1e-4, -1e-4):
                place.view(-1)[0] = first + step
                ends.append(float(rate()))
            place.view(-1)[0] = first
        slope = (ends[0] - ends[1]) / 2e-4
        assert abs(float(found[:, i].mean()) - slope) < 4 * float(found[:, i].std()) / 20**0.5 + 1e-6, i


def test_each_level_reads_what_the_paper_says(known: Any) -> None:
    """z^BU of x and z^BU below; z^TD of those and all above; in the prior no half of a level reads the other."""
    model, _, x = known
    z = [numbers(i, 3, 8, size) for i, size in enumerate(SIZES)]  # top, TD2, BU2, TD1, BU1
    reads = {  # what moves q, and what moves p, of each
        0: ({2, 4}, set()), 1: ({0, 4}, {0}), 2: ({4}, {0}), 3: ({0, 1, 2}, {0, 1, 2}), 4: (set(), {0, 1, 2}),
    }  # fmt: skip
    with torch.no_grad():
        seen = model._seen(x, None)
        before = model.at(seen, z)
        for j in range(5):
            moved = [part + 0.5 * (i == j) for i, part in enumerate(z)]
            after = model.at(seen, moved)
            for i, (from_q, from_p) in reads.items():
                for which, allowed in ((0, from_q), (1, from_p)):
                    changed = not torch.equal(before[i][which].mean + 0 * z[i], after[i][which].mean + 0 * z[i])
                    assert changed == (j in allowed), (i, j, "qp"[which])
        assert all(torch.equal(found, wanted) for (_, _, found), wanted in zip(before, z, strict=True))


def test_annealing_follows_both_ways(known: Any) -> None:
    model, p, x = known
    found = annealed_log_likelihoods(model, x, temperatures=10, chains=400, leapfrog=3, from_posterior=True)
    ratio = (found.log_p - p.log_prob(x)).exp()
    assert bool(((ratio - 1).abs() < 4 * found.error * ratio).all()) and float(found.error.max()) < 0.2


def test_samples_and_means(known: Any) -> None:
    model, p, x = known
    torch.manual_seed(4)
    draws = model.sample(40_000, mean=False)
    white = torch.linalg.solve_triangular(p.scale_tril, (draws - p.loc).T, upper=False)
    assert float(white.mean(1).abs().max()) < 4 / 200
    assert float((white @ white.T / 40_000 - torch.eye(X)).abs().max()) < 4.5 * 2**0.5 / 200
    mean = torch.cat(model.encode(x).mean, -1)
    want = torch.stack([of_posterior(model, row, torch.zeros(D).double()) for row in x])
    torch.testing.assert_close(mean, want, rtol=1e-10, atol=1e-10)
    assert [tuple(part.shape) for part in model.encode(x).rsample((3,))] == [(3, 8, size) for size in SIZES]
    assert model.decode(mean).mean.shape == model.decode(mean[:, :2]).mean.shape == (8, X)


def test_one_level_is_a_vae_and_other_numbers_of_levels_are_refused() -> None:
    model = recipes.biva(shape=(X,), latent_dims=[2], hidden=[5]).model
    assert len(model.trace(numbers(1, 3, X).float()).levels) == 1
    with pytest.raises(Mistake, match="2 levels of latents and 1 hidden widths"):
        recipes.biva(shape=(X,), latent_dims=[2, 2], hidden=[5])
    whole = recipes.biva(shape=(X,), latent_dims=[2, 2], hidden=[5, 6]).model
    with pytest.raises(Mistake, match="got 2 encoder networks and 2 levels and wanted 3"):
        type(whole)(whole.encoder, whole.levels[:2], whole.likelihood)


def test_what_wants_the_top_level_s_density_is_refused(known: Any) -> None:
    model, _, x = known
    with pytest.raises(Mistake, match="a mixture over the latents drawn on the way up"):
        surgery_numbers(model, x)


def test_the_diagram_says_what_each_level_reads(known: Any) -> None:
    """The same as above: levels are z1, and then both halves of each, the one from above first."""
    drawn = diagram(known[0])
    for words in (
        "q(z1 | z3, z5, x)", "q(z2 | z1, z5, x)", "q(z3 | z5, x)", "q(z4 | z1, z2, z3, x)", "q(z5 | x)",
        "p(z2 | z1)", "p(z3 | z1)", "p(z4 | z1, z2, z3)", "p(z5 | z1, z2, z3)",
    ):  # fmt: skip
        assert words in drawn, words


def test_a_draw_stays_what_it_is() -> None:
    base = DiagonalGaussian(numbers(1, 5, 2), 0.1 * numbers(2, 5, 2))
    value = base.rsample((3,))
    q = Drawn(base, value)
    assert q.rsample((7,)) is value and q.from_noise(numbers(3, 9, 5, 2)) is value
    other = DiagonalGaussian(numbers(4, 5, 2), 0.1 * numbers(5, 5, 2))
    torch.testing.assert_close(q.kl_each(other).sum(-1), base.log_prob(value) - other.log_prob(value))
    assert torch.equal(q.log_prob(value), base.log_prob(value)) and torch.equal(q.variance[1], base.variance)
