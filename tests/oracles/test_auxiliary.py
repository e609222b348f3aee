"""Posteriors with an auxiliary variable: bounds by quadrature of it, of z and of the class; weights of mean p(x)."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tests.laws.tables import numbers
from torch import Tensor, nn
from torch import distributions as td
from torch.distributions import MultivariateNormal

import vaekit as vk
from vaekit import distributions as d
from vaekit import evaluation, likelihoods, posteriors, priors, recipes
from vaekit.data import Context
from vaekit.likelihoods import FixedScale
from vaekit.maths import log_mean_exp
from vaekit.models import VAE
from vaekit.networks import MLP
from vaekit.objectives import ELBO, AuxiliaryELBO, Classification

CLASSES = 3
LINE = torch.linspace(-7, 7, 141, dtype=torch.float64)  # the trapezium rule: exact to 1e-9 for these densities
STEP = 0.1
LABEL = Context({"kind": {"levels": ["a", "b", "c"]}})
X = (numbers(1, 5, 4) > 0).double()


def made() -> Any:
    """A model with one z and one a, its weights large enough that all of its terms differ."""
    torch.manual_seed(0)
    model: Any = recipes.auxiliary_dgm(
        shape=(4,), latent_dim=1, auxiliary_dim=1, hidden=[6], activation=nn.Tanh, context=LABEL,
        likelihood=likelihoods.Bernoulli(),
    ).model.double().eval()  # fmt: skip
    q = model.posterior
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(1.7)
        for part in (q.first, q.then, q.back):  # scales between 0.5 and 1.5
            part.head.layer.weight[1] *= 0.1
            part.head.layer.bias[1] = 0.0
    return model


def inside(model: Any, x: Tensor) -> dict[str, Tensor]:
    """Of one item every term on grids: a (G), the class (C) and z (G), in that order."""
    q = model.posterior
    a, rows = LINE.unsqueeze(1), x.expand(len(LINE), -1)
    first = q.first(rows[:1]).log_prob(a)  # (G,)
    then = q.then(rows, torch.zeros(len(LINE), CLASSES).double(), a)
    log_y = then.log_share  # (G, C)
    each = td.Normal(then.each.loc[..., 0], then.each.scale[..., 0])
    log_z = each.log_prob(LINE[:, None, None]).permute(1, 2, 0)  # (G, C, G)
    log_px, log_a = [], []
    for y in range(CLASSES):
        both = torch.cat([torch.eye(CLASSES).double()[y].expand(len(LINE), -1), LINE.unsqueeze(1)], 1)
        log_px.append(model.likelihood(both).log_prob(x))
        back = q.back(rows, both)
        log_a.append(td.Normal(back.loc, back.scale).log_prob(LINE))  # (G of z, G of a)
    normal = td.Normal(torch.zeros(()).double(), 1.0)
    return {
        "first": first, "log_y": log_y, "log_z": log_z, "log_px": torch.stack(log_px),
        "log_a": torch.stack(log_a).permute(2, 0, 1), "log_pz": normal.log_prob(LINE),
    }  # fmt: skip


def exact(model: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x) of one item, the bound on it, and the bounds given each class, (C,)."""
    t = inside(model, x)
    log_p = (t["log_px"] + t["log_pz"]).logsumexp((0, 1)) + math.log(STEP / CLASSES)
    weight = (t["first"][:, None, None] + t["log_z"]).exp() * STEP**2  # of a and z, given the class
    gain = t["log_px"] + t["log_pz"] + t["log_a"] - t["first"][:, None, None] - t["log_z"]  # (G, C, G)
    shares = t["log_y"].exp()
    each = (weight * gain).sum((0, 2))
    whole = weight.sum(2) * shares * (-math.log(CLASSES) - t["log_y"])
    return log_p, (weight * shares.unsqueeze(2) * gain).sum() + whole.sum(), each


def bounds(model: Any, x: Tensor, y: Any, samples: int, times: int) -> Tensor:
    """(times, B)."""
    many = {k: v.repeat(times, 1) for k, v in y.items()}
    term = AuxiliaryELBO(samples=samples)
    with torch.no_grad():
        return term.bound(model, model.trace(x.repeat(times, 1), many, samples=samples)).view(times, len(x))


