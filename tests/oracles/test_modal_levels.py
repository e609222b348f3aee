"""A hierarchy over several modalities, made linear: its marginals are known Gaussians; posteriors are products.

The ReLUs of all states never close: every bias in front of one is 60, taken off behind it.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tests.laws.tables import numbers
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from vaekit import evaluation, likelihoods, recipes
from vaekit.data import Modalities
from vaekit.distributions import DiagonalGaussian
from vaekit.evaluation import log_likelihoods
from vaekit.likelihoods import FixedScale
from vaekit.messages import Mistake
from vaekit.models import EachModality, HierarchicalVAE, ModalBlock
from vaekit.networks import MLP, Columns
from vaekit.objectives import ELBO, IWAE, FromSubsets, OfSubsets

SIZES = {"wide": 3, "bit": 2}
X, TOP, LOW = 5, 2, 4
NOISE = 0.4
EVERY = [["wide"], ["bit"], ["wide", "bit"]]


def linear() -> Any:
    torch.manual_seed(0)
    recipe = recipes.mhvae(shape=(X,), modalities={n: (d,) for n, d in SIZES.items()}, latent_dims=[TOP, LOW],
                           hidden=[6, 7])  # fmt: skip
    model: Any = recipe.model.double().eval()
    top, low = model.levels
    with torch.no_grad():
        for layer in (top.down.layers[0], low.down.layers[0], *(part.net.layers[0] for part in model.likelihood.parts)):
            layer.weight.mul_(0.5)
            layer.bias.fill_(60.0)
        state = top.state(torch.zeros(TOP).double(), None)
        low.prior.layer.weight[LOW:] = 0.0  # a scale that does not depend on z
        low.prior.layer.bias[LOW:] = -0.4
        low.prior.layer.bias[:LOW] = -low.prior.layer.weight[:LOW] @ state + 0.3
        low_state = low.state(torch.zeros(LOW).double(), state)
        for part in model.likelihood.parts:
            out = part.net(low_state)
            part.head.layer.bias.copy_(-part.head.layer.weight @ out + 0.2)
            part.scale.log_scale.fill_(0.5 * math.log(NOISE))
        for i, block in enumerate(model.levels):  # posteriors that see x, and are wrong
            block.evidence.layer.weight.mul_(0.2)
            block.evidence.layer.weight[:, -block.above :] *= float(i == 0)  # states of about 60 times their weights
            block.evidence.layer.bias.copy_(0.1 * numbers(i, len(block.evidence.layer.bias)))
            block.evidence.layer.bias[block.latent_dim :] += 1.0  # wider than the truth: weights of finite variance
    return model


def affine(function: Any, inputs: int) -> tuple[Tensor, Tensor]:
    """(A, b) of an affine function, and a check that it is one."""
    with torch.no_grad():
        b = function(torch.zeros(inputs).double())
        a = torch.stack([function(e) - b for e in torch.eye(inputs).double()], -1)
        z = 3 * numbers(9, inputs)
        torch.testing.assert_close(function(z), a @ z + b, rtol=1e-10, atol=1e-10)
    return a, b


def marginal(model: Any) -> MultivariateNormal:
    """The exact p(x) of all modalities, from x as an affine function of the noise of both levels."""
    top, low = model.levels

    def mean(noise: Tensor) -> Tensor:
        z, e = noise[:TOP], noise[TOP:]
        state = top.state(z, None)
        w = low.p(state, z).from_noise(e)
        found: Tensor = model.likelihood(low.state(w, state)).mean
        return found

    a, b = affine(mean, TOP + LOW)
    return MultivariateNormal(b, a @ a.T + NOISE * torch.eye(X).double())


def log_p(model: Any, x: Tensor, names: list[str]) -> Tensor:
    """The exact log p of some modalities, (B,)."""
    p, kept = marginal(model), model.likelihood.modalities.mask(names)
    there = kept.nonzero().flatten()
    return MultivariateNormal(p.loc[there], p.covariance_matrix[there][:, there]).log_prob(x[:, there])


@pytest.fixture(scope="module")
def known() -> tuple[Any, Tensor]:
    model = linear()
    torch.manual_seed(1)
    return model, marginal(model).sample((8,))


# -- one level ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("above", [0, 3])
@pytest.mark.parametrize("missing", [[], [1], [0, 2], [0, 1, 2]])
def test_a_level_is_the_product_of_its_prior_and_of_the_experts_that_see_something(
    above: int, missing: list[int]
) -> None:
    """log q - log p - sum of log experts does not depend on z, and q is normalised by its family."""
    torch.manual_seed(0)
    block: Any = ModalBlock(2, above=above, seen=4, hidden=5).double()
    seen = numbers(1, 7, 3, 4)
    there = torch.ones(7, 3, 1).double()
    seen[:, missing], there[:, missing] = 0.0, 0.0
    state = numbers(2, 6, 7, above) if above else None
    p = block.p(state, seen)
    q = block.q(p, torch.cat([seen, there], -1), state)
    assert q.batch_shape == ((6, 7) if above else (7,))
    z = torch.linspace(-3, 3, 13).double().view(-1, 1, 1, 1).expand(-1, 6, 7, 2)
    z = z if above else z[:, 0]
    rest = q.log_prob_each(z) - p.log_prob_each(z)
    for m in set(range(3)) - set(missing):
        features = seen[:, m] if state is None else torch.cat([seen[:, m].expand(6, 7, 4), state], -1)
        rest = rest - DiagonalGaussian(*block.evidence(features)).log_prob_each(z)
    assert float((rest - rest[0]).detach().abs().max()) < 1e-9
    if len(missing) == 3:
        torch.testing.assert_close(q.loc, p.loc.expand_as(q.loc), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(q.scale, p.scale.expand_as(q.scale), rtol=1e-12, atol=1e-12)
    loss = (q.loc.square() + q.log_scale).sum()
    own = [*block.evidence.parameters()]
    gradients = torch.autograd.grad(loss, own)
    assert all(bool(g.isfinite().all()) for g in gradients)
    assert all(bool((g == 0).all()) for g in gradients) == (len(missing) == 3)


def test_a_missing_modality_has_no_features_and_moves_no_network(known: Any) -> None:
    model, x = known
    left = model.likelihood.modalities.only(x, ["bit"])
    low, top = model._seen(left, None)[::-1]
    for features in (low, top):
        assert bool((features[:, 0] == 0).all()) and bool((features[:, 1, -1] == 1).all())
    for one, other in zip(model._seen(left, None), model._seen(x, None), strict=True):
        assert torch.equal(one[:, 1], other[:, 1])
    loss = ELBO()(model, model.trace(left)).sum()
    first, second = (list(net.parameters()) for net in model.encoder[0].nets)
    found = torch.autograd.grad(loss, [*first, *second])
    assert all(bool((g == 0).all()) for g in found[: len(first)])
    assert all(bool((g != 0).any()) for g in found[len(first) :])


@pytest.mark.parametrize("level", [0, 1])
def test_what_a_network_makes_of_an_item_is_never_taken_for_a_missing_modality(level: int) -> None:
    """NaN in a network of one modality is in the bound of each item that has it, and of no other."""
    model = linear()
    torch.manual_seed(1)
    x = marginal(model).sample((4,))
    x[2:] = model.likelihood.modalities.only(x[2:], ["bit"])
    assert bool(ELBO().bound(model, model.trace(x)).isfinite().all())
    with torch.no_grad():
        [*model.encoder[level].nets[0].parameters()][-1].fill_(torch.nan)
    assert ELBO().bound(model, model.trace(x)).isfinite().tolist() == [False, False, True, True]


# -- the whole ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", EVERY, ids="+".join)
def test_bounds_are_below_log_p_and_weights_have_it_as_their_mean(known: Any, names: list[str]) -> None:
    """Of what is seen; and the importance-weighted bound rises to it."""
    model, x = known
    left, exact = model.likelihood.modalities.only(x, names), log_p(model, x, names)
    torch.manual_seed(0)
    got, error, _ = log_likelihoods(model, left, None, 40_000)
    assert bool(((got - exact).abs() < 4 * error + 1e-9).all()), (got - exact) / error
    assert float(error.max()) < 0.05
    with torch.no_grad():
        log_w = model.trace(left, samples=40_000).log_w
    ratio = (log_w - exact).exp()
    assert float(((ratio.mean(0) - 1) / (ratio.std(0) / 200)).abs().max()) < 4
    bounds = [float((log_w.view(-1, k, len(x)).logsumexp(1) - math.log(k)).mean()) for k in (1, 10, 100)]
    assert bounds == sorted(bounds) and bounds[0] < float(exact.mean()) - 0.02
    assert bounds[-1] == pytest.approx(float(exact.mean()), abs=0.05)
    many = left.repeat(500, 1)
    with torch.no_grad():
        tight = float(IWAE(100).bound(model, model.trace(many, samples=100)).mean())
    assert tight == pytest.approx(bounds[-1], abs=0.05)


@pytest.mark.parametrize("estimator", ["ais", "his"])
def test_trajectories_estimate_log_p_of_what_is_seen(known: Any, estimator: str) -> None:
    model, x = known
    left, exact = model.likelihood.modalities.only(x, ["wide"]), log_p(model, x, ["wide"])
    if estimator == "his":
        found = evaluation.hamiltonian_log_likelihoods(model, left, samples=4000)
    else:
        found = evaluation.annealed_log_likelihoods(model, left, temperatures=25, chains=200, leapfrog=3)
    assert bool(((found.log_p - exact).abs() < 4 * found.error + 1e-9).all())
    assert float(found.error.max()) < 0.1


def test_what_is_missing_is_filled_in() -> None:
    """The mean of one modality given the other, of a joint Gaussian, by importance weights; and log p of it."""
    model = linear()
    p = marginal(model)
    torch.manual_seed(2)
    x = p.sample((4,))
    left = model.likelihood.modalities.only(x, ["wide"])
    cov, k = p.covariance_matrix, SIZES["wide"]
    slope = torch.linalg.solve(cov[:k, :k], cov[:k, k:])
    want = p.loc[k:] + (x[:, :k] - p.loc[:k]) @ slope
    torch.manual_seed(0)
    got = evaluation.mean_imputation(model, left, samples=40_000)[:, k:]
    torch.testing.assert_close(got, want, rtol=0, atol=0.05)  # 40,000 weighed draws
    given = evaluation.conditional_log_likelihoods(model, x, model.likelihood.modalities.mask(["wide"]), samples=40_000)
    exact = log_p(model, x, ["wide", "bit"]) - log_p(model, x, ["wide"])
    assert bool(((given.log_p - exact).abs() < 4.5 * given.error).all())


def test_nothing_seen_is_the_prior_at_every_level(known: Any) -> None:
    model, _ = known
    nothing = torch.full((3, X), torch.nan).double()
    trace = model.trace(nothing, samples=4)
    torch.testing.assert_close(trace.log_w, torch.zeros(4, 3).double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(trace.rates, torch.zeros(2, 3).double(), rtol=0, atol=1e-9)


class Known(nn.Module):
    """Features that are an expert's mean and log-scale themselves: (x - shift) / gain for the latent of modality m."""

    features = (4,)

    def __init__(self, m: int, gain: float, variance: float) -> None:
        super().__init__()
        self.m, self.gain, self.log_scale = m, gain, 0.5 * math.log(variance) - math.log(abs(gain))

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, [0]] if x.shape[1] == 1 else x[:, [self.m]]  # the piece, or the features of the level below
        nothing, own = torch.zeros_like(x), torch.full_like(x, self.log_scale)
        unknown = torch.full_like(x, 5.0)  # the bound of a level's scales
        order = slice(None, None, 1 if self.m == 0 else -1)
        return torch.cat([*[x / self.gain, nothing][order], *[own, unknown][order]], 1)


