"""Priors that read the context: log p(x|y) by quadrature, a linear Gaussian model, and latents that are identified."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import kstest, norm
from tests.laws.tables import numbers
from tests.oracles.test_modalities import NOISE, SIZES, world
from torch import distributions as td
from torch import nn

import vaekit as vk
from vaekit import evaluation, likelihoods, priors, recipes
from vaekit.data import Context
from vaekit.likelihoods import FixedScale
from vaekit.networks import MLP
from vaekit.objectives import ELBO
from vaekit.storage import load_model, save_model

LINE = torch.linspace(-15, 15, 3001, dtype=torch.float64)
STEP = 0.01
CONTEXT = Context({"kind": {"levels": ["a", "b"]}, "size": {"mean": [0.0, 0.0], "scale": [1.0, 1.0]}})
Y = {"kind": ["a", "b", "b", "a", "", "a", "b"], "size": numbers(3, 7, 2).numpy()}
X = (numbers(1, 7, 4) > 0).double()


def made(name: str, **more: Any) -> Any:
    torch.manual_seed(0)
    given: dict[str, Any] = {"latent_dim": 1, "hidden": [6], "activation": nn.Tanh, "context": CONTEXT, **more}
    model: Any = getattr(recipes, name)(shape=(4,), likelihood=likelihoods.Bernoulli(), **given).model.double().eval()
    with torch.no_grad():
        for p in model.likelihood.parameters():
            p.mul_(3.0)
        model.posterior.head.layer.weight[1] *= 0.1
        model.posterior.head.layer.bias[1] = 0.3  # too wide rather than too narrow
    return model


def test_the_prior_is_a_density_that_is_sampled_as_scored() -> None:
    model = made("conditional_prior_vae")
    y = model.to_context(Y, 7)
    with torch.no_grad():
        p = model._prior(y)
    assert p.batch_shape == (7,) and float(p.loc.std()) > 0.1 and float(p.log_scale.std()) > 0.1
    mass = p.log_prob(LINE[:, None, None].expand(-1, 7, 1)).exp().sum(0) * STEP
    torch.testing.assert_close(mass, torch.ones(7).double(), rtol=0, atol=1e-9)
    torch.manual_seed(0)
    one = {k: v[:1].expand(4000, -1) for k, v in y.items()}
    drawn = model.prior_sample(4000, one, 1.0)[:, 0].detach()
    assert kstest(drawn.numpy(), norm(float(p.loc[0, 0]), float(p.scale[0, 0])).cdf).pvalue > 1e-3
    assert float(model.prior_sample(4000, one, 0.0).std()) < 1e-9  # temperature 0 is the mode


@pytest.mark.parametrize("name", ["conditional_prior_vae", "ivae"])
def test_log_p_given_the_context_is_the_integral(name: str) -> None:
    """p(x|y) over a line of z under p(z|y); the bound lies below, and its rate is that of the two Gaussians."""
    model = made(name)
    y = model.to_context(Y, 7)
    z = LINE[:, None, None].expand(-1, 7, 1)
    with torch.no_grad():
        p, q = model._prior(y), model._posterior(X, y)
        exact = torch.logsumexp(model._likelihood(z, y).log_prob(X) + p.log_prob(z) + math.log(STEP), 0)
        inside = model._likelihood(z, y).log_prob(X) + p.log_prob(z) - q.log_prob(z)
        bound = (STEP * q.log_prob(z).exp() * inside).sum(0)
        torch.manual_seed(0)
        got, error, _ = evaluation.log_likelihoods(model, X, y, 20_000)
        trace = model.trace(X, y, samples=20_000)
        found = ELBO().bound(model, trace)
    assert bool(((got - exact).abs() < 4 * error).all()) and bool((bound < exact - 1e-4).all())
    assert bool(((found - bound).abs() < 4 * trace.log_px.std(0) / 20_000**0.5).all())
    ratio = td.kl_divergence(td.Normal(q.loc, q.scale), td.Normal(p.loc, p.scale)).sum(1)
    torch.testing.assert_close(trace.kl, ratio, rtol=1e-10, atol=1e-10)


def test_the_decoder_of_ivae_is_not_told() -> None:
    """x is independent of u given z: elsewhere a decoder that reads u may leave z without a meaning of its own."""
    model = made("ivae")
    other = {"kind": ["b", "a", "a", "b", "b", "b", "a"], "size": -numbers(3, 7, 2).numpy()}
    z = numbers(4, 7, 1)
    assert torch.equal(model.decode(z, Y).mean, model.decode(z, other).mean)
    assert not torch.equal(model.encode(X, Y).mean, model.encode(X, other).mean)
    told = made("conditional_prior_vae")
    assert not torch.equal(told.decode(z, Y).mean, told.decode(z, other).mean)


def test_it_begins_near_the_standard_normal() -> None:
    torch.manual_seed(0)
    prior = priors.ConditionalGaussian(MLP(3, [256]), 8)
    prior.before_fit(torch.zeros(2, 4), {}, 2)
    with torch.no_grad():
        p = prior(torch.eye(3))
    assert float(p.loc.abs().max()) < 0.15 and float(p.log_scale.abs().max()) < 0.15


def test_extremes_are_finite_in_float32() -> None:
    prior = priors.ConditionalGaussian(MLP(3, [4]), 2)
    for size in (1e4, -1e4):
        with torch.no_grad():
            prior.head.layer.bias.fill_(size)
        p = prior(torch.eye(3))
        score = p.log_prob(p.rsample()).sum()
        found = torch.autograd.grad(score, list(prior.parameters()), allow_unused=True)
        assert bool(score.isfinite()) and all(bool(g.isfinite().all()) for g in found if g is not None)


def test_a_scale_outlives_building_and_files(tmp_path: Path) -> None:
    """Elsewhere a conditional model takes the scale out of its own configuration, and is loaded with a scale of 1."""
    template = likelihoods.Gaussian(scale=FixedScale(c=0.25))
    for name in ("conditional_prior_vae", "ivae"):
        torch.manual_seed(0)
        model: Any = getattr(recipes, name)(shape=(4,), latent_dim=2, context=CONTEXT, likelihood=template).model
        save_model(model, tmp_path / name, version="0")
        z = numbers(4, 7, 2).float()
        for each in (model, load_model(tmp_path / name)):
            torch.testing.assert_close(each.decode(z, Y).variance, torch.full((7, 4), 0.25))
    assert template.with_net(MLP(2, [3]), (4,))(z).variance[0, 0] == 0.25, "the template is as it was"


def test_no_context_is_refused() -> None:
    for name in ("conditional_prior_vae", "ivae"):
        with pytest.raises(vk.Mistake, match="got no context: give .*y="):
            getattr(recipes, name)(shape=(4,))


def test_one_modality_given_others_is_their_exact_conditional() -> None:
    """p(wide | bit, sheet) of a joint Gaussian: every draw's weight is its logarithm, and samples have its moments."""
    w = world()
    others = ["bit", "sheet"]
    fields = {name: {"mean": [0.0] * SIZES[name], "scale": [1.0] * SIZES[name]} for name in others}
    recipe = recipes.conditional_prior_vae(
        shape=(3,), latent_dim=2, hidden=[], prior_hidden=[], context=Context(fields),
        likelihood=likelihoods.Gaussian(scale=FixedScale(NOISE["wide"])),
    )  # fmt: skip
    model: Any = recipe.model.double().eval()
    with torch.no_grad():
        for head, names in ((model.posterior.head, ["wide", *others]), (model.prior.head, others)):
            a, b, noise = w.joint(names)
            precision = 1 + (a.square() / noise[:, None]).sum(0)
            head.layer.weight.zero_()
            head.layer.weight[:2] = (a / noise[:, None]).T / precision[:, None]
            head.layer.bias[:2] = -head.layer.weight[:2] @ b
            head.layer.bias[2:] = -0.5 * precision.log()
        out = model.likelihood.head.layer
        out.weight.zero_()
        out.weight[:, :2] = w.a["wide"]
        out.bias.copy_(w.b["wide"])
        model.likelihood.scale.log_scale = torch.tensor(0.5 * math.log(NOISE["wide"]), dtype=torch.float64)
    x = w.data()
    pieces = w.modalities.split(x)
    y = {name: pieces[name] for name in others}
    got = model.trace(pieces["wide"], y, samples=5).log_w
    torch.testing.assert_close(got, (w.log_p(x) - w.log_p(x, others)).expand(5, -1), rtol=1e-9, atol=1e-9)
    torch.manual_seed(0)
    drawn = model.sample(40_000, y={k: v[:1].expand(40_000, -1).numpy() for k, v in y.items()}, mean=False)
    a, b, noise = w.joint(["wide"])
    z = w.posterior(x, others)
    mean, spread = z.mean[0] @ a.T + b, a @ z.covariance_matrix[0] @ a.T + torch.diag(noise)
    assert bool(((drawn.mean(0) - mean).abs() < 4 * (spread.diagonal() / 40_000).sqrt()).all())
    torch.testing.assert_close(torch.cov(drawn.T), spread, rtol=0, atol=0.04)  # 40,000 draws