def test_the_bound_is_that_of_quadrature_and_below_log_p() -> None:
    """Of items without a label all classes summed out; of the others the bound is one on log p(x|y)."""
    model = made()
    found = [exact(model, x) for x in X]
    log_p, want = (torch.stack([row[i] for row in found]).detach() for i in (0, 1))
    torch.manual_seed(0)
    drawn = bounds(model, X, model.to_context(None, 5), 20, 400)
    error = drawn.std(0) / 20
    assert bool(((drawn.mean(0) - want).abs() < 4 * error).all()) and float(error.max()) < 0.03
    assert bool((want < log_p - 1e-3).all())
    given = torch.stack([row[2][[0, 2, 1, 1, 0][i]] for i, row in enumerate(found)]).detach()
    drawn = bounds(model, X, model.to_context(["a", "c", "b", "b", "a"], 5), 20, 400)
    assert bool(((drawn.mean(0) - given).abs() < 4 * drawn.std(0) / 20).all())
    estimate, error, _ = evaluation.log_likelihoods(model, X, model.to_context(None, 5), 100_000)
    assert bool(((estimate - log_p).abs() < 4 * error).all()) and float(error.max()) < 0.1


def test_the_gradient_is_that_of_quadrature() -> None:
    model = made()
    parameters = list(model.parameters())
    want = torch.autograd.grad(sum(exact(model, x)[1] for x in X), parameters)  # type: ignore[arg-type]
    torch.manual_seed(0)
    term, runs, y = AuxiliaryELBO(samples=200), [], model.to_context(None, 5)
    for _ in range(40):
        runs.append(torch.autograd.grad(term.bound(model, model.trace(X, y, samples=200)).sum(), parameters))
    for i, slope in enumerate(want):
        drawn = torch.stack([run[i] for run in runs])
        error = drawn.std(0) / 40**0.5
        assert bool(((drawn.mean(0) - slope).abs() < 5 * error + 1e-7).all()), parameters[i].shape  # of 300 numbers


def test_draws_of_all_have_the_same_mean_and_beta_weighs_the_rate() -> None:
    """The plain ELBO draws the class; the rate is all but the distortion."""
    model, y = made(), None
    y = model.to_context(None, 5)
    want = torch.stack([exact(model, x)[1] for x in X]).detach()
    torch.manual_seed(0)
    many = {k: v.repeat(8000, 1) for k, v in y.items()}
    with torch.no_grad():
        drawn = ELBO().bound(model, model.trace(X.repeat(8000, 1), many)).view(8000, 5)
    assert bool(((drawn.mean(0) - want).abs() < 4 * drawn.std(0) / 8000**0.5).all())
    with torch.no_grad():
        trace = model.trace(X, y, samples=3)
        values = []
        for beta in (0.0, 1.0, 3.0):
            torch.manual_seed(5)
            values.append(AuxiliaryELBO(beta=beta, samples=3).bound(model, trace))
    torch.testing.assert_close(values[0] - values[2], 3 * (values[0] - values[1]), rtol=1e-9, atol=1e-9)


def test_the_class_is_judged_over_draws_of_a() -> None:
    """`probs` is the integral of q(y|x,a) over q(a|x), and labels are charged by the mean of -log q(y|x,a)."""
    model = made()
    want, charged = [], []
    for x in X:
        t = inside(model, x)
        weight = t["first"].exp().unsqueeze(1) * STEP
        want.append((weight * t["log_y"].exp()).sum(0))
        charged.append(-(weight * t["log_y"]).sum(0))
    q = model.encode(X)
    torch.testing.assert_close(q.probs, torch.stack(want), rtol=0, atol=0.03)  # 32 draws, in pairs
    assert torch.equal(model.encode(X).probs, q.probs) and q.mean.shape == (5, 4)
    torch.testing.assert_close(model.encode(X[:1]).probs, q.probs[:1], rtol=1e-9, atol=1e-12)
    y = model.to_context(["a", "", "c", "b", ""], 5)
    term = Classification().double()
    term.before_fit(X, y, 5)
    torch.manual_seed(0)
    with torch.no_grad():
        found = term(model, model.trace(X, y, samples=20_000))
    loss = torch.stack([charged[0][0], charged[2][2], charged[3][1]])
    torch.testing.assert_close(found[[0, 2, 3]] * 0.6, loss.detach(), rtol=0, atol=0.02)
    assert bool((found[[1, 4]] == 0).all())
    assert torch.equal(model.encode(X, ["a"] * 5).probs[:, 0], torch.ones(5).double())


# -- where there is no class: a linear Gaussian model ----------------------------------------------------------


