"""Two stages: bounds and log p(x) by quadrature of both stages' latents and the class; the first stage stands still."""

from __future__ import annotations

import copy
import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from tests.laws.tables import numbers
from torch import Tensor, nn
from torch import distributions as td

import vaekit as vk
from vaekit import distributions as d
from vaekit import evaluation, likelihoods, recipes
from vaekit.data import Context
from vaekit.objectives import ELBO, Classification, EnumeratedELBO, SkipELBO, StackedELBO
from vaekit.objectives.schedules import Constant
from vaekit.storage import load_model, save_model
from vaekit.training import Batch, Step

CLASSES = 3
LINE = torch.linspace(-10, 10, 201, dtype=torch.float64)  # the trapezium rule: exact to 1e-9 for these densities
STEP = 0.1
LABEL = Context({"kind": {"levels": ["a", "b", "c"]}})
X = (numbers(1, 5, 4) > 0).double()


def first() -> Any:
    torch.manual_seed(1)
    binary = likelihoods.Bernoulli()
    m1: Any = recipes.vae(shape=(4,), latent_dim=1, hidden=[6], activation=nn.Tanh, likelihood=binary).model
    with torch.no_grad():
        for p in m1.parameters():
            p.mul_(1.7)
        m1.posterior.head.layer.weight[1] *= 0.1
    return m1.double()


def made(m1: Any = None, **more: Any) -> Any:
    """Two stages of one latent each, their weights large enough that all terms differ."""
    torch.manual_seed(0)
    m1 = first() if m1 is None else m1
    model = recipes.m1_m2(shape=(4,), m1=m1, latent_dim=1, hidden=[6], context=LABEL, **more).model.double().eval()
    then, below = model.posterior.then, model.prior.below
    for net in (then.net, then.classifier, below.net):  # smooth: of a ReLU that is seldom open few draws tell
        net.layers[1] = nn.Tanh()
    with torch.no_grad():
        for p in [*then.parameters(), *below.parameters()]:
            p.mul_(1.7)
        for part in (then, below):  # scales between 0.5 and 1.5
            part.head.layer.weight[1] *= 0.1
            part.head.layer.bias[1] = 0.0
    return model


def skipping() -> Any:
    """The same with everything seen by x, and x by all of the posterior."""
    torch.manual_seed(0)
    model: Any = recipes.skip_dgm(
        shape=(4,), latent_dim=1, auxiliary_dim=1, hidden=[6], activation=nn.Tanh, context=LABEL,
        likelihood=likelihoods.Bernoulli(),
    ).model.double().eval()  # fmt: skip
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(1.7)
        for part in (model.posterior.first, model.posterior.then, model.prior.below):
            part.head.layer.weight[1] *= 0.1
            part.head.layer.bias[1] = 0.0
    return model


def scores(model: Any, x: Tensor) -> tuple[Any, Tensor]:
    """q(y, z|a) at every a of the line, and log p(x|a,y,z) of one item, (G of a, C, G of z)."""
    a, zeros = LINE.unsqueeze(1), torch.zeros(len(LINE), CLASSES).double()
    if not isinstance(model.posterior, vk.posteriors.Skipping):
        pad = torch.zeros(len(LINE), CLASSES + 1).double()
        log_px = model.likelihood(torch.cat([pad, a], 1)).log_prob(x)
        return model.posterior.then(a, zeros), log_px[:, None, None].expand(-1, CLASSES, len(LINE))
    y = torch.eye(CLASSES).double()[None, :, None].expand(len(LINE), -1, len(LINE), -1)
    both = [t.expand(len(LINE), CLASSES, len(LINE), 1) for t in (LINE[:, None], LINE[:, None, None, None])]
    return model.posterior.then(x.expand(len(LINE), -1), zeros, a), model.likelihood(torch.cat([y, *both], 3)).log_prob(
        x
    )


