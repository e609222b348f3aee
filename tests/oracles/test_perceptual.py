"""Perceptual terms against formulas written out, Parseval, the evaluation's own SSIM, and densities by quadrature."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import kstest
from torch import Tensor, nn

from vaekit import recipes
from vaekit.distributions import LogCosh
from vaekit.evaluation.similarity import ssim
from vaekit.messages import Mistake
from vaekit.objectives import ELBO, Dissimilarity, FeatureDistance, FocalFrequency, PerceptualDistance
from vaekit.recipes.hou2017 import DigitLayers
from vaekit.training import Batch, Step


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def scored(term: Any, x: Tensor, made: Tensor) -> Tensor:
    """The term of items and the likelihood's mean."""
    trace: Any = SimpleNamespace(x=x, px=SimpleNamespace(mean=made[None]))
    value: Tensor = term(None, trace)
    return value


# -- structure -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(28, 28), (8, 8), (3, 50, 46), (1, 2, 5), (1, 1)])
def test_dissimilarity_is_that_of_the_evaluation(shape: tuple[int, ...]) -> None:
    x = numbers(0, 6, *shape)
    made = 0.7 * x + 0.3 * numbers(1, 6, *shape)
    got = scored(Dissimilarity().double(), x, made)
    torch.testing.assert_close(got, 1 - ssim(x, made, peak=1.0, scales=5), rtol=1e-9, atol=1e-9)
    assert float(scored(Dissimilarity().double(), x, x).abs().max()) < 1e-9


def test_dissimilarity_does_not_depend_on_the_units() -> None:
    x, made = numbers(0, 6, 20, 20), numbers(1, 6, 20, 20)
    term, other = Dissimilarity().double(), Dissimilarity().double()
    both = torch.cat([x, made])
    term.before_fit(both, {}, 12)
    other.before_fit(7 * both - 3, {}, 12)
    want = scored(term, x, made)
    torch.testing.assert_close(scored(other, 7 * x - 3, 7 * made - 3), want, rtol=1e-9, atol=1e-9)


def test_opposed_pictures_have_values_and_slopes() -> None:
    """PEERS A9 and P16: negative contrasts to a fractional power are NaN; here their slope is 0, others' is finite."""
    x = (numbers(0, 5, 40, 40) > 0.5).float()
    for made in (1 - x, x, torch.zeros_like(x), torch.full_like(x, 0.5), 50 * torch.randn_like(x)):
        made = made.clone().requires_grad_()
        value = scored(Dissimilarity(), x, made)
        (slope,) = torch.autograd.grad(value.sum(), made)
        assert bool(value.isfinite().all()) and bool(slope.isfinite().all())
        assert float(value.detach().max()) <= 1 + 1e-5 and float(value.detach().min()) >= -1e-5


# -- frequencies -----------------------------------------------------------------------------------------------------


def test_focal_frequency_against_a_transform_written_out() -> None:
    x, made = numbers(0, 4, 2, 5, 6), numbers(1, 4, 2, 5, 6)
    rows, columns = (np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n) / math.sqrt(n) for n in (5, 6))
    wave = rows @ (x - made).numpy() @ columns
    size = np.abs(wave)
    for alpha in (1.0, 2.0, 0.5):
        weight = size**alpha / (size**alpha).max((-2, -1), keepdims=True)
        want = 0.5 * (weight * size**2).sum((1, 2, 3))
        np.testing.assert_allclose(scored(FocalFrequency(alpha), x, made), want, rtol=1e-9)


def test_without_focus_it_is_the_squared_error() -> None:
    x, made = numbers(0, 4, 7, 6), numbers(1, 4, 7, 6)
    want = 0.5 * (x - made).square().sum((1, 2))  # Parseval
    torch.testing.assert_close(scored(FocalFrequency(0.0), x, made), want, rtol=1e-9, atol=1e-12)


