"""Laws of transforms: they go and come back, and their log-Jacobian is autodiff's."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from vaekit import likelihoods, networks, posteriors, priors
from vaekit.data.transforms import Levels, Rescale, Standardize, Transform, log_jacobian
from vaekit.models import VAE

from .tables import TRANSFORMS, numbers

each = pytest.mark.parametrize("name", TRANSFORMS)


@each
def test_there_and_back(name: str) -> None:
    t, x = TRANSFORMS[name][0](), TRANSFORMS[name][1]
    torch.testing.assert_close(t.inverse(t(x)), x, rtol=1e-12, atol=1e-12)


@each
def test_log_jacobian_is_autodiffs(name: str) -> None:
    t, x = TRANSFORMS[name][0](), TRANSFORMS[name][1][0]
    if t.discrete:
        assert log_jacobian(t, x.shape) == 0.0  # levels are renamed: probabilities stay
        return
    jacobian = torch.autograd.functional.jacobian(t, x)
    assert abs(log_jacobian(t, x.shape) - float(torch.linalg.slogdet(jacobian)[1])) < 1e-10


def test_ends_of_the_levels() -> None:
    x = torch.tensor([0, 255], dtype=torch.uint8)
    assert Levels(255)(x).tolist() == [0.0, 1.0]
    assert Levels(255, low=-1.0)(x).tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("per_feature", [True, False])
def test_standardize_gives_mean_zero_and_variance_one(per_feature: bool) -> None:
    x = numbers(1, 500, 4) * torch.tensor([1.0, 10.0, 0.1, 0.0]) + torch.tensor([1e3, -2.0, 0.0, 7.0])
    x[3, 1] = float("nan")
    t = Standardize((4,), per_feature=per_feature).double()
    t.before_fit(x, {}, 500)
    z = t(x)
    torch.testing.assert_close(z.nanmean(0), torch.zeros(4).double(), rtol=0, atol=1e-9)  # 1e3 times float64's epsilon
    spread = z.square().nanmean(0)
    if per_feature:
        torch.testing.assert_close(spread, torch.tensor([1.0, 1.0, 1.0, 0.0]).double(), rtol=1e-9, atol=1e-9)
        assert float(t.factor[3]) == 1.0  # a constant feature keeps its scale
    else:
        assert abs(float(spread.mean()) - 1) < 1e-9 and len(set(t.factor.tolist())) == 1


def exact_in_one_dimension(transform: Transform) -> VAE:
    """p(x) = N(0.4, w^2 + c) of one latent, with its exact posterior: log w is constant."""
    w, c, mean = 0.8, 0.3, 0.4
    model = VAE(
        priors.StandardNormal(1),
        posteriors.Gaussian(nn.Identity(), 1, features=1),
        likelihoods.Gaussian(nn.Identity(), (1,), features=1, scale=likelihoods.LearnedScale()),
        transform=transform,
    ).double()
    with torch.no_grad():
        m = w * w + c
        model.posterior.head.layer.weight.copy_(torch.tensor([[w / m], [0.0]]))
        model.posterior.head.layer.bias.copy_(torch.tensor([-w * mean / m, 0.5 * math.log(c / m)]))
        model.likelihood.head.layer.weight.fill_(w)
        model.likelihood.head.layer.bias.fill_(mean)
        model.likelihood.scale.log_scale.fill_(0.5 * math.log(c))
    return model.eval()


@pytest.mark.parametrize("kind", ["rescale", "standardize", "none"])
def test_density_integrates_to_one_in_the_users_units(kind: str) -> None:
    transform = None if kind == "none" else Rescale(50.0, low=-1.0) if kind == "rescale" else Standardize((1,))
    model = exact_in_one_dimension(transform)  # type: ignore[arg-type]
    if kind == "standardize":
        model.transform.before_fit(numbers(1, 100, 1) * 30 + 7, {}, 100)
    ends = torch.tensor([[-16.0], [16.0]], dtype=torch.float64)  # in the model's units, beyond all mass
    low, high = (ends if transform is None else transform.inverse(ends)).flatten().tolist()
    x = torch.linspace(low, high, 4001, dtype=torch.float64)[:, None]
    total = float(model.log_prob(x, samples=2).exp().sum() * (x[1] - x[0]))
    assert abs(total - 1) < 1e-6  # the weights are stored as float32 numbers
    z = numbers(2, 7, 1)
    decoded = model.decode(z)
    integral = decoded.log_prob(x[:, None].expand(-1, 7, 1)).exp().sum(0) * (x[1] - x[0])
    torch.testing.assert_close(integral, torch.ones(7).double(), rtol=0, atol=1e-9)
    density = decoded.log_prob(x[:, None].expand(-1, 7, 1)).exp() * (x[1] - x[0])
    mean = (density * x).sum(0)
    torch.testing.assert_close(decoded.mean.squeeze(-1), mean, rtol=1e-7, atol=1e-7)
    variance = (density * (x - mean).square()).sum(0)
    torch.testing.assert_close(decoded.variance.expand(7, 1).squeeze(-1), variance, rtol=1e-7, atol=1e-7)


def test_probabilities_sum_to_one_over_the_users_levels() -> None:
    torch.manual_seed(0)
    likelihood = likelihoods.DiscretizedLogistic(networks.MLP(2, [4]), (1,), levels=9)
    model = VAE(priors.StandardNormal(2), posteriors.Gaussian(networks.MLP(1, [4]), 2), likelihood,
                transform=Levels(8.0, low=-1.0)).double().eval()  # fmt: skip
    p = model.decode(numbers(1, 5, 2))
    total = p.log_prob(torch.arange(9.0).double()[:, None, None].expand(-1, 5, 1)).exp().sum(0)
    torch.testing.assert_close(total, torch.ones(5).double(), rtol=0, atol=1e-9)
    draws = p.sample((50,))
    torch.testing.assert_close(draws, draws.round(), rtol=0, atol=1e-9)  # levels, in the user's units
    assert 0 <= float(draws.min()) and float(draws.max()) <= 8


UNITS = {"tiny": (3e-9, 5e-10), "offset": (1e9, 1.0), "vanishing": (0.0, 1e-180), "huge": (0.0, 1e180)}


@pytest.mark.parametrize("per_feature", [True, False])
@pytest.mark.parametrize("units", UNITS)
def test_standardize_in_any_unit(units: str, per_feature: bool) -> None:
    mean, sd = UNITS[units]
    x = mean + sd * numbers(3, 200, 2)
    x[0, 0] = float("nan")
    t = Standardize((2,), per_feature=per_feature, wide=True)
    t.before_fit(x, {}, len(x))
    z = t(x)
    assert z.dtype == torch.float32
    assert abs(float(z.nanmean())) < 1e-6 and float(z.double().square().nanmean(0).mean()) == pytest.approx(1, abs=1e-5)
    back = t.inverse(z)
    assert back.dtype == torch.float64 and float((back - x).abs().nan_to_num().max()) < 1e-6 * sd


def test_large_offsets_come_back() -> None:
    x = 1e9 + torch.arange(1000, dtype=torch.float64)[:, None]
    t = Standardize((1,), per_feature=True, wide=True)
    t.before_fit(x, {}, 1000)
    assert torch.equal(t.inverse(t(x)).round(), x)


def test_constant_is_what_float64_rounds() -> None:
    x = torch.tensor([[0.1 + 0.2, 5e-300, 1e9, 7.0], [0.3, 5e-300, 1e9 + 1e-3, float("nan")]], dtype=torch.float64)
    t = Standardize((4,), per_feature=True)
    t.before_fit(x, {}, 2)
    assert t.factor[[0, 1, 3]].tolist() == [1.0, 1.0, 1.0] and float(t.factor[2]) == pytest.approx(2e3, rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_transform_stays_exact_and_gives_the_models_type(dtype: torch.dtype) -> None:
    t = Standardize((1,), wide=True)
    t.shift.fill_(1e9 + 1)
    model = nn.ModuleList([nn.Linear(1, 1), t]).to(dtype).to("cpu")
    assert t.shift.dtype == t.factor.dtype == torch.float64 and float(t.shift) == 1e9 + 1
    assert t(torch.tensor([[1e9 + 2]], dtype=torch.float64)).dtype == dtype == model[0].weight.dtype
    assert t(torch.tensor([[3]], dtype=torch.uint8)).dtype == dtype
    assert copy.deepcopy(t).dtype == dtype and Levels(255).to(dtype).inverse(torch.ones(1, dtype=dtype)).dtype == dtype
    with torch.device("meta"):
        empty = Standardize((1,))
    assert empty.to(dtype).to_empty(device="cpu").shift.dtype == torch.float64