def exact(model: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x|y) of one item for each class, the bound on log p(x), and the bounds given each class."""
    a = LINE.unsqueeze(1)
    then, log_px = scores(model, x)
    log_q = model.posterior.first(x[None]).log_prob(a)
    log_y = then.log_share  # (G, C)
    each = td.Normal(then.each.loc[..., 0], then.each.scale[..., 0])
    log_z = each.log_prob(LINE[:, None, None]).permute(1, 2, 0)  # (G of a, C, G of z)
    log_a = []
    for y in range(CLASSES):
        both = torch.cat([torch.eye(CLASSES).double()[y].expand(len(LINE), -1), LINE.unsqueeze(1)], 1)
        p = model.prior.below(both)
        log_a.append(td.Normal(p.loc, p.scale).log_prob(LINE))  # (G of z, G of a)
    behind = torch.stack(log_a).permute(2, 0, 1)
    log_pz = td.Normal(torch.zeros(()).double(), 1.0).log_prob(LINE)
    joint = log_px + behind + log_pz  # given the class
    weight = (log_q[:, None, None] + log_z).exp() * STEP**2
    gain = joint - log_q[:, None, None] - log_z
    shares = log_y.exp()
    whole = (weight.sum(2) * shares * (-math.log(CLASSES) - log_y)).sum()
    bound = (weight * shares.unsqueeze(2) * gain).sum() + whole
    return joint.logsumexp((0, 2)) + 2 * math.log(STEP), bound, (weight * gain).sum((0, 2))


def repeated(term: Any, model: Any, y: Any, samples: int, times: int) -> Tensor:
    """(times, B) bounds."""
    many = {k: v.repeat(times, 1) for k, v in y.items()}
    with torch.no_grad():
        found: Tensor = term.bound(model, model.trace(X.repeat(times, 1), many, samples=samples))
    return found.view(times, len(X))


def test_the_bound_is_that_of_quadrature_and_below_log_p() -> None:
    model = made()
    found = [exact(model, x) for x in X]
    given = torch.stack([row[0] for row in found]).detach()  # (B, C)
    log_p = given.logsumexp(1) - math.log(CLASSES)
    want = torch.stack([row[1] for row in found]).detach()
    assert bool((want < log_p - 1e-3).all())
    nothing = model.to_context(None, 5)
    torch.manual_seed(0)
    for term, samples, times in ((StackedELBO(samples=20), 20, 400), (ELBO(), 1, 8000)):
        drawn = repeated(term, model, nothing, samples, times)
        assert bool(((drawn.mean(0) - want).abs() < 4 * drawn.std(0) / times**0.5).all())
    estimate, error, _ = evaluation.log_likelihoods(model, X, nothing, 40_000)
    assert bool(((estimate - log_p).abs() < 4 * error).all()) and float(error.max()) < 0.1
    # where the class is given it is one on log p(x|y)
    told = [0, 2, 1, 1, 0]
    y = model.to_context(["abc"[i] for i in told], 5)
    drawn = repeated(StackedELBO(samples=20), model, y, 20, 400)
    wanted = torch.stack([row[2][i] for row, i in zip(found, told, strict=True)]).detach()
    assert bool(((drawn.mean(0) - wanted).abs() < 4 * drawn.std(0) / 20).all())
    estimate, error, _ = evaluation.log_likelihoods(model, X, y, 40_000)
    assert bool(((estimate - given[range(5), told]).abs() < 4 * error).all())


def test_the_gradient_is_that_of_quadrature_and_reaches_the_second_stage_only() -> None:
    model = made()
    parameters = [p for p in model.parameters() if p.requires_grad]
    second = [*model.posterior.then.parameters(), *model.prior.parameters()]
    assert {id(p) for p in parameters} == {id(p) for p in second}
    want = torch.autograd.grad(sum(exact(model, x)[1] for x in X), parameters)  # type: ignore[arg-type]
    torch.manual_seed(0)
    term, runs, y = StackedELBO(samples=200), [], model.to_context(None, 5)
    for _ in range(40):
        runs.append(torch.autograd.grad(term.bound(model, model.trace(X, y, samples=200)).sum(), parameters))
    for i, slope in enumerate(want):
        drawn = torch.stack([run[i] for run in runs])
        error = drawn.std(0) / 40**0.5
        assert bool(((drawn.mean(0) - slope).abs() < 5 * error + 1e-7).all()), parameters[i].shape


def test_where_all_is_seen_the_bound_is_that_of_quadrature() -> None:
    model = skipping()
    found = [exact(model, x) for x in X]
    log_p = torch.stack([row[0].logsumexp(0) for row in found]).detach() - math.log(CLASSES)
    want = torch.stack([row[1] for row in found]).detach()
    assert bool((want < log_p - 1e-3).all())
    nothing = model.to_context(None, 5)
    torch.manual_seed(0)
    for term, samples, times in ((SkipELBO(samples=20), 20, 400), (ELBO(), 1, 8000)):
        drawn = repeated(term, model, nothing, samples, times)
        assert bool(((drawn.mean(0) - want).abs() < 4 * drawn.std(0) / times**0.5).all())
    estimate, error, _ = evaluation.log_likelihoods(model, X, nothing, 40_000)
    assert bool(((estimate - log_p).abs() < 4 * error).all()) and float(error.max()) < 0.15
    told = [0, 2, 1, 1, 0]
    drawn = repeated(SkipELBO(samples=20), model, model.to_context(["abc"[i] for i in told], 5), 20, 400)
    wanted = torch.stack([row[2][i] for row, i in zip(found, told, strict=True)]).detach()
    assert bool(((drawn.mean(0) - wanted).abs() < 4 * drawn.std(0) / 20).all())
    assert model.encode(X).probs.shape == (5, 3) and model.sample(2, y="b").shape == (2, 4)


def test_where_all_is_seen_the_gradient_is_that_of_quadrature() -> None:
    model = skipping()
    parameters = list(model.parameters())
    want = torch.autograd.grad(sum(exact(model, x)[1] for x in X), parameters)  # type: ignore[arg-type]
    torch.manual_seed(0)
    term, runs, y = SkipELBO(samples=200), [], model.to_context(None, 5)
    for _ in range(40):
        runs.append(torch.autograd.grad(term.bound(model, model.trace(X, y, samples=200)).sum(), parameters))
    for i, slope in enumerate(want):
        drawn = torch.stack([run[i] for run in runs])
        error = drawn.std(0) / 40**0.5
        assert bool(((drawn.mean(0) - slope).abs() < 5 * error + 1e-7).all()), parameters[i].shape


def test_it_is_m2_on_draws_of_the_codes() -> None:
    """The bound less what the first stage gives is EnumeratedELBO of M2 whose items are those draws."""
    model = made()
    y = model.to_context(["a", "", "c", "", "b"], 5)
    torch.manual_seed(0)
    with torch.no_grad():
        trace = model.trace(X, y)
        a = trace.q.a  # (1, B, 1)
        torch.manual_seed(3)
        found = StackedELBO().bound(model, trace)
        rest = trace.log_px[0] + trace.q.first.entropy()
        # M2 of the same parts, a Gaussian likelihood of codes in place of p(a|y,z)
        inner = model.posterior.then(a[0], y["kind"])
        torch.manual_seed(3)
        z = inner.unfolded((1, 5)).every()[:, 0]  # the very draws
        score = model.prior.below(z).log_prob(a[0])
        kl = td.kl_divergence(inner, model.prior.top(y["kind"]))
        want = (inner.probs.T * score).sum(0) - kl
    torch.testing.assert_close(found - rest, want, rtol=1e-10, atol=1e-10)
    assert isinstance(StackedELBO(), EnumeratedELBO)


def test_the_joint_density_integrates_and_is_drawn_from() -> None:
    """p(y, z, a) sums and integrates to one, whatever the label; draws of the class are even."""
    model = made()
    p = model.prior(torch.zeros(1, CLASSES).double())
    z, a = torch.meshgrid(LINE, LINE, indexing="ij")
    total = 0.0
    for y in range(CLASSES):
        value = torch.cat([torch.eye(CLASSES).double()[y].expand(z.numel(), -1), z.reshape(-1, 1), a.reshape(-1, 1)], 1)
        total += float(p.log_prob(value.unsqueeze(1)).exp().sum()) * STEP**2
    assert total == pytest.approx(1, abs=1e-6)
    torch.manual_seed(0)
    drawn = model.prior_sample(3000, model.to_context(None, 3000), 1.0)
    assert drawn.shape == (3000, 5) and chisquare(drawn[:, :3].sum(0).numpy()).pvalue > 1e-3
    assert torch.equal(model.prior_sample(5, model.to_context("b", 5), 1.0)[:, 1], torch.ones(5).double())
    below = model.prior.below(drawn[:, :4])
    white = ((drawn[:, 4:] - below.loc) / below.scale).detach()
    assert float(white.mean().abs()) < 4 / 3000**0.5 and float(white.var() - 1) < 4 * (2 / 3000) ** 0.5
    q = model.encode(X)
    value = q.rsample((3,))
    score = q.log_prob(value)
    again = q.log_prob(value.clone())  # what was drawn elsewhere is scored alike
    torch.testing.assert_close(score, again, rtol=1e-10, atol=1e-10)
    pairs = q.log_prob(value[0].unsqueeze(1))  # of each item's draw under each item's posterior
    alone = torch.stack([model.encode(X[j : j + 1]).log_prob(value[0]) for j in range(5)], 1)
    torch.testing.assert_close(pairs, alone, rtol=1e-10, atol=1e-10)
    cold = model.prior(torch.zeros(4, CLASSES).double()).tempered(0.0).rsample()
    torch.testing.assert_close(cold[:, 4:], model.prior.below(cold[:, :4]).loc, rtol=0, atol=1e-9)
    with pytest.raises(vk.Mistake, match="holds networks"):
        d.frozen(q)


def test_both_stages_are_gone_through() -> None:
    """Codes and pictures are M1's, classes are the integral of q(y|a) over its codes."""
    m1 = first()
    model = made(m1)
    q = model.encode(X)
    torch.testing.assert_close(q.mean[:, 4:], m1.encode(X).mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model.decode(q.mean).mean, m1.decode(q.mean[:, 4:]).mean, rtol=1e-12, atol=1e-12)
    want = []
    for x in X:
        weight = m1.posterior(x[None]).log_prob(LINE.unsqueeze(1)).exp() * STEP
        log_y = model.posterior.then(LINE.unsqueeze(1), torch.zeros(len(LINE), 3).double()).log_share
        want.append((weight.unsqueeze(1) * log_y.exp()).sum(0))
    torch.testing.assert_close(q.probs, torch.stack(want), rtol=0, atol=0.1)  # of 32 draws, in pairs
    y = model.to_context(["a", "", "c", "b", ""], 5)
    term = Classification().double()
    term.before_fit(X, y, 5)
    found = term(model, model.trace(X, y, samples=4000))
    torch.testing.assert_close(found[[1, 4]], torch.zeros(2).double())
    assert bool((found[[0, 2, 3]] > 0).all())