@pytest.mark.parametrize("names", [["a"], ["b"], ["a", "b"], []], ids="+".join)
def test_exact_experts_give_log_p_by_every_draw(names: list[str]) -> None:
    """Top latents u, latents w = slope u + spread e below them, and x_m = w_m + noise: each modality knows its own."""
    slope, spread = [0.8, -0.6], 0.7
    cut = Modalities((2,), {"a": (1,), "b": (1,)})
    top: Any = ModalBlock(2, above=0, seen=4, hidden=2)
    low: Any = ModalBlock(2, above=2, seen=4, hidden=4)
    parts = {}
    for m, name in enumerate(cut.names):
        p: Any = likelihoods.Gaussian(Columns([m], nn.Identity()), (1,), scale=FixedScale(NOISE), features=1)
        nn.init.ones_(p.head.layer.weight), nn.init.zeros_(p.head.layer.bias)
        parts[name] = p
    seen = EachModality([Known(m, 1.0, NOISE) for m in range(2)], cut)
    higher = EachModality([Known(m, slope[m], spread**2 + NOISE) for m in range(2)])
    top.down, low.down = nn.Identity(), nn.Identity()  # states are the latents themselves
    with torch.no_grad():
        for block in (top, low):
            block.evidence.layer.weight.copy_(torch.eye(4, block.evidence.layer.weight.shape[1]))
            block.evidence.layer.bias.zero_()
        low.prior.layer.weight.copy_(torch.cat([torch.diag(torch.tensor(slope)), torch.zeros(2, 2)]))
        low.prior.layer.bias.copy_(torch.tensor([0.0, 0.0, math.log(spread), math.log(spread)]))
    model: Any = HierarchicalVAE([seen, higher], [top, low], likelihoods.Joint(parts, cut)).double().eval()
    x = numbers(4, 6, 2)
    left = cut.only(x, names) if names else torch.full_like(x, torch.nan)
    scale = (torch.tensor(slope).square() + spread**2 + NOISE).sqrt().double()
    each = torch.distributions.Normal(0.0, scale).log_prob(x)
    want = each[:, [cut.names.index(name) for name in names]].sum(-1)
    got = model.trace(left, samples=50).log_w
    # an expert that knows nothing has a precision of e^-10, and a variance is a float32
    torch.testing.assert_close(got, want.expand(50, -1), rtol=0, atol=2e-3)


