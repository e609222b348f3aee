"""A class among the latents: densities, bounds and gradients against enumeration of the class and quadrature of z."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, kstest, norm
from tests.laws.tables import numbers
from torch import Tensor, nn
from torch import distributions as td

import vaekit as vk
from vaekit import distributions as d
from vaekit import evaluation, likelihoods, recipes
from vaekit.conditional import rows_of
from vaekit.data import Context
from vaekit.objectives import ELBO, Classification, ClusterELBO, EnumeratedELBO
from vaekit.priors import ClassedMixture, GaussianMixture

CLASSES = 3
LINE = torch.linspace(-12, 12, 2401, dtype=torch.float64)  # the trapezium rule: exact to rounding for these densities
STEP = 0.01
SMALL: dict[str, Any] = {"shape": (4,), "latent_dim": 1, "hidden": [6], "likelihood": likelihoods.Bernoulli()}
LABEL = Context({"kind": {"levels": ["a", "b", "c"]}})
X = (numbers(1, 7, 4) > 0).double()


def latents(onto: int) -> Tensor:
    """The class `onto` beside every z of the line, (G, C + 1)."""
    return torch.cat([torch.eye(CLASSES).double()[onto].expand(len(LINE), -1), LINE.unsqueeze(1)], 1)


def made(name: str, **more: Any) -> Any:
    """A model with weights large enough that its terms differ, and posteriors too wide rather than too narrow."""
    torch.manual_seed(0)
    model = getattr(recipes, name)(**SMALL, activation=nn.Tanh, **more).model.double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(2.0)
        model.posterior.head.layer.weight[1] *= 0.1
        model.posterior.head.layer.bias[1] = 0.1
    return model


MODELS: dict[str, Any] = {
    "m2": lambda: made("m2", context=LABEL),
    "gmvae": lambda: made("gmvae", components=CLASSES),
}
every = pytest.mark.parametrize("name", MODELS)


def unlabelled(model: Any) -> Any:
    """The context of X without any label."""
    return model.to_context(None, len(X)) if model.context else None


def repeated(bound: Any, model: Any, x: Tensor, y: Any, times: int) -> Tensor:
    """A bound of that many draws of its own for each item, (times, B)."""
    many = None if y is None else {k: v.repeat(times, 1) for k, v in y.items()}
    found: Tensor = bound.bound(model, model.trace(x.repeat(times, 1), many))
    return found.view(times, len(x))


def enumerated(model: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x) and log p(x|y), the bound on each, without draws: (B,), (C, B), and (C, B) of the bounds given y."""
    joint, bounds = [], []
    y_missing = unlabelled(model)
    q, p = model._posterior(x, y_missing), model._prior(None if y_missing is None else rows_of(y_missing, slice(1)))
    for y in range(CLASSES):
        z = latents(y)
        log_px = model.likelihood(z.unsqueeze(1).expand(-1, len(x), -1)).log_prob(x)  # (G, B)
        prior = td.Normal(p.each.loc[..., y, 0], p.each.scale.expand_as(p.each.loc)[..., y, 0])
        joint.append(torch.logsumexp(log_px + prior.log_prob(LINE.unsqueeze(1)) + math.log(STEP), 0))
        own = td.Normal(q.each.loc[:, y, 0], q.each.scale[:, y, 0])
        density = own.log_prob(LINE.unsqueeze(1))
        inside = log_px + prior.log_prob(LINE.unsqueeze(1)) - density
        bounds.append((STEP * density.exp() * inside).sum(0))
    given = torch.stack(joint)
    return torch.logsumexp(given - math.log(CLASSES), 0), given, torch.stack(bounds)


def total(model: Any, x: Tensor) -> Tensor:
    """The unlabelled bound, sum_y q(y|x) (bound given y + log p(y) - log q(y|x)), (B,)."""
    log_q = model.posterior.log_classes(x).T
    return (log_q.exp() * (enumerated(model, x)[2] - math.log(CLASSES) - log_q)).sum(0)


# -- the distribution ------------------------------------------------------------------------------------------


def classed() -> d.ClassedGaussian:
    return d.ClassedGaussian(numbers(5, 4, 3), numbers(1, 4, 3, 1), 0.3 * numbers(2, 4, 3, 1))


