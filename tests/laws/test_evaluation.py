"""Laws of evaluation: exactly K draws, the sign of an NLL, chunks that change nothing, gaps that count nothing."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from vaekit import evaluation, likelihoods, recipes
from vaekit.data.transforms import Standardize
from vaekit.evaluation import bound_numbers, likelihood, log_likelihoods, nll_numbers, products
from vaekit.maths import log_mean_exp, log_mean_exp_error
from vaekit.models import VAE

from .tables import RECIPES, RecipeRow, numbers, recipe_data

DENSE = [row for row in RECIPES if row.make().model.has_density]


def counted(model: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of draws that each trace of a model holds."""
    seen: list[int] = []
    whole = type(model).traces

    def traces(self: Any, *arguments: Any, **more: Any) -> Any:
        for trace in whole(self, *arguments, **more):
            seen.append(trace.log_w.shape[0])
            assert len(trace.levels[-1][2]) == seen[-1]
            yield trace

    monkeypatch.setattr(type(model), "traces", traces)
    return seen


@pytest.mark.parametrize("k", [1, 10, 100, 150, 250])
@pytest.mark.parametrize("row", [r for r in RECIPES if r.name in ("vae", "ladder_vae", "miwae")], ids=str)
def test_exactly_k_draws(row: RecipeRow, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """PEERS P1 (drew 100 for 10 and for 150) and S1 (divided by another number than was drawn)."""
    model = row.make().model.eval()
    x, y = recipe_data(row, model)
    monkeypatch.setattr(likelihood, "CHUNK", 37 * x.numel())  # chunks that divide none of the K
    seen = counted(model, monkeypatch)
    log_likelihoods(model, x, y, k)
    assert sum(seen) == k and max(seen) <= 37
    seen.clear()
    with torch.no_grad():
        model.log_prob(x, samples=k, chunk=64)
    assert sum(seen) == k


@pytest.mark.parametrize("k", [1, 37, 150])
def test_exactly_k_draws_by_products(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = recipes.vae(shape=(6,), latent_dim=2, hidden=[8], likelihood=likelihoods.Bernoulli()).model.eval()
    x = (numbers(9, 8, 6, dtype=torch.float32) > 0).float()
    monkeypatch.setattr(likelihood, "CHUNK", 20 * x.numel())
    seen: list[int] = []
    score = products.BernoulliProducts.__call__

    def counting(self: Any, z: Tensor) -> Tensor:
        seen.append(len(z))
        return score(self, z)

    monkeypatch.setattr(products.BernoulliProducts, "__call__", counting)
    log_likelihoods(model, x, None, k)
    assert sum(seen) == k and max(seen) <= 20


@pytest.mark.parametrize("family", [likelihoods.Bernoulli, likelihoods.Gaussian])
def test_each_item_is_encoded_once_and_few_are_decoded_at_a_time(
    family: type[likelihoods.Likelihood], monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = recipes.vae(shape=(6,), latent_dim=2, hidden=[8], likelihood=family()).model.eval()
    x = (numbers(9, 53, 6, dtype=torch.float32) > 0).float()
    monkeypatch.setattr(likelihood, "CHUNK", 10 * 6)
    encoded: list[int] = []
    decoded: list[int] = []
    model.posterior.net.register_forward_hook(lambda net, given, out: encoded.append(len(given[0])))
    model.likelihood.net.register_forward_hook(lambda net, given, out: decoded.append(out[..., 0].numel()))
    assert len(log_likelihoods(model, x, None, 7)[0]) == 53
    assert sum(encoded) == 53 and max(decoded) <= 10 and sum(decoded) == 53 * 7


@pytest.mark.parametrize("row", DENSE, ids=str)
def test_the_estimate_is_the_log_mean_of_the_weights(row: RecipeRow) -> None:
    model = row.make().model.double().eval()  # float64: some are scored by another formula
    x, y = recipe_data(row, model)
    x = x.double()
    torch.manual_seed(0)
    got, error, ess = log_likelihoods(model, x, y, 50)
    torch.manual_seed(0)
    with torch.no_grad():
        w = model.trace(x, y, samples=50).log_w.double().exp()
    jacobian = model.log_jacobian(x)
    torch.testing.assert_close(got, w.mean(0).log() + jacobian, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(ess, w.sum(0).square() / w.square().sum(0), rtol=1e-9, atol=0)
    torch.testing.assert_close(error, w.std(0) / w.mean(0) / 50**0.5, rtol=1e-9, atol=0)
    assert bool((ess <= 50 + 1e-9).all()) and bool((ess >= 1 - 1e-9).all())


def exact_model() -> tuple[VAE, Tensor, Tensor]:
    """A ppca at its closed form, data and their exact log p(x), in float64."""
    row = next(r for r in RECIPES if r.name == "ppca")
    recipe = row.make()
    model = recipe.model.double().eval()
    x = numbers(1, 400, 6) @ numbers(2, 6, 6) + 1
    recipe.start(model, x)
    w, mean = model.likelihood.head.layer.weight.detach(), model.likelihood.head.layer.bias.detach()
    covariance = w @ w.T + (2 * model.likelihood.scale.log_scale.detach()).exp() * torch.eye(6, dtype=torch.float64)
    return model, x, torch.distributions.MultivariateNormal(mean, covariance).log_prob(x)


def test_nll_is_minus_log_p_and_positive_for_a_wide_density() -> None:
    """PEERS P2: +log p(x) under the name of NLL."""
    model, x, exact = exact_model()
    batches = [SimpleNamespace(x=part, y=None) for part in x.split(150)]  # the last is smaller: no mean of means
    found = nll_numbers(model, batches, samples=7)
    assert found["nll"] > 0 and exact.mean() < 0
    assert found["nll"] == pytest.approx(-float(exact.mean()), abs=1e-9)  # float64; the weights are constant
    assert found["nll_samples"] == 7 and found["nll_items"] == 400
    assert found["ess"] == pytest.approx(7.0, abs=1e-6)  # every draw counts
    assert found["nll_se"] == pytest.approx(float(exact.std()) / 20, rel=1e-9)
    assert found["nll_mc_se"] == pytest.approx(0.0, abs=1e-9)


def test_bound_is_distortion_and_rate_and_below_log_p() -> None:
    model, x, exact = exact_model()
    with torch.no_grad():
        model.posterior.head.layer.bias.add_(0.3)
    torch.manual_seed(0)
    found = bound_numbers(model, [SimpleNamespace(x=part, y=None) for part in x.split(150)])
    assert found["elbo"] == pytest.approx(-found["rate"] - found["distortion"], abs=1e-9)
    assert found["elbo"] < float(exact.mean()) and found["items"] == 400
    assert sum(found["kl_each"]) == pytest.approx(found["rate"], abs=1e-9)


def test_units_of_the_user_add_the_jacobian_of_what_was_seen() -> None:
    row = next(r for r in RECIPES if r.name == "miwae")
    transform = Standardize((6,), per_feature=True)
    model = row.make(transform=transform).model.eval()
    raw = numbers(3, 40, 6).float() * torch.tensor([1.0, 2, 3, 4, 5, 6])
    transform.before_fit(raw, {}, 40)
    raw[:, 2] = float("nan")
    raw[5] = float("nan")
    x = model.to_model(raw)
    torch.manual_seed(0)
    user = model.log_prob(raw, samples=9)
    torch.manual_seed(0)
    with torch.no_grad():
        own = log_mean_exp(model.trace(x, samples=9).log_w.double())
    seen = transform.factor.double().log().expand(40, 6).masked_fill(raw.isnan(), 0.0).sum(1)
    torch.testing.assert_close(user, own + seen, rtol=1e-6, atol=1e-6)  # float32 traces
    torch.manual_seed(0)
    assert torch.equal(user, log_likelihoods(model, x, None, 9)[0])


def test_log_mean_exp_of_huge_weights_and_its_error() -> None:
    log_w = torch.tensor([[1000.0, -1000.0], [1001.0, -1000.0]], dtype=torch.float64)
    got = log_mean_exp(log_w)
    want = torch.tensor([1000 + math.log((1 + math.e) / 2), -1000.0], dtype=torch.float64)
    torch.testing.assert_close(got, want, rtol=1e-14, atol=0)
    # over many repetitions the delta method's error is the estimate's own spread
    torch.manual_seed(0)
    repeated = 0.5 * torch.randn(400, 5000, dtype=torch.float64)  # (K, repetitions)
    spread = float(log_mean_exp(repeated).std())
    assert float(log_mean_exp_error(repeated).mean()) == pytest.approx(spread, rel=0.05)  # 1 / sqrt(2 * 5000) = 1 %


class Weighted:
    """Stands for a model whose weights are given, (K, B) for each batch in turn."""

    has_density = True

    def __init__(self, *log_w: Tensor) -> None:
        self.log_w = iter(log_w)

    def modules(self) -> tuple[Any, ...]:
        return ()

    def traces(self, x: Tensor, y: Any, samples: int, chunk: int) -> Any:
        log_w = next(self.log_w)
        assert log_w.shape == (samples, len(x))
        yield SimpleNamespace(log_w=log_w, px=None)

    def log_jacobian(self, x: Tensor) -> float:
        return 0.5

    def numbers(self, *items: int, samples: int) -> dict[str, Any]:
        model: Any = self
        return nll_numbers(model, [SimpleNamespace(x=torch.zeros(n, 3), y=None) for n in items], samples)


def test_curve_is_the_mean_over_disjoint_groups_of_the_draws() -> None:
    log_w = [3 * numbers(11, 23, 4), 3 * numbers(12, 23, 3)]
    found = Weighted(*log_w).numbers(4, 3, samples=23)
    assert [k for k, _, _ in found["nll_curve"]] == [1, 2, 5, 10, 20, 23]
    for k, nll, se in found["nll_curve"]:
        each = [
            math.log(sum(math.exp(w) for w in item[start : 23 // k * k : 23 // k]) / k) + 0.5
            for batch in log_w
            for item in batch.T.tolist()
            for start in range(23 // k)
        ]
        by_item = torch.tensor(each, dtype=torch.float64).view(7, 23 // k).mean(1)
        assert nll == pytest.approx(-float(by_item.mean()), rel=1e-12)
        assert se == pytest.approx(float(by_item.std()) / 7**0.5, rel=1e-12)
    last = found["nll_curve"][-1]
    assert last[1:] == [found["nll"], found["nll_se"]]


def test_curve_rises_to_the_estimate() -> None:
    """The bound grows with k (Burda et al. 2016), so the NLL falls."""
    model, x, exact = exact_model()
    with torch.no_grad():
        q = model.posterior.head.layer.bias  # means, then log-scales that do not depend on x
        q[:2] += 0.7 * q[2:].exp()
    torch.manual_seed(0)
    found = nll_numbers(model, [SimpleNamespace(x=x, y=None)], samples=1000)
    curve = [nll for _, nll, _ in found["nll_curve"]]
    assert curve == sorted(curve, reverse=True) and curve[0] > curve[-1] + 0.1, curve
    assert curve[-1] == pytest.approx(found["nll"], abs=1e-12)  # another order of summation
    assert curve[-1] == pytest.approx(-float(exact.mean()), abs=0.02)


def counting_as(ess: list[int], samples: int) -> Tensor:
    """Log weights (K, B) of which that many are equal and the others nothing: their ESS is that number."""
    rank = torch.arange(samples).unsqueeze(1)
    return torch.where(rank < torch.tensor(ess), 0.0, -math.inf).double()


@pytest.mark.parametrize(
    ("ess", "samples", "warned"),
    [
        ([50] * 20, 100, False),
        ([5] * 20, 100, False),
        ([4] * 20, 100, True),  # below 5
        ([11] * 20, 1000, False),
        ([9] * 20, 1000, True),  # below 1 % of K
        ([900] * 18 + [2] * 2, 1000, False),  # a few items
        ([900] * 15 + [2] * 5, 1000, True),  # many
    ],
)
def test_a_low_effective_sample_size_is_said(ess: list[int], samples: int, warned: bool) -> None:
    found = Weighted(counting_as(ess, samples)).numbers(20, samples=samples)
    assert found["ess"] == pytest.approx(float(torch.tensor(ess).double().median()), rel=1e-9)
    said = found["ess_warning"]
    assert (said is not None) == warned
    if said is not None:
        assert "more draws" in said and "annealed" in said and f"of {samples} draws" in said


def test_a_point_posterior_has_no_curve() -> None:
    model = next(r for r in RECIPES if r.name == "autoencoder").make().model.eval()
    found = nll_numbers(model, [], samples=10)
    assert found["nll"] is None and found["nll_curve"] is None and found["ess_warning"] is None
    assert "vae" in found["nll_why"]


def test_the_interval_covers_the_populations_nll() -> None:
    """95 % intervals from errors over items and over draws, 200 times; a posterior that is wrong."""
    model, _, _ = exact_model()
    w, bias = model.likelihood.head.layer.weight.detach(), model.likelihood.head.layer.bias.detach()
    noise = (2 * model.likelihood.scale.log_scale.detach()).exp() * torch.eye(6, dtype=torch.float64)
    population = torch.distributions.MultivariateNormal(bias, w @ w.T + noise)
    with torch.no_grad():
        q = model.posterior.head.layer.bias
        q[:2] += 0.5 * q[2:].exp()  # the weights' variance is exp(2 / 4) - 1, the bias that over 2 K
    exact, covered = float(population.entropy()), 0
    for seed in range(200):
        torch.manual_seed(seed)
        found = nll_numbers(model, [SimpleNamespace(x=population.sample((60,)), y=None)], samples=50)
        half = 1.96 * math.hypot(found["nll_se"], found["nll_mc_se"])
        covered += abs(found["nll"] - exact) <= half
    assert 180 <= covered <= 198, covered  # 90 to 99 %


def test_public_names() -> None:
    assert {"bound_numbers", "log_likelihoods", "nll_numbers"} <= set(evaluation.__all__)
