"""Flows against autodiff, quadrature and closed forms: log-determinants, inverses, densities, gradients and bounds."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from vaekit import distributions as d
from vaekit import likelihoods, posteriors, priors, recipes
from vaekit.distributions import frozen
from vaekit.evaluation import annealed_log_likelihoods, log_likelihoods
from vaekit.evaluation.surgery import _double
from vaekit.likelihoods import FixedScale
from vaekit.maths import increasing_root, rational_quadratic
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.networks import MADE, flows
from vaekit.objectives import ELBO, IWAE, STL, DReG

from ..laws.tables import numbers

LAYERS: dict[str, Callable[..., flows.Layer]] = {
    "planar": flows.Planar,
    "radial": flows.Radial,
    "sylvester": lambda *a: flows.Sylvester(*a, width=2),
    "householder-sylvester": lambda *a: flows.HouseholderSylvester(*a, reflections=3),
    "householder": lambda *a: flows.Householder(*a, reflections=2),
    "inverse-autoregressive": lambda *a: flows.InverseAutoregressive(*a, hidden=[9, 8]),
    "autoregressive": lambda *a: flows.Autoregressive(*a, hidden=[9], backwards=True),
    "sigmoidal": lambda *a: flows.Sigmoidal(*a, hidden=[5], units=3),
    "coupling": lambda *a: flows.Coupling(*a, hidden=[9]),
    "spline-coupling": lambda *a: flows.SplineCoupling(*a, hidden=[9], bins=5),
    "reversed": lambda *a: flows.Reversed(flows.Autoregressive(*a, hidden=[9])),
}
every = pytest.mark.parametrize("name", LAYERS)
WIDTH = 4  # of the features


def layer(name: str, latents: int, *features: int, seed: int = 0, size: float = 1.0) -> Any:
    """A layer far from the identity where it begins."""
    torch.manual_seed(seed)
    made = LAYERS[name](latents, *features).double()
    with torch.no_grad():
        for p in made.parameters():
            p.add_(size * 0.7 * torch.randn_like(p))
    return made


def map_of(name: str, latents: int = 3, batch: int = 5) -> Any:
    return layer(name, latents, WIDTH)(numbers(1, batch, WIDTH))


def flow(*names: str, size: float = 1.0) -> d.Flow:
    """Of two latents and no batch."""
    base = d.DiagonalGaussian(numbers(2, 2), 0.3 * numbers(3, 2))
    return d.Flow(base, [layer(name, 2, seed=i, size=size)() for i, name in enumerate(names)])


# -- maps ------------------------------------------------------------------------------------------------------


@every
def test_log_determinants_are_those_of_the_jacobian(name: str) -> None:
    f, z = map_of(name), 1.5 * numbers(4, 5, 3)
    out, log_det = f.forward(z)
    jacobian = torch.autograd.functional.jacobian(lambda z: f.forward(z)[0].sum(0), z).movedim(1, 0)  # (B, D, D)
    torch.testing.assert_close(log_det, torch.linalg.slogdet(jacobian)[1], rtol=1e-10, atol=1e-10)
    assert float((out - z).abs().max()) > 0.1  # it is not the identity that is tested


@every
def test_inverses_undo(name: str) -> None:
    f, z = map_of(name), 2 * numbers(5, 7, 5, 3)
    out, log_det = f.forward(z)
    back, again = f.inverse(out)
    tolerance = 1e-7 if "spline" in name else 1e-9  # float64 and the map's condition; a square root for splines
    torch.testing.assert_close(back, z, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(again, log_det, rtol=0, atol=1e3 * tolerance)
    there, _ = f.forward(f.inverse(z)[0])
    torch.testing.assert_close(there, z, rtol=tolerance, atol=tolerance)


@every
def test_items_and_draws_are_apart(name: str) -> None:
    """(K, B) draws are K times B maps of one vector, each with its item's features."""
    made, h, z = layer(name, 3, WIDTH), numbers(1, 5, WIDTH), numbers(6, 2, 5, 3)
    whole, log_det = made(h).forward(z)
    for b in range(5):
        one = made(h[b : b + 1])
        for k in range(2):
            out, found = one.forward(z[k, b : b + 1])
            torch.testing.assert_close(out[0], whole[k, b], rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(found[0], log_det[k, b], rtol=1e-12, atol=1e-12)
    assert not torch.allclose(made(h).forward(z[:, :1])[0], made(h[:1]).forward(z[:, :1])[0])  # features count


@pytest.mark.parametrize("backwards", [False, True])
def test_masked_networks_are_triangular(backwards: bool) -> None:
    torch.manual_seed(0)
    net = MADE(6, [13, 11], outputs=2, context=3, backwards=backwards).double()
    h = numbers(2, 3)
    jacobian = torch.autograd.functional.jacobian(lambda z: net(z, h), numbers(1, 6)).unflatten(0, (2, 6))
    order = net.order
    before = order[:, None] > order  # latent j stands before i
    assert bool((jacobian[:, ~before] == 0).all()) and bool((jacobian[:, before] != 0).all())
    first = int(order.argmin())
    seen = torch.autograd.functional.jacobian(lambda h: net(numbers(1, 6), h), h).unflatten(0, (2, 6))
    assert bool((seen[:, first] != 0).all())  # the first latent has the context to go by


@pytest.mark.parametrize("along", [-1e4, -30.0, -1.0, 0.0, 30.0, 1e4])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_planar_maps_are_one_to_one_at_any_parameters(along: float, kind: torch.dtype) -> None:
    """Without the constraint u.w >= -1 the map folds over (PEERS P19)."""
    made = flows.Planar(2).to(kind)
    with torch.no_grad():
        made.numbers.values.copy_(torch.tensor([along, 0.5, 1.0, 0.0, 0.3]))
    f = made()
    assert float((f.u * f.w).sum()) >= -1 - 1e-3 * abs(along) * 1e-4  # rounding of the product alone
    line = torch.linspace(-3, 3, 2001, dtype=kind)
    z = torch.stack([line, torch.full_like(line, 0.4)], 1).requires_grad_()
    out, log_det = f.forward(z)
    rises = out[:, 0].diff()
    assert bool((rises >= -1e-6 * max(1.0, abs(along))).all()), "the map folds over"
    assert bool(log_det.isfinite().all())
    (grad,) = torch.autograd.grad(log_det.sum() + out.sum(), made.numbers.values)
    assert bool(grad.isfinite().all())
    if kind == torch.float64:
        back, again = f.inverse(out)
        # where the map is nearly flat an error of 1e-16 comes back as its cube root
        torch.testing.assert_close(back, z, rtol=0, atol=1e-4)
        assert bool(again.isfinite().all())


@every
@pytest.mark.parametrize("size", [-80.0, 80.0])
def test_extremes_are_finite(name: str, size: float) -> None:
    torch.manual_seed(0)
    made = LAYERS[name](3)
    with torch.no_grad():
        for p in made.parameters():
            p.mul_(abs(size)).add_(size if p.ndim == 1 else 0.0)
    f = made()
    z = torch.cat([numbers(1, 20, 3), torch.zeros(1, 3).double()]).float().requires_grad_()
    out, log_det = f.forward(z) if name != "reversed" else f.inverse(z)
    grads = torch.autograd.grad(log_det.sum() + (out / 1e3).tanh().sum(), [z, *made.parameters()], allow_unused=True)
    for value in (out, log_det, *grads):
        assert value is None or bool(value.isfinite().all())


def test_roots_have_the_gradient_of_the_implicit_function() -> None:
    c = numbers(1, 6).requires_grad_()
    root = increasing_root(lambda x: (x + x**3 - c, 1 + 3 * x.square()), torch.full_like(c, -9), torch.full_like(c, 9))
    torch.testing.assert_close(root + root**3, c, rtol=1e-12, atol=1e-12)
    (slope,) = torch.autograd.grad(root.sum(), c)
    torch.testing.assert_close(slope, 1 / (1 + 3 * root.square()), rtol=1e-12, atol=1e-12)


def test_a_sylvester_map_of_one_direction_is_planar() -> None:
    """With M = 1: u = q r, w = q r~."""
    f = layer("planar", 3)()
    made = flows.Sylvester(3, width=1).double()()
    made.q = (f.w / f.w.norm()).unsqueeze(1)
    made.inner, made.b = f.w.norm().view(1, 1), f.b.view(1)
    along = (f.u * f.w).sum() / f.w.norm()  # of u only what lies along w
    made.upper = along.view(1, 1)
    f.u = made.q.squeeze(1) * along
    z = numbers(1, 9, 3)
    for got, want in zip(made.forward(z), f.forward(z), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)


def test_directions_are_orthonormal() -> None:
    for name in ("sylvester", "householder-sylvester"):
        q = map_of(name).q
        torch.testing.assert_close(q.mT @ q, torch.eye(q.shape[-1]).double().expand(5, -1, -1), rtol=0, atol=1e-12)
    with pytest.raises(Mistake, match="width=4.*at most as many as there are latents, 3"):
        flows.Sylvester(3, width=4)


def test_splines_are_monotone_and_meet_the_identity() -> None:
    """At any numbers, with a slope of 1 at both ends, and its inverse is one."""
    torch.manual_seed(0)
    widths, heights = (6 * t.softmax(-1) for t in 3 * torch.randn(2, 20, 1, 7).double())
    slopes = (2 * torch.randn(20, 1, 6).double()).exp()
    x = torch.linspace(-4, 4, 4001).double().expand(20, -1).clone().requires_grad_()
    sides = (widths.expand(20, 4001, 7), heights.expand(20, 4001, 7), slopes.expand(20, 4001, 6))
    y, log_slope = rational_quadratic(x, *sides, back=False)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(log_slope.exp(), slope, rtol=1e-9, atol=1e-9)
    assert bool((y.diff() > 0).all())
    outside = x.detach().abs() > 3 + 1e-9  # the bins' sum is 6 to rounding
    assert torch.equal(y[outside], x[outside]) and bool((log_slope[outside] == 0).all())
    assert float((y - x).abs().max()) > 1
    back, again = rational_quadratic(y.detach(), *sides, back=True)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-7)  # the root of float64's rounding, where it is nearly flat
    torch.testing.assert_close(again, log_slope, rtol=0, atol=1e-4)  # that, at slopes that change a thousandfold
    knots = widths.cumsum(-1)[..., :-1] - 3  # it goes through the knots with their slopes
    at, log_at = rational_quadratic(
        knots.squeeze(1), *(t.expand(20, 6, t.shape[-1]) for t in (widths, heights, slopes)), back=False
    )
    torch.testing.assert_close(at, heights.cumsum(-1)[..., :-1].squeeze(1) - 3, rtol=0, atol=1e-9)
    # a knot's rounding in a bin that rises a hundred thousand times faster than it is wide
    torch.testing.assert_close(log_at.exp(), slopes.squeeze(1), rtol=1e-3, atol=0)


