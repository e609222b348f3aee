"""The rate's parts where they are known: Gaussian channels, bits that can be enumerated, collapsed posteriors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, kl_divergence

from vaekit import likelihoods, posteriors, priors, recipes
from vaekit.data import Context
from vaekit.evaluation import surgery
from vaekit.evaluation.number import Number
from vaekit.evaluation.surgery import gap_numbers, surgery_numbers
from vaekit.models import VAE
from vaekit.noise import forked

X, Z = 3, 2


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def value(number: Number) -> float:
    assert number.value is not None, number
    return number.value


def channel(weight: Tensor, bias: Tensor, log_scale: Tensor, prior: Any = None) -> Any:
    """A model whose posterior is N(weight x + bias, exp(log_scale)^2)."""
    z, d = weight.shape
    model = VAE(
        priors.StandardNormal(z) if prior is None else prior,
        posteriors.Gaussian(nn.Identity(), z, features=d),
        likelihoods.Gaussian(nn.Identity(), (d,), features=z),
    ).double().eval()  # fmt: skip
    head = model.posterior.head.layer
    with torch.no_grad():
        head.weight.copy_(torch.cat([weight, torch.zeros_like(weight)]))
        head.bias.copy_(torch.cat([bias, log_scale]))
    return model


@pytest.fixture(scope="module")
def gaussian() -> tuple[dict[str, Number], MultivariateNormal, Tensor, Any, Tensor]:
    """Numbers of a Gaussian channel; q(z) for ever more items; the noise's covariance; the model; its data."""
    weight, bias, log_scale = 0.7 * numbers(0, Z, X), torch.tensor([0.3, -0.5]), torch.tensor([-0.5, -0.2])
    model = channel(weight, bias, log_scale)
    x = numbers(1, 4000, X)
    noise = torch.diag((2 * log_scale.double()).exp())
    return surgery_numbers(model, x), MultivariateNormal(bias.double(), weight @ weight.T + noise), noise, model, x


def test_a_gaussian_channel_has_its_closed_forms(gaussian: Any) -> None:
    found, q, noise, _, x = gaussian
    cov = q.covariance_matrix
    information = 0.5 * float(cov.logdet() - noise.logdet())
    each = MultivariateNormal(q.loc, torch.diag(cov.diagonal()))
    prior = MultivariateNormal(torch.zeros(Z).double(), torch.eye(Z).double())
    total_correlation = float(kl_divergence(q, each))
    assert 0.5 < information < 2.5 and total_correlation > 0.1  # something to measure, far below log 4000
    want = {
        "mutual_information": information,
        "marginal_kl": float(kl_divergence(q, prior)),
        "rate": information + float(kl_divergence(q, prior)),
        "total_correlation": total_correlation,
        "dimension_kl": float(kl_divergence(each, prior)),
    }
    # E log q_N(z) - E log q(z) = (E[w] - 1) / 2N to first order, w = q(z|x) / q(z); for Gaussians E[w] = exp(2 I)
    bias = math.expm1(2 * information) / (2 * len(x))
    for name, exact in want.items():
        error = found[name].se
        assert error is not None and 4 * error < exact / 4  # so that agreement means something
        assert abs(value(found[name]) - exact) < 4 * error + bias, (name, found[name], exact)
    for d in range(Z):
        wide = torch.distributions.Normal(q.loc[d], cov[d, d].sqrt())
        exact = float(kl_divergence(wide, torch.distributions.Normal(0.0, 1.0)))
        got = found[f"marginal_kl_z{d + 1}"]
        assert abs(value(got) - exact) < 4 * (got.se or 0) + bias
        rate = float(noise[d, d] + cov[d, d] - noise[d, d] + q.loc[d] ** 2 - 1 - noise[d, d].log()) / 2
        got = found[f"kl_z{d + 1}"]
        assert abs(value(got) - rate) < 4 * (got.se or 0)


