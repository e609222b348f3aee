"""Every kind of model under every estimator of log p(x), against the exact value: a kind is one row, a law one test.

Kinds that the library has no parts for yet (a flow posterior, a product of experts over two modalities, a prior that
reads the context) are written out here, small, as a user would write them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, LogNormal, MultivariateNormal, Normal

import vaekit as vk
from vaekit import evaluation, likelihoods, posteriors, priors
from vaekit.data import Context
from vaekit.data.transforms import Standardize
from vaekit.distributions import DiagonalGaussian
from vaekit.evaluation import bound_numbers, log_likelihoods, shared_log_likelihoods
from vaekit.evaluation.likelihood import Estimates
from vaekit.likelihoods import FixedScale, Likelihood
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.networks import MLP, ZeroFill
from vaekit.posteriors import Posterior
from vaekit.priors import Prior

from .tables import numbers

X, Z = 5, 2
VARIANCE = 0.3

# -- parts that a user may write -------------------------------------------------------------------------------


class Coupled(Distribution):
    """Two affine couplings (Dinh et al. 2017, arXiv:1605.08803) on a Gaussian of two dimensions; its mean is unknown.

    Args:
        base: of event shape (2,).
        bend: (4,), a log-scale's and a shift's slope of each coupling, in the tanh of the other dimension.
    """

    arg_constraints = {}
    has_rsample = True

    def __init__(self, base: DiagonalGaussian, bend: Tensor) -> None:
        self.base, self.bend = base, bend
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        a, b = self.base.rsample(tuple(sample_shape)).unbind(-1)
        b = b * (self.bend[0] * a.tanh()).exp() + self.bend[1] * a.tanh()
        a = a * (self.bend[2] * b.tanh()).exp() + self.bend[3] * b.tanh()
        return torch.stack([a, b], -1)

    def log_prob(self, value: Tensor) -> Tensor:
        a, b = value.unbind(-1)
        second = self.bend[2] * b.tanh()
        a = (a - self.bend[3] * b.tanh()) * (-second).exp()
        first = self.bend[0] * a.tanh()
        b = (b - self.bend[1] * a.tanh()) * (-first).exp()
        return self.base.log_prob(torch.stack([a, b], -1)) - first - second


class Flow(posteriors.Gaussian):
    """A Gaussian posterior bent by couplings."""

    def __init__(self, net: nn.Module, latent_dim: int, *, features: Any = None) -> None:
        super().__init__(net, latent_dim, features=features)
        self.bend = nn.Parameter(torch.tensor([0.3, 0.2, -0.2, 0.3]))

    def forward(self, *given: Tensor | None) -> Any:
        return Coupled(super().forward(*given), self.bend)


class ConditionalPrior(Prior):
    """p(z|y) = N(M y, I)."""

    def __init__(self, latent_dim: int, width: int) -> None:
        super().__init__()
        self.latent_shape, self.reads = (latent_dim,), ("y",)
        self.layer = nn.Linear(width, latent_dim, bias=False)

    def forward(self, *given: Tensor | None) -> Any:
        loc = self.layer(given[0])
        return DiagonalGaussian(loc, torch.zeros_like(loc))


class Beside(nn.Module):
    """x or z beside the context."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = (features,)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.cat([x, y], -1)


