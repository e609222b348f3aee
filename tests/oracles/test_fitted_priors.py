"""Priors fitted to the latents of a trained model: closed forms, where EM ends, densities, and what must not move."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from tests.laws.tables import numbers
from torch import Tensor, nn
from torch.distributions import kl_divergence

import vaekit as vk
from vaekit import distributions as d
from vaekit import likelihoods, posteriors, priors, recipes
from vaekit.data import Context
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.storage import load_model, save_model
from vaekit.storage.spec import to_spec

MIXTURES = [priors.GaussianMixture, priors.FullGaussianMixture]


def clusters(n: int = 600) -> Tensor:
    """Two long clusters in two dimensions."""
    z = numbers(1, n, 2) @ torch.tensor([[1.0, 0.6], [0.0, 0.3]]).double()
    return z + 4.0 * (numbers(2, n, 1) > 0.3).double() + torch.tensor([1.0, -2.0])


def autoencoder(latents: int = 2, posterior: Any = posteriors.Point, **more: Any) -> Any:
    """A model whose latents are its items."""
    q = posterior(nn.Identity(), latents, features=latents, **more)
    p = likelihoods.Gaussian(nn.Identity(), (latents,), features=latents)
    with torch.no_grad():
        q.head.layer.weight.zero_()
        q.head.layer.weight[:latents].copy_(torch.eye(latents))
        q.head.layer.bias.zero_()
        p.head.layer.weight.copy_(torch.eye(latents))
        p.head.layer.bias.zero_()
    return VAE(priors.StandardNormal(latents), q, p).double().eval()


def fitted(prior: Any, z: Tensor, **more: Any) -> Any:
    return vk.fit_prior(autoencoder(z.shape[1]), z.numpy(), prior, verbose=False, **more).prior


def slopes(prior: Any, z: Tensor) -> list[Tensor]:
    """The gradient of the mean log-likelihood of latents at a prior."""
    return list(torch.autograd.grad(prior().log_prob(z).mean(), list(prior.parameters())))


def grid(reach: float = 14.0, points: int = 1401) -> tuple[Tensor, float]:
    line = torch.linspace(-reach, reach, points, dtype=torch.float64)
    return torch.cartesian_prod(line, line), float(line[1] - line[0]) ** 2


def test_a_gaussian_is_the_latents_mean_and_covariance() -> None:
    z = clusters()
    prior = fitted(None, z)
    p = prior()
    torch.testing.assert_close(p.loc, z.mean(0), rtol=1e-12, atol=1e-12)
    want = torch.from_numpy(np.cov(z.numpy(), rowvar=False, bias=True))
    torch.testing.assert_close(
        p.scale_tril @ p.scale_tril.T, want, rtol=1e-4, atol=1e-4
    )  # the floor: 1e-6 of the largest
    assert all(float(slope.abs().max()) < 1e-4 for slope in slopes(prior, z)), "no maximum of the likelihood"


@pytest.mark.parametrize("family", MIXTURES)
def test_a_mixture_is_where_em_ends(family: Any) -> None:
    """A stationary point of the likelihood, above the Gaussian, whose density is one and is what samples follow."""
    z = clusters()
    prior = fitted(family(2, 3), z)
    assert all(float(slope.abs().max()) < 0.02 for slope in slopes(prior, z))  # EM stops at a gain of 1e-3 nats
    gain = float((prior().log_prob(z) - fitted(None, z)().log_prob(z)).mean().detach())
    assert gain > (0.1 if family is priors.FullGaussianMixture else 0.0)
    points, cell = grid()
    with torch.no_grad():
        total = float(prior().log_prob(points).exp().sum() * cell)
    assert total == pytest.approx(1, abs=1e-6)
    torch.manual_seed(0)
    with torch.no_grad():
        p, drawn = prior(), prior().sample((4000,))
        for direction in (torch.tensor([1.0, 0.0]), torch.tensor([0.6, -0.8])):
            direction = direction.double()
            mean, share = p.parts.mean @ direction, p.log_share.exp()
            full = isinstance(p, d.FullGaussianMixture)
            tril = p.parts.scale_tril if full else torch.diag_embed(p.parts.scale)
            deviation = (tril.mT @ direction).norm(dim=-1)
            along = (drawn @ direction).sort().values
            below = torch.distributions.Normal(mean, deviation).cdf(along[:, None]) @ share
            assert scipy.stats.kstest(below.numpy(), "uniform").pvalue > 1e-3


def test_a_full_mixture_is_torchs() -> None:
    tril = priors.normal.unpacked(0.5 * numbers(3, 4, 2, 2))
    ours, z = d.FullGaussianMixture(3 * numbers(1, 4, 2), tril, numbers(2, 4)), 3 * numbers(4, 5, 10, 2)
    parts = torch.distributions.MultivariateNormal(ours.parts.loc, scale_tril=tril)
    theirs = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(logits=numbers(2, 4)), parts)
    torch.testing.assert_close(ours.log_prob(z), theirs.log_prob(z), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours.mean, theirs.mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours.variance, theirs.variance, rtol=1e-10, atol=1e-12)
    cold = ours.tempered(0.0).sample((50,))
    away = (cold.unsqueeze(1) - ours.parts.loc).norm(dim=-1).amin(1)
    assert float(away.max()) < 1e-12, "temperature 0 is a part's centre"


class ByGradient(priors.FullGaussian):
    """A Gaussian without its closed form."""

    def at_best(self, z: Tensor) -> bool:
        return False


def test_the_gradient_goes_where_the_closed_form_is() -> None:
    z = clusters()
    known, found = fitted(None, z)(), fitted(ByGradient(2), z, epochs=150, lr=0.02, batch_size=64)()
    gap = float(kl_divergence(known, found).detach())
    assert 0 <= gap < 0.02, gap  # a tenth of 600 items is held out: about 5 parameters / (2 x 600) and as much again


class PriorOfLabel(priors.Prior):
    """p(z|y) = N(M y, I)."""

    def __init__(self, latent_dim: int, width: int) -> None:
        super().__init__()
        self.latent_shape, self.reads = (latent_dim,), ("y",)
        self.layer = nn.Linear(width, latent_dim, bias=False)

    def forward(self, *given: Tensor | None) -> Any:
        loc = self.layer(given[0])
        return d.DiagonalGaussian(loc, torch.zeros_like(loc))


def test_a_prior_that_reads_labels_ends_at_their_means() -> None:
    labels = np.arange(600) % 3
    z = numbers(3, 600, 2) + 3 * numbers(4, 3, 2)[labels]
    model = autoencoder()
    model = VAE(model.prior, model.posterior, model.likelihood, context=Context({"y": {"levels": [0, 1, 2]}}))
    found = vk.fit_prior(model, z.numpy(), PriorOfLabel(2, 3).double(), labels, lr=0.1, epochs=150, verbose=False)
    want = torch.stack([z[labels == k].mean(0) for k in range(3)])
    # each mean is known to 1 / sqrt(200), and a tenth is held out
    torch.testing.assert_close(found.prior.layer.weight.T.detach(), want, rtol=0, atol=0.1)
    assert found.sample(3, [0, 1, 2]).shape == (3, 2)


def digits(recipe: str = "vae", **more: Any) -> Any:
    return vk.fit(vk.recipe(recipe, "digits", **more), "digits", epochs=2, verbose=False)


def test_the_bound_rises_and_adds_up_and_nothing_else_moves(tmp_path: Path) -> None:
    run = digits(latent_dim=3, hidden=[32])
    before = copy.deepcopy(run.model.state_dict())
    found = vk.fit_prior(run, prior=priors.FullGaussianMixture(3, 5), verbose=False)
    assert all(torch.equal(value, before[name]) for name, value in run.model.state_dict().items())
    assert type(run.model.prior) is priors.StandardNormal and found.model.posterior is not run.model.posterior
    for name, value in found.model.state_dict().items():
        assert name.startswith("prior.") or torch.equal(value, before[name]), "encoder and decoder are frozen"
    assert all(p.requires_grad for p in found.model.parameters()) and not found.model.training
    m, old = found.metrics, run.metrics
    assert m["elbo"] == pytest.approx(-m["rate"] - m["distortion"], abs=1e-6)
    assert m["distortion"] == pytest.approx(old["distortion"], abs=1e-6) and m["rate"] < old["rate"]
    assert m["nll"] <= -m["elbo"] + 3 * m["nll_se"] and m["items"] == old["items"]
    assert found.record["prior"]["part"] == "FullGaussianMixture(latent_dim=3, components=5)"
    assert "ghosh2020" in found.record["papers"] and found.sample(4).shape == (4, 8, 8)
    found.save(tmp_path / "run")
    again = vk.load_run(tmp_path / "run")
    assert again.evaluate()["elbo"] == pytest.approx(m["elbo"], abs=1e-6)
    page = found.report(tmp_path / "report.html").read_text()
    assert "ghosh2020" in page


def test_no_gaussian_gives_these_posteriors_a_lower_rate() -> None:
    """At the mean and the covariance of all posteriors together the exact KL, averaged over items, is the lowest."""
    z, scale = clusters(), 0.4
    model = autoencoder(posterior=posteriors.Gaussian)
    with torch.no_grad():
        model.posterior.head.layer.bias[2:] = np.log(scale)
    found = vk.fit_prior(model, z.numpy(), draws=60, verbose=False).prior()
    torch.testing.assert_close(found.loc, z.mean(0), rtol=0, atol=4 * scale / (600 * 60) ** 0.5)
    want = torch.cov(z.T, correction=0) + scale**2 * torch.eye(2)
    torch.testing.assert_close(found.scale_tril @ found.scale_tril.T, want, rtol=0.02, atol=0.02)  # 36,000 draws
    q = model.posterior(z)
    least = float(kl_divergence(q, found).mean().detach())
    torch.manual_seed(0)
    for _ in range(20):
        other = d.FullGaussian(found.loc + 0.1 * torch.randn(2), found.scale_tril + 0.1 * torch.randn(2, 2).tril())
        assert float(kl_divergence(q, other).mean().detach()) > least


def test_an_autoencoder_can_be_sampled_and_still_has_no_density() -> None:
    run = digits("rae_l2", latent_dim=4, hidden=[32])
    found = vk.fit_prior(run, prior=priors.GaussianMixture(4, 8), verbose=False)
    assert [found.metrics[name] for name in ("elbo", "rate", "nll", "bits_per_dim")] == [None] * 4
    assert found.metrics["distortion"] == pytest.approx(run.metrics["distortion"])
    with pytest.raises(Mistake, match="Point posterior"):
        found.model.log_prob(torch.zeros(1, 8, 8))
    codes = torch.as_tensor(run.encode())
    drawn = found.model.prior().sample((4000,))
    for k in range(4):
        assert float(drawn[:, k].mean() - codes[:, k].mean()) == pytest.approx(0, abs=0.2 * float(codes[:, k].std()))
        assert float(drawn[:, k].std() / codes[:, k].std()) == pytest.approx(1, abs=0.1)


def test_what_the_prior_shares_with_the_posterior_stays_shared(tmp_path: Path) -> None:
    model = recipes.vae(shape=(6,), latent_dim=2, hidden=[8]).model.eval()
    x = numbers(5, 200, 6).float().numpy()
    found = vk.fit_prior(model, x, priors.VampPrior(model.posterior, (6,), 5), epochs=20, verbose=False)
    assert found.prior.posterior is found.posterior and found.posterior is not model.posterior
    for name, value in found.posterior.state_dict().items():
        assert torch.equal(value, model.posterior.state_dict()[name])
    save_model(found, tmp_path, version="0")
    again = load_model(tmp_path)
    assert again.prior.posterior is again.posterior and to_spec(again) == to_spec(found)


def test_the_same_seed_gives_the_same_prior() -> None:
    z = clusters(200)
    a, b = (fitted(priors.GaussianMixture(2, 3), z, seed=4) for _ in range(2))
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


def test_latents_of_one_value_keep_a_density() -> None:
    z = torch.cat([numbers(1, 50, 1), torch.full((50, 1), 3.0)], 1)
    for prior in (None, priors.GaussianMixture(2, 2), priors.FullGaussianMixture(2, 2)):
        found = fitted(prior, z)()
        assert bool(found.log_prob(z).isfinite().all()) and bool(found.sample((5,)).isfinite().all())


def test_what_cannot_be_fitted_is_said() -> None:
    x = np.zeros((20, 6), np.float32) + np.arange(6)
    x[::2] += 1
    model = recipes.vae(shape=(6,), latent_dim=2, hidden=[8]).model
    with pytest.raises(Mistake, match="latents \\(3,\\).*model has \\(2,\\)"):
        vk.fit_prior(model, x, priors.FullGaussian(3))
    with pytest.raises(Mistake, match="part of vk.priors"):
        vk.fit_prior(model, x, "gaussian")
    with pytest.raises(Mistake, match="several"):
        vk.fit_prior(recipes.ladder_vae(shape=(6,), latent_dims=[2, 2], hidden=[8, 8]).model, x)
    with pytest.raises(Mistake, match="20 latents and 30 components"):
        vk.fit_prior(model, x, priors.GaussianMixture(2, 30), draws=1)
    with pytest.raises(Mistake, match="Codes have probabilities.*AutoregressiveCodes"):
        vk.fit_prior(recipes.vq_vae(shape=(6,), codes=5, code_dim=2, places=3, hidden=[8]).model, x)
    with pytest.raises(Mistake, match="have a density.*FullGaussian"):
        vk.fit_prior(model, x, priors.FairBernoulli(2))
