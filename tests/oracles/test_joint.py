"""Gaussian and categorical latents together: sums over categories, quadrature over numbers, rates of their own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from tests.laws.tables import numbers
from tests.oracles.enumerated import pictures
from tests.oracles.test_control import digits
from torch.distributions import kl_divergence

from vaekit import distributions as d
from vaekit import recipes
from vaekit.distributions import frozen
from vaekit.evaluation import log_likelihoods
from vaekit.messages import Mistake
from vaekit.objectives import IWAE, BlockCapacity, Reconstruction, as_game, check
from vaekit.training import Batch, Step


def parts(seed: int) -> tuple[d.DiagonalGaussian, d.OneHot]:
    gaussian = d.DiagonalGaussian(numbers(seed, 5, 2), 0.3 * numbers(seed + 1, 5, 2))
    return gaussian, d.OneHot(numbers(seed + 2, 5, 1, 3))


def test_blocks_are_products() -> None:
    (a, b), (c, e) = parts(1), parts(11)
    q, p = d.Blocks(a, b), d.Blocks(c, e)
    torch.manual_seed(0)
    z = q.sample((4,))
    assert z.shape == (4, 5, 5)
    torch.testing.assert_close(q.log_prob(z), a.log_prob(z[..., :2]) + b.log_prob(z[..., 2:]), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(kl_divergence(q, p), kl_divergence(a, c) + kl_divergence(b, e), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.stack(q.kl_parts(p)).sum(0), kl_divergence(q, p), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(q.entropy(), a.entropy() + b.entropy(), rtol=1e-12, atol=1e-12)
    assert torch.equal(q.mean, torch.cat([a.mean, b.mean], -1)) and not q.has_rsample


def test_fixed_parameters_are_fixed_in_every_block() -> None:
    """A score under them may move the draw and nothing else."""
    loc = torch.zeros(3, 2, requires_grad=True)
    q = d.Blocks(d.DiagonalGaussian(loc, loc), d.OneHot(loc.unsqueeze(1)))
    assert not frozen(q).log_prob(torch.ones(3, 4)).requires_grad


def small(**more: Any) -> Any:
    torch.manual_seed(0)
    return recipes.joint_vae(**{"shape": (4,), "latent_dim": 1, "levels": 3, "hidden": [6], **more})


def test_log_p_is_that_of_quadrature_and_sums() -> None:
    from vaekit.likelihoods import Bernoulli

    model = small(likelihood=Bernoulli()).model.double().eval()
    nodes, mass = np.polynomial.hermite_e.hermegauss(80)
    z = torch.tensor([[node, *one] for one in np.eye(3) for node in nodes], dtype=torch.float64)
    log_mass = torch.tensor(np.tile(np.log(mass / mass.sum()), 3)) - math.log(3)
    x = pictures()
    exact = (model.likelihood(z[:, None]).log_prob(x) + log_mass[:, None]).logsumexp(0)
    assert float(exact.exp().sum().detach()) == pytest.approx(1, abs=1e-9)
    torch.manual_seed(0)
    got, error, _ = log_likelihoods(model, x, None, 40_000)
    assert bool(((got - exact).abs() < 4 * error + 1e-9).all())


def test_each_kind_is_charged_for_its_own_rate() -> None:
    model = small().model.double()
    trace = model.trace(numbers(1, 20, 4))
    (a, b), (c, e) = trace.q.parts, trace.p.parts
    for block, rate in enumerate((kl_divergence(a, c), kl_divergence(b, e))):
        found = BlockCapacity(block, 30.0, 0.5)(model, trace)
        torch.testing.assert_close(found, 30 * (rate.mean() - 0.5).abs(), rtol=1e-10, atol=1e-12)
    with pytest.raises(Mistake, match="in blocks"):
        plain = recipes.vae(shape=(4,), latent_dim=1, hidden=[6]).model.double()
        BlockCapacity(0)(plain, plain.trace(numbers(1, 20, 4)))


def test_the_categories_relax_in_training_only_and_several_draws_are_refused() -> None:
    model = small().model
    x = numbers(1, 20, 4).float()
    assert not bool(((z := model.trace(x).z[..., 1:]) == 0).logical_or(z == 1).all())
    with pytest.raises(Mistake, match="relaxed"):
        check(model, as_game(IWAE(3)), x, None, batch_size=20)
    with torch.no_grad():
        z = model.eval().trace(x).z[..., 1:]
    assert bool(((z == 0) | (z == 1)).all())


def test_both_rates_become_those_asked_for() -> None:
    torch.manual_seed(0)
    model = recipes.joint_vae(shape=(64,), latent_dim=4, levels=10, hidden=[64]).model
    step = Step(model, Reconstruction() + BlockCapacity(0, 30.0, 4.0) + BlockCapacity(1, 30.0, 1.5))
    step.optimizers["model"].param_groups[0]["lr"] = 2e-3
    x = digits()
    for i in range(800):
        step(Batch(x[torch.randint(len(x), (128,), generator=torch.Generator().manual_seed(i))]))
    trace = model.trace(x)
    rates = [float(kl.mean().detach()) for kl in trace.q.kl_parts(trace.p)]
    assert abs(rates[0] - 4.0) < 0.4 and abs(rates[1] - 1.5) < 0.15, rates
