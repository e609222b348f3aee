"""Gaussian processes along series: densities against dense Gaussians, imputation against regression."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tests.laws.tables import numbers
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, kl_divergence

import vaekit as vk
from vaekit import distributions as d
from vaekit import evaluation, networks, posteriors, priors, recipes
from vaekit.likelihoods import FixedScale, Gaussian
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.networks import Head

T, C = 5, 2


def banded(*batch: int, steps: int = T, channels: int = C) -> d.BandedGaussian:
    raw = numbers(1, 3, *batch, steps, channels)
    return d.BandedGaussian(raw[0], 0.4 * raw[1], raw[2].tanh())


def dense(q: d.BandedGaussian) -> MultivariateNormal:
    """The same by its precision, a matrix of T * C by T * C for each item, written out step by step."""
    steps, channels = q.loc.shape[-2:]
    n = steps * channels
    precisions = []
    for scale, ratio in zip(q.log_scale.exp().reshape(-1, n), q.ratio.reshape(-1, n), strict=True):
        b = torch.zeros(n, n, dtype=torch.float64)  # rows: (z_t - m_t - a_t (z_t+1 - m_t+1)) / s_t
        for i in range(n):
            b[i, i] = 1 / scale[i]
            if i + channels < n:
                b[i, i + channels] = -ratio[i] / scale[i]
        precisions.append(b.T @ b)
    return MultivariateNormal(q.mean, precision_matrix=torch.stack(precisions).view(*q.batch_shape, n, n))


def process(family: Any = priors.CauchyProcess, steps: int = T, channels: int = C, **more: Any) -> Any:
    return family(steps, channels, **more).double()


def dense_prior(prior: Any, kernel: Any) -> MultivariateNormal:
    """The same from the kernel as the paper has it, element by element."""
    lengths = prior.log_length.detach().exp().tolist()
    channels, n = len(lengths), prior.latent_shape[0]
    covariance = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            if i % channels == j % channels:
                gap = abs(i // channels - j // channels)
                covariance[i, j] = 0.999 * kernel(gap / lengths[i % channels]) + 0.001 * (i == j)
    return MultivariateNormal(torch.zeros(n).double(), covariance)


KERNELS = [
    (priors.CauchyProcess, lambda r: 1 / (1 + r**2)),
    (priors.SquaredExponentialProcess, lambda r: math.exp(-(r**2) / 2)),
]


# -- distributions ---------------------------------------------------------------------------------------------------


def test_a_banded_precision_is_the_dense_gaussian() -> None:
    q = banded(3)
    whole = dense(q)
    z = numbers(2, 4, 3, T * C)
    torch.testing.assert_close(q.log_prob(z), whole.log_prob(z), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(q.entropy(), whole.entropy(), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(q.variance, whole.variance, rtol=1e-10, atol=1e-10)
    # what noise makes has this covariance exactly: F F^T
    f = q.from_noise(torch.eye(T * C).double().unsqueeze(1).expand(-1, 3, -1)) - q.mean  # (T C, 3, T C)
    torch.testing.assert_close(torch.einsum("nbi,nbj->bij", f, f), whole.covariance_matrix, rtol=1e-10, atol=1e-10)
    assert float(whole.covariance_matrix[0, 0, 2 * C].abs()) > 1e-3, "steps that are not neighbours are correlated"


@pytest.mark.parametrize("family, kernel", KERNELS)
def test_a_process_is_the_dense_gaussian_of_its_kernel(family: Any, kernel: Any) -> None:
    prior = process(family, lengths=[3.0, 0.7])
    p, whole = prior(), dense_prior(prior, kernel)
    z = numbers(2, 4, 3, T * C)
    torch.testing.assert_close(p.log_prob(z), whole.log_prob(z), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(p.variance, torch.ones(T * C).double(), rtol=1e-10, atol=1e-10)
    torch.manual_seed(0)
    drawn = p.sample((40_000,))
    torch.testing.assert_close(torch.cov(drawn.T), whole.covariance_matrix.clone(), rtol=0, atol=5 / 40_000**0.5)
    torch.testing.assert_close(p.tempered(0.5).variance, torch.full((T * C,), 0.25).double())


@pytest.mark.parametrize("family, kernel", KERNELS)
def test_rates_are_those_of_dense_gaussians(family: Any, kernel: Any) -> None:
    prior = process(family)
    p, whole = prior(), dense_prior(prior, kernel)
    q = banded(3)
    torch.testing.assert_close(kl_divergence(q, p), kl_divergence(dense(q), whole), rtol=1e-8, atol=1e-8)
    alone = d.DiagonalGaussian(numbers(3, 3, T * C), 0.3 * numbers(4, T * C))
    want = kl_divergence(MultivariateNormal(alone.loc, torch.diag_embed(alone.variance)), whole)
    torch.testing.assert_close(kl_divergence(alone, p), want, rtol=1e-8, atol=1e-8)
    other = d.DiagonalGaussian(numbers(5, T * C), 0.3 * numbers(6, T * C))
    want = kl_divergence(dense(q), MultivariateNormal(other.loc, torch.diag_embed(other.variance)))
    torch.testing.assert_close(kl_divergence(q, other), want, rtol=1e-8, atol=1e-8)
    # and so are their slopes, of the length scales too
    loc = q.loc.clone().requires_grad_()
    moved = d.BandedGaussian(loc, q.log_scale, q.ratio)
    slope = torch.autograd.grad(kl_divergence(moved, prior()).sum(), [loc, prior.log_length])
    precision = torch.linalg.inv(whole.covariance_matrix)
    torch.testing.assert_close(slope[0].flatten(1), q.mean @ precision, rtol=1e-7, atol=1e-7)
    step = 1e-5
    for j in range(C):
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                prior.log_length[j] += sign * step
                values.append(float(kl_divergence(q, prior()).sum()))
                prior.log_length[j] -= sign * step
        assert float(slope[1][j]) == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5, abs=1e-5)


def test_long_series_stay_finite_in_float32() -> None:
    for family in (priors.CauchyProcess, priors.SquaredExponentialProcess):
        p = family(200, 2, lengths=[100.0, 1.0])()
        q = d.BandedGaussian(torch.zeros(1, 200, 2), torch.zeros(1, 200, 2), torch.ones(1, 200, 2))
        rate = kl_divergence(q, p)
        exact = kl_divergence(
            d.BandedGaussian(*(v.double() for v in (q.loc, q.log_scale, q.ratio))),
            d.GaussianProcess(torch.linalg.cholesky(family(200, 2, lengths=[100.0, 1.0]).double().covariance())),
        )
        torch.testing.assert_close(rate.double(), exact, rtol=1e-2, atol=0)  # float32 and a condition of 2e5
        assert bool(p.log_prob(p.sample((3,))).isfinite().all())


# -- networks --------------------------------------------------------------------------------------------------------


def test_a_step_is_decoded_alone_and_alike_and_seen_with_its_neighbours() -> None:
    torch.manual_seed(0)
    decoder, encoder = (
        networks.StepDecoder(9, 2, [8]).double(),
        networks.SeriesEncoder((9, 3), [8, 4], window=3).double(),
    )
    head = Head((9, 8), (9, 3), 2).double()
    z = numbers(1, 18).requires_grad_()
    slopes = torch.stack([torch.autograd.grad(v.sum(), z, retain_graph=True)[0] for v in head(decoder(z))[0]])
    assert bool(((slopes.view(9, 9, 2).abs().sum(2) > 0) == torch.eye(9, dtype=torch.bool)).all())
    same = head(decoder(numbers(2, 2).repeat(9)))[1]
    torch.testing.assert_close(same, same[:1].expand(9, 3), rtol=1e-12, atol=1e-12)
    x = numbers(3, 9, 3).requires_grad_()
    slopes = torch.stack([torch.autograd.grad(v.square().sum(), x, retain_graph=True)[0] for v in encoder(x)])
    near = (torch.arange(9)[:, None] - torch.arange(9)).abs() <= 1
    assert bool(((slopes.abs().sum(2) > 0) == near).all())
    for wrong, said in (({"window": 4}, "odd"), ({"hidden": []}, "hidden")):
        with pytest.raises(Mistake, match=said):
            networks.SeriesEncoder((9, 3), **wrong)


def test_a_head_of_series_is_the_same_layer_at_every_step() -> None:
    torch.manual_seed(0)
    head = Head((6, 4), (6, 3, 2), 2).double()
    with torch.no_grad():
        head.places.copy_(numbers(1, 2, 6, 6))
    x = numbers(2, 5, 6, 4)
    weight = head.layer.weight.view(2, 3, 2, 4)
    want = torch.einsum("btf,phwf->pbthw", x, weight) + head.places.view(2, 1, 6, 3, 2)
    torch.testing.assert_close(torch.stack(head(x)), want, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(head.stacked(x), want.movedim(0, 1), rtol=1e-12, atol=1e-12)
    few = Head((6, 4), (6, 3), 2).double()
    few.whiten(0, x)
    codes = few(x)[0].flatten(0, 1)  # of all steps together
    torch.testing.assert_close(codes.mean(0), torch.zeros(3).double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(codes.T @ codes / 30, torch.eye(3).double(), rtol=0, atol=1e-9)


# -- models ----------------------------------------------------------------------------------------------------------

X, SCALE = 3, 1.0


def linear(prior: Any, *, steps: int = T, channels: int = C) -> VAE:
    """x_t = W z_t + b_t + noise: all of it is one Gaussian."""
    torch.manual_seed(0)
    likelihood = Gaussian(scale=FixedScale(SCALE**2)).with_net(networks.StepDecoder(steps, channels, []), (steps, X))
    net = networks.ZeroFill(networks.SeriesEncoder((steps, X), [4], window=3))
    model = VAE(prior, posteriors.Banded(net, steps * channels, steps=steps), likelihood).double()
    with torch.no_grad():
        model.likelihood.head.places.copy_(numbers(7, 1, steps, X))
        model.posterior.head.layer.weight.mul_(0.02)  # near the prior, and wider: all weights are alike
        model.posterior.head.places[1].fill_(0.1)
    return model.requires_grad_(False)


def joint(model: VAE, prior: MultivariateNormal) -> MultivariateNormal:
    """p(x) over all steps, by the covariance of what they share."""
    n = prior.covariance_matrix.shape[0]
    offset = model.likelihood(torch.zeros(1, n).double()).mean.flatten()
    w = (model.likelihood(torch.eye(n).double()).mean.flatten(1) - offset).T  # (T X, T C)
    noise = SCALE**2 * torch.eye(len(w), dtype=torch.float64)
    return MultivariateNormal(offset, w @ prior.covariance_matrix @ w.T + noise)


def gaps(x: Tensor) -> Tensor:
    x = x.clone()
    x[0, 1] = x[0, 2, 0] = x[1, 3:, 1] = math.nan
    return x


def regression(whole: MultivariateNormal, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of one series: log p of what is there, and mean and covariance of what is missing, by regression."""
    x, k, offset = x.flatten(), whole.covariance_matrix, whole.mean
    m, o = x.isnan(), ~x.isnan()
    seen = MultivariateNormal(offset[o], k[o][:, o])
    gain = torch.linalg.solve(k[o][:, o], k[o][:, m]).T
    return seen.log_prob(x[o]), offset[m] + gain @ (x[o] - offset[o]), k[m][:, m] - gain @ k[o][:, m]