def linear(tight: bool) -> tuple[Any, Tensor, Tensor]:
    """x = w z + b + noise; q(z|x) is the exact posterior where it is tight, as a line in a and what is left of it.

    a ~ N(m, s^2), z = a + noise of the rest of the posterior's variance, and p(a|x,z) is their exact inverse.
    """
    torch.manual_seed(0)
    w, b, noise = numbers(1, 3, 1), numbers(2, 3), 0.5
    variance = 1 / (1 + float(w.square().sum()) / noise)
    share = 0.6 if tight else 0.3
    p: Any = likelihoods.Gaussian(nn.Identity(), (3,), scale=FixedScale(c=noise), features=1)
    first: Any = posteriors.Gaussian(nn.Identity(), 1, features=3)
    then: Any = posteriors.Gaussian(MLP(3, [], context=1), 1)
    back: Any = posteriors.Gaussian(MLP(3, [], context=1), 1)
    model: Any = VAE(priors.StandardNormal(1), posteriors.Auxiliary(first, then, back), p).double().eval()
    slope = variance * w.T / noise  # of the posterior's mean in x
    m = -float(slope[0] @ b) + (0.0 if tight else 0.2)
    with torch.no_grad():
        p.head.layer.weight.copy_(w)
        p.head.layer.bias.copy_(b)
        for part in (first, then, back):
            part.head.layer.weight.zero_()
        first.head.layer.weight[0], first.head.layer.bias[0] = slope[0], m
        first.head.layer.bias[1] = 0.5 * math.log(share * variance)
        then.head.layer.weight[0, 3], then.head.layer.bias[0] = 1.0, 0.0
        then.head.layer.bias[1] = 0.5 * math.log(0.4 * variance)
        whole = share + 0.4  # E[a|z] = m + share / whole (z - m)
        back.head.layer.weight[0, :3] = slope[0] * (1 - share / whole)
        back.head.layer.weight[0, 3], back.head.layer.bias[0] = share / whole, m * (1 - share / whole)
        back.head.layer.bias[1] = 0.5 * math.log(share * 0.4 / whole * variance) + (0.0 if tight else 0.2)
    marginal = MultivariateNormal(b, w @ w.T + noise * torch.eye(3).double())
    x = marginal.sample((6,))
    return model, x, marginal.log_prob(x)


def test_where_both_ways_are_exact_every_weight_is_p() -> None:
    model, x, log_p = linear(tight=True)
    with torch.no_grad():
        log_w = model.trace(x, samples=50).log_w
    torch.testing.assert_close(log_w, log_p.expand(50, -1), rtol=0, atol=1e-7)  # the noise's scale is kept in float32


def test_weights_are_unbiased_and_bounds_below() -> None:
    model, x, exact_p = linear(tight=False)
    torch.manual_seed(1)
    log_p, error, _ = evaluation.log_likelihoods(model, x, None, 20_000)
    ratio = (log_p - exact_p).exp()
    assert bool(((ratio - 1).abs() < 4.5 * error * ratio).all()) and float(error.max()) < 0.02
    with torch.no_grad():
        trace = model.trace(x, samples=4000)
    bound = ELBO(samples=4000).bound(model, trace)
    several = log_mean_exp(trace.log_w.view(1000, 4, 6), 1).mean(0)
    assert bool((bound < several).all()) and bool((several < exact_p).all())


def test_moments_are_those_of_the_mixture() -> None:
    model, x, _ = linear(tight=False)
    q = model.encode(x)
    torch.manual_seed(0)
    z = q.rsample((40_000,)).detach()
    torch.testing.assert_close(z.mean(0), q.mean.detach(), rtol=0, atol=0.01)  # pairs: the linear mean is exact
    torch.testing.assert_close(z.var(0), q.variance.detach(), rtol=0.2, atol=0)  # 32 draws of a
    with pytest.raises(vk.Mistake, match="its own last draws only"):
        q.log_prob(z)
    with pytest.raises(vk.Mistake, match="no score apart from its draws"):
        d.frozen(q)
    with pytest.raises(vk.Mistake, match="Auxiliary around a Classed posterior"):
        AuxiliaryELBO().bound(model, model.trace(x))


def test_what_is_no_label_is_refused_by_its_name() -> None:
    with pytest.raises(vk.Mistake, match="auxiliary_dgm wants one label as y= .*got nothing"):
        recipes.auxiliary_dgm(shape=(4,))


def test_a_tempered_one_is_a_distribution_of_z_alone() -> None:
    """Draws at temperature t have q(z|a)'s and q(a)'s variances times t^2: of z = a + noise, 2 t^2."""
    first = d.DiagonalGaussian(torch.zeros(1, 1).double(), torch.zeros(1, 1).double())
    q = d.Auxiliary(first, lambda a: d.DiagonalGaussian(a, 0 * a), lambda z: d.DiagonalGaussian(z, 0 * z), 1)
    cold = q.tempered(0.5)
    torch.manual_seed(0)
    z = cold.rsample((20_000,))
    assert z.shape == (20_000, 1, 1) and cold.log_prob(z).shape == (20_000, 1)
    assert float(z.var()) == pytest.approx(0.5, rel=0.05)