def test_a_small_mixture_knows_less_by_the_known_amount() -> None:
    """The bias of N = 100 to first order, (exp(2 I) - 1) / 2N, over 200 data sets, against the limit at their draws."""
    model = channel(torch.tensor([[0.8]]), torch.zeros(1), torch.tensor([-0.3]))
    limit = torch.distributions.Normal(0.0, (0.64 + math.exp(-0.6)) ** 0.5)
    gaps = []
    for seed, x in enumerate(numbers(2, 200, 100, 1)):
        got = value(surgery_numbers(model, x, seed=seed)["mutual_information"])
        q = surgery.top_level(model, x, None)[0][0]
        with torch.no_grad(), forked(seed, x.device):
            z = q.sample((1,))
            gaps.append(got - float((q.log_prob(z) - limit.log_prob(z[..., 0])).mean()))
    gap = torch.tensor(gaps)
    error = float(gap.std()) / 200**0.5
    bias = math.expm1(math.log1p(0.64 * math.exp(0.6))) / 200
    assert 4 * error < bias  # so that the bias is seen
    assert abs(float(gap.mean()) + bias) < 4 * error


def test_the_parts_add_up(gaussian: Any) -> None:
    models = [(gaussian[0], "gaussian")]
    torch.manual_seed(0)
    for posterior in (posteriors.Gaussian, posteriors.FullGaussian, posteriors.StraightThroughBernoulli):
        bits = posterior is posteriors.StraightThroughBernoulli
        model = VAE(
            priors.FairBernoulli(5) if bits else priors.StandardNormal(5),
            posterior(nn.Linear(4, 16), 5, features=16),
            likelihoods.Gaussian(nn.Identity(), (4,), features=5),
        ).eval()  # fmt: skip
        models.append((surgery_numbers(model, 3 * torch.randn(300, 4), samples=3), posterior.__name__))
    for found, name in models:
        rate, marginal = value(found["rate"]), value(found["marginal_kl"])
        # exact but for float64 rounding: all are means over the same draws
        assert abs(rate - value(found["mutual_information"]) - marginal) < 1e-9, name
        assert abs(marginal - value(found["total_correlation"]) - value(found["dimension_kl"])) < 1e-9, name
        parts = [value(n) for key, n in found.items() if key.startswith("marginal_kl_z")]
        assert abs(sum(parts) - value(found["dimension_kl"])) < 1e-9, name
        whole = sum(value(n) for key, n in found.items() if key.startswith("kl_z"))
        if name != "FullGaussian":  # whose marginals do not hold all of its rate
            assert abs(whole - rate) < 4 * (found["rate"].se or 0), name


def test_bits_are_enumerated() -> None:
    torch.manual_seed(0)
    model = VAE(
        priors.FairBernoulli(3),
        posteriors.StraightThroughBernoulli(nn.Identity(), 3, features=4),
        likelihoods.Gaussian(nn.Identity(), (4,), features=3),
    ).double().eval()  # fmt: skip
    x = 3 * numbers(3, 40, 4)
    found = surgery_numbers(model, x, samples=2000)
    with torch.no_grad():
        p1 = model.posterior(x).mean.numpy()  # (40, 3)
    codes = np.array([[i >> d & 1 for d in range(3)] for i in range(8)])
    q = np.prod(np.where(codes, p1[:, None], 1 - p1[:, None]), -1)  # (40, 8): P(z|x)
    mixed = q.mean(0)
    alone = np.where(codes, p1.mean(0), 1 - p1.mean(0))  # (8, 3)
    want = {
        "mutual_information": (q * np.log(q / mixed)).sum() / 40,
        "marginal_kl": (mixed * np.log(8 * mixed)).sum(),
        "total_correlation": (mixed * np.log(mixed / alone.prod(1))).sum(),
        "dimension_kl": (mixed * np.log(8 * alone.prod(1))).sum(),
    }
    for name, exact in want.items():
        # 80,000 draws of a quantity that varies by about 1 nat, and no other error: four standard errors
        assert value(found[name]) == pytest.approx(exact, abs=4 / 80_000**0.5), name