def test_the_focus_carries_no_gradient() -> None:
    x, made = numbers(0, 3, 5, 6), numbers(1, 3, 5, 6).requires_grad_()
    (got,) = torch.autograd.grad(scored(FocalFrequency(1.0), x, made).sum(), made)
    wave = torch.fft.fft2(x - made.detach(), norm="ortho")
    weight = wave.abs() / wave.abs().amax((-2, -1), keepdim=True)
    want = -torch.fft.ifft2(weight * wave, norm="ortho").real  # of 1/2 sum w |F(x - made)|^2 with w held
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-12)
    same = x.clone().requires_grad_()
    value = scored(FocalFrequency(1.0), x, same).sum()
    assert float(value.detach()) == 0 and bool(torch.autograd.grad(value, same)[0].isfinite().all())


# -- features --------------------------------------------------------------------------------------------------------


def test_feature_distance_by_hand() -> None:
    torch.manual_seed(0)

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 3).double(), nn.Linear(3, 5).double()

        def forward(self, x: Tensor) -> list[Tensor]:
            a = self.first(x).tanh()
            return [a, self.second(a)]

    net = Two().requires_grad_(False)
    x, made = numbers(0, 6, 4), numbers(1, 6, 4)
    want = torch.zeros(6).double()
    for a, b in zip(net(x), net(made), strict=True):
        for i in range(6):
            want[i] += 0.5 * sum((p - q) ** 2 for p, q in zip(a[i], b[i], strict=True)) / len(a[i])
    torch.testing.assert_close(scored(FeatureDistance(net).double(), x, made), want, rtol=1e-9, atol=1e-12)


def test_times_its_features_it_is_a_gaussians_log_density() -> None:
    torch.manual_seed(0)
    net = nn.Linear(4, 7).double()
    x, made = numbers(0, 6, 4), numbers(1, 6, 4)
    density = torch.distributions.Independent(torch.distributions.Normal(net(made), 1.0), 1).log_prob(net(x))
    want = -density - 3.5 * math.log(2 * math.pi)
    torch.testing.assert_close(7 * scored(FeatureDistance(net).double(), x, made), want, rtol=1e-9, atol=1e-9)


def test_the_frozen_network_stays_and_the_decoder_moves() -> None:
    torch.manual_seed(0)
    recipe = recipes.dfc_vae(shape=(12, 10), latent_dim=2, channels=[4], width=8)
    step = Step(recipe.model, recipe.objective)
    frozen = {k: v.clone() for k, v in recipe.objective.state_dict().items() if "body" in k}
    before = [p.detach().clone() for p in recipe.model.parameters()]
    step(Batch(torch.rand(8, 12, 10)))
    after = recipe.objective.state_dict()
    assert frozen and all(torch.equal(v, after[k]) for k, v in frozen.items())
    assert all(bool((p != b).any()) for p, b in zip(recipe.model.parameters(), before, strict=True))


def test_the_digit_layers_are_those_of_the_classifier() -> None:
    from vaekit.evaluation.features import digit_features

    x = torch.rand(5, 1, 28, 28)
    torch.testing.assert_close(DigitLayers()(x)[-1], digit_features()(x), rtol=1e-5, atol=1e-5)  # float32


@pytest.mark.parametrize("name", ["ms_ssim_vae", "dfc_vae", "focal_frequency_vae", "lpips_vae"])
def test_tables_and_colours_are_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(Mistake, match="picture"):
        getattr(recipes, name)(shape=(6,))
    if name in ("dfc_vae", "lpips_vae"):
        with pytest.raises(Mistake, match="grey.*features="):
            getattr(recipes, name)(shape=(3, 16, 16))


# -- features by their directions ------------------------------------------------------------------------------------


