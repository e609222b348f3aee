"""Annealed and Hamiltonian importance sampling where log p(x) is known, and their trajectories by themselves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from vaekit import likelihoods, posteriors, priors, recipes
from vaekit.data import Context
from vaekit.data.transforms import Standardize
from vaekit.evaluation import annealed, hmc, log_likelihoods
from vaekit.evaluation.annealed import annealed_log_likelihoods, bdmc
from vaekit.evaluation.hmc import hamiltonian_log_likelihoods
from vaekit.evaluation.likelihood import Estimates
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.networks import ZeroFill

from . import test_importance as flat
from . import test_ladder as ladder

Estimator = Callable[..., Estimates]


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# -- trajectories ----------------------------------------------------------------------------------------------


def curved(z: Tensor) -> Tensor:
    """A log-density of two dimensions that is far from Gaussian, (..., 2) -> (...)."""
    return -0.1 * z[..., 0] ** 4 - (z[..., 1] - z[..., 0] ** 2).square() - 0.5 * torch.cos(3 * z).sum(-1)


def test_leapfrog_goes_back_the_way_it_came() -> None:
    density, z, v = hmc.differentiated(curved), numbers(0, 7, 5, 2), numbers(1, 7, 5, 2)
    step = 0.02 + 0.05 * numbers(2, 7, 5, 1).abs()  # of each chain and item
    end, w, before, after = hmc.leapfrog(density, z, v, step, 20)
    back, u, *_ = hmc.leapfrog(density, end, -w, step, 20)
    assert float((end - z).abs().min(-1).values.max()) > 0.1  # it went somewhere
    torch.testing.assert_close(back, z, rtol=0, atol=1e-10)
    torch.testing.assert_close(u, -v, rtol=0, atol=1e-10)
    torch.testing.assert_close(before, curved(z))
    torch.testing.assert_close(after, curved(end))


def test_energy_error_falls_with_the_square_of_the_step() -> None:
    density, z, v = hmc.differentiated(curved), numbers(0, 200, 1, 2), numbers(1, 200, 1, 2)

    def error(step: float, steps: int) -> float:
        _, w, before, after = hmc.leapfrog(density, z, v, step, steps)
        gain = after - before + 0.5 * (v.square() - w.square()).sum(-1)
        return float(gain.abs().median())

    assert error(0.02, 20) / error(0.01, 40) == pytest.approx(4, rel=0.1)  # the next order is 2 % at this step


@pytest.mark.parametrize("cooling", [None, torch.tensor([0.9, 0.7, 0.8], dtype=torch.float64)], ids=["plain", "cooled"])
def test_volumes_change_by_the_cooling_alone(cooling: Tensor | None) -> None:
    density = hmc.differentiated(curved)

    def flow(both: Tensor) -> Tensor:
        z, v, *_ = hmc.leapfrog(density, both[:, None, :2], both[:, None, 2:], 0.1, 3, cooling=cooling)
        return torch.cat([z, v], -1)[:, 0]

    at, small = numbers(3, 4), 1e-5
    steps = small * torch.eye(4).double()
    slopes = (flow(at + steps) - flow(at - steps)) / (2 * small)  # central differences: 1e-10 of error
    want = 1.0 if cooling is None else float(cooling.prod()) ** 2  # both momenta
    assert float(torch.linalg.det(slopes).abs()) == pytest.approx(want, rel=1e-7)


def test_the_sampler_has_the_moments_of_a_gaussian() -> None:
    mean = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    root = torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.5, 0.0], [-0.4, 0.2, 0.7]], dtype=torch.float64)
    target = MultivariateNormal(mean, scale_tril=root)
    density = hmc.differentiated(target.log_prob)
    torch.manual_seed(0)
    z, chains = torch.zeros(4000, 2, 3, dtype=torch.float64), 8000  # far from the mean, independent of each other
    for _ in range(30):
        z, taken = hmc.transition(density, z, 0.35, 5)
    assert 0.5 < float(taken.mean()) < 0.99  # the test is used: without it a step of this size is biased
    white = torch.linalg.solve_triangular(root, (z.flatten(0, 1) - mean).T, upper=False)  # (3, chains): N(0, I)
    # four standard errors: of a mean 1 / sqrt(n), of a variance sqrt(2 / n), of a product 1 / sqrt(n)
    error = chains**-0.5
    assert float(white.mean(1).abs().max()) < 4 * error
    moments = white @ white.T / chains - torch.eye(3).double()
    assert float(moments.diagonal().abs().max()) < 4 * 2**0.5 * error
    assert float(moments.tril(-1).abs().max()) < 4 * error


# -- estimates against exact marginals -------------------------------------------------------------------------


def too_far_or_lopsided(found: Estimates, exact: Tensor) -> Tensor:
    """How many standard errors the mean weight of each item lies from p(x), (B,)."""
    ratio = (found.log_p - exact).exp()
    return (ratio - 1) / (found.error * ratio)


def ais(model: Any, x: Tensor, y: Any = None) -> Estimates:
    return annealed_log_likelihoods(model, x, y, temperatures=25, chains=500, leapfrog=3)


def ais_from_q(model: Any, x: Tensor, y: Any = None) -> Estimates:
    return annealed_log_likelihoods(model, x, y, temperatures=4, chains=500, leapfrog=3, from_posterior=True)


def his(model: Any, x: Tensor, y: Any = None) -> Estimates:
    return hamiltonian_log_likelihoods(model, x, y, samples=5000, heat=1.3)


def his_of_a_step(model: Any, x: Tensor, y: Any = None) -> Estimates:
    return hamiltonian_log_likelihoods(model, x, y, samples=5000, leapfrog=1)


every = pytest.mark.parametrize("estimate", [ais, ais_from_q, his, his_of_a_step])


@every
@pytest.mark.parametrize("kind", ["flat", "ladder"])
def test_estimates_are_unbiased_in_p(estimate: Estimator, kind: str) -> None:
    if kind == "flat":
        model, x, exact = flat.wrong()
    else:
        model = ladder.linear()
        torch.manual_seed(1)
        x = ladder.marginal(model).sample((12,))
        exact = ladder.marginal(model).log_prob(x)
    found = estimate(model, x)
    z = too_far_or_lopsided(found, exact)
    assert float(z.mean().abs()) < 3 / len(x) ** 0.5 and float(z.abs().max()) < 4, z  # 3 of their mean; 4 of each
    assert float(found.error.median()) < 0.1  # so that agreement means something


@pytest.fixture(scope="module")
def sandwiches() -> dict[int, tuple[Any, Tensor]]:
    """Temperatures -> what 100 simulated items gave, and their exact log p."""
    model = flat.wrong()[0]
    p = flat.marginal(model)
    found = {t: bdmc(model, 100, temperatures=t, chains=4, leapfrog=3, seed=t) for t in (10, 30, 90)}
    return {t: (s, p.log_prob(s.x).detach()) for t, s in found.items()}


def test_simulated_data_are_the_models(sandwiches: dict[int, tuple[Any, Tensor]]) -> None:
    p = flat.marginal(flat.wrong()[0])
    exact = torch.cat([e for _, e in sandwiches.values()])
    want = -float(p.entropy())
    assert abs(float(exact.mean()) - want) < 3 * float(exact.std()) / len(exact) ** 0.5


def test_annealing_both_ways_encloses_log_p(sandwiches: dict[int, tuple[Any, Tensor]]) -> None:
    gaps = []
    for temperatures, (found, exact) in sandwiches.items():
        for error in (found.lower.log_p - exact, exact - found.upper.log_p):
            assert float(error.mean()) < 2 * float(error.std()) / 10  # two standard errors of 100 items
            if temperatures == 90:  # p(x), and on the way back 1 / p(x), without bias; the others have heavy tails
                assert abs(float(error.exp().mean()) - 1) < 3 * float(error.exp().std()) / 10
        gaps.append(found.numbers()["bdmc_gap"])
        assert gaps[-1].value == pytest.approx(float((found.upper.log_p - found.lower.log_p).mean()))
    rough, better, fine = (g.value for g in gaps)
    assert rough > 2 * gaps[0].se > 0  # ten temperatures leave a gap that is there
    assert rough > better > fine > -2 * gaps[2].se and fine < 0.2 * rough


def test_a_hierarchy_is_enclosed_too() -> None:
    model = ladder.linear()
    found = bdmc(model, 100, temperatures=40, chains=4, leapfrog=4)
    exact = ladder.marginal(model).log_prob(found.x)
    for error in (found.lower.log_p - exact, exact - found.upper.log_p):
        assert float(error.mean()) < 2 * float(error.std()) / 10
    assert 0.5 < found.numbers()["bdmc_acceptance"].value < 0.8  # 65 % is aimed at


def gappy() -> tuple[Any, Tensor, Tensor]:
    """A linear Gaussian model of standardised columns, items with gaps in the model's units, and their exact log p."""
    transform = Standardize((5,), per_feature=True)
    transform.before_fit(numbers(6, 50, 5) * torch.arange(1.0, 6.0).double(), {}, 50)
    model: Any = VAE(
        priors.StandardNormal(2),
        posteriors.Gaussian(ZeroFill(nn.Identity(), features=(5,)), 2, features=5),
        likelihoods.Gaussian(nn.Identity(), (5,), features=2),
        transform=transform,
    ).double().eval()  # fmt: skip
    with torch.no_grad():
        w, head = numbers(7, 5, 2), model.posterior.head.layer
        model.likelihood.head.layer.weight.copy_(w)
        model.likelihood.scale.log_scale.fill_(-0.4)
        # the posterior's mean as if nothing were missing, and the prior's scale: wrong, and wide enough
        head.weight[:2] = torch.linalg.solve(w.T @ w + math.exp(-0.8) * torch.eye(2).double(), w.T)
        head.weight[2:] = 0.0
    torch.manual_seed(2)
    x = flat.marginal(model).sample((12,))
    x[numbers(8, 12, 5) > 0.5] = float("nan")
    x[0] = torch.tensor([float("nan")] * 4 + [0.3])
    exact = torch.stack([flat.marginal(model, ~row.isnan()).log_prob(row[~row.isnan()]) for row in x])
    seen = torch.where(x.isnan(), 0.0, transform.factor.log()).sum(1)
    return model, x, exact + seen