@pytest.mark.parametrize("family, kernel", KERNELS)
def test_the_likelihood_and_missing_values_are_those_of_regression(family: Any, kernel: Any) -> None:
    prior = process(family, lengths=[1.2, 0.6])  # short, or few of the draws of a posterior that is wrong would count
    model = linear(prior)
    whole = joint(model, dense_prior(prior, kernel))
    torch.manual_seed(1)
    x = gaps(whole.sample((3,)).view(3, T, X))
    exact = [regression(whole, row) for row in x]
    torch.manual_seed(2)
    found, error, ess = evaluation.log_likelihoods(model, x, None, 40_000)
    want = torch.stack([one[0] for one in exact])
    assert bool((ess > 100).all()) and float(error.max()) < 0.1
    assert bool(((found - want).abs() < 4 * error).all()), (found - want) / error
    torch.manual_seed(3)
    filled = evaluation.mean_imputation(model, x, samples=40_000)
    told = []
    for row, mine, (_, mean, covariance), good in zip(x, filled, exact, ess, strict=True):
        if bool(row.isnan().any()):
            error = 4 * covariance.diagonal().sqrt() / float(good) ** 0.5
            assert bool(((mine[row.isnan()] - mean).abs() < error).all())
            alone = whole.mean[row.flatten().isnan()]
            told.append(bool(((mean - alone).abs() > error).any()))
    assert any(told), "the mean without regression would do"