def test_each_subset_is_a_bound_on_log_p_of_all(known: Any) -> None:
    """E_q(z|x_s) log p(x, z) - log q(z|x_s) by draws of its own, and their mean over subsets."""
    model, x = known
    whole = log_p(model, x, ["wide", "bit"])
    bounds = []
    with torch.no_grad():
        for names in EVERY:
            torch.manual_seed(0)
            trace = model.trace(model.likelihood.modalities.only(x, names), samples=40_000)
            log_w = trace.px.log_prob(x) + trace.log_p - trace.log_q
            ratio = (log_w - whole).exp()
            bounds.append(log_w.mean(0))
            assert bool((bounds[-1] < whole).all())
            assert float(((ratio.mean(0) - 1) / (ratio.std(0) / 200)).abs().max()) < 5  # heavy where little is seen
            torch.manual_seed(1)
            term = FromSubsets(ELBO(samples=10_000), [names])
            found = -term(model, model.trace(x, samples=10_000))
            torch.testing.assert_close(found, bounds[-1], rtol=0, atol=0.1)  # 10,000 draws
        torch.manual_seed(2)
        mean = -FromSubsets(ELBO(samples=10_000))(model, model.trace(x, samples=10_000))
        torch.testing.assert_close(mean, sum(bounds) / 3, rtol=0, atol=0.1)
        torch.manual_seed(3)
        left = -OfSubsets(IWAE(4000))(model, model.trace(x, samples=1))
        torch.testing.assert_close(left, log_p(model, x, ["wide"]) + log_p(model, x, ["bit"]), rtol=0, atol=0.1)


def test_mistakes_are_said() -> None:
    with pytest.raises(Mistake, match="2, 3 features"):
        EachModality([MLP(4, [2]), MLP(4, [3])])
    with pytest.raises(Mistake, match="one each a level"):
        recipes.mhvae(shape=(4,), latent_dims=[2], hidden=[3, 4])
    with pytest.raises(Mistake, match="'mvae'"):
        plain = recipes.vae(shape=(4,), latent_dim=2, hidden=[3]).model
        FromSubsets(ELBO())(plain, plain.trace(torch.zeros(2, 4)))