def test_the_first_stage_stands_still_and_the_user_s_stays_free() -> None:
    """Through starts, steps, training mode and files."""
    m1 = first().float()
    before = copy.deepcopy(m1.state_dict())
    plan = recipes.m1_m2(shape=(4,), m1=m1, latent_dim=1, hidden=[6], context=LABEL)
    model: Any = plan.model
    parts = [model.posterior.first, model.likelihood]
    kept = [copy.deepcopy(part.state_dict()) for part in parts]
    x, y = X.float(), model.to_context(["a", "", "c", "b", ""], 5)
    for part in model.walk("before_fit"):
        part.before_fit(x, y, 5)
    step = Step(model.train(), plan.objective)
    assert not any(part.training for part in parts) and model.posterior.then.training
    moving = model.prior.below.head.layer.weight.detach().clone()
    for _ in range(3):
        step(Batch(x, y))
    assert not torch.equal(moving, model.prior.below.head.layer.weight)
    for part, state in zip(parts, kept, strict=True):
        assert all(torch.equal(v, part.state_dict()[k]) for k, v in state.items())
    assert all(torch.equal(v, m1.state_dict()[k]) for k, v in before.items())
    assert all(p.requires_grad for p in m1.parameters()) and not m1.posterior.settled


def test_a_run_its_folder_and_a_saved_model_are_first_stages(tmp_path: Path) -> None:
    quick: dict[str, Any] = {"epochs": 1, "verbose": False, "device": "cpu"}
    x = np.random.default_rng(0).normal(3.0, 2.0, (60, 4)).astype(np.float32)
    run = vk.fit(vk.recipe("vae", x, latent_dim=2, hidden=[5]), x, out=tmp_path / "m1", **quick)
    save_model(run.model, tmp_path / "saved", version="0")
    y = np.arange(60) % 3
    again = []
    for m1 in (run, run.model, tmp_path / "m1", str(tmp_path / "saved")):
        plan: Any = vk.recipe("m1_m2", x, y=y, m1=m1, hidden=[5])
        two = vk.fit(plan, x, y=y, out=tmp_path / "two", overwrite=True, **quick)
        again.append(two.encode(y=None) if m1 is run else two.encode())
        model: Any = two.model
        mean = run.model.encode(torch.as_tensor(x)).mean
        torch.testing.assert_close(model.encode(torch.as_tensor(x)).mean[:, -2:], mean, rtol=1e-5, atol=1e-5)
        loaded = load_model(tmp_path / "two" / "model")
        assert all(torch.equal(v, loaded.state_dict()[k]) for k, v in model.state_dict().items())
    assert all(np.array_equal(again[1], found) for found in again[2:])