def test_a_collapsed_posterior_says_nothing() -> None:
    model = channel(torch.zeros(Z, X), torch.tensor([0.0, 0.4]), torch.tensor([0.0, -0.1]))
    found = surgery_numbers(model, numbers(4, 500, X), samples=2)
    assert abs(value(found["mutual_information"])) < 1e-12
    shifted = (math.exp(-0.2) + 0.16 - 1) / 2 + 0.1
    assert value(found["kl_z1"]) == pytest.approx(0, abs=1e-12)
    assert value(found["kl_z2"]) == pytest.approx(shifted, abs=1e-7)  # the float32 of 0.4
    assert abs(value(found["marginal_kl"]) - shifted) < 4 * (found["marginal_kl"].se or 0)
    assert value(found["active_units"]) == 0 and value(found["active_units_kl"]) == 1


def test_posteriors_that_never_meet_say_which_item_it_was() -> None:
    weight = torch.cat([50 * torch.eye(1), torch.zeros(1, 1)])  # the second latent is unused
    x = torch.arange(64).double()[:, None]
    found = surgery_numbers(channel(weight, torch.zeros(2), torch.tensor([-2.0, 0.0])), x)
    assert value(found["mutual_information"]) == pytest.approx(math.log(64), abs=1e-9)
    assert value(found["active_units"]) == value(found["active_units_kl"]) == 1


def test_the_chunks_change_nothing(gaussian: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = gaussian[3], gaussian[4][:300]
    whole = surgery_numbers(model, x)
    monkeypatch.setattr(surgery, "NUMBERS", 7)
    monkeypatch.setattr(surgery, "ROWS", 64)
    parts = surgery_numbers(model, x)
    for name, number in whole.items():
        # the pieces draw noise in another order for fewer than 16 numbers only, and round otherwise
        assert value(parts[name]) == pytest.approx(value(number), abs=1e-10), name


def test_a_full_covariance_is_the_diagonal_one_where_it_is_diagonal() -> None:
    x, log_scale = numbers(5, 200, X), torch.tensor([-0.4, 0.1])
    diagonal = channel(numbers(6, Z, X), torch.zeros(Z), log_scale)
    full = VAE(
        priors.StandardNormal(Z), posteriors.FullGaussian(nn.Identity(), Z, features=X),
        likelihoods.Gaussian(nn.Identity(), (X,), features=Z),
    ).double().eval()  # fmt: skip
    head = full.posterior.head.layer
    with torch.no_grad():
        head.weight.zero_()[:Z] = numbers(6, Z, X)
        head.bias.zero_()
        # softplus(b + 0.5413) + 1e-6 is the diagonal; elements in the order (0, 0), (1, 0), (1, 1)
        head.bias[[Z, Z + 2]] = (log_scale.double().exp() - 1e-6).expm1().log() - 0.5413
    one, other = surgery_numbers(diagonal, x), surgery_numbers(full, x)
    for name, number in one.items():
        assert value(other[name]) == pytest.approx(value(number), abs=1e-9), name


def test_of_a_hierarchy_it_is_the_top_level() -> None:
    torch.manual_seed(0)
    model = recipes.ladder_vae(shape=(4,), latent_dims=[2, 3], hidden=[8, 9]).model.eval()
    x = 3 * torch.randn(400, 4)
    found = surgery_numbers(model, x, samples=10)
    with torch.no_grad():
        top = float(model.trace(x).rates[0].mean())
    assert value(found["kl_z1"]) + value(found["kl_z2"]) == pytest.approx(top, abs=1e-5)  # float32
    # the error over items is not the one of the draws, which alone part the two: their spread is about sqrt(Z)
    assert value(found["rate"]) == pytest.approx(top, abs=4 * (2 / 4000) ** 0.5)
    assert "kl_z3" not in found


def test_each_item_keeps_its_own_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surgery, "ROWS", 16)
    torch.manual_seed(0)
    context = Context({"y": {"levels": [0, 1]}})
    model = recipes.conditional_vae(shape=(4,), latent_dim=2, hidden=[8], context=context).model.eval()
    x, y = torch.randn(50, 4), model.to_context([i % 2 for i in range(50)], 50)
    with torch.no_grad():
        want = model.trace(x, y).kl_each.mean(0)
        other = model.trace(x, {"y": y["y"].flip(1)}).kl_each.mean(0)
    found = surgery_numbers(model, x, y)
    got = torch.tensor([value(found[f"kl_z{d + 1}"]) for d in range(2)])
    torch.testing.assert_close(got, want, rtol=0, atol=1e-6)  # float32
    assert float((want - other).abs().max()) > 1e-3  # with the other contexts it would be another


