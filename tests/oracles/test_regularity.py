"""Latent spaces whose shape is known: flat, bent and torn ones, and the three illnesses on small trained models."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn

import vaekit as vk
from vaekit import likelihoods, posteriors, priors, recipes
from vaekit.data import Context
from vaekit.evaluation import geodesic, regularity
from vaekit.evaluation.geodesic import STEPS, geodesics, smoothness_numbers, step_lengths, straight_path
from vaekit.evaluation.number import Number
from vaekit.evaluation.regularity import DRAWS, NEAR, completeness_numbers, hole_numbers, regularity_numbers
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.objectives import KL, Reconstruction
from vaekit.training import Fitter, Loader, Settings


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def value(number: Number) -> float:
    assert number.value is not None, number
    return number.value


def error(*found: Number) -> float:
    return math.hypot(*(number.se or 0.0 for number in found))


def coder(size: int, scale: float = 1.0, net: Any = None, out: int | None = None) -> Any:
    """A deterministic autoencoder with z = scale x and, where no net is given, x = z / scale."""
    model = VAE(
        priors.StandardNormal(size), posteriors.Point(nn.Identity(), size, features=size),
        likelihoods.Gaussian(nn.Identity() if net is None else net, (out or size,), features=out or size),
    ).double().eval()  # fmt: skip
    with torch.no_grad():
        for head, weight in ((model.posterior.head, scale), (model.likelihood.head, 1.0 if net else 1 / scale)):
            head.layer.weight.copy_(weight * torch.eye(len(head.layer.bias)))
            head.layer.bias.zero_()
    return model


# -- geodesics of known surfaces ---------------------------------------------------------------------------------


def sphere(z: Tensor) -> Tensor:
    polar, azimuth = z[..., 0], z[..., 1]
    return torch.stack([polar.sin() * azimuth.cos(), polar.sin() * azimuth.sin(), polar.cos()], -1)


def test_on_the_sphere_a_geodesic_is_a_great_circle() -> None:
    start = torch.tensor([[0.6, 0.0], [1.2, -1.0], [math.pi / 2, 0.3]]).double()
    end = torch.tensor([[0.6, 2.0], [0.9, 1.2], [math.pi / 2, 2.0]]).double()
    found = geodesics(sphere, start, end, steps=32, iterations=100)
    angle = (sphere(start) * sphere(end)).sum(-1).arccos()
    # chords of 1/128 of an angle d are short by d^2 / (24 128^2) < 1e-5, and a path that is straight in the
    # coordinates between its 33 knots is long by about d^2 / 32^2 / 24 < 2e-4
    torch.testing.assert_close(found.length, angle, rtol=3e-4, atol=0)
    assert bool((found.straight >= found.length).all())
    parallel = 2.0 * math.sin(0.6)  # the straight line of the first pair is a circle of latitude
    assert float(found.straight[0]) == pytest.approx(parallel, rel=1e-4)
    assert float(found.straight[2]) == pytest.approx(float(found.length[2]), rel=1e-4)  # the equator is both


def test_on_a_cylinder_that_is_unevenly_wound_it_is_the_helix() -> None:
    def angle(u: Tensor) -> Tensor:
        return u + 0.95 * u.sin()

    def wound(z: Tensor) -> Tensor:
        u, v = z[..., 0], z[..., 1]
        return torch.stack([angle(u).cos(), angle(u).sin(), v], -1)

    start, end = torch.tensor([[0.0, 0.0]]).double(), torch.tensor([[2.5, 1.5]]).double()
    found = geodesics(wound, start, end, steps=32, iterations=100)
    turn = float(angle(end[0, 0]))
    assert float(found.length) == pytest.approx(math.hypot(turn, 1.5), rel=1e-3)  # unrolled it is straight
    straight = quad(lambda t: math.hypot(2.5 * (1 + 0.95 * math.cos(2.5 * t)), 1.5), 0, 1)[0]
    assert float(found.straight) == pytest.approx(straight, rel=1e-3)
    assert straight > 1.01 * math.hypot(turn, 1.5)  # something to gain


def test_flat_spaces_have_ratio_one() -> None:
    weight = numbers(0, 2, 7)
    found = geodesics(lambda z: z @ weight, numbers(1, 20, 2), numbers(2, 20, 2), steps=8)
    torch.testing.assert_close(found.straight / found.length, torch.ones(20).double(), rtol=0, atol=1e-12)


def test_a_tear_is_one_step() -> None:
    """x = (z, 5 sign z): a line over 0 has all but its own length in one step."""
    path = straight_path(torch.tensor([[-1.0]]).double(), torch.tensor([[1.1]]).double(), 30)
    moved = step_lengths(lambda z: torch.cat([z, 5 * z.sign()], -1), path)[:, 0]
    step = 2.1 / 30
    assert int((moved > 1.01 * step).sum()) == 1
    assert float(moved.max()) == pytest.approx(math.hypot(step, 10), abs=1e-9)


# -- smoothness ----------------------------------------------------------------------------------------------------


def test_a_linear_model_is_flat() -> None:
    x = numbers(3, 300, 5) @ numbers(4, 5, 5)
    recipe = recipes.ppca(shape=(5,), latent_dim=2)
    model = recipe.model.double().eval()
    recipe.start(model, x)
    found = smoothness_numbers(model, x)
    assert value(found["detour"]) == pytest.approx(1, abs=1e-10)
    assert value(found["largest_step"]) == pytest.approx(1 / STEPS, abs=1e-10)
    assert value(found["geodesic_ratio"]) == pytest.approx(1, abs=1e-10)
    # the latents' deviation is 1 in each direction, as q(z) is the prior at the maximum of the likelihood: a unit
    # step moves by |W u|, and its mean square over directions is |W|^2 / 2
    w = model.likelihood.head.layer.weight.detach()
    turn = torch.linspace(0, 2 * math.pi, 1001)[:-1].double()
    moved = torch.linalg.vector_norm(torch.stack([turn.cos(), turn.sin()], -1) @ w.T, dim=1)
    spread = float((x - x.mean(0)).square().mean(0).sum().sqrt())
    scale = 3 / 300**0.5  # the relative error of a deviation of 300 draws is 1 / sqrt(600); of two of them
    want = float(moved.mean()) / spread
    assert abs(value(found["step_mean"]) - want) < 4 * error(found["step_mean"]) + scale * want
    assert abs(value(found["step_q95"]) - float(moved.quantile(0.95)) / spread) < scale * want


def test_the_scale_of_the_latents_does_not_matter() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 3)).double()
    x = numbers(5, 100, 3)
    one = smoothness_numbers(coder(3, net=net), x)
    other = smoothness_numbers(coder(3, scale=50.0, net=nn.Sequential(Times(1 / 50.0), net)), x)
    for name, number in one.items():
        # L-BFGS takes another way to the same curve
        assert value(other[name]) == pytest.approx(value(number), rel=1e-3 if name == "geodesic_ratio" else 1e-9), name


class Times(nn.Module):
    """z times a number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, z: Tensor) -> Tensor:
        return z * self.factor