def test_a_sigmoidal_map_is_the_papers_formula_and_monotone() -> None:
    """logit(sum w sigma(a z + b)) as it stands, where that has no rounding; increasing and finite far beyond."""
    torch.manual_seed(0)
    made = flows.Sigmoidal(2, units=5).double()
    numbers_of = 2 * torch.randn(7, 30).double()
    z = numbers(1, 7, 2)
    a, b, w = numbers_of.view(7, 3, 5, 2).unbind(1)
    a = 0.01 + 0.99 * (1 + (math.e - 1) * a.exp()).log()  # softplus, 1 at 0
    share = ((a * z[:, None] + b).sigmoid() * w.softmax(1)).sum(1)
    out, log_slope = made.moved(z, numbers_of, False)
    torch.testing.assert_close(out, (share / (1 - share)).log(), rtol=1e-9, atol=1e-9)
    line = torch.linspace(-200, 200, 8001).double()[:, None].expand(-1, 2).clone().requires_grad_()
    y, log_slope = made.moved(line, numbers_of[:1].expand(8001, -1), False)
    (slope,) = torch.autograd.grad(y.sum(), line)
    torch.testing.assert_close(log_slope.exp(), slope, rtol=1e-6, atol=0)
    assert bool((y.diff(dim=0) > 0).all()) and float(y.detach().abs().min(0).values.max()) < 1
    back, again = made.moved(y.detach(), numbers_of[:1].expand(8001, -1), True)
    torch.testing.assert_close(back, line, rtol=0, atol=1e-6)
    torch.testing.assert_close(again, log_slope, rtol=0, atol=1e-6)
    still, none = made.moved(z, torch.zeros(7, 30).double(), False)
    torch.testing.assert_close(still, z, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(none, torch.zeros_like(z), rtol=0, atol=1e-12)


def test_a_sigmoidal_flow_learns_two_modes() -> None:
    """As the paper has it, one layer bends a Gaussian into what is far from one; affine maps cannot."""
    true = d.GaussianMixture(torch.tensor([[-2.0], [2.0]]), torch.full((2, 1), -0.7), torch.zeros(2))
    found = []
    for kind in (lambda: flows.Sigmoidal(1, hidden=[4]), lambda: flows.Autoregressive(1, hidden=[4])):
        torch.manual_seed(0)
        made = kind()
        optimizer = torch.optim.Adam(made.parameters(), lr=0.02)
        q = d.DiagonalGaussian(torch.zeros(256, 1), torch.zeros(256, 1))
        for _ in range(400):
            led = d.Flow(q, [made()])
            z = led.rsample()
            loss = (led.log_prob(z) - true.log_prob(z)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            z = led.rsample((100,))
            found.append(float((led.log_prob(z) - true.log_prob(z)).mean()))
    assert found[0] < 0.2 and found[1] > 0.5, found  # log 2 is what the best Gaussian, of one mode, leaves


# -- densities -------------------------------------------------------------------------------------------------

STACKS = {
    "planar": ["planar"] * 3,
    "radial": ["radial"] * 3,
    "sylvester": ["sylvester"],
    "householder": ["householder"],
    "inverse-autoregressive": ["inverse-autoregressive", "autoregressive"],
    "sigmoidal": ["sigmoidal", "sigmoidal"],
    "coupling": ["coupling", "autoregressive", "coupling"],
    "spline-coupling": ["spline-coupling", "planar", "spline-coupling"],
    "reversed": ["reversed", "planar"],
}
stacks = pytest.mark.parametrize("stack", STACKS)


REACH = 12.0


def grid(reach: float = REACH, n: int = 361) -> tuple[Tensor, float]:
    line = torch.linspace(-reach, reach, n, dtype=torch.float64)
    return torch.cartesian_prod(line, line), float(line[1] - line[0]) ** 2


@stacks
def test_densities_integrate_to_one_and_score_their_samples(stack: str) -> None:
    q = flow(*STACKS[stack], size=0.2)
    points, area = grid()
    with torch.no_grad():
        density = q.log_prob(points).exp() * area
        torch.manual_seed(0)
        z = q.sample((40_000,))
        outside = float((z.abs() > REACH).any(1).double().mean())  # tails that the grid leaves out, 1% at most
        # four standard errors of that share, and the rule's error at the steepest places
        assert float(density.sum()) == pytest.approx(1 - outside, abs=4 * (outside / 40_000) ** 0.5 + 2e-3)
        assert outside < 0.011
        middle = z.median(0).values
    for test in (
        lambda z: z[:, 0] > middle[0],
        lambda z: (z - middle).prod(1) < 0,
        lambda z: (z - middle).norm(dim=1) < 1,
    ):
        share = float(density[test(points)].sum())
        # four standard errors, and what the grid's cells at the edge hold
        assert float(test(z).double().mean()) == pytest.approx(share, abs=4 * 0.5 / 200 + 0.01)


@stacks
def test_a_draw_is_scored_as_any_value_is(stack: str) -> None:
    q = flow(*STACKS[stack])
    torch.manual_seed(0)
    z = q.rsample((50,))
    torch.testing.assert_close(q.log_prob(z), q.log_prob(z.clone()), rtol=1e-8, atol=1e-8)
    first = q.rsample((50,))
    assert q.rsample((50,)) is not first
    torch.testing.assert_close(q.log_prob(first), q.log_prob(first.clone()), rtol=1e-8, atol=1e-8)  # no longer the last


@every
def test_the_score_of_a_value_has_right_gradients(name: str) -> None:
    """Through the inverse, in the value and in the parameters, against finite differences."""
    made = layer(name, 3, size=0.5)
    names, parameters = zip(*made.named_parameters(), strict=True)
    base = d.DiagonalGaussian(numbers(2, 3), 0.3 * numbers(3, 3))

    def score(value: Tensor, *parameters: Tensor) -> Tensor:
        f = torch.func.functional_call(made, dict(zip(names, parameters, strict=True)))
        return d.Flow(base, [f]).log_prob(value)

    inputs = [numbers(7, 2, 3).requires_grad_(), *(p.detach().requires_grad_() for p in parameters)]
    if any(isinstance(m, MADE) or "net" in n for n, m in made.named_modules()):
        # the parts of a network are read when the map is used, not when it is made
        def score(value: Tensor, *parameters: Tensor) -> Tensor:  # type: ignore[no-redef]
            class Score(nn.Module):
                def __init__(self) -> None:
                    super().__init__()
                    self.made = made

                def forward(self, value: Tensor) -> Tensor:
                    return d.Flow(base, [self.made()]).log_prob(value)

            given = {f"made.{n}": p for n, p in zip(names, parameters, strict=True)}
            return torch.func.functional_call(Score(), given, (value,))

    assert torch.autograd.gradcheck(score, inputs)  # torch's own tolerances, float64


@stacks
def test_a_draw_without_gradients_is_scored_with_those_at_a_fixed_value(stack: str) -> None:
    layers = nn.ModuleList([layer(name, 2, seed=i) for i, name in enumerate(STACKS[stack])])
    base = d.DiagonalGaussian(numbers(2, 2), 0.3 * numbers(3, 2))
    q = d.Flow(base, [made() for made in layers])
    torch.manual_seed(0)
    z = q.sample((5,))
    found = torch.autograd.grad(q.log_prob(z).sum(), list(layers.parameters()), allow_unused=True)
    again = d.Flow(base, [made() for made in layers]).log_prob(z.clone()).sum()
    for a, b in zip(found, torch.autograd.grad(again, list(layers.parameters()), allow_unused=True), strict=True):
        assert (a is None and b is None) or torch.equal(a, b)
    assert any(g is not None and bool((g != 0).any()) for g in found)


@stacks
def test_a_frozen_flow_moves_the_value_alone(stack: str) -> None:
    layers = nn.ModuleList([layer(name, 2, seed=i) for i, name in enumerate(STACKS[stack])])
    loc = numbers(2, 2).requires_grad_()
    q = d.Flow(d.DiagonalGaussian(loc, 0.3 * numbers(3, 2)), [made() for made in layers])
    z = numbers(8, 4, 2).requires_grad_()
    score = frozen(q).log_prob(z)
    torch.testing.assert_close(score, q.log_prob(z), rtol=1e-12, atol=1e-12)
    found = torch.autograd.grad(score.sum(), [z, loc, *layers.parameters()], allow_unused=True)
    assert all(g is None for g in found[1:])
    torch.testing.assert_close(found[0], torch.autograd.grad(q.log_prob(z).sum(), z)[0], rtol=1e-10, atol=1e-10)


def test_a_householder_flow_is_a_gaussian_with_a_covariance() -> None:
    """Of H diag(s^2) H^T, and its rate from N(0, I) is exact."""
    f, base = map_of("householder"), d.DiagonalGaussian(numbers(2, 5, 3), 0.5 * numbers(3, 5, 3))
    q, standard = d.Flow(base, [f]), d.StandardGaussian(torch.zeros(3).double())
    turn = torch.stack([f.forward(e.expand(5, 3))[0] for e in torch.eye(3).double()], -1)  # (B, D, D)
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3).double().expand(5, -1, -1), rtol=0, atol=1e-12)
    covariance = turn @ torch.diag_embed(base.variance) @ turn.mT
    same = d.FullGaussian(f.forward(base.loc)[0], torch.linalg.cholesky(covariance))
    z = numbers(4, 6, 5, 3)
    torch.testing.assert_close(q.log_prob(z), same.log_prob(z), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(kl_divergence(q, standard), kl_divergence(same, standard), rtol=1e-10, atol=1e-10)
    with pytest.raises(NotImplementedError):
        kl_divergence(d.Flow(base, [map_of("planar")]), standard)


def test_moments_are_near_those_of_the_density() -> None:
    q = flow("planar", "radial", size=0.5)
    torch.manual_seed(0)
    with torch.no_grad():
        z = q.sample((100_000,))
        assert torch.equal(q.mean, q.mean)
        # 64 draws in opposite pairs: a few standard errors
        torch.testing.assert_close(q.mean, z.mean(0), rtol=0, atol=0.25)
        torch.testing.assert_close(q.variance, z.var(0), rtol=0.5, atol=0)


def test_an_autoregressive_prior_is_a_chain_of_gaussians() -> None:
    """The formula of the paper: z_i given those before it is Gaussian."""
    made = layer("reversed", 4)
    z, net = numbers(1, 6, 4), made.layer
    got = d.Flow(d.StandardGaussian(torch.zeros(4).double()), [made()]).log_prob(z)
    with torch.no_grad():
        shift, log_scale = net.affine(*net.net(z).chunk(2, -1))
        each = Normal(-shift * (-log_scale).exp(), (-log_scale).exp()).log_prob(z)
    torch.testing.assert_close(got, each.sum(-1), rtol=1e-10, atol=1e-10)


# -- models ----------------------------------------------------------------------------------------------------

POSTERIOR = (
    "planar_vae", "radial_vae", "householder_vae", "iaf_vae", "naf_vae", "sylvester_vae", "householder_sylvester_vae",
)  # fmt: skip
PRIOR = ("flow_prior_vae", "realnvp_prior_vae", "spline_prior_vae")
SMALL: dict[str, Any] = {"shape": (5,), "latent_dim": 2, "hidden": [8], "flows": 2}


def still(model: Any) -> None:
    """Parameters at which every map is the identity."""
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, flows.Autoregressive):
                part.net.last.weight.zero_()
                part.net.last.bias.zero_()
                if isinstance(part, flows.InverseAutoregressive):
                    part.net.last.bias[len(part.net.last.bias) // 2 :] = 50.0  # an open gate
            elif isinstance(part, flows.Coupling):
                for which in range(part.numbers_each()):
                    part.net.head.silence(which)
            elif isinstance(part, flows.Sylvester):
                part.bend.head.silence(0)
            elif isinstance(part, flows.Radial):
                part.numbers.head.silence(0)
            elif isinstance(part, flows.Planar):
                part.numbers.head.layer.weight[:2] = 0.0
                part.numbers.head.layer.bias[:2] = 0.0  # u


@pytest.mark.parametrize("name", [name for name in (*POSTERIOR, *PRIOR) if name != "householder_vae"])
def test_with_identity_maps_it_is_the_vae(name: str) -> None:
    torch.manual_seed(0)
    plain = recipes.vae(shape=(5,), latent_dim=2, hidden=[8]).model.double()
    model = getattr(recipes, name)(**SMALL).model.double()
    still(model)
    own = model.posterior.base if name in POSTERIOR else model.posterior
    own.load_state_dict(plain.posterior.state_dict())
    model.likelihood.load_state_dict(plain.likelihood.state_dict())
    x = numbers(1, 6, 5)
    traces = []
    for m in (model, plain):
        torch.manual_seed(2)
        traces.append(m.trace(x, samples=4000))
    torch.testing.assert_close(traces[0].log_w, traces[1].log_w, rtol=1e-10, atol=1e-10)
    error = traces[1].log_w.std(0) / 4000**0.5
    elbo = [ELBO().bound(m, t) for m, t in zip((model, plain), traces, strict=True)]
    assert bool(((elbo[0] - elbo[1]).abs() < 5 * error).all())  # of which one has the rate in closed form


@pytest.mark.parametrize("name", PRIOR)
def test_a_flow_is_the_prior_of_real_latents_alone(name: str) -> None:
    """Others have no density that the flow's could be held against, and the loss would be no bound."""
    q = posteriors
    wrong: list[tuple[Any, int]] = [
        *((family, 2) for family in (q.Bernoulli, q.RelaxedBernoulli, q.VonMisesFisher, q.WrappedNormal)),
        (q.Point, 2), (q.Implicit, 2), (functools.partial(q.Categorical, levels=2), 4),
        (functools.partial(q.GaussianCategorical, variables=1, levels=3), 5),
    ]  # fmt: skip
    for family, latents in wrong:
        with pytest.raises(Mistake, match=r"no density on R\^D"):
            getattr(recipes, name)(**{**SMALL, "latent_dim": latents}, posterior=family)
    for family in (q.FullGaussian, q.Laplace):
        assert isinstance(getattr(recipes, name)(**SMALL, posterior=family).model.prior, priors.FlowPrior)


def linear(posterior: Any, prior: Any) -> Any:
    """p(x|z) = N(W z + b, 0.3) of three numbers and two latents."""
    p: Any = likelihoods.Gaussian(nn.Identity(), (3,), scale=FixedScale(c=0.3), features=2).double()
    with torch.no_grad():
        p.head.layer.weight.copy_(numbers(1, 3, 2))
        p.head.layer.bias.copy_(numbers(2, 3))
    return VAE(prior, posterior, p).double().eval()


def gaussian_posterior() -> Any:
    torch.manual_seed(0)
    q = posteriors.Gaussian(nn.Identity(), 2, features=3).double()
    with torch.no_grad():
        q.head.layer.weight.mul_(0.3)
        q.head.layer.bias.zero_()
        q.head.layer.bias[2:] = 0.5  # wide, so that no weight is far above the others
    return q


def by_quadrature(model: Any, x: Tensor) -> Tensor:
    """log p(x) over a grid of latents, (B,)."""
    points, area = grid(9.0, 271)
    with torch.no_grad():
        log_p = model.prior().log_prob(points)
        log_px = model.likelihood(points.unsqueeze(1).expand(-1, len(x), -1)).log_prob(x)
    return (log_p.unsqueeze(1) + log_px).logsumexp(0) + math.log(area)


@every
def test_weights_of_a_flow_posterior_are_unbiased(name: str) -> None:
    """The mean weight is p(x), and so IWAE is a bound on log p(x)."""
    q = posteriors.Flow(gaussian_posterior(), [layer(name, 2, 3, seed=i, size=0.2) for i in range(2)])
    model, x = linear(q, priors.StandardNormal(2)), numbers(3, 6, 3)
    torch.manual_seed(0)
    got, error, _ = log_likelihoods(model, x, None, 20_000)
    exact = by_quadrature(model, x)
    assert bool(((got - exact).abs() < 4 * error + 1e-6).all()), (got - exact) / error
    assert float(error.median()) < 0.05


def test_annealing_from_a_flow_posterior_is_unbiased() -> None:
    """Its trajectories follow the gradient of log q at any value."""
    q = posteriors.Flow(gaussian_posterior(), [layer("planar", 2, 3, seed=i, size=0.2) for i in range(2)])
    model, x = linear(q, priors.StandardNormal(2)), numbers(3, 6, 3)
    torch.manual_seed(0)
    found = annealed_log_likelihoods(model, x, temperatures=4, chains=400, leapfrog=2, from_posterior=True)
    assert bool(((found.log_p - by_quadrature(model, x)).abs() < 4 * found.error + 1e-6).all())
    assert float(found.error.median()) < 0.1


@every
def test_float64_where_an_aggregate_is_taken(name: str) -> None:
    q = d.Flow(d.DiagonalGaussian(torch.zeros(5, 3), torch.zeros(5, 3)), [layer(name, 3, WIDTH, size=0.2).float()(
        numbers(1, 5, WIDTH).float())])  # fmt: skip
    z = numbers(4, 7, 1, 3)  # a value under every item's posterior
    wide = _double(q).log_prob(z)
    assert wide.dtype == torch.float64 and wide.shape == (7, 5)
    torch.testing.assert_close(q.log_prob(z.float()).double(), wide, rtol=1e-3, atol=1e-3)  # float32


@every
def test_a_flow_prior_has_the_evidence_of_its_density(name: str) -> None:
    prior = priors.FlowPrior(2, [layer(name, 2, seed=i, size=0.3) for i in range(2)])
    model, x = linear(gaussian_posterior(), prior), numbers(3, 6, 3)
    torch.manual_seed(0)
    got, error, _ = log_likelihoods(model, x, None, 8_000)
    exact = by_quadrature(model, x)
    assert bool(((got - exact).abs() < 4 * error + 1e-4).all()), (got - exact) / error


@every
def test_the_rate_is_the_mean_of_its_estimate(name: str) -> None:
    """KL(q || p) of a flow by quadrature."""
    q = posteriors.Flow(gaussian_posterior(), [layer(name, 2, 3, size=0.05)])
    model, x = linear(q, priors.StandardNormal(2)), numbers(3, 1, 3)
    points, area = grid(36.0, 271)
    with torch.no_grad():
        log_q, log_p = (p.log_prob(points.unsqueeze(1)).reshape(-1) for p in (model.posterior(x), model.prior()))
        assert float(log_q.exp().sum() * area) == pytest.approx(1, abs=1e-4)  # no tail is left out
        exact = float((log_q.exp() * (log_q - log_p)).sum() * area)
        torch.manual_seed(0)
        trace = model.trace(x, samples=20_000)
        spread = float((trace.log_q - trace.log_p).std()) / 20_000**0.5
    assert float(trace.kl[0]) == pytest.approx(exact, abs=4 * spread + 1e-4)


@pytest.mark.parametrize("name", ["planar", "sylvester", "inverse-autoregressive"])
def test_gradients_without_the_score_have_the_mean_of_those_with_it(name: str) -> None:
    """STL and DReG score the draw under fixed parameters, through the inverse."""
    q = posteriors.Flow(gaussian_posterior(), [layer(name, 2, 3, size=0.3)])
    model, x, n = linear(q, priors.StandardNormal(2)), numbers(3, 1, 3), 6000
    bias = model.posterior.base.head.layer.bias

    def gradients(bound: Any, seed: int) -> Tensor:
        torch.manual_seed(seed)
        rows = x.expand(n, 3)
        offset = torch.zeros(n, len(bias)).double().requires_grad_()  # each item's own copy of the bias
        handle = model.posterior.base.head.layer.register_forward_hook(lambda m, i, out: out + offset)
        found = bound.bound(model, model.trace(rows, samples=bound.samples))
        handle.remove()
        return torch.autograd.grad(found.sum(), offset)[0]

    for plain, quiet in ((ELBO(), STL()), (IWAE(4), DReG(4))):
        a, b = gradients(plain, 1), gradients(quiet, 2)
        error = (a.var(0) / n + b.var(0) / n).sqrt()
        assert bool(((a.mean(0) - b.mean(0)).abs() < 4 * error).all()), (a.mean(0), b.mean(0), error)


def test_a_flow_prior_learns_what_a_gaussian_cannot() -> None:
    """Two clusters, whose density is known: it comes within 0.1 nats of the best."""
    torch.manual_seed(0)
    true = d.GaussianMixture(torch.tensor([[-1.5, 0.5], [1.5, -0.5]]), torch.full((2, 2), -1.0), torch.zeros(2))
    prior = priors.FlowPrior(2, [flows.Coupling(2, hidden=[32, 32], odd=i % 2 == 1) for i in range(6)])
    optimizer = torch.optim.Adam(prior.parameters(), lr=3e-3)
    for _ in range(400):
        loss = -prior().log_prob(true.sample((256,))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    z = true.sample((20_000,))
    with torch.no_grad():
        gap = float((true.log_prob(z) - prior().log_prob(z)).mean())
        best = d.DiagonalGaussian(z.mean(0), z.std(0).log())
        assert -0.01 < gap < 0.1 < 0.5 * float((true.log_prob(z) - best.log_prob(z)).mean())
        again = prior().sample((20_000,))  # and draws what it scores
    assert float((again[:, 0] * again[:, 1] < 0).float().mean()) == pytest.approx(
        float((z[:, 0] * z[:, 1] < 0).float().mean()), abs=0.05
    )
