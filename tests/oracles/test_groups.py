"""Posteriors of groups: products and averages written out, and the bound against a joint Gaussian of a whole group."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.laws.tables import numbers
from torch import Tensor, nn
from torch import distributions as td

import vaekit as vk
from vaekit import posteriors, priors, recipes
from vaekit.data import Context
from vaekit.likelihoods import FixedScale, Gaussian
from vaekit.models import VAE
from vaekit.objectives import ELBO, GroupELBO
from vaekit.posteriors import Adaptive, Average, Grouped, Product
from vaekit.posteriors.grouped import partners, same

GROUPS = {"y": torch.eye(3).double()[[0, 1, 0, 2, 0, 1]]}  # three items, two, and one
MEMBERS = [[0, 2, 4], [1, 5], [3]]
X = numbers(1, 6, 4)


def single() -> posteriors.Gaussian:
    torch.manual_seed(0)
    return posteriors.Gaussian(nn.Identity(), 3, features=4).double()


@pytest.mark.parametrize("pool", [Product(), Average()], ids=lambda p: type(p).__name__)
def test_pools_are_those_written_out(pool: Any) -> None:
    """A Gaussian times another is torch's: the precisions add. An average has a mean of variances, not of scales."""
    with torch.no_grad():
        q, found = single()(X), Grouped(single(), pool, 2).train()(X, GROUPS["y"])
    variance = q.scale.square()
    for rows in MEMBERS:
        for d in range(2):
            own, mean = variance[rows, d], q.loc[rows, d]
            if isinstance(pool, Product):
                want = 1 / (1 / own).sum()
                centre = want * (mean / own).sum()
                line = numbers(2, 9)[:, None]
                density = td.Normal(mean, own.sqrt()).log_prob(line).sum(1, keepdim=True)
                gap = density - td.Normal(centre, want.sqrt()).log_prob(line)
                assert float(gap.std()) < 1e-10, "the product of the densities, up to a constant"
            else:
                want, centre = own.mean(), mean.mean()
            for i in rows:
                torch.testing.assert_close(found.loc[i, d], centre, rtol=1e-12, atol=1e-12)
                torch.testing.assert_close(found.scale[i, d].square(), want, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.loc[:, 2], q.loc[:, 2], rtol=0, atol=0)  # each item's own
    assert torch.equal(found.loc[3], q.loc[3]) or torch.allclose(found.loc[3], q.loc[3], rtol=1e-12)  # a group of one
    sizes = torch.tensor([3.0, 2.0, 3.0, 1.0, 3.0, 2.0]).double()
    torch.testing.assert_close(found.share, torch.stack([1 / sizes, 1 / sizes, torch.ones(6).double()], 1))