def test_a_point_has_a_gap_and_no_rate() -> None:
    torch.manual_seed(0)
    model = recipes.autoencoder(shape=(4,), latent_dim=2, hidden=[8]).model.eval()
    x = torch.randn(300, 4)
    found = surgery_numbers(model, x)
    none = {name for name, number in found.items() if number.value is None and "Point" in number.how}
    assert none == {"rate", "mutual_information", "marginal_kl", "total_correlation", "dimension_kl", "active_units_kl"}
    codes = model.encode(x).mean.detach()
    assert value(found["active_units"]) == int((codes.var(0) > 0.01).sum())
    assert value(gap_numbers(model, x)["mmd_p"]) == pytest.approx(1 / 501)  # untrained codes are not N(0, I)


# -- the two-sample tests -------------------------------------------------------------------------------------


def test_the_gap_is_what_its_definition_gives() -> None:
    model = channel(0.8 * numbers(7, Z, X), torch.tensor([0.4, 0.0]), torch.tensor([-0.5, -0.5]))
    x = numbers(8, 60, X)
    found = gap_numbers(model, x, permutations=10, seed=3)
    q, p = surgery.top_level(model, x[torch.randperm(60, generator=torch.Generator().manual_seed(3))], None)[0]
    with torch.no_grad(), forked(3, x.device):
        a, b = q.sample().numpy(), p.sample((60,)).numpy()
    aa, bb, ab = cdist(a, a), cdist(b, b), cdist(a, b)
    pooled = np.r_[a, b]
    apart = cdist(pooled, pooled)[np.triu_indices(120, 1)]
    middle = np.sort(apart)[(len(apart) - 1) // 2]

    def gap(aa: Any, bb: Any, ab: Any) -> float:
        off = ~np.eye(60, dtype=bool)
        return float(aa[off].mean() + bb[off].mean() - 2 * ab.mean())

    def kernel(d: Any) -> Any:
        return np.exp(-(d**2) / (2 * middle**2))

    assert value(found["energy_distance"]) == pytest.approx(gap(-aa, -bb, -ab), abs=1e-7)  # of cdist's matrix products
    assert value(found["mmd2"]) == pytest.approx(gap(kernel(aa), kernel(bb), kernel(ab)), abs=1e-7)


def test_the_p_values_are_uniform_where_there_is_no_gap_and_small_where_there_is() -> None:
    same = channel(torch.zeros(Z, X), torch.zeros(Z), torch.zeros(Z))
    shifted = channel(torch.zeros(Z, X), torch.tensor([0.5, 0.0]), torch.zeros(Z))
    x = torch.zeros(100, X).double()
    names = ("mmd_p", "energy_p")
    alike = [gap_numbers(same, x, seed=s, permutations=99) for s in range(100)]
    apart = [gap_numbers(shifted, x, seed=s, permutations=99) for s in range(9)]
    for name in names:
        p = np.array([value(found[name]) for found in alike])
        assert (p <= 0.05).mean() < 0.05 + 3 * (0.05 * 0.95 / 100) ** 0.5  # three binomial standard errors
        assert abs(p.mean() - 0.505) < 4 * (1 / 12 / 100) ** 0.5  # uniform on 0.01, ..., 1
        # 100 against 100, half a deviation apart: a z test of the mean would have z = 3.5
        assert np.median([value(found[name]) for found in apart]) < 0.05
