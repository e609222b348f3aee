"""Anomaly scores where they are known: linear Gaussian models, whose bounds and regrets are closed forms."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, kl_divergence

from vaekit import likelihoods, posteriors, priors, recipes
from vaekit.data.transforms import Standardize
from vaekit.evaluation import shared_log_likelihoods
from vaekit.evaluation.anomaly import likelihood_regret, negative_elbo, reconstruction_probability, typicality, waic
from vaekit.evaluation.ranking import auroc
from vaekit.messages import Mistake
from vaekit.models import VAE

X, Z = 4, 2


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Linear:
    """x = W z + mu + noise under a posterior that is wrong on purpose, and what is known of it."""

    def __init__(self, posterior: Any, seed: int = 0, transform: Any = None) -> None:
        self.w, self.mu, self.variance = numbers(seed, X, Z), numbers(seed + 1, X), 0.5
        self.w[:, 1] += 0.7 * self.w[:, 0]  # so that the latents are correlated once x is seen
        self.model: Any = VAE(
            priors.StandardNormal(Z), posterior(nn.Identity(), Z, features=X),
            likelihoods.Gaussian(nn.Identity(), (X,), features=Z), transform=transform,
        ).double().eval()  # fmt: skip
        m = self.w.T @ self.w + self.variance * torch.eye(Z).double()
        self.gain, self.cov = torch.linalg.solve(m, self.w.T), self.variance * torch.linalg.inv(m)
        head = self.model.posterior.head.layer
        with torch.no_grad():
            self.model.likelihood.head.layer.weight.copy_(self.w)
            self.model.likelihood.head.layer.bias.copy_(self.mu)
            self.model.likelihood.scale.log_scale.fill_(0.5 * math.log(self.variance))
            head.weight[:Z] = 0.6 * self.gain  # shrunk, by more for strange items
            head.weight[Z:] = 0
            head.bias[:Z] = -0.6 * self.gain @ self.mu + 0.2
            head.bias[Z:] = -0.5

    def exact(self, x: Tensor) -> MultivariateNormal:
        """p(z|x)."""
        return MultivariateNormal((x - self.mu) @ self.gain.T, self.cov)

    def encoded(self, x: Tensor) -> MultivariateNormal:
        """q(z|x)."""
        with torch.no_grad():
            q = self.model._posterior(x, None)
        tril = q.scale_tril if hasattr(q, "scale_tril") else torch.diag_embed(q.scale)
        return MultivariateNormal(q.loc, scale_tril=tril)

    def marginal(self) -> MultivariateNormal:
        return MultivariateNormal(self.mu, self.w @ self.w.T + self.variance * torch.eye(X).double())

    def expected_log_px(self, x: Tensor) -> Tensor:
        q = self.encoded(x)
        error = (x - q.loc @ self.w.T - self.mu).square().sum(-1)
        error = error + (self.w @ q.covariance_matrix @ self.w.T).diagonal(dim1=-2, dim2=-1).sum(-1)
        return -0.5 * error / self.variance - 0.5 * X * math.log(2 * math.pi * self.variance)


ITEMS = torch.cat([numbers(5, 6, X), 4 * numbers(6, 3, X)])  # the last three are strange
BOTH = pytest.mark.parametrize("posterior", [posteriors.Gaussian, posteriors.FullGaussian])


@BOTH
def test_bound_and_reconstruction_are_their_closed_forms(posterior: Any) -> None:
    known = Linear(posterior)
    want = known.expected_log_px(ITEMS)
    rate = kl_divergence(known.encoded(ITEMS), MultivariateNormal(torch.zeros(Z).double(), torch.eye(Z).double()))
    for score, exact in ((reconstruction_probability, -want), (negative_elbo, rate - want)):
        got = score(known.model, ITEMS, samples=20_000)
        with torch.no_grad():
            spread = known.model.trace(ITEMS, samples=20_000).log_px.std(0)
        assert got.dtype == torch.float64 and got.shape == (9,)
        assert bool(((got - exact).abs() < 4 * spread / 20_000**0.5).all())  # four standard errors of the draws


@BOTH
def test_the_user_s_units(posterior: Any) -> None:
    """Data in other units moves each score by the log of the units, no item against another."""
    plain, scaled = Linear(posterior), Linear(posterior, transform=Standardize((X,)).double())
    scaled.model.transform.before_fit(100 * numbers(7, 50, X), {}, 50)
    gain = float(scaled.model.log_jacobian(ITEMS))
    assert abs(gain) > 10
    for score in (negative_elbo, reconstruction_probability):
        torch.testing.assert_close(score(scaled.model, ITEMS) + gain, score(plain.model, ITEMS))
    one, other = (likelihood_regret(known.model, ITEMS, steps=20) for known in (scaled, plain))
    torch.testing.assert_close(one, other)


def test_regret_with_a_full_covariance_is_the_divergence_from_the_true_posterior() -> None:
    known = Linear(posteriors.FullGaussian)
    want = kl_divergence(known.encoded(ITEMS), known.exact(ITEMS))
    got = likelihood_regret(known.model, ITEMS, samples=2 * Z, steps=400)
    # the noise has exactly the moments that a quadratic needs: what remains is Adam's last steps
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)
    assert float(want.min()) > 0.1 and float(want[6:].min()) > float(want[:6].max())  # something to regret


def test_regret_with_a_diagonal_is_less_by_what_no_diagonal_can_reach() -> None:
    known = Linear(posteriors.Gaussian)
    true = known.exact(ITEMS)
    # the nearest diagonal Gaussian in this direction has the true mean and the precision's diagonal
    best = MultivariateNormal(true.loc, torch.diag(1 / known.cov.inverse().diagonal()))
    want = kl_divergence(known.encoded(ITEMS), true) - kl_divergence(best, true)
    got = likelihood_regret(known.model, ITEMS, samples=2 * Z, steps=400)
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)
    assert float(kl_divergence(best, true).min()) > 0.02  # the gap that is left is no rounding


def test_there_is_nothing_to_regret_at_the_best_posterior() -> None:
    x = numbers(8, 100, 6) @ numbers(9, 6, 6)
    recipe = recipes.ppca(shape=(6,), latent_dim=2)
    model = recipe.model.double().eval()
    recipe.start(model, x)
    got = likelihood_regret(model, x[:5], samples=4, steps=50)
    assert float(got.min()) >= 0 and float(got.max()) < 1e-9  # float64 rounding of bounds of some ten nats


def test_regret_leaves_the_model_alone() -> None:
    known = Linear(posteriors.Gaussian)
    before = {name: value.clone() for name, value in known.model.state_dict().items()}
    one = likelihood_regret(known.model, ITEMS, seed=1, steps=20)
    assert all(p.grad is None for p in known.model.parameters())
    assert all(torch.equal(before[name], value) for name, value in known.model.state_dict().items())
    with torch.no_grad():  # as evaluation is run
        assert torch.equal(likelihood_regret(known.model, ITEMS, seed=1, steps=20), one)


@pytest.mark.parametrize("kind", ["gaussian", "bits", "ladder", "point", "gaps"])
def test_an_item_s_score_does_not_depend_on_its_companions(kind: str) -> None:
    torch.manual_seed(0)
    small = {"shape": (X,), "latent_dim": 2, "hidden": [8]}
    model = {
        "gaussian": lambda: recipes.vae(**small),
        "bits": lambda: recipes.vae(**small, posterior=posteriors.StraightThroughBernoulli),
        "ladder": lambda: recipes.ladder_vae(shape=(X,), latent_dims=[2, 3], hidden=[8, 9]),
        "point": lambda: recipes.autoencoder(**small),
        "gaps": lambda: recipes.miwae(**small, samples=5),
    }[kind]().model.eval()
    x = ITEMS.float()
    if kind == "gaps":
        x[::2, 1] = math.nan
    scores: list[Any] = [reconstruction_probability] + [negative_elbo] * (kind != "point")
    scores += [partial(likelihood_regret, steps=20)] * (kind in ("gaussian", "gaps"))
    for score in scores:
        whole, part = score(model, x, samples=8), score(model, x[3:5], samples=8)
        assert bool(whole.isfinite().all())
        torch.testing.assert_close(whole[3:5], part, rtol=1e-4, atol=1e-4)  # float32, carried along by Adam


def test_typicality_and_waic_are_arithmetic_on_exact_likelihoods() -> None:
    """At the closed form of ppca every draw gives log p(x), so that both are known without sampling."""
    models, exact = [], []
    for seed in range(3):
        x = numbers(10 + seed, 60, X) @ numbers(20, X, X)
        recipe = recipes.ppca(shape=(X,), latent_dim=2)
        model = recipe.model.double().eval()
        recipe.start(model, x)
        layer, variance = model.likelihood.head.layer, (2 * model.likelihood.scale.log_scale.detach()).exp()
        w = layer.weight.detach()
        p = MultivariateNormal(layer.bias.detach(), w @ w.T + variance * torch.eye(X).double())
        models.append(model)
        exact.append(p.log_prob(ITEMS))
    log_p = torch.stack(exact).numpy()
    got = waic(models, ITEMS, samples=2)
    np.testing.assert_allclose(got.numpy(), log_p.var(0, ddof=1) - log_p.mean(0), rtol=1e-9)
    got = typicality(models[0], ITEMS, reference=7.5, samples=2)
    np.testing.assert_allclose(got.numpy(), np.abs(-log_p[0] - 7.5), rtol=1e-9)


def test_what_is_too_likely_is_not_typical() -> None:
    """In 64 dimensions the mode of a Gaussian is the likeliest point and the strangest (Nalisnick et al. 2019)."""
    x = numbers(30, 400, 64)
    recipe = recipes.ppca(shape=(64,), latent_dim=2)
    model = recipe.model.double().eval()
    recipe.start(model, x)
    inside, mode = numbers(31, 200, 64), 0.1 * numbers(32, 200, 64)
    reference = -float(shared_log_likelihoods(model, x, 2).mean())
    labels = torch.cat([torch.zeros(200), torch.ones(200)])
    both = torch.cat([inside, mode])
    # the squared norm is 64 +- 11 inside and 0.64 near the mode: apart by more than five deviations
    assert auroc(labels, typicality(model, both, reference=reference, samples=2)) > 0.999
    assert auroc(labels, -shared_log_likelihoods(model, both, 2)) < 0.001


def test_noise_pixels_are_stranger_than_digits() -> None:
    x = torch.from_numpy(load_digits().data) / 16
    recipe = recipes.ppca(shape=(64,), latent_dim=8)
    model = recipe.model.double().eval()
    recipe.start(model, x[:1500])
    shuffled = x[1500:][:, torch.randperm(64, generator=torch.Generator().manual_seed(0))]  # the same grey levels
    labels, both = np.r_[np.zeros(297), np.ones(297)], torch.cat([x[1500:], shuffled])
    assert auroc(labels, negative_elbo(model, both)) > 0.99
    assert auroc(labels, reconstruction_probability(model, both)) > 0.99


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda point, ladder, x: negative_elbo(point, x), "Point posterior"),
        (lambda point, ladder, x: typicality(point, x, reference=0.0), "Point posterior"),
        (lambda point, ladder, x: typicality(ladder, x, reference=math.nan), "reference=nan"),
        (lambda point, ladder, x: waic([ladder], x), "ensemble of two"),
        (lambda point, ladder, x: waic([point, point], x), "Point posterior"),
        (lambda point, ladder, x: likelihood_regret(ladder, x), "hierarchy"),
        (lambda point, ladder, x: likelihood_regret(point, x), "Point posterior"),
    ],
)
def test_what_has_no_score_is_refused_with_the_remedy(call: Any, said: str) -> None:
    torch.manual_seed(0)
    point = recipes.autoencoder(shape=(X,), latent_dim=2, hidden=[8]).model.eval()
    ladder = recipes.ladder_vae(shape=(X,), latent_dims=[2, 3], hidden=[8, 9]).model.eval()
    with pytest.raises(Mistake, match=said):
        call(point, ladder, ITEMS.float())


def test_bits_and_odd_samples_have_no_regret() -> None:
    bits = recipes.vae(shape=(X,), latent_dim=2, hidden=[8], posterior=posteriors.StraightThroughBernoulli).model.eval()
    with pytest.raises(Mistake, match="StraightThroughBernoulli"):
        likelihood_regret(bits, ITEMS.float())
    with pytest.raises(Mistake, match="even number"):
        likelihood_regret(Linear(posteriors.Gaussian).model, ITEMS, samples=3)