class Torn(nn.Module):
    """z -> (z, size sign z)."""

    def __init__(self, size: float) -> None:
        super().__init__()
        self.size = size

    def forward(self, z: Tensor) -> Tensor:
        return torch.cat([z, self.size * z.sign()], -1)


def test_a_torn_model_jumps_by_the_known_share() -> None:
    size, n = 0.5, 400
    model = VAE(
        priors.StandardNormal(1), posteriors.Point(nn.Linear(2, 1), 1, features=1),
        likelihoods.Gaussian(Torn(size), (2,), features=2),
    ).double().eval()  # fmt: skip
    with torch.no_grad():
        for layer in (model.posterior.net, model.posterior.head.layer, model.likelihood.head.layer):
            layer.weight.copy_(torch.eye(2, dtype=torch.float64)[: layer.weight.shape[0], : layer.weight.shape[1]])
            layer.bias.zero_()
    z = numbers(6, n).abs() + 0.5
    z[: n // 2] *= -1  # two groups, the same on both sides of the tear
    found = smoothness_numbers(model, torch.stack([z, size * z.sign()], -1))
    i, j = np.triu_indices(n, 1)
    gap, apart = (z[i] - z[j]).abs().numpy(), (z[i].sign() != z[j].sign()).numpy()
    step = gap / STEPS
    torn = np.hypot(step, 2 * size)
    share = np.where(apart, torn / (gap - step + torn), 1 / STEPS)  # over all pairs there are
    assert abs(value(found["largest_step"]) - share.mean()) < 4 * error(found["largest_step"])
    detour = np.where(apart, (gap - step + torn) / np.hypot(gap, 2 * size), 1.0)
    assert abs(value(found["detour"]) - detour.mean()) < 4 * error(found["detour"])


def test_a_constant_decoder_has_no_way() -> None:
    model = coder(2)
    with torch.no_grad():
        model.likelihood.head.layer.weight.zero_()
    found = smoothness_numbers(model, numbers(7, 30, 2))
    assert value(found["step_mean"]) == 0
    assert {found[name].value for name in ("detour", "largest_step", "geodesic_ratio")} == {None}


# -- completeness --------------------------------------------------------------------------------------------------


def test_prior_draws_like_the_data_are_as_typical_as_the_data() -> None:
    found = completeness_numbers(coder(2), numbers(8, 4000, 2), reference=numbers(9, 4000, 2))
    for number in found.values():
        # 1,000 draws, and a quantile of 4,000: errors of 0.7 % and 0.35 %
        assert value(number) == pytest.approx(0.95, abs=4 * 0.0078)


def radius(items: Tensor) -> Tensor:
    return 7 * torch.linalg.vector_norm(items, dim=1)[:, None]


@pytest.mark.parametrize("features", [None, radius], ids=["values", "features"])
@pytest.mark.parametrize("scale", [1.0, 3.0], ids=["faithful", "decodes too wide"])
def test_draws_into_a_ring_are_as_typical_as_scikit_learn_finds(scale: float, features: Any) -> None:
    def ring(seed: int, n: int) -> Tensor:
        angle, far = 3 * numbers(seed, n), 2 + 0.1 * numbers(seed + 1, n)
        return far[:, None] * torch.stack([angle.cos(), angle.sin()], -1)

    def look(items: Tensor) -> Any:
        return (items if features is None else features(items)).numpy()

    held, known = ring(10, 600), ring(12, 600)
    model = coder(2)
    with torch.no_grad():
        model.likelihood.head.layer.weight.mul_(scale)
    found = completeness_numbers(model, held, reference=known, features=features)
    near = NearestNeighbors(n_neighbors=5).fit(look(known))

    def distance(items: Tensor) -> Any:
        return near.kneighbors(look(items))[0].mean(1)

    bar = min(np.quantile(distance(items), 0.95) for items in (held, scale * held))
    tril = torch.linalg.cholesky(held.T.cov())
    for name, draws in (("complete_share", numbers(14, 50_000, 2)), ("complete_share_fitted", numbers(15, 50_000, 2))):
        z = draws if name == "complete_share" else held.mean(0) + draws @ tril.T
        want = (distance(scale * z) <= bar).mean()
        assert 0.02 < want < 0.6  # most fall into the hole, or outside
        assert abs(value(found[name]) - want) < 4 * (want * (1 - want) * (1 / 1000 + 1 / 50_000)) ** 0.5, name


def test_items_with_gaps_have_no_distances() -> None:
    x = numbers(16, 40, 2)
    gaps = x.clone()
    gaps[0, 0] = math.nan
    found = completeness_numbers(coder(2), x, reference=gaps)
    assert found["complete_share"].value is None and "missing" in found["complete_share"].how
    filled = completeness_numbers(coder(2), x, reference=gaps, features=lambda items: items[:, 1:])
    assert value(filled["complete_share"]) > 0.5  # in the other column, where the draws are like the data


# -- holes ---------------------------------------------------------------------------------------------------------


def occupied(points: int, n: int = DRAWS, k: int = NEAR) -> float:
    """Of n draws' balls to the k-th nearest fellow: how many hold one of so many independent points, all alike.

    The n - 1 fellows and the points come in any order of distance: none of the points is among the first k with
    probability prod (n - 1 - i) / (n - 1 + points - i).
    """
    i = np.arange(k)
    return float(1 - np.prod((n - 1 - i) / (n - 1 + points - i)))


@pytest.mark.parametrize("items", [2000, 200])
def test_latents_that_follow_the_prior_leave_the_expected_holes(items: int) -> None:
    """Codes without a width occupy only themselves: the fewer there are, the more holes."""
    found = hole_numbers(coder(2), numbers(20, items, 2))
    want = occupied(items)
    assert 0.3 < want < 0.98
    for number in found.values():
        # a code lies in 5 balls where there are as many, in more where there are fewer: these fall together
        limit = 4 * (want * (1 - want) / DRAWS * (1 + 5 * DRAWS / items)) ** 0.5
        assert abs(value(number) - want) < limit


def test_posteriors_as_wide_as_the_prior_leave_none() -> None:
    model = VAE(
        priors.StandardNormal(3), posteriors.Gaussian(nn.Identity(), 3, features=2),
        likelihoods.Gaussian(nn.Identity(), (2,), features=3),
    ).double().eval()  # fmt: skip
    with torch.no_grad():
        for parameter in model.posterior.head.parameters():
            parameter.zero_()
    found = hole_numbers(model, numbers(21, 25, 2))
    want = occupied(DRAWS)  # 25 items only, and all draws are independent
    assert value(found["coverage"]) == pytest.approx(want, abs=4 * (want * (1 - want) / DRAWS * 6) ** 0.5)


def test_half_of_the_prior_is_a_hole() -> None:
    x = numbers(22, DRAWS, 2)
    x[:, 0].abs_()
    found = hole_numbers(coder(2), x)
    # in the half that is occupied the codes are twice as dense, and a ball of 5 fellows misses them (1/3)^5 of times
    want = 0.5 * (1 - 3.0**-5)
    # a ball of 5 of the 2,000 has a radius of about sqrt(5 / 2000 / pi / 0.1) = 0.09: over the edge come those from a
    # strip of half that width, of density 0.4
    assert -4 * (0.25 / DRAWS) ** 0.5 < value(found["coverage"]) - want < 0.04 * 0.4 + 4 * (0.25 / DRAWS) ** 0.5


# -- all of it ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["vae", "full", "point", "ladder", "conditional"])
def test_the_numbers_depend_on_the_seed_alone(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, name, size in ((regularity, "DRAWS", 200), (regularity, "DECODES", 100), (geodesic, "CURVES", 2)):
        monkeypatch.setattr(place, name, size)
    torch.manual_seed(0)
    small: dict[str, Any] = {"shape": (4,), "latent_dim": 2, "hidden": [8]}
    model = {
        "vae": lambda: recipes.vae(**small),
        "full": lambda: recipes.vae(**small, posterior=posteriors.FullGaussian),
        "point": lambda: recipes.autoencoder(**small),
        "ladder": lambda: recipes.ladder_vae(shape=(4,), latent_dims=[2, 3], hidden=[8, 9]),
        "conditional": lambda: recipes.conditional_vae(**small, context=Context({"y": {"levels": [0, 1]}})),
    }[kind]().model.eval()
    x = torch.randn(60, 4)
    y = model.to_context([i % 2 for i in range(60)], 60) if kind == "conditional" else None
    one = regularity_numbers(model, x, y, seed=1)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert regularity_numbers(model, x, y, seed=1) == one
    assert torch.equal(torch.get_rng_state(), state)  # and looking changes nothing
    assert regularity_numbers(model, x, y, seed=2) != one
    assert all(math.isfinite(value(number)) for number in one.values())
    assert value(one["detour"]) >= 1 and value(one["geodesic_ratio"]) >= 1
    assert all(p.grad is None for p in model.parameters())


def test_bits_and_a_handful_of_items_are_refused() -> None:
    bits = recipes.vae(shape=(4,), latent_dim=2, hidden=[8], posterior=posteriors.StraightThroughBernoulli).model.eval()
    with pytest.raises(Mistake, match="bits"):
        regularity_numbers(bits, torch.randn(60, 4))
    with pytest.raises(Mistake, match="19 items"):
        regularity_numbers(coder(2), numbers(0, 19, 2))


@pytest.fixture(scope="module")
def digits() -> dict[str, dict[str, Number]]:
    """An autoencoder, a VAE of 100 items with a tiny rate and a good VAE, each seen on 397 held-out digits."""
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(8))
    x = torch.from_numpy(load_digits().images).float()[order] / 16
    train, held = x[:1400], x[1400:]
    found = {}
    for name, recipe, data, more in (
        ("good", "vae", train, {}),
        ("autoencoder", "autoencoder", train, {}),
        # as a sum of terms: with an ELBO training would end with latents of the prior's mean and scale
        ("overfitted", "vae", train[:100], {"objective": Reconstruction() + 1e-4 * KL()}),
    ):
        torch.manual_seed(8)
        made: Any = dataclasses.replace(vk.recipe(recipe, "digits", latent_dim=4, hidden=[64]), **more)
        model = made.model
        model.transform.before_fit(data, {}, len(data))
        settings = Settings.of(made.defaults, {"seed": 8, "device": "cpu", "steps": 600, "lr": 5e-3, "batch_size": 100})
        loader = Loader(data, None, model, batch_size=100, seed=8, device=torch.device("cpu"))
        Fitter(made, loader, None, settings, show=False).run()
        model.eval()
        found[name] = regularity_numbers(model, model.transform(held), reference=model.transform(train))
    return found


def test_the_illnesses_are_told_apart(digits: dict[str, dict[str, Number]]) -> None:
    """Each number that is compared differs by three standard errors, or by that and a factor; the bars were set on
    models of other seeds and another split of the data."""
    good, plain, over = (digits[name] for name in ("good", "autoencoder", "overfitted"))

    def more(name: str, ill: dict[str, Number], well: dict[str, Number], factor: float = 1.0) -> None:
        gap = value(ill[name]) - factor * value(well[name])
        assert gap > 3 * error(ill[name], well[name]), (name, str(ill[name]), str(well[name]))

    # the good one is nearly flat; the autoencoder is rougher, the overfitted one roughest
    more("step_mean", plain, good)
    more("step_mean", over, good, 1.5)
    more("detour", plain, good)
    more("detour", over, good, 1.2)
    more("largest_step", plain, good)
    more("largest_step", over, good)
    assert value(good["geodesic_ratio"]) < 1.1
    # the prior of the good one is mostly occupied, those of the others are mostly holes, even a prior that is fitted
    assert value(good["coverage"]) > 0.5
    more("coverage", good, plain, 2)
    more("coverage", good, over, 2)
    more("coverage_fitted", good, plain, 1.3)
    more("coverage_fitted", good, over, 1.3)
    # and where others' latents lie, there is nonsense between them
    assert value(good["complete_share_fitted"]) > 0.5
    more("complete_share_fitted", good, plain)
    more("complete_share_fitted", good, over)