@pytest.mark.parametrize(
    ("m1", "words"),
    [
        (lambda: recipes.ladder_vae(shape=(4,)).model, "wanted a VAE with a Gaussian posterior"),
        (lambda: recipes.autoencoder(shape=(4,)).model, "wanted a VAE with a Gaussian posterior"),
        (lambda: recipes.m2(shape=(4,), context=LABEL).model, "that is given a context"),
        (lambda: recipes.vae(shape=(5,)).model, r"items of shape \(5,\) and the data has \(4,\)"),
    ],
)
def test_what_is_no_first_stage_is_refused(m1: Any, words: str) -> None:
    with pytest.raises(vk.Mistake, match=words):
        recipes.m1_m2(shape=(4,), m1=m1(), context=LABEL)


def test_both_at_once_where_no_first_stage_is_given() -> None:
    plan: Any = recipes.m1_m2(shape=(4,), latent_dim=1, context=LABEL, beta=Constant(0.5))
    assert all(p.requires_grad for p in plan.model.parameters())
    with pytest.raises(vk.Mistake, match=r"vk.posteriors.Stacked with a Classed"):
        StackedELBO().bound(first(), first().trace(X))
    with pytest.raises(vk.Mistake, match="m1_m2 wants one label"):
        recipes.m1_m2(shape=(4,))


def test_a_loaded_first_stage_still_stands_still(tmp_path: Path) -> None:
    """Files say what has settled; those that do not are read as they were."""
    x = X.float()
    plan = recipes.m1_m2(shape=(4,), m1=first().float(), latent_dim=1, hidden=[6], context=LABEL)
    save_model(plan.model, tmp_path, version="0")
    model: Any = load_model(tmp_path)
    kept = [copy.deepcopy(part.state_dict()) for part in (model.posterior.first, model.likelihood)]
    moving = copy.deepcopy(model.prior.state_dict())
    y = {"kind": ["a", "", "c", "b", ""]}
    model = vk.fit(dataclasses.replace(plan, model=model, build=None), x.numpy(), y=y, epochs=3, verbose=False).model
    assert any(not torch.equal(v, model.prior.state_dict()[k]) for k, v in moving.items())
    parts = [model.posterior.first, model.likelihood]
    for part, state in zip(parts, kept, strict=True):
        assert all(torch.equal(v, part.state_dict()[k]) for k, v in state.items())
    assert not any(p.requires_grad for part in parts for p in part.parameters())