class Blocks(Distribution):
    """Independent distributions of the blocks of an item, side by side."""

    arg_constraints = {}

    def __init__(self, parts: list[Any]) -> None:
        self.parts, self.sizes = parts, [p.event_shape[0] for p in parts]
        super().__init__(parts[0].batch_shape, torch.Size([sum(self.sizes)]), validate_args=False)

    @property
    def mean(self) -> Tensor:
        return torch.cat([p.mean for p in self.parts], -1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return torch.cat([p.sample(tuple(sample_shape)) for p in self.parts], -1)

    def _sum(self, name: str, value: Tensor) -> Tensor:
        blocks = value.split(self.sizes, -1)
        return torch.stack([getattr(p, name)(v) for p, v in zip(self.parts, blocks, strict=True)]).sum(0)

    def log_prob(self, value: Tensor) -> Tensor:
        return self._sum("log_prob", value)

    def log_prob_observed(self, value: Tensor) -> Tensor:
        return self._sum("log_prob_observed", value)


class Joint(Likelihood):
    """p(x1|z) p(x2|z): two modalities with a likelihood each."""

    label = "two Gaussians"

    def __init__(self, first: Likelihood, second: Likelihood) -> None:
        super().__init__()
        self.both = nn.ModuleList([first, second])
        self.shape = (first.shape[0] + second.shape[0],)

    def forward(self, *given: Tensor | None) -> Any:
        return Blocks([part(*given) for part in self.both])


class ProductOfExperts(Posterior):
    """The prior times an expert for each block that is there (Wu and Goodman 2018, arXiv:1802.05335)."""

    def __init__(self, sizes: tuple[int, int], latent_dim: int) -> None:
        width = sum(sizes)
        super().__init__(ZeroFill(nn.Identity(), features=(width,)), latent_dim, features=width)
        self.sizes = sizes
        self.experts = nn.ParameterList([nn.Parameter(torch.zeros(latent_dim, size)) for size in sizes])
        self.precisions = nn.Parameter(torch.ones(2, latent_dim))

    def forward(self, *given: Tensor | None) -> Any:
        x = given[0]
        assert x is not None
        precision, pull = x.new_ones(len(x), self.latent_shape[0]), x.new_zeros(len(x), self.latent_shape[0])
        filled = self.net(x).split(self.sizes, -1)
        for there, block, expert, own in zip(
            x.split(self.sizes, -1), filled, self.experts, self.precisions, strict=True
        ):
            seen = (~there.isnan()).all(-1, keepdim=True).to(x)
            precision = precision + seen * own
            pull = pull + seen * own * (block @ expert.T)
        return DiagonalGaussian(pull / precision, -0.5 * precision.log())


# -- the rows --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A model with items in its own units, their encoded context and their exact log p(x|y) in the user's units."""

    model: Any
    x: Tensor
    y: dict[str, Tensor] | None
    marginal: Callable[[Tensor, Any], Tensor]

    @property
    def exact(self) -> Tensor:
        return self.marginal(self.x, self.y)


def near_posterior(head: nn.Linear, w: Tensor, more: int = 0) -> None:
    """The linear Gaussian model's own posterior mean, a little shifted, and a scale above the largest."""
    with torch.no_grad():
        precision = w.T @ w / VARIANCE + torch.eye(Z).double()
        mean = torch.linalg.solve(precision, w.T) / VARIANCE
        head.weight.zero_()
        head.weight[:Z, : w.shape[0]] = mean
        head.bias[:Z] = 0.2
        head.bias[Z:] = 0.5 * torch.linalg.inv(precision).diagonal().log() + math.log(1.4)


def decoder() -> tuple[Any, Tensor, Tensor]:
    """A linear Gaussian likelihood with its loadings and means."""
    w, b = numbers(1, X, Z), numbers(2, X)
    w = torch.linalg.qr(w)[0] * torch.tensor([1.5, 0.8]).double()  # orthogonal: the posterior's covariance is diagonal
    p: Any = likelihoods.Gaussian(nn.Identity(), (X,), scale=FixedScale(c=VARIANCE), features=Z).double()
    with torch.no_grad():
        p.head.layer.weight.copy_(w)
        p.head.layer.bias.copy_(b)
    return p, w, b


def gaussian(mean: Tensor, w: Tensor, noise: Tensor | float = VARIANCE) -> MultivariateNormal:
    return MultivariateNormal(mean, w @ w.T + torch.diag(torch.as_tensor(noise).double().expand(len(w))))


def flow() -> Row:
    p, w, b = decoder()
    q = Flow(nn.Identity(), Z, features=X).double()
    near_posterior(q.head.layer, w)
    exact = gaussian(b, w)
    with torch.no_grad():
        q.head.layer.bias[:Z] -= q.head.layer.weight[:Z] @ b
    torch.manual_seed(3)
    model = VAE(priors.StandardNormal(Z), q, p).double().eval()
    return Row(model, exact.sample((12,)), None, lambda x, y: exact.log_prob(x))


def conditional() -> Row:
    context, w, b = Context({"y": {"levels": [0, 1, 2]}}), *decoder()[1:]
    prior = ConditionalPrior(Z, 3)
    q = posteriors.Gaussian(Beside(X + 3), Z, reads=("y",))
    p: Any = likelihoods.Gaussian(Beside(Z + 3), (X,), scale=FixedScale(c=VARIANCE), reads=("y",))
    model: Any = VAE(prior, q, p, context=context).double().eval()
    near_posterior(q.head.layer, w)
    u = numbers(4, X, 3)
    with torch.no_grad():
        p.head.layer.weight.copy_(torch.cat([w, u], 1))
        p.head.layer.bias.copy_(b)
        prior.layer.weight.copy_(numbers(5, Z, 3))
        shift = q.head.layer.weight[:Z, :X]
        # E[z|x,y] = M y + K (x - b - (U + W M) y)
        q.head.layer.weight[:Z, X:] = prior.layer.weight - shift @ (u + w @ prior.layer.weight)
        q.head.layer.bias[:Z] -= shift @ b
    mix = (u + w @ prior.layer.weight).detach()

    def marginal(x: Tensor, y: Any) -> Tensor:
        return gaussian(torch.zeros(X).double(), w).log_prob(x - b - y["y"] @ mix.T)

    y = model.to_context([0, 1, 2] * 4, 12)
    torch.manual_seed(6)
    x = gaussian(b, w).sample((12,)) + y["y"] @ mix.T
    return Row(model, x, y, marginal)


FIRST, SECOND = 3, 2  # columns of the two modalities
NOISE = torch.tensor([0.3] * FIRST + [0.6] * SECOND).double()


def multimodal() -> Row:
    _, w, b = decoder()
    parts = [
        likelihoods.Gaussian(nn.Identity(), (size,), scale=FixedScale(c=c), features=Z)
        for size, c in ((FIRST, 0.3), (SECOND, 0.6))
    ]
    q = ProductOfExperts((FIRST, SECOND), Z)
    model: Any = VAE(priors.StandardNormal(Z), q, Joint(*parts)).double().eval()
    with torch.no_grad():
        for part, rows in zip(parts, (slice(0, FIRST), slice(FIRST, None)), strict=True):
            part.head.layer.weight.copy_(w[rows])
            part.head.layer.bias.copy_(b[rows])
        for k, rows in enumerate((slice(0, FIRST), slice(FIRST, None))):
            own = (w[rows].square() / NOISE[rows, None]).sum(0)
            q.precisions[k] = 0.6 * own  # too wide
            q.experts[k].copy_(0.8 * (w[rows] / NOISE[rows, None]).T / own[:, None])
    torch.manual_seed(7)
    return Row(model, gaussian(b, w, NOISE).sample((12,)), None, lambda x, y: seen_log_prob(b, w, NOISE, x))


def seen_log_prob(b: Tensor, w: Tensor, noise: Tensor, x: Tensor) -> Tensor:
    """log p of the elements that are there, of each item."""
    found = []
    for row, there in zip(x, ~x.isnan(), strict=True):
        nothing = torch.zeros(()).double()
        found.append(gaussian(b[there], w[there], noise[there]).log_prob(row[there]) if there.any() else nothing)
    return torch.stack(found)


def missing() -> Row:
    p, w, b = decoder()
    q = posteriors.Gaussian(ZeroFill(nn.Identity(), features=(X,)), Z, features=X)
    transform = Standardize((X,), per_feature=True)
    model: Any = VAE(priors.StandardNormal(Z), q, p, transform=transform).double().eval()
    transform.before_fit(numbers(8, 60, X) * torch.arange(1.0, X + 1).double(), {}, 60)
    near_posterior(q.head.layer, w)
    with torch.no_grad():
        q.head.layer.bias[Z:] = 0.0  # wide enough for items of which little is seen
    torch.manual_seed(9)
    x = gaussian(b, w).sample((12,))
    x[numbers(10, 12, X) > 0.6] = torch.nan

    def marginal(x: Tensor, y: Any) -> Tensor:
        units = torch.where(x.isnan(), 0.0, transform.factor.double().log()).sum(1)
        return seen_log_prob(b, w, torch.full((X,), VARIANCE).double(), x) + units

    return Row(model, x, None, marginal)


def hierarchy() -> Row:
    """Two levels whose marginal is known: the networks' ReLUs never close."""
    torch.manual_seed(0)
    model: Any = vk.recipes.ladder_vae(shape=(X,), latent_dims=[2, 2], hidden=[4, 4]).model.double().eval()
    top, low = model.levels
    with torch.no_grad():
        for layer in (top.down.layers[0], low.down.layers[0], model.likelihood.net.layers[0]):
            layer.weight.mul_(0.5)
            layer.bias.fill_(60.0)
        low.prior.layer.weight[2:] = 0.0  # a scale that does not depend on z
        low.prior.layer.bias[2:] = -0.4
        state = top.state(torch.zeros(2).double(), None)
        low.prior.layer.bias[:2] = -low.prior.layer.weight[:2] @ state
        out = model.likelihood.net(low.state(torch.zeros(2).double(), state))
        model.likelihood.head.layer.bias.copy_(-model.likelihood.head.layer.weight @ out)
        model.likelihood.scale.log_scale.fill_(-0.2)
        for block in model.levels:  # posteriors that see little of x, and are wide
            block.evidence.layer.weight.mul_(0.3)
            block.evidence.layer.bias.zero_()
            block.evidence.layer.bias[2:] += 1.0

    def mean(noise: Tensor) -> Tensor:  # of x, an affine function of the noise of both levels
        z = noise[:2]
        state = top.state(z, None)
        below = low.p(state, z).from_noise(noise[2:])
        found: Tensor = model.likelihood(low.state(below, state)).loc
        return found

    with torch.no_grad():
        b = mean(torch.zeros(4).double())
        w = torch.stack([mean(e) - b for e in torch.eye(4).double()], 1)
    exact = gaussian(b, w, math.exp(-0.4))
    torch.manual_seed(1)
    return Row(model, exact.sample((12,)), None, lambda x, y: exact.log_prob(x))


def discrete() -> Row:
    """Three bits, so that log p(x) is a sum of eight terms."""
    torch.manual_seed(0)
    model: Any = VAE(
        priors.FairBernoulli(3),
        posteriors.StraightThroughBernoulli(MLP(4, [6], activation=nn.Tanh), 3),
        likelihoods.Bernoulli(MLP(3, [6], activation=nn.Tanh), (4,)),
    ).double().eval()  # fmt: skip
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0)
    z = torch.tensor(list(itertools.product([0.0, 1.0], repeat=3))).double()

    def marginal(x: Tensor, y: Any) -> Tensor:
        with torch.no_grad():
            p = model.likelihood(z[:, None].expand(-1, len(x), -1)).logits.sigmoid()
        return (x * p.log() + (1 - x) * (1 - p).log()).sum(-1).logsumexp(0) - 3 * math.log(2)

    x = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4))).double()
    return Row(model, x, None, marginal)