def test_it_integrates_to_one_and_is_a_mixture() -> None:
    q = classed()
    mass = torch.stack([q.log_prob(latents(y).unsqueeze(1)).exp() for y in range(3)])  # (C, G, B)
    torch.testing.assert_close(STEP * mass.sum((0, 1)), torch.ones(4).double(), rtol=0, atol=1e-9)
    parts = td.Independent(td.Normal(q.each.loc, q.each.scale), 1)
    mixture = td.MixtureSameFamily(td.Categorical(logits=q.log_share), parts)
    torch.testing.assert_close(mass.sum(0).log(), mixture.log_prob(LINE[:, None, None].expand(-1, 4, 1)))
    torch.testing.assert_close(q.mean[:, 3:], mixture.mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(q.variance[:, 3:], mixture.variance, rtol=1e-10, atol=1e-12)
    assert float(q.log_prob(torch.tensor([0.5, 0.5, 0.0, 0.0]))[0]) == -math.inf, "no mass between the classes"
    assert torch.equal(q.mode[:, :3].argmax(1), q.probs.argmax(1))


def test_samples_follow_the_density() -> None:
    torch.manual_seed(0)
    q, n = classed(), 4000
    for drawn in (q.rsample((n,)), q.tempered(1.0).sample((n,))):
        for row in range(4):
            y = drawn[:, row, :3].argmax(1)
            assert chisquare(np.bincount(y, minlength=3), n * q.probs[row].numpy()).pvalue > 1e-3
            for c in range(3):
                z = drawn[y == c, row, 3].numpy()
                own = norm(float(q.each.loc[row, c, 0]), float(q.each.scale[row, c, 0]))
                assert kstest(z, own.cdf).pvalue > 1e-3
    every_class = q.every(2000)  # (3 * 2000, 4, 4), class after class
    assert torch.equal(every_class[..., :3].argmax(-1)[:, 0], torch.arange(3).repeat_interleave(2000))
    assert (
        kstest(every_class[2000:4000, 0, 3].numpy(), norm(*map(float, (q.each.loc[0, 1], q.each.scale[0, 1]))).cdf)[1]
        > 1e-3
    )


def test_a_given_class_costs_nothing_and_breaks_nothing() -> None:
    """All probability on one class: KL is that of its Gaussians, and no gradient is NaN."""
    loc = numbers(1, 4, 3, 2).requires_grad_()
    told = torch.eye(3).double()[[0, 1, 2, 0]].log()
    q, p = d.ClassedGaussian(told, loc, torch.zeros(())), d.ClassedGaussian(told, 0 * loc, torch.zeros(()))
    kl = td.kl_divergence(q, p)
    torch.testing.assert_close(kl, 0.5 * loc[range(4), [0, 1, 2, 0]].square().sum(1), rtol=1e-12, atol=1e-12)
    (grad,) = torch.autograd.grad((kl + q.log_prob(q.rsample())).sum(), loc)
    assert bool(grad.isfinite().all())


def test_float32_survives_extremes() -> None:
    for size in (80.0, -80.0):
        logits = torch.tensor([[size, 0.0, -size]], requires_grad=True)
        q = d.ClassedGaussian(logits, torch.full((1, 3, 2), 1e3), torch.full((), 10.0))
        kl = td.kl_divergence(q, d.ClassedGaussian(torch.zeros(3), torch.zeros(3, 2), torch.zeros(())))
        assert bool(kl.isfinite().all()) and bool(torch.autograd.grad(kl.sum(), logits)[0].isfinite().all())


# -- the bounds ------------------------------------------------------------------------------------------------


@every
def test_the_bound_is_the_enumerated_one_and_below_log_p(name: str) -> None:
    model = MODELS[name]()
    exact, _, _ = enumerated(model, X)
    y = unlabelled(model)
    torch.manual_seed(0)
    with torch.no_grad():
        draws = repeated(EnumeratedELBO(samples=50), model, X, y, 200)
        want = total(model, X)
    assert bool(((draws.mean(0) - want).abs() < 4 * draws.std(0) / 200**0.5).all())
    assert bool((want < exact - 1e-3).all())
    # one draw of the class gives the same mean, with more noise; and many draws of both the likelihood
    with torch.no_grad():
        plain = repeated(ELBO(), model, X, y, 4000)
    assert bool(((plain.mean(0) - want).abs() < 4 * plain.std(0) / 4000**0.5).all())
    assert bool((plain.std(0) > draws.std(0)).all())
    found = evaluation.log_likelihoods(model, X, y, 20_000)
    assert bool(((found[0] - exact).abs() < 4 * found[1]).all())


@every
def test_the_gradient_is_that_of_the_enumerated_bound(name: str) -> None:
    """The classifier's own, which draws of the class do not give, and the encoder's."""
    model = MODELS[name]()
    y = unlabelled(model)
    parameters = list(model.parameters())
    want = torch.autograd.grad(total(model, X).sum(), parameters)
    torch.manual_seed(0)
    term, runs = EnumeratedELBO(samples=400), []
    for _ in range(40):
        runs.append(torch.autograd.grad(term.bound(model, model.trace(X, y)).sum(), parameters))
    for i, exact in enumerate(want):
        drawn = torch.stack([run[i] for run in runs])
        error = drawn.std(0) / 40**0.5
        assert bool(((drawn.mean(0) - exact).abs() < 5 * error + 1e-9).all()), parameters[i].shape  # of 200 numbers
    plain = torch.autograd.grad(ELBO().bound(model, model.trace(X, y)).sum(), model.posterior.judge.layer.weight)[0]
    exact = want[[p is model.posterior.judge.layer.weight for p in parameters].index(True)]
    assert float((plain - exact).abs().max()) > 0.05 * float(exact.abs().max()), "draws of y would have done"


def test_a_label_that_is_there_is_given() -> None:
    """Of labelled items the bound is one on log p(x|y), of the others on log p(x), in one batch."""
    model = MODELS["m2"]()
    names = ["a", "", "c", "b", "", "a", "b"]
    y = model.to_context(names, 7)
    marginal, given, bounds = enumerated(model, X)
    told = torch.tensor([0, -1, 2, 1, -1, 0, 1])
    picked = bounds.gather(0, told.clamp_min(0).unsqueeze(0))[0]
    want = torch.where(told >= 0, picked, total(model, X)).detach()
    torch.manual_seed(0)
    with torch.no_grad():
        draws = repeated(EnumeratedELBO(samples=50), model, X, y, 200)
    assert bool(((draws.mean(0) - want).abs() < 4 * draws.std(0) / 200**0.5).all())
    exact = torch.where(told >= 0, given.gather(0, told.clamp_min(0).unsqueeze(0))[0], marginal)
    found = evaluation.log_likelihoods(model, X, y, 20_000)
    assert bool(((found[0] - exact).abs() < 4 * found[1]).all())
    # the same through the face that users see; without any label the class is summed out
    torch.testing.assert_close(model.log_prob(X, names, samples=5000), exact, rtol=0, atol=0.1)
    torch.testing.assert_close(model.log_prob(X, samples=5000), marginal, rtol=0, atol=0.1)
    assert torch.equal(model.encode(X, names).probs[0], torch.tensor([1.0, 0.0, 0.0]).double())
    torch.testing.assert_close(model.encode(X).probs, model.posterior.log_classes(X).exp())


def test_classes_are_drawn_or_asked_for() -> None:
    model = MODELS["m2"]()
    torch.manual_seed(0)
    drawn = model.prior_sample(3000, model.to_context(None, 3000), 1.0)
    assert chisquare(drawn[:, :3].sum(0).numpy()).pvalue > 1e-3  # equally likely
    assert torch.equal(model.prior_sample(5, model.to_context("b", 5), 1.0)[:, 1], torch.ones(5).double())
    assert model.sample(4).shape == (4, 4)


def test_the_classifier_is_charged_for_labels_that_are_there() -> None:
    """The mean over a batch that is all of the data is the mean over the labelled; no label pulls no gradient."""
    model = MODELS["m2"]()
    names = ["a", "", "c", "b", "", "a", "b"]
    y = model.to_context(names, 7)
    term = Classification().double()
    term.before_fit(X, y, 7)
    trace = model.trace(X, y)
    log_q = model.posterior.log_classes(X)
    want = -torch.stack([log_q[i, "abc".index(n)] for i, n in enumerate(names) if n])
    torch.testing.assert_close(term(model, trace).mean(), want.mean(), rtol=1e-12, atol=1e-12)
    assert bool((term(model, trace)[[1, 4]] == 0).all())
    with pytest.raises(vk.Mistake, match="no item has a class"):
        term.before_fit(X, model.to_context(None, 7), 7)


@pytest.mark.parametrize(
    ("context", "got"),
    [
        (None, "got nothing"),
        (Context({"age": {"mean": 0.0, "scale": 1.0}}), "got a number"),
        (Context({"a": {"levels": [0, 1]}, "b": {"levels": [0, 1]}}), "got the fields a, b"),
    ],
)
def test_what_is_no_label_is_refused(context: Context | None, got: str) -> None:
    with pytest.raises(vk.Mistake, match=f"m2 wants one label as y= .*{got}"):
        recipes.m2(shape=(4,), context=context)


def test_trajectories_are_refused_where_there_is_a_class() -> None:
    with pytest.raises(vk.Mistake, match="not all of the real numbers.*importance sampling"):
        evaluation.annealed_log_likelihoods(MODELS["gmvae"](), X)


# -- clusters --------------------------------------------------------------------------------------------------


def test_with_the_class_summed_out_it_is_the_mixture() -> None:
    torch.manual_seed(0)
    prior, mixture = ClassedMixture(1, 3).double(), GaussianMixture(1, 3).double()
    with torch.no_grad():
        mixture.loc.copy_(prior.loc)
        mixture.log_scale.copy_(prior.log_scale)
    each = torch.stack([prior().log_prob(latents(y)) for y in range(3)])
    torch.testing.assert_close(each.logsumexp(0), mixture().log_prob(LINE.unsqueeze(1)), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(each.softmax(0).T, mixture().log_responsibilities(LINE.unsqueeze(1)).exp())


def vade() -> Any:
    model = made("vade", components=CLASSES)
    with torch.no_grad():
        model.prior.loc.copy_(torch.tensor([[-2.0], [0.5], [3.0]]))
        model.prior.logits.copy_(torch.tensor([0.3, -0.2, 0.6]))
    return model


def test_the_bound_of_vade_is_enumerated_and_below_the_mixtures() -> None:
    """E_q[log p(x|z)] + E_{q(z|x) q(c|x)}[log p(z, c) - log q(z|x) - log q(c|x)], c summed and z by quadrature."""
    model = vade()
    q, p = model.posterior(X), model.prior()
    z = LINE[:, None, None]
    density = q.log_prob(z.expand(-1, 7, 1))  # (G, B)
    log_px = model.likelihood(z.expand(-1, 7, 1)).log_prob(X)

    def over_q(value: Tensor) -> Tensor:
        return (STEP * density.exp() * value).sum(0)

    torch.manual_seed(0)
    trace = model.trace(X)
    log_share = p.log_responsibilities(trace.z[0])  # of that one draw
    joint = p.log_share + p.parts.log_prob(z.unsqueeze(-2))  # (G, 1, C)
    rate = torch.stack([over_q(density - joint[..., c]) for c in range(3)], 1)  # KL(q || p_c) - log p(c)
    want = (log_share.exp() * (-rate - log_share)).sum(1)
    found = ClusterELBO().bound(model, trace) - trace.log_px[0]
    torch.testing.assert_close(found, want, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(log_share.exp().sum(1), torch.ones(7).double())
    # the mean over draws lies below the ELBO with the component summed out, which lies below log p(x)
    exact = torch.logsumexp(log_px + p.log_prob(z.expand(-1, 7, 1)) + math.log(STEP), 0)
    tight = over_q(log_px + p.log_prob(z.expand(-1, 7, 1)) - density)
    with torch.no_grad():
        drawn = repeated(ClusterELBO(), model, X, None, 2000)
    assert bool((drawn.mean(0) - 4 * drawn.std(0) / 2000**0.5 < tight).all()) and bool((tight < exact).all())
    # q(c|x) in closed form would be the best of all: no draw of ours may beat it
    best = torch.logsumexp(-rate, 1)
    assert bool((want <= best + 1e-9).all())


def test_the_bound_of_vade_has_finite_gradients_far_from_all_components() -> None:
    """Shares that underflow to 0 have a log of -inf: elsewhere their entropy's gradient is NaN."""
    model = made("vade", components=CLASSES).float()
    with torch.no_grad():
        model.prior.loc.copy_(torch.tensor([[-200.0], [0.5], [300.0]]))
    loss = -ClusterELBO().bound(model, model.trace(X.float())).sum()
    assert all(bool(g.isfinite().all()) for g in torch.autograd.grad(loss, list(model.parameters())))


def test_vade_begins_at_the_clusters_of_the_codes() -> None:
    torch.manual_seed(0)
    centres = torch.tensor([[-6.0, 0.0], [6.0, 0.0], [0.0, 8.0]])
    z = centres.repeat_interleave(200, 0) + 0.5 * torch.randn(600, 2)
    prior = GaussianMixture(2, 3)
    prior.at_best(z)
    assert float(torch.cdist(centres, prior.loc.detach()).amin(1).max()) < 0.15  # 3 errors of a mean of 200
    torch.testing.assert_close(prior.log_scale.exp(), torch.full((3, 2), 0.5), rtol=0.2, atol=0)
    torch.testing.assert_close(prior.logits.softmax(0), torch.full((3,), 1 / 3), rtol=0.02, atol=0)