def test_a_banded_posterior_is_exact_where_the_process_is_markov() -> None:
    """Ornstein and Uhlenbeck's kernel exp(-d / l) and one latent a step: every weight is p(x) itself."""
    correlation = math.exp(-1 / 3.0)
    times = torch.arange(T).double()
    covariance = correlation ** (times[:, None] - times).abs()

    class Markov(priors.Process):
        def covariance(self) -> Tensor:
            return covariance[None]

    model = linear(Markov(T).double(), channels=1)
    whole = joint(model, MultivariateNormal(torch.zeros(T).double(), covariance))
    x = whole.sample((2,)).view(2, T, X)
    offset = model.likelihood(torch.zeros(1, T).double()).mean
    w = (model.likelihood(torch.eye(T).double()).mean - offset).flatten(1).T  # (T X, T)
    precision = torch.linalg.inv(covariance) + w.T @ w / SCALE**2
    mean = (x - offset).flatten(1) @ w @ torch.linalg.inv(precision) / SCALE**2
    b = torch.linalg.cholesky(precision).T  # upper triangular; what is beside its first band is 0
    assert float(b.triu(2).abs().max()) < 1e-12
    diagonal = b.diagonal()
    ratio = torch.cat([-b.diagonal(1) / diagonal[:-1], torch.zeros(1).double()])
    assert bool((ratio.abs() < 1).all()), "within what the posterior can say"

    class Exact(nn.Module):
        def forward(self, x: Tensor) -> d.BandedGaussian:
            return d.BandedGaussian(
                mean[..., None], (-diagonal.log())[None, :, None].expand(2, T, 1), ratio[None, :, None].expand(2, T, 1)
            )

    model.posterior.forward = Exact().forward
    trace = model.trace(x, samples=7)
    exact = whole.log_prob(x.flatten(1))
    torch.testing.assert_close(trace.log_w, exact.expand(7, 2), rtol=0, atol=1e-6)  # the noise's scale was float32
    # log p(x|z) varies with z, the rate does not
    torch.manual_seed(0)
    many = model.trace(x, samples=20_000)
    error = float(many.log_px.std(0).max()) / 20_000**0.5
    assert float((many.log_px.mean(0) - many.kl - exact).abs().max()) < 4 * error


