"""Mixtures as priors: densities that integrate to one, samples that follow them, and the sharing of VampPrior."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from scipy.stats import kstest
from tests.laws.tables import numbers
from torch import distributions as td

import vaekit as vk
from vaekit import distributions as d
from vaekit import recipes
from vaekit.objectives import KL
from vaekit.storage import load_model, save_model


def mixture() -> d.GaussianMixture:
    return d.GaussianMixture(3 * numbers(1, 4, 2), 0.3 * numbers(2, 4, 2), numbers(3, 4))


def test_a_mixture_is_torchs() -> None:
    ours, z = mixture(), 3 * numbers(4, 50, 2)
    parts = td.Independent(td.Normal(ours.parts.loc, ours.parts.scale), 1)
    theirs = td.MixtureSameFamily(td.Categorical(logits=numbers(3, 4)), parts)
    torch.testing.assert_close(ours.log_prob(z), theirs.log_prob(z), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours.mean, theirs.mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours.variance, theirs.variance, rtol=1e-10, atol=1e-12)
    assert ours.log_prob(z.view(5, 10, 2)).shape == (5, 10) and ours.sample().shape == (2,)


def test_samples_follow_the_density() -> None:
    torch.manual_seed(0)
    p = mixture()
    drawn = p.sample((4000,))
    share, normal = p.log_share.exp(), td.Normal(p.parts.loc[:, 0], p.parts.scale[:, 0])

    def cdf(x: object) -> object:
        return (normal.cdf(torch.as_tensor(x).unsqueeze(-1)) @ share).numpy()

    assert kstest(drawn[:, 0].numpy(), cdf).pvalue > 1e-3


def test_the_kl_from_draws_is_the_integral() -> None:
    """In one dimension, against the trapezium rule."""
    p = d.GaussianMixture(torch.tensor([[-2.0], [1.0]]).double(), torch.zeros(2, 1).double(), torch.zeros(2).double())
    q = d.DiagonalGaussian(torch.tensor([0.5]).double(), torch.tensor([-0.5]).double())
    x = torch.linspace(-12, 12, 20001).double().unsqueeze(1)
    exact = torch.trapezoid(q.log_prob(x).exp() * (q.log_prob(x) - p.log_prob(x)), x[:, 0])
    torch.manual_seed(0)
    z = q.rsample((200_000,))
    gaps = q.log_prob(z) - p.log_prob(z)
    assert abs(float(gaps.mean() - exact)) < 4 * float(gaps.std()) / 200_000**0.5


def test_vampprior_is_the_mean_of_posteriors_and_stays_shared(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = recipes.vampprior(shape=(6,), latent_dim=2, hidden=[8], pseudo=7).model
    x = (numbers(1, 30, 6) > 0).float()
    for part in model.walk("before_fit"):
        part.before_fit(x, {}, 30)
    z, q = numbers(2, 5, 2).float(), model.posterior(model.prior.inputs)
    each = torch.stack([d.DiagonalGaussian(a, b).log_prob(z) for a, b in zip(q.loc, q.log_scale, strict=True)])
    torch.testing.assert_close(model.prior().log_prob(z), each.logsumexp(0) - torch.tensor(7.0).log())
    save_model(model, tmp_path, version="0")
    for again in (load_model(tmp_path), copy.deepcopy(model)):
        assert again.prior.posterior is again.posterior
        torch.testing.assert_close(again.prior().log_prob(z), model.prior().log_prob(z), rtol=0, atol=0)
    # the prior's gradient reaches the encoder: what the KL loses at the items, the pseudo-inputs can win
    model.zero_grad()
    KL()(model, model.trace(x)).mean().backward()
    assert bool((model.prior.inputs.grad != 0).any())


def test_a_run_with_such_a_prior_ends_with_its_numbers(tmp_path: Path) -> None:
    for name in ("vampprior", "mixture_vae"):
        plan = vk.recipe(name, "digits", latent_dim=2, hidden=[16])
        run = vk.fit(plan, "digits", epochs=1, verbose=False, out=tmp_path / name)
        assert run.metrics["nll"] > 0 and run.metrics["kl_each"] is None
        assert (tmp_path / name / "report.html").exists() and run.sample(3).shape == (3, 8, 8)


def test_with_all_items_as_pseudo_inputs_it_is_the_aggregate_posterior() -> None:
    """Then the mean rate over the items is their mutual information with z, which is at most log N."""
    torch.manual_seed(0)
    model = recipes.vampprior(shape=(6,), latent_dim=2, hidden=[8], pseudo=16).model.double().eval()
    x = (numbers(1, 16, 6) > 0).double()
    with torch.no_grad():
        model.prior.inputs.copy_(x)
        model.posterior.head.layer.weight.mul_(30)  # posteriors far apart
        rate = KL()(model, model.trace(x, samples=2000)).mean()
    assert 0 < float(rate) < torch.tensor(16.0).log() + 1e-6