def test_items_without_a_group_and_items_in_evaluation_are_alone() -> None:
    none = torch.zeros(6, 3).double()
    for q in (Grouped(single(), Product(), 2), Adaptive(single(), Product())):
        own = q.posterior(X)
        torch.testing.assert_close(q.train()(X, none).loc, own.loc, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(q.train()(X, none).scale, own.scale, rtol=1e-12, atol=1e-12)
        assert torch.equal(q.eval()(X, GROUPS["y"]).loc, own.loc)
    assert same([none], 6).equal(torch.eye(6).bool())


def exact_group(w_shared: Tensor, w_own: Tensor, noise: float, n: int) -> td.MultivariateNormal:
    """p of a group's n items side by side: x_i = w_shared c + w_own s_i + noise."""
    size = len(w_shared)
    cov = torch.zeros(n, size, n, size).double()
    for i in range(n):
        for j in range(n):
            cov[i, :, j] = w_shared @ w_shared.T
        cov[i, :, i] += w_own @ w_own.T + noise * torch.eye(size).double()
    return td.MultivariateNormal(torch.zeros(n * size).double(), cov.reshape(n * size, n * size))


def linear(n: int, c: float = 0.3) -> tuple[VAE, td.MultivariateNormal]:
    """x = (a c, b s) + noise, whose posterior factorises; encoders that make q exact for groups of n under Product.

    p(c|x_G) is proportional to p(c) prod p(x_i|c), so that each item brings p(x_i|c) and an n-th of the prior.
    """
    a, b = torch.tensor([1.3, -0.7]).double(), torch.tensor([0.9, 0.4]).double()
    q = posteriors.Gaussian(nn.Identity(), 2, features=4).double()
    p: Any = Gaussian(nn.Identity(), (4,), scale=FixedScale(c=c), features=2).double()
    with torch.no_grad():
        w = torch.zeros(4, 2).double()
        w[:2, 0], w[2:, 1] = a, b
        p.head.layer.weight.copy_(w)
        p.head.layer.bias.zero_()
        precision = torch.stack([a.square().sum() / c + 1 / n, b.square().sum() / c + 1])
        q.head.layer.weight.zero_()
        q.head.layer.weight[:2] = w.T / c / precision.unsqueeze(1)
        q.head.layer.bias.zero_()
        q.head.layer.bias[2:] = -0.5 * precision.log()
    context = Context({"y": {"levels": [0, 1, 2]}})
    model = VAE(priors.StandardNormal(2), Grouped(q, Product(), 1), p, context=context).double()
    return model, exact_group(w[:, :1], w[:, 1:], c, n)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_bound_of_a_group_is_its_log_p_where_q_is_exact(n: int) -> None:
    """Summed over a group; with a rate for every item, as if each had latents of its own, it would fall below."""
    model, exact = linear(n)
    torch.manual_seed(0)
    x = exact.sample((3,)).view(3 * n, 4)
    y = {"y": torch.eye(3).double().repeat_interleave(n, 0)}
    draws = 4000
    with torch.no_grad():
        trace = model.train().trace(x, y, samples=draws)
        found, counted = (term.bound(model, trace).view(3, n).sum(1) for term in (GroupELBO(samples=draws), ELBO()))
    error = trace.log_px.view(draws, 3, n).sum(2).std(0) / draws**0.5
    want = exact.log_prob(x.view(3, n * 4))
    assert bool(((found - want).abs() < 4 * error).all()), (found, want)
    if n > 1:
        assert bool((counted < want - 0.1).all())


def test_the_bound_of_a_group_is_below_where_q_is_not() -> None:
    model, exact = linear(2)
    with torch.no_grad():
        model.posterior.posterior.head.layer.bias.add_(0.4)
    torch.manual_seed(0)
    x = exact.sample((3,)).view(6, 4)
    y = {"y": torch.eye(3).double().repeat_interleave(2, 0)}
    with torch.no_grad():
        found = GroupELBO(samples=4000).bound(model.train(), model.trace(x, y, samples=4000)).view(3, 2).sum(1)
    assert bool((found < exact.log_prob(x.view(3, 8)) - 0.05).all())
    # an item by itself: the plain ELBO, and evaluation gives log p of one item
    model.eval()
    with torch.no_grad():
        trace = model.trace(x, y)
        torch.testing.assert_close(GroupELBO().bound(model, trace), ELBO().bound(model, trace))


@pytest.mark.parametrize("pool", [Product(), Average()], ids=lambda p: type(p).__name__)
def test_pairs_share_what_agrees_written_out(pool: Any) -> None:
    q, found = single()(X), Adaptive(single(), pool).train()(X, GROUPS["y"])
    partner = [2, 5, 4, 3, 0, 1]  # the next of the group in the batch, in a circle
    assert partners(same([GROUPS["y"]], 6)).tolist() == partner
    some, all_of_them = False, True
    for i, j in enumerate(partner):
        gaps = td.kl_divergence(td.Normal(q.loc[i], q.scale[i]), td.Normal(q.loc[j], q.scale[j]))
        shared = gaps < 0.5 * (gaps.max() + gaps.min())
        for d in range(3):
            mean, variance = q.loc[[i, j], d], q.scale[[i, j], d].square()
            if i == j or not shared[d]:
                want, centre, all_of_them = q.scale[i, d].square(), q.loc[i, d], False
            elif isinstance(pool, Product):
                want = 1 / (1 / variance).sum()
                centre, some = want * (mean / variance).sum(), True
            else:
                want, centre, some = variance.mean(), mean.mean(), True
            torch.testing.assert_close(found.loc[i, d], centre, rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(found.scale[i, d].square(), want, rtol=1e-10, atol=1e-10)
    assert some and not all_of_them


def test_extremes_are_finite_in_float32() -> None:
    for pool in (Product(), Average()):
        log_scale = torch.tensor([[-10.0], [10.0], [0.0]], requires_grad=True)
        loc, scale = pool(torch.tensor([[1e4], [-1e4], [0.0]]), log_scale, torch.ones(3, 3))
        (grad,) = torch.autograd.grad((loc + scale).sum(), log_scale)
        assert bool(loc.isfinite().all() & scale.isfinite().all() & grad.isfinite().all())


def test_what_is_refused() -> None:
    with pytest.raises(vk.Mistake, match="got shared=4 and wanted 1 to 3"):
        Grouped(single(), Product(), 4)
    for name in ("ml_vae", "group_vae", "ada_gvae", "ada_ml_vae"):
        with pytest.raises(vk.Mistake, match=f"{name} got no groups: give y="):
            getattr(recipes, name)(shape=(4,))


def test_pools_keep_their_precision_under_autocast() -> None:
    for q in (Grouped(single(), Product(), 2), Adaptive(single(), Average())):
        q, x, y = q.float().train(), X.float(), GROUPS["y"].float()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside, own = q(x, y), q.posterior(x)
            assert inside.loc.dtype == torch.float32
            member = torch.eye(6)
            torch.testing.assert_close(q.pooled(own.loc, own.log_scale, member)[0], own.loc, rtol=1e-6, atol=1e-6)