def test_the_posterior_makes_what_its_head_says() -> None:
    torch.manual_seed(0)
    q = posteriors.Banded(networks.SeriesEncoder((T, X), [8], window=3), T * C, steps=T).double()
    x = numbers(1, 4, T, X)
    loc, log_scale, ratio = q.head(q.net(x))
    found = q(x)
    assert found.mean.shape == (4, T * C)
    torch.testing.assert_close(found.mean, loc.flatten(1), rtol=0, atol=0)
    torch.testing.assert_close(found.ratio, ratio.tanh(), rtol=0, atol=0)
    torch.testing.assert_close(found.log_scale, log_scale, rtol=0, atol=0)
    with pytest.raises(Mistake, match="steps"):
        posteriors.Banded(networks.MLP(6, [4]), 7, steps=3)
    with pytest.raises(Mistake, match="lengths"):
        priors.CauchyProcess(5, 2, lengths=[1.0])


def test_trained_on_series_it_fills_a_step_from_its_neighbours() -> None:
    """Two fifths of the steps are missing whole: a model of single steps could give their mean and nothing else."""
    generator = torch.Generator().manual_seed(0)
    steps, items, noise = 10, 240, 0.3
    w = torch.tensor([1.0, -0.7]).double()
    in_time = dense_prior(process(steps=steps, channels=1, lengths=[3.0]), KERNELS[0][1]).covariance_matrix
    covariance = torch.kron(in_time, torch.outer(w, w)) + noise**2 * torch.eye(2 * steps).double()
    whole = MultivariateNormal(torch.zeros(2 * steps).double(), covariance)
    full = torch.randn(items, 2 * steps, generator=generator, dtype=torch.float64) @ whole.scale_tril.T
    full = full.view(items, steps, 2)
    holed = full.masked_fill(torch.rand(items, steps, 1, generator=generator) < 0.4, math.nan)
    plan = vk.recipe("gp_vae", holed.numpy(), channels=1, hidden=[32])
    run = vk.fit(plan, holed.numpy(), epochs=60, batch_size=32, lr=5e-3, seed=0, verbose=False)
    missing = holed.isnan()
    filled = torch.as_tensor(run.impute(holed.numpy(), samples=200)).double()
    exact = holed.clone()
    for row in exact:
        row[row.isnan()] = regression(whole, row)[1]
    best, mine, mean = (float((x - full)[missing].square().mean()) for x in (exact, filled, torch.zeros_like(full)))
    # of what regression, which knows the process, gains on the mean, most
    assert best < mine < mean - 0.75 * (mean - best), (best, mine, mean)