MAKERS = {f.__name__: f for f in (flow, conditional, multimodal, missing, hierarchy, discrete)}
every = pytest.mark.parametrize("name", MAKERS)
real = pytest.mark.parametrize("name", [name for name in MAKERS if name != "discrete"])

# -- the laws --------------------------------------------------------------------------------------------------


def unlike(found: Estimates, exact: Tensor) -> Tensor:
    """How many standard errors the mean weight of each item lies from p(x), (B,)."""
    ratio = (found.log_p - exact).exp()
    return (ratio - 1) / (found.error * ratio)


def test_the_flow_is_a_density() -> None:
    """It sums to one over a fine grid, and scores its own samples as a histogram does."""
    base = DiagonalGaussian(torch.tensor([0.3, -0.2]), torch.tensor([-0.3, 0.2]))
    q = Coupled(base, torch.tensor([0.3, 0.2, -0.2, 0.3]))
    line = torch.linspace(-8, 8, 801)
    grid = torch.cartesian_prod(line, line)
    density = q.log_prob(grid).exp() * 0.02**2
    assert float(density.sum()) == pytest.approx(1, abs=1e-4)  # float32 and the rule's own error
    torch.manual_seed(0)
    drawn = q.rsample((40_000,))
    for test in (lambda z: z[:, 0] > 0.5, lambda z: z.prod(1) < 0, lambda z: z.norm(dim=1) < 1):
        share = float(density[test(grid)].sum())
        # four standard errors, and what the grid's cells at the edge hold
        assert float(test(drawn).float().mean()) == pytest.approx(share, abs=4 * 0.5 / 200 + 0.005)


