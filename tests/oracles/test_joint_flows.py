"""An encoder of all modalities and a flow of each, against linear Gaussian models whose posteriors are all known."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tests.laws.tables import numbers
from tests.oracles.test_modalities import NAMES, Linear, mean_of, near, world
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, kl_divergence

from vaekit import evaluation, posteriors, recipes
from vaekit.distributions import DiagonalGaussian, PooledMixture
from vaekit.messages import Mistake
from vaekit.networks.flows import Autoregressive, Reversed
from vaekit.objectives import ExpertFit, ExpertKL


def joint_of(w: Linear) -> Any:
    """The exact posterior of all modalities, whose covariance is diagonal, as a Gaussian posterior."""
    weight, b, noise = w.joint(NAMES)
    precision = 1 + (weight.square() / noise[:, None]).sum(0)
    q: Any = posteriors.Gaussian(nn.Identity(), w.latents, features=len(b)).double()
    with torch.no_grad():
        q.head.layer.weight.zero_()
        q.head.layer.weight[: w.latents] = (weight / noise[:, None]).T / precision[:, None]
        q.head.layer.bias[: w.latents] = -q.head.layer.weight[: w.latents] @ b
        q.head.layer.bias[w.latents :] = -0.5 * precision.log()
    return q


def bent(w: Linear, off: float = 0.0) -> dict[str, Any]:
    """The exact posterior of each modality as a flow: a Gaussian that is not it, and two maps that bring it there."""
    made = {}
    for m, name in enumerate(NAMES):
        base, layers = w.expert(name, whole=True, off=off), []
        for i in range(2):
            layer = Autoregressive(w.latents, hidden=[4], backwards=i == 1).double()
            with torch.no_grad():
                layer.net.last.weight.zero_()
                layer.net.last.bias.copy_(0.3 * numbers(40 + 2 * m + i, 2 * w.latents))
                shift, log_scale = layer.affine(*layer.net.last.bias.chunk(2))
                # Reversed takes z to (z - shift) / scale: the base is what this makes the exact posterior of
                loc = slice(0, w.latents)
                base.head.layer.weight[loc] *= log_scale.exp()[:, None]
                base.head.layer.bias[loc] = base.head.layer.bias[loc] * log_scale.exp() + shift
                base.head.layer.bias[w.latents :] += log_scale
            layers.append(layer)
        made[name] = posteriors.Flow(base, [Reversed(layer) for layer in layers[::-1]])
    return made


def model_of(w: Linear, off: float = 0.0) -> Any:
    return w.model(posteriors.JointOrFlows(joint_of(w), bent(w, off), w.modalities))


@pytest.mark.parametrize("name", NAMES)
def test_one_modality_has_its_flow_and_all_have_their_encoder(name: str) -> None:
    """Where both are exact every weight is log p of what is seen: draws and densities of the flow belong together."""
    w = world()
    model, x = model_of(w), w.data()
    left = w.modalities.only(x, [name])
    near(model.trace(left, samples=5).log_w, w.log_p(x, [name]).expand(5, -1))
    near(model.log_prob(left, samples=3), w.log_p(x, [name]))
    near(model.trace(x, samples=5).log_w, w.log_p(x).expand(5, -1))
    q, exact = model.encode(left), w.posterior(x, [name])
    near(q.mean, exact.mean)
    mean_of(q.sample((20_000,)).flatten(1), exact.mean.flatten())
    mean_of((q.sample((20_000,)) - exact.mean).square().flatten(1), exact.variance.flatten())
    given = evaluation.conditional_log_likelihoods(model, x, w.modalities.mask([name]), samples=3)
    near(given.log_p, w.log_p(x) - w.log_p(x, [name]))


def test_several_but_not_all_have_the_mixture_of_their_flows() -> None:
    w = world()
    model, x = model_of(w), w.data()
    left = w.modalities.only(x, ["wide", "sheet"])
    q = model.encode(left)
    z = numbers(3, 7, len(x), w.latents)
    own = [w.posterior(x, [name]) for name in ("wide", "sheet")]
    near(q.log_prob(z), torch.logaddexp(*(p.log_prob(z) for p in own)) - math.log(2))
    mean = (own[0].mean + own[1].mean) / 2
    near(q.mean, mean)
    torch.manual_seed(0)
    draws = q.sample((40_000,))
    mean_of(draws.flatten(1), mean.flatten())
    spread = sum(p.variance + (p.mean - mean).square() for p in own) / 2
    mean_of((draws - mean).square().flatten(1), spread.flatten())
    weights = (model.trace(left, samples=40_000).log_w - w.log_p(x, ["wide", "sheet"])).exp()
    mean_of(weights, torch.ones(len(x)).double())


def test_nothing_seen_is_the_prior() -> None:
    w = world()
    model = model_of(w)
    q = model.encode(torch.full((3, 9), torch.nan).double())
    z = numbers(3, 7, 3, 2)
    near(q.log_prob(z), DiagonalGaussian(torch.zeros(3, 2).double(), torch.zeros(3, 2).double()).log_prob(z))
    near(model.trace(torch.full((3, 9), torch.nan).double()).log_w, torch.zeros(1, 3).double())


class Counted(DiagonalGaussian):
    """Which was drawn from so often."""

    drawn = 0

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        self.drawn += 1
        return super().rsample(sample_shape)


def test_parts_that_no_item_has_are_not_drawn_from() -> None:
    parts = [Counted(torch.full((2, 1), loc), torch.full((2, 1), -5.0)) for loc in (5.0, 1.0, 2.0, 3.0)]
    there = torch.tensor([[False, True, False, True], [False, False, False, True]])
    z = PooledMixture(parts, there, [], there[:, :0]).rsample((4,)).squeeze(-1).round()
    assert z.sort(0).values.T.tolist() == [[1.0, 1.0, 3.0, 3.0], [3.0] * 4]
    assert [part.drawn for part in parts] == [0, 1, 0, 1]


def test_in_training_the_encoder_of_all_stands_for_every_item() -> None:
    """And reads zeros for what is missing, under which the bound is below log p of what is seen."""
    w = world()
    model, x = model_of(w).train(), w.data()
    near(model.trace(x, samples=5).log_w, w.log_p(x).expand(5, -1))
    left = w.modalities.only(x, ["wide", "bit"])
    q = model.trace(left).q
    near(q.loc, model.posterior.joint(torch.nan_to_num(left)).loc)
    exact = w.posterior(x, ["wide", "bit"])
    gap = kl_divergence(MultivariateNormal(q.mean, torch.diag_embed(q.variance)), exact)
    log_w = model.trace(left, samples=40_000).log_w
    mean_of(log_w, w.log_p(x, ["wide", "bit"]) - gap)


def test_the_fit_is_the_distance_of_the_flows_and_moves_them_alone() -> None:
    """For exact flows the information that the other modalities bring; a missing modality counts nothing."""
    w = world()
    model, x = model_of(w), w.data()
    x[0] = w.modalities.only(x[:1], ["bit", "sheet"])[0]
    torch.manual_seed(0)
    for state in (model.eval(), model.train()):
        trace = state.trace(x, samples=20_000)
        want = sum(kl_divergence(w.posterior(x[1:]), w.posterior(x[1:], [name])) for name in NAMES)
        near(ExpertFit()(state, trace)[1:].detach(), want, 0.03)  # 20,000 draws
    trace = model.trace(x[:1], samples=3)
    whole, there = trace.q, trace.q.seen[0].tolist()
    assert there == [False, True, True]
    alone = [whole.log_prob(trace.z) - w.posterior(x[:1], [name]).log_prob(trace.z) for name in ("bit", "sheet")]
    near(ExpertFit()(model, trace), sum(a.mean(0) for a in alone))


def test_the_gradient_of_the_fit_is_that_of_the_exact_distance() -> None:
    w = world()
    model, x = model_of(w, off=0.2).train(), w.data(3)
    torch.manual_seed(0)
    trace = model.trace(x, samples=100_000)
    fit = ExpertFit()(model, trace).sum()
    own = list(model.posterior.experts.parameters())
    others = [*model.posterior.joint.parameters(), *model.likelihood.parameters()]
    assert all(g is None for g in torch.autograd.grad(fit, others, retain_graph=True, allow_unused=True))
    assert all(g is not None for g in torch.autograd.grad(fit, own, retain_graph=True, allow_unused=True))
    heads = [p for e in model.posterior.experts for p in e.head.parameters()]
    got = torch.autograd.grad(fit, heads)
    total = torch.zeros(()).double()
    for expert, piece in zip(model.posterior.experts, w.modalities.split(x).values(), strict=True):
        base = expert.base(piece)
        loc, log_scale = base.loc, base.log_scale
        for layer in expert.layers:  # maps that shift and scale alike everywhere
            loc, log_det = layer().forward(loc)
            shift, scale = layer.layer.affine(*layer.layer.net.last.bias.chunk(2))
            log_scale = log_scale - scale
            near(log_det, -scale.sum().expand(3))
        q = DiagonalGaussian(trace.q.loc.detach(), trace.q.log_scale.detach())
        total = total + kl_divergence(q, DiagonalGaussian(loc, log_scale)).sum()
    for a, b in zip(got, torch.autograd.grad(total, heads), strict=True):
        near(a, b, 0.03 * float(b.abs().max()) + 1e-9)  # 100,000 draws


def test_fitted_flows_find_a_posterior_that_no_diagonal_gaussian_is() -> None:
    """x1 = z1 + z2, x2 = z1 - z2, noisy: together they know both latents apart, each alone a line that they lie on."""
    torch.manual_seed(0)
    noise, cut = 0.1, {"plus": (1,), "minus": (1,)}
    recipe = recipes.jnf(shape=(2,), modalities=cut, latent_dim=2, hidden=[16], flow_width=16)
    model: Any = recipe.model
    joint, a = model.posterior.joint, torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    precision = torch.eye(2) + a.T @ a / noise

    def exact_joint(x: Tensor) -> Any:
        return DiagonalGaussian(x @ a / (noise + 2), torch.full_like(x, -0.5 * math.log(1 + 2 / noise)))

    assert bool((precision == torch.diag(precision.diagonal())).all())
    joint.forward = exact_joint
    optimizer = torch.optim.Adam(model.posterior.experts.parameters(), lr=1e-2)
    for step in range(600):
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * (1 - step / 600)
        x = torch.randn(256, 2) @ a.T + noise**0.5 * torch.randn(256, 2)
        optimizer.zero_grad()
        ExpertFit()(model, model.trace(x)).mean().backward()
        optimizer.step()
    x = torch.randn(2000, 2) @ a.T + noise**0.5 * torch.randn(2000, 2)
    for i, name in enumerate(cut):
        row = a[i : i + 1]
        alone = torch.linalg.inv(torch.eye(2) + row.T @ row / noise)
        p = MultivariateNormal(x[:, i : i + 1] @ row @ alone / noise, alone)
        best = 0.5 * float(alone.diagonal().log().sum() - alone.logdet())  # of all diagonal Gaussians
        assert best > 0.8
        q = model.eval().encode(model.posterior.modalities.only(x, [name]))
        z = p.sample((20,))
        with torch.no_grad():
            gap = float((p.log_prob(z) - q.log_prob(z)).mean())
        assert -0.01 < gap < 0.03, (name, gap)  # 40,000 draws of a difference that is small itself


# -- several but not all: the product itself ---------------------------------------------------------------------


@pytest.mark.parametrize("names", [["wide", "bit"], list(NAMES), []], ids="+".join)
def test_chains_draw_from_the_product(names: list[str]) -> None:
    """Which is the exact posterior where the flows are, since the prior is in each and counts once."""
    w = world()
    model, x = model_of(w), w.data(2)
    left = w.modalities.only(x, names)
    exact = w.posterior(x, names) if names else MultivariateNormal(torch.zeros(2, 2).double(), torch.eye(2).double())
    z, taken = evaluation.product_draws(model, left, draws=3000, steps=20)
    assert float(taken.min()) > 0.6
    mean_of(z.flatten(1), exact.mean.flatten())
    mean_of((z - exact.mean).square().flatten(1), exact.variance.flatten())
    mean_of((z - exact.mean).prod(-1), exact.covariance_matrix[:, 0, 1])


def test_mistakes_are_said() -> None:
    model = recipes.mvae(shape=(4,), latent_dim=2, hidden=[3]).model
    with pytest.raises(Mistake, match="'jnf' or 'jmvae'"):
        evaluation.product_draws(model, torch.zeros(2, 4), draws=2)
    with pytest.raises(Mistake, match="JointOrFlows"):
        ExpertFit()(model, model.trace(torch.zeros(2, 4)))
    flows = recipes.jnf(shape=(4,), latent_dim=2, hidden=[3]).model
    with pytest.raises(Mistake, match="ProductOfExperts or JointOrExperts"):
        ExpertKL()(flows, flows.trace(torch.zeros(2, 4)))
    with pytest.raises(Mistake, match="Gaussian or Flow"):
        posteriors.JointOrFlows(model.posterior.experts[0], dict.fromkeys(("first", "second"), model.posterior),
                                model.posterior.modalities)  # fmt: skip