@every
def test_gaps_are_left_out_and_units_are_the_users(estimate: Estimator) -> None:
    model, x, exact = gappy()
    found = estimate(model, x)
    assert float(too_far_or_lopsided(found, exact).abs().max()) < 4
    assert float(found.error.median()) < 0.1


@every
def test_a_context_goes_along_with_its_items(estimate: Estimator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against importance sampling, which follows no gradient; binary data, two items in memory at a time."""
    torch.manual_seed(4)
    context = Context({"y": {"levels": [0, 1, 2]}})
    recipe = recipes.conditional_vae(
        shape=(6,), latent_dim=2, hidden=[9], context=context, likelihood=likelihoods.Bernoulli()
    )
    model: Any = recipe.model.double().eval()
    with torch.no_grad():
        model.likelihood.head.layer.weight.mul_(4)
    x, y = (numbers(9, 5, 6) > 0).double(), model.to_context([0, 1, 2, 1, 0], 5)
    want, error, _ = log_likelihoods(model, x, y, 20_000)
    other = log_likelihoods(model, x, model.to_context([0] * 5, 5), 20_000)[0]
    assert float((want - other).abs().max()) > 0.3  # the context matters
    for module in (annealed, hmc):
        monkeypatch.setattr(module, "DECODED", 2 * 500)
    monkeypatch.setattr(hmc, "HELD", 2 * 5000)
    found = estimate(model, x, y)
    assert bool(((found.log_p - want).abs() < 4 * torch.hypot(error, found.error)).all())
    assert float(found.error.median()) < 0.1


# -- what is reported, and what is refused ---------------------------------------------------------------------


def test_a_seed_gives_the_same_numbers_and_takes_no_other_noise() -> None:
    model, x, _ = flat.wrong()
    few = {"temperatures": 5, "chains": 3, "leapfrog": 2}

    def taken(seed: int) -> list[Tensor]:
        sandwich = bdmc(model, 4, seed=seed, **few)
        return [
            annealed_log_likelihoods(model, x, seed=seed, **few).log_p,
            hamiltonian_log_likelihoods(model, x, samples=10, seed=seed).log_p,
            sandwich.x, sandwich.lower.log_p, sandwich.upper.log_p,
        ]  # fmt: skip

    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    first = taken(0)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(6)
    assert all(torch.equal(a, b) for a, b in zip(taken(0), first, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(taken(1), first, strict=True))


def test_numbers_say_how_they_were_taken() -> None:
    model, x, exact = flat.wrong()
    found = annealed_log_likelihoods(model, x, temperatures=30, chains=6, leapfrog=4)
    numbers = found.numbers()
    assert numbers["ais_nll"].value == pytest.approx(-float(found.log_p.mean()))
    assert numbers["ais_nll"].se == pytest.approx(float(found.log_p.std()) / 4)  # sixteen items
    assert numbers["ais_nll_mc_se"].value == pytest.approx(float(found.error.square().sum().sqrt()) / 16)
    for word in ("prior", "30 temperatures", "6 chains", "4 leapfrog", "below"):
        assert word in numbers["ais_nll"].how
    assert 0.5 < numbers["ais_acceptance"].value < 0.8  # 65 % is aimed at
    assert {n.unit for n in numbers.values()} == {"nats", "draws", "share"}
    assert "ais_acceptance" in bdmc(model, 3, temperatures=2, chains=2, leapfrog=1).lower.numbers()
    assert hamiltonian_log_likelihoods(model, x, samples=5).numbers()["his_nll"].unit == "nats"


@every
def test_what_has_no_gradient_or_density_is_refused(estimate: Estimator) -> None:
    plain = {"shape": (6,), "latent_dim": 2, "hidden": [8]}
    x = torch.zeros(2, 6)
    with pytest.raises(Mistake, match="Point posterior.*train"):
        estimate(recipes.autoencoder(**plain).model.eval(), x)
    discrete = recipes.vae(**plain, posterior=posteriors.StraightThroughBernoulli).model.eval()
    with pytest.raises(Mistake, match="importance sampling"):
        estimate(discrete, x)
    with pytest.raises(Mistake, match="binarise"):
        estimate(recipes.vae(**plain, likelihood=likelihoods.Bernoulli()).model.eval(), x + 0.5)


def test_counts_below_one_are_refused() -> None:
    model, x, _ = flat.wrong()
    for wrong in ("temperatures", "chains", "leapfrog"):
        with pytest.raises(Mistake, match=wrong):
            annealed_log_likelihoods(model, x, **{wrong: 0})
        with pytest.raises(Mistake, match=wrong):
            bdmc(model, 2, **{wrong: 0})
    with pytest.raises(Mistake, match="samples"):
        hamiltonian_log_likelihoods(model, x, samples=0)