@every
def test_importance_sampling_is_exact_in_the_limit(name: str) -> None:
    row = MAKERS[name]()
    torch.manual_seed(0)
    got, error, _ = log_likelihoods(row.model, row.x, row.y, 20_000)
    assert bool(((got - row.exact).abs() < 4 * error + 1e-9).all()), (got - row.exact) / error
    assert float(error.median()) < 0.05
    shared = shared_log_likelihoods(row.model, row.x, 5000, y=row.y)
    assert bool(((shared - row.exact).abs() < 5 * 2 * error + 1e-9).all())  # a quarter of the draws: twice the error


@every
def test_the_bound_is_the_mean_weight_and_below(name: str) -> None:
    row = MAKERS[name]()
    n, times = len(row.x), 4000
    with torch.no_grad():
        torch.manual_seed(0)
        log_w = row.model.trace(row.x, row.y, samples=20_000).log_w + row.model.log_jacobian(row.x)
        y = None if row.y is None else {k: v.repeat(times, 1) for k, v in row.y.items()}
        batch = SimpleNamespace(x=row.x.repeat(times, *[1] * (row.x.ndim - 1)), y=y)
        found = bound_numbers(row.model, [batch])
    want, error = float(log_w.mean()), float(log_w.std() / (20_000 * n) ** 0.5)
    exact = float(row.exact.mean())
    spread = float(log_w.var(0).mean() / (times * n)) ** 0.5  # of one draw for each copy of an item
    assert abs(found["elbo"] - want) < 4 * math.hypot(error, spread)
    assert found["elbo"] == pytest.approx(-found["rate"] - found["distortion"], abs=1e-9)
    assert found["elbo"] < exact and found["active_units"] is not None


