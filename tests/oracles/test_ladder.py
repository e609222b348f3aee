"""A hierarchy whose networks are made linear: its marginal is a Gaussian that is known; posteriors are products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.distributions import MultivariateNormal

import vaekit as vk
from vaekit import recipes
from vaekit.distributions import DiagonalGaussian
from vaekit.evaluation import log_likelihoods

X, TOP, LOW = 4, 2, 3


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear() -> Any:
    """A ladder of two levels whose ReLUs never close: every bias in front of one is 60, taken off behind it."""
    torch.manual_seed(0)
    model = recipes.ladder_vae(shape=(X,), latent_dims=[TOP, LOW], hidden=[5, 6]).model.double().eval()
    top, low = model.levels
    with torch.no_grad():
        for layer in (top.down.layers[0], low.down.layers[0], model.likelihood.net.layers[0]):
            layer.weight.mul_(0.5)
            layer.bias.fill_(60.0)
        state = top.state(torch.zeros(TOP).double(), None)
        low.prior.layer.weight[LOW:] = 0.0  # a scale that does not depend on z
        low.prior.layer.bias[LOW:] = -0.4
        low.prior.layer.bias[:LOW] = -low.prior.layer.weight[:LOW] @ state + 0.3
        low_state = low.state(torch.zeros(LOW).double(), state)
        out = model.likelihood.net(low_state)
        model.likelihood.head.layer.bias.copy_(-model.likelihood.head.layer.weight @ out + 0.2)
        model.likelihood.scale.log_scale.fill_(-0.2)
        for i, block in enumerate(model.levels):  # posteriors that see x, and are wrong
            block.evidence.layer.weight.mul_(0.3)
            block.evidence.layer.bias.copy_(0.1 * numbers(i, len(block.evidence.layer.bias)))
            block.evidence.layer.bias[block.latent_dim :] += 1.0  # wider than the truth: weights of finite variance
    return model


def affine(function: Any, inputs: int) -> tuple[Tensor, Tensor]:
    """(A, b) of an affine function, and a check that it is one."""
    with torch.no_grad():
        b = function(torch.zeros(inputs).double())
        a = torch.stack([function(e) - b for e in torch.eye(inputs).double()], -1)
        z = 3 * numbers(9, inputs)
        torch.testing.assert_close(function(z), a @ z + b, rtol=1e-10, atol=1e-10)
    return a, b


def marginal(model: Any) -> MultivariateNormal:
    top, low = model.levels
    a, c = affine(lambda z: low.p(top.state(z, None), z).loc, TOP)
    s = float(low.p(top.state(torch.zeros(TOP).double(), None), torch.zeros(1).double()).scale[0])

    def loc(both: Tensor) -> Tensor:
        z, w = both[:TOP], both[TOP:]
        mean: Tensor = model.likelihood(low.state(w, top.state(z, None))).loc
        return mean

    b, d = affine(loc, TOP + LOW)
    # both = (z, A z + c + s e): a Gaussian; x = B both + d + noise
    mix = torch.cat([torch.cat([torch.eye(TOP).double(), torch.zeros(TOP, LOW).double()], 1),
                     torch.cat([a, s * torch.eye(LOW).double()], 1)])  # fmt: skip
    mean = b @ torch.cat([torch.zeros(TOP).double(), c]) + d
    variance = (2 * model.likelihood.scale.log_scale).exp().item()
    whole = b @ mix @ mix.T @ b.T + variance * torch.eye(X).double()
    return MultivariateNormal(mean, whole)


@pytest.fixture(scope="module")
def known() -> tuple[Any, Tensor, Tensor]:
    model = linear()
    p = marginal(model)
    torch.manual_seed(1)
    x = p.sample((12,))
    return model, x, p.log_prob(x)


def test_the_estimate_converges_to_the_exact_marginal(known: Any) -> None:
    model, x, exact = known
    torch.manual_seed(0)
    got, error, _ = log_likelihoods(model, x, None, 40_000)
    assert bool(((got - exact).abs() < 4 * error).all()), (got - exact) / error
    assert float(error.max()) < 0.05


def test_weights_are_unbiased_at_one_draw(known: Any) -> None:
    model, x, exact = known
    torch.manual_seed(2)
    with torch.no_grad():
        ratio = (model.trace(x, samples=40_000).log_w - exact).exp()
    z = (ratio.mean(0) - 1) / (ratio.std(0) / 200)
    assert float(z.abs().max()) < 4 and float(z.mean().abs()) < 3 / 12**0.5, z


def test_two_posteriors_agree_on_log_p(known: Any) -> None:
    model, x, exact = known
    other = linear()
    with torch.no_grad():
        for block in other.levels:
            block.evidence.layer.bias.add_(0.2)
    torch.manual_seed(3)
    a, ea, _ = log_likelihoods(model, x, None, 20_000)
    b, eb, _ = log_likelihoods(other, x, None, 20_000)
    assert bool(((a - b).abs() < 4 * (ea.square() + eb.square()).sqrt()).all())


def test_samples_follow_the_exact_marginal(known: Any) -> None:
    model, _, _ = known
    p = marginal(model)
    torch.manual_seed(4)
    draws = model.sample(40_000, mean=False)
    white = torch.linalg.solve_triangular(p.scale_tril, (draws - p.loc).T, upper=False)
    assert float(white.mean(1).abs().max()) < 4 / 200  # four standard errors
    assert float((white @ white.T / 40_000 - torch.eye(X)).abs().max()) < 4 * 2**0.5 / 200


def test_the_posterior_is_the_precision_weighted_product() -> None:
    torch.manual_seed(0)
    block = linear().levels[1]
    p = DiagonalGaussian(numbers(1, 7, LOW), 0.4 * numbers(2, 7, LOW))
    seen = numbers(3, 7, block.evidence.features[0])
    loc, log_scale = block.evidence(seen)
    evidence = DiagonalGaussian(loc, log_scale)
    q = block.q(p, seen)
    z = torch.linspace(-3, 3, 13).double()[:, None, None].expand(-1, 7, LOW)
    # q is normalised by its family: it is the product where log p + log evidence - log q does not depend on z
    rest = p.log_prob_each(z) + evidence.log_prob_each(z) - q.log_prob_each(z)
    assert float((rest - rest[0]).abs().max()) < 1e-9


def test_rates_add_up_and_z_is_top_down() -> None:
    model = linear()
    x = numbers(5, 6, X)
    torch.manual_seed(0)
    trace = model.trace(x, samples=3)
    assert [tuple(z.shape) for z in trace.z] == [(3, 6, TOP), (3, 6, LOW)]
    torch.testing.assert_close(trace.kl, trace.rates.sum(0), rtol=0, atol=0)
    torch.testing.assert_close(trace.kl_each.sum(-1), trace.kl, rtol=1e-12, atol=1e-12)
    q, p, z = trace.levels[1]
    torch.testing.assert_close(p.loc, model.levels[1].p(model.levels[0].state(trace.z[0], None), x).loc)
    want = sum(q.log_prob(z) for q, _, z in trace.levels)
    torch.testing.assert_close(trace.log_q, want, rtol=1e-12, atol=1e-12)


def test_levels_of_larger_pictures_do_not_stay_empty() -> None:
    """Without the warm-up all levels fall to the prior in the first epochs, 0.03 nats, and stay there."""
    x = (np.kron(load_digits().images[:600] / 16, np.ones((3, 3))) * 255).astype(np.uint8)
    plan = vk.recipe("ladder_vae", x, hidden=[64, 128])
    history = vk.fit(plan, x, epochs=20, test=0.1, verbose=False).history
    assert history.rate.iloc[-1] > 1
    assert history.distortion.iloc[-1] < history.distortion.iloc[0] - 10