class Maps(nn.Module):
    """Three layers with places and one without."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 3, 3).double(), nn.Conv2d(3, 4, 2, stride=2).double()

    def forward(self, x: Tensor) -> list[Tensor]:
        a = self.first(x).tanh()
        b = self.second(a)
        return [a, b, b.mean((2, 3))]


CHANNELS = [[0.5, 0.0, 2.0], [1.0, 0.3, 0.2, 0.7], [0.1, 0.2, 0.3, 0.4]]


def maps() -> Maps:
    torch.manual_seed(0)
    net: Maps = Maps().requires_grad_(False)
    return net


@pytest.mark.parametrize("weights", [None, CHANNELS])
def test_the_perceptual_distance_by_loops_over_places_and_channels(weights: list[list[float]] | None) -> None:
    net, x, made = maps(), numbers(0, 3, 2, 8, 7), numbers(1, 3, 2, 8, 7)
    want = np.zeros(3)
    for layer, (a, b) in enumerate(zip(net(x), net(made), strict=True)):
        a, b = (one.numpy().reshape(3, one.shape[1], -1) for one in (a, b))
        for i in range(3):
            for p in range(a.shape[2]):
                one, other = (v[i, :, p] / math.sqrt(sum(c**2 for c in v[i, :, p])) for v in (a, b))
                for c in range(a.shape[1]):
                    want[i] += (1 if weights is None else weights[layer][c]) * (one[c] - other[c]) ** 2 / a.shape[2]
    found = scored(PerceptualDistance(net, weights=weights).double(), x, made)
    np.testing.assert_allclose(found.numpy(), want, rtol=1e-6 if weights else 1e-10)  # weights are kept in float32


def test_equal_weights_count_the_angles_between_features() -> None:
    """2 - 2 cos by torch's own cosine; the second layer in the same way, the third with one place."""
    net, x, made = maps(), numbers(2, 3, 2, 8, 7), numbers(3, 3, 2, 8, 7)
    cosines = [torch.cosine_similarity(a, b, 1).flatten(1) if a.ndim == 4 else torch.cosine_similarity(a, b, 1)[:, None]
               for a, b in zip(net(x), net(made), strict=True)]  # fmt: skip
    want = torch.stack([(2 - 2 * c).mean(1) for c in cosines]).sum(0)
    torch.testing.assert_close(scored(PerceptualDistance(net).double(), x, made), want, rtol=1e-9, atol=1e-12)


def test_it_is_zero_for_the_same_directions_and_for_these_alone() -> None:
    term = PerceptualDistance(nn.Identity(), ranged=False).double()
    x = 1 + numbers(0, 4, 3, 5, 6)
    assert float(scored(term, x, x).abs().max()) == 0
    brighter = x * (0.1 + numbers(1, 4, 1, 5, 6))  # a factor for each place, all channels alike
    assert float(scored(term, x, brighter).max()) < 1e-28
    assert float(scored(term, x, 1e-8 * x).max()) < 1e-14  # faint ones have directions too
    other = x.clone()
    other[:, 1, 2, 3] += 0.01
    moved = scored(term, x, other)
    assert bool((moved > 0).all()) and torch.allclose(scored(term, 100 * x, 0.01 * other), moved, rtol=1e-9)
    off = PerceptualDistance(nn.Identity(), weights=[[1.0, 0.0, 0.0]], ranged=False).double()
    assert bool((scored(off, x, other) < moved).all()), "only what the first channel's share loses is seen"


def test_places_without_features_have_values_and_slopes() -> None:
    x, made = numbers(0, 2, 3, 4, 4), numbers(1, 2, 3, 4, 4)
    x[:, :, 0], made[:, :, 1] = 0.0, 0.0  # rows of dead features on either side
    made.requires_grad_()
    value = scored(PerceptualDistance(nn.Identity(), ranged=False).double(), x, made)
    (slope,) = torch.autograd.grad(value.sum(), made)
    assert bool(value.isfinite().all()) and bool(slope.isfinite().all()) and float(slope.abs().max()) < 100
    unit = nn.functional.normalize(made.detach(), dim=1)
    rest = (nn.functional.normalize(x, dim=1) - unit).square().sum(1)  # the dead row counts 1: a direction against 0
    torch.testing.assert_close(value.detach(), rest.mean((1, 2)), rtol=1e-9, atol=1e-12)
    assert bool((rest[:, :2] - 1).abs().max() < 1e-12)


def test_its_gradient_turns_features_and_never_stretches_them() -> None:
    x, made = numbers(0, 2, 3, 4, 4), numbers(1, 2, 3, 4, 4).requires_grad_()
    (slope,) = torch.autograd.grad(
        scored(PerceptualDistance(nn.Identity(), ranged=False).double(), x, made).sum(), made
    )
    assert float((slope * made.detach()).sum(1).abs().max()) < 1e-12 and float(slope.abs().max()) > 1e-3