@real
@pytest.mark.parametrize("estimator", ["ais", "ais_from_q", "his"])
def test_annealed_estimates_are_unbiased_in_p(name: str, estimator: str) -> None:
    row = MAKERS[name]()
    if estimator == "his":
        found = evaluation.hamiltonian_log_likelihoods(row.model, row.x, row.y, samples=4000)
    else:
        start = estimator == "ais_from_q"
        found = evaluation.annealed_log_likelihoods(
            row.model, row.x, row.y, temperatures=4 if start else 25, chains=400, leapfrog=3, from_posterior=start
        )
    z = unlike(found, row.exact)
    assert float(z.abs().max()) < 4, z
    assert float(found.error.median()) < 0.1


@real
def test_bdmc_encloses_log_p(name: str) -> None:
    row = MAKERS[name]()
    n = 96
    y = None if row.y is None else {k: v.repeat(n // len(v), 1) for k, v in row.y.items()}
    found = evaluation.bdmc(row.model, n, y, temperatures=40, chains=4, leapfrog=3)
    exact = row.marginal(found.x, y)
    for gap in (found.lower.log_p - exact, exact - found.upper.log_p):
        assert float(gap.mean()) < 2 * float(gap.std()) / n**0.5
    assert abs(found.numbers()["bdmc_gap"].value) < 0.3


@every
def test_one_call_gives_the_same(name: str) -> None:
    row = MAKERS[name]()
    x = row.x if row.model.transform is None else row.model.transform.inverse(row.x)
    labels = None if row.y is None else row.y["y"].argmax(1)
    studies = ["annealed", "bdmc"] if name == "conditional" else []
    found = vk.evaluate(row.model, x, labels, samples=2000, metrics=studies)
    nll = found["nll"]
    assert nll.value == pytest.approx(-float(row.exact.mean()), abs=4 * found["nll_mc_se"].value + 1e-9)
    assert nll.items == len(x) and nll.unit == "nats" and found["elbo"].value < -nll.value + 3 * found["elbo"].se
    if studies:
        assert found["bdmc.bdmc_gap"].value < 0.3
        for kind in ("ais", "his"):
            error = found[f"annealed.{kind}_nll_mc_se"].value
            assert found[f"annealed.{kind}_nll"].value == pytest.approx(-float(row.exact.mean()), abs=4 * error + 0.01)


def test_what_is_given_in_a_multimodal_model() -> None:
    """log p(x1 | x2) and log p(x2 | x1), the exact conditionals of a joint Gaussian."""
    row = MAKERS["multimodal"]()
    first = torch.arange(FIRST + SECOND) < FIRST
    for seen in (first, ~first):
        hidden = row.x.masked_fill(~seen, torch.nan)
        exact = row.exact - row.marginal(hidden, None)
        found = evaluation.conditional_log_likelihoods(row.model, row.x, seen, samples=20_000)
        assert bool(((found.log_p - exact).abs() < 4 * found.error).all()), (found.log_p - exact) / found.error
        assert float(found.error.max()) < 0.05
        assert float((exact - row.marginal(row.x.masked_fill(seen, torch.nan), None)).abs().max()) > 0.1  # it matters
    assert "40% of an item" in found.numbers()["conditional_nll"].how


def test_what_is_given_of_a_table_is_in_the_users_units() -> None:
    row = MAKERS["missing"]()
    seen = torch.arange(X) < 2
    exact = row.exact - row.marginal(row.x.masked_fill(~seen, torch.nan), None)
    found = evaluation.conditional_log_likelihoods(row.model, row.x, seen, samples=20_000)
    assert bool(((found.log_p - exact).abs() < 4 * found.error).all())
    with pytest.raises(Mistake, match="takes no missing values.*miwae"):
        evaluation.conditional_log_likelihoods(MAKERS["flow"]().model, row.x, seen)


class Positive(Posterior):
    """A log-normal posterior: no trajectory may leave the positive numbers."""

    parameters_each = 2

    def forward(self, *given: Tensor | None) -> Any:
        loc, log_scale = self.parameters_of(*given)
        return Independent(LogNormal(loc, log_scale.exp()), 1)


class PositivePrior(Prior):
    latent_shape = (Z,)

    def forward(self, *given: Tensor | None) -> Any:
        return Independent(LogNormal(torch.zeros(Z).double(), torch.ones(Z).double()), 1)


class SheetPrior(Prior):
    latent_shape = (1, Z)

    def forward(self, *given: Tensor | None) -> Any:
        return Independent(Normal(torch.zeros(1, Z).double(), torch.ones(1, Z).double()), 2)


@pytest.mark.parametrize(
    ("prior", "posterior", "words"),
    [
        (priors.FairBernoulli(Z), posteriors.StraightThroughBernoulli, "discrete latents.*importance sampling"),
        (PositivePrior(), Positive, "GreaterThan.*importance sampling"),
        (SheetPrior(), posteriors.Gaussian, "wanted vectors.*importance sampling"),
    ],
)
def test_latents_that_no_gradient_can_follow_are_refused(prior: Any, posterior: Any, words: str) -> None:
    q = posterior(nn.Identity(), Z, features=X)
    model: Any = VAE(prior, q, decoder()[0]).double().eval()
    x = numbers(11, 3, X)
    for call in (evaluation.annealed_log_likelihoods, evaluation.hamiltonian_log_likelihoods):
        with pytest.raises(Mistake, match=words):
            call(model, x)
    with pytest.raises(Mistake, match=words):
        evaluation.bdmc(model, 3)