def test_pictures_and_single_numbers_are_series_too() -> None:
    for shape, latents in (((8,), 8), ((8, 6), 24), ((4, 2, 3), 12), ((1, 8, 8), 32)):
        model = recipes.gp_vae(shape=shape, hidden=[4]).model
        assert model.posterior.latent_shape == (latents,) and model.sample(2).shape == (2, *shape)


def test_a_head_of_series_is_rescaled_a_row_a_step() -> None:
    torch.manual_seed(0)
    head = Head((6, 4), (6, 3), 2).double()
    with torch.no_grad():
        head.places.copy_(numbers(1, 2, 6, 3))
    x, shift, factor = numbers(2, 5, 6, 4), numbers(3, 3), torch.tensor([2.0, 0.5, -3.0]).double()
    first, other = head(x)
    head.rescale(0, shift, factor)
    torch.testing.assert_close(head(x)[0], (first - shift) * factor, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(head(x)[1], other, rtol=0, atol=0)


def test_as_many_latents_as_steps_are_no_series() -> None:
    """Each latent of a whole reads all steps, T latents too; items of T numbers have one layer for all steps."""
    torch.manual_seed(0)
    x = 0.1 * torch.randn(40, 8, 3)
    plan: Any = vk.recipe("vae", x.numpy(), encoder=networks.SeriesEncoder((8, 3), [16]), latent_dim=8, hidden=[8])
    head = plan.model.posterior.head
    features = torch.randn(8, 16, requires_grad=True)
    for value in head(features)[0]:
        (slope,) = torch.autograd.grad(value, features, retain_graph=True)
        assert bool((slope.abs().sum(1) > 0).all())
    vk.fit(plan, x.numpy(), epochs=1, batch_size=20, verbose=False)  # which ends in a new scale
    one = Gaussian(scale=FixedScale(1.0)).with_net(networks.StepDecoder(8, 1, [5]), (8,))
    assert one.head.layer.weight.shape == (1, 5) and one(torch.zeros(3, 8)).mean.shape == (3, 8)


def test_a_banded_posterior_makes_one_head(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    plain = Head.__init__

    def noted(self: Any, *args: Any, **more: Any) -> None:
        made.append(args)
        plain(self, *args, **more)

    monkeypatch.setattr(Head, "__init__", noted)
    posteriors.Banded(networks.SeriesEncoder((T, X), [8], window=3), T * C, steps=T)
    assert made == [((T, 8), (T, C), 3)]


def test_draws_keep_their_precision_under_autocast() -> None:
    p, q = process().float()(), banded(3)
    q = d.BandedGaussian(q.loc.float(), q.log_scale.float(), q.ratio.float())
    noise = q.noise((4,))
    found = []
    for narrow in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=narrow):
            torch.manual_seed(0)
            found.append((q.from_noise(noise), p.sample((4,))))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize(
    "wrong", [{"process": "Cauchy"}, {"process": 3}, {"lengths": 3.0}, {"lengths": ["a"]}, {"lengths": "a"}]
)
def test_what_is_no_process_is_refused(wrong: Any) -> None:
    with pytest.raises(Mistake, match=next(iter(wrong))):
        vk.recipe("gp_vae", torch.zeros(4, 5, 2).numpy(), channels=1, **wrong)


def test_a_process_has_a_name_on_the_command_line() -> None:
    x = torch.zeros(4, 5, 2).numpy()
    plan: Any = vk.recipe("gp_vae", x, channels=1, hidden=[4], process="SquaredExponentialProcess")
    assert type(plan.model.prior) is priors.SquaredExponentialProcess
    with pytest.raises(Mistake, match="wanted a class"):
        recipes.gp_vae(shape=(5, 2), process="CauchyProcess")