def test_lpips_vae_is_the_elbo_and_its_term() -> None:
    torch.manual_seed(0)
    recipe = recipes.lpips_vae(shape=(12, 10), latent_dim=2, channels=[4], width=8, weight=3.0, beta=1.0)
    model: Any = recipe.model
    x = (torch.rand(5, 12, 10) > 0.5).float()
    trace = model.trace(x)
    distance = PerceptualDistance(DigitLayers())
    want = -ELBO().bound(model, trace) + 3.0 * distance(model, trace)
    torch.testing.assert_close(recipe.objective(model, trace), want, rtol=1e-5, atol=1e-4)
    frozen = {id(p) for p in recipe.objective.parameters() if p.requires_grad}
    assert not frozen


def test_weights_that_do_not_fit_are_refused_in_a_sentence() -> None:
    with pytest.raises(Mistake, match="below 0"):
        PerceptualDistance(maps(), weights=[[1.0, -1.0]])
    x = numbers(0, 3, 2, 8, 7)
    with pytest.raises(Mistake, match=r"\[3, 4\] channels"):
        scored(PerceptualDistance(maps(), weights=CHANNELS[:2]).double(), x, x)


# -- log-cosh --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("a", [0.3, 1.0, 10.0, 100.0])
def test_log_cosh_is_a_density_with_its_moments(a: float) -> None:
    p = LogCosh(torch.tensor([0.4]).double(), torch.tensor(-0.3).double(), a)

    def density(x: float) -> float:
        return math.exp(float(p.log_prob(torch.tensor([x]).double())))

    ends = float(8 * p.variance.sqrt()) * 4

    def moment(k: int) -> float:
        return sum(
            quad(lambda x: (x - 0.4) ** k * density(x), *side, limit=200)[0]
            for side in ((0.4 - ends, 0.4), (0.4, 0.4 + ends))
        )

    assert moment(0) == pytest.approx(1, abs=1e-8)
    assert moment(2) == pytest.approx(float(p.variance), rel=1e-6)


def test_log_cosh_is_the_loss_but_for_a_constant() -> None:
    x, loc, a, log_scale = numbers(0, 5, 3), numbers(1, 5, 3), 3.0, 0.2
    p = LogCosh(loc, torch.tensor(log_scale, dtype=torch.float64), a)
    loss = (a * (x - loc) / math.exp(log_scale)).cosh().log() / a
    rest = p.log_prob_each(x) + loss
    assert float((rest - rest[0, 0]).abs().max()) < 1e-12
    half = torch.distributions.Normal(0.0, 1.0)
    near = LogCosh(torch.zeros(1), torch.zeros(()), 1e-4)  # variance 1e4: as a Gaussian of that variance
    x = torch.tensor([[-100.0], [0.0], [150.0]])
    want = half.log_prob(x / 100).squeeze(-1) - math.log(100)
    torch.testing.assert_close(near.log_prob(x), want, rtol=0, atol=1e-2)  # float32, log-gammas of 5,000


@pytest.mark.parametrize("a", [0.5, 10.0, 100.0])
def test_log_cosh_draws_follow_it(a: float) -> None:
    torch.manual_seed(0)
    p = LogCosh(torch.tensor([0.4]), torch.tensor(-0.3), a)
    draws = p.sample((4000,))[:, 0]
    grid = torch.linspace(-12, 12, 200_001).double()
    mass = LogCosh(torch.tensor(0.4).double(), torch.tensor(-0.3).double(), a, 0).log_prob(grid).exp()
    cumulated = torch.cumulative_trapezoid(mass, grid).numpy()
    assert kstest(draws.numpy(), lambda x: np.interp(x, grid[1:].numpy(), cumulated)).pvalue > 1e-3


@pytest.mark.parametrize("far", [1e2, 1e4, 1e10])
def test_log_cosh_does_not_overflow(far: float) -> None:
    """PEERS A8: exp(-2 a t) is infinite at the class's own a = 100."""
    loc = torch.zeros(3, requires_grad=True)
    value = LogCosh(loc, torch.zeros(()), 100.0).log_prob(torch.tensor([-far, 0.0, far]))
    (slope,) = torch.autograd.grad(value, loc)
    assert bool(value.isfinite()) and slope.tolist() == pytest.approx([-1.0, 0.0, 1.0])
