"""Hierarchies of two scalar levels, whose log p(x) a grid gives; the residual posterior's KL; maps as vectors."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from vaekit import recipes
from vaekit.distributions import DiagonalGaussian
from vaekit.evaluation import log_likelihoods
from vaekit.models import PictureBlock, ResidualPictureBlock
from vaekit.networks import as_map, as_vector

GRID = torch.linspace(-9, 9, 241, dtype=torch.float64)


def made(name: str) -> Any:
    """A model of two levels with one latent each, its weights large enough to bend everything."""
    torch.manual_seed(0)
    if name == "vamp_hvae":
        model = recipes.vamp_hvae(shape=(4,), latent_dims=[1, 1], hidden=[5, 6], pseudo=3).model.double().eval()
    else:
        model = getattr(recipes, name)(shape=(2, 2), channels=[4], groups=2, latents=1).model.double().eval()
    with torch.no_grad():
        for level in model.levels:
            for parameter in level.prior.parameters() if level.prior is not None else ():
                parameter.mul_(1.5)
            if name == "vamp_hvae":  # posteriors that see x, and are wide enough for weights of finite variance
                level.evidence.layer.bias[1:] += 0.7
            else:
                level.evidence[-1].weight.mul_(0.3)
                level.evidence[-1].bias[1:] = 0.4
    return model


def items(model: Any, n: int = 6) -> Tensor:
    torch.manual_seed(1)
    with torch.no_grad():
        x: Tensor = model.sample(n, mean=False)
    return x


def by_grid(model: Any, x: Tensor) -> Tensor:
    """log of the sum of p(z1) p(z2|z1) p(x|z1,z2) over a grid of both."""
    top, low = model.levels
    with torch.no_grad():
        z = GRID[:, None]  # (G, 1)
        p_top = top.p(None, z)
        state = top.state(z, None)
        p_low = low.p(state, z)
        joint = []
        for value in GRID:  # of the level below
            w = value.expand(len(GRID), 1)
            px = model.likelihood(low.state(w, state))
            log_px = torch.stack([px.log_prob(item) for item in x], 1)  # (G, B)
            joint.append(log_px + (p_top.log_prob(z) + p_low.log_prob(w))[:, None])
        step = float(GRID[1] - GRID[0])
        found: Tensor = torch.stack(joint).flatten(0, 1).logsumexp(0) + 2 * math.log(step)
    return found


@pytest.mark.parametrize("name", ["vamp_hvae", "vdvae", "nvae"])
def test_weights_have_the_exact_marginal_as_their_mean(name: str) -> None:
    model = made(name)
    x = items(model)
    exact = by_grid(model, x)
    torch.manual_seed(0)
    got, error, _ = log_likelihoods(model, x, None, 10_000)
    assert bool(((got - exact).abs() < 4 * error + 1e-6).all()), (got - exact) / error
    assert float(error.max()) < 0.05


def test_the_prior_at_the_top_is_the_mean_of_posteriors_of_pseudo_inputs() -> None:
    model = made("vamp_hvae")
    top = model.levels[0]
    z = GRID[:, None]
    with torch.no_grad():
        each = [model.descend(model._seen(u[None], None), lambda q: q.loc)[0][0][0] for u in top.inputs]
        want = torch.stack([q.log_prob(z) for q in each]).logsumexp(0) - math.log(len(each))
        torch.testing.assert_close(top.p(None, z).log_prob(z), want, rtol=1e-9, atol=1e-9)
    z = torch.linspace(-40, 40, 4001, dtype=torch.float64)[:, None]
    assert float(top.p(None, z).log_prob(z).exp().sum().detach()) * 0.02 == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", ["vdvae", "nvae"])
def test_samples_follow_the_marginal(name: str) -> None:
    """Pictures of 2x2 pixels are few enough to be counted."""
    model = made(name)
    every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * 4).view(-1, 2, 2)
    exact = by_grid(model, every).exp()
    assert float(exact.sum()) == pytest.approx(1, abs=1e-6)
    torch.manual_seed(2)
    n = 20_000
    drawn = model.sample(n, mean=False).flatten(1)
    number = (drawn @ torch.tensor([8.0, 4.0, 2.0, 1.0]).double()).long()
    share = torch.bincount(number, minlength=16) / n
    assert bool(((share - exact).abs() < 4.5 * (exact * (1 - exact) / n).sqrt()).all())  # sixteen shares at once


def test_the_residual_posteriors_kl_is_its_closed_form() -> None:
    torch.manual_seed(0)
    block = ResidualPictureBlock(2, shape=(4, 3, 2), above=(6, 2, 1)).double()
    state, seen = torch.randn(5, 7, 12).double(), torch.randn(7, 4, 3, 2).double()
    p = block.p(state, seen)
    q = block.q(p, seen, state)
    assert q.loc.shape == (5, 7, 12) and block.latent_dim == 12
    shift, ratio = q.loc - p.loc, (q.log_scale - p.log_scale).exp()
    want = 0.5 * ((shift / p.scale).square() + ratio.square() - ratio.square().log() - 1)
    torch.testing.assert_close(q.kl_each(p), want, rtol=1e-9, atol=1e-9)
    with torch.no_grad():
        block.evidence[-1].weight.zero_()
        block.evidence[-1].bias.zero_()
    assert float(block.q(p, seen, state).kl_each(p).detach().abs().max()) < 1e-12  # it moves with the prior
    plain = PictureBlock(2, shape=(4, 3, 2), above=(6, 2, 1)).double()
    loc = torch.randn(7, 12).double()
    assert torch.equal(plain.posterior(p, loc, loc).loc, loc)


def test_draws_are_loops_and_scales_are_bounded() -> None:
    torch.manual_seed(0)
    block = PictureBlock(1, shape=(4, 3, 2), above=(4, 2, 1)).double()
    state, seen = torch.randn(3, 5, 8).double(), torch.randn(5, 4, 3, 2).double()
    whole = block.q(block.p(state, seen), seen, state)
    for k in range(3):
        one = block.q(block.p(state[k], seen), seen, state[k])
        torch.testing.assert_close(whole.loc[k], one.loc, rtol=1e-9, atol=1e-12)
    z = whole.loc
    down = block.state(z, state)
    torch.testing.assert_close(down[1], block.state(z[1], state[1]), rtol=1e-9, atol=1e-12)
    huge = block.q(block.p(1e6 * state, seen), 1e6 * seen, 1e6 * state)
    assert float(huge.log_scale.detach().abs().max()) <= 5 and isinstance(huge, DiagonalGaussian)


def test_maps_and_vectors_are_each_others_inverse() -> None:
    x = torch.randn(4, 3, 5, 2)
    assert torch.equal(as_map(as_vector(x), (3, 5, 2)), x)
