"""The energy-based prior: its constant, slopes and draws against quadrature, and a density that it has to learn."""

from __future__ import annotations

import math
from typing import Any

import pytest
import scipy.stats
import torch
from tests.oracles.test_fitted_priors import autoencoder, grid
from tests.oracles.test_learned_priors import follows, white
from torch import Tensor

import vaekit as vk
from vaekit import priors, recipes
from vaekit.maths import annealed_log_mean, langevin
from vaekit.messages import Mistake


def strong(latents: int = 2, weight: float = 4.0) -> Any:
    """An energy of some nats."""
    torch.manual_seed(0)
    prior: Any = priors.Energy(latents, hidden=[16, 16]).double().eval()
    with torch.no_grad():
        prior.out.weight.mul_(weight)
    return prior


@torch.no_grad()
def quadrature(prior: Any) -> tuple[Tensor, Tensor, Tensor]:
    """log Z in two dimensions, and the points with the probability of each."""
    points, cell = grid(8.0, 401)
    log_mass = prior.base.log_prob(points) + prior.log_weight(points) + math.log(cell)
    log_z = log_mass.logsumexp(0)
    return log_z, points, (log_mass - log_z).exp()


def test_langevin_steps_keep_a_density() -> None:
    """Large steps too, which would leave another one without acceptance."""
    torch.manual_seed(0)

    def log_density(z: Tensor) -> Tensor:
        return -0.5 * z.square().sum(-1)

    for size in (0.4, 1.5):
        z = langevin(log_density, torch.randn(4000, 1).double(), steps=20, size=size)
        assert scipy.stats.kstest(z[:, 0].numpy(), "norm").pvalue > 1e-3, size
    far = langevin(log_density, torch.full((2000, 1), 3.0).double(), steps=100, size=0.8)
    assert scipy.stats.kstest(far[:, 0].numpy(), "norm").pvalue > 1e-3, "they do not forget where they began"
    assert not far.requires_grad


def test_the_density_is_normalised_and_what_is_drawn() -> None:
    prior = strong()
    log_z, points, _ = quadrature(prior)
    energy = prior.log_weight(points)
    assert float(energy.max() - energy.min()) > 3, "nothing was tilted"
    found, error = float(prior.log_mean_weight()), prior.log_z_error()
    assert error < 0.02 and abs(found - float(log_z)) < error + 1e-4
    follows(prior())
    # the error is that of independent draws: its square is their variance, here from many sets of fewer
    torch.manual_seed(0)
    with torch.no_grad():
        sets = torch.stack([prior.weighed(torch.randn(2048, 2).double()).logsumexp(0) for _ in range(400)])
    assert float(sets.std()) == pytest.approx(error * (2**16 / 2048) ** 0.5, rel=0.2)
    with pytest.raises(Mistake, match="eval"):
        prior.train().log_z_error()


def nearly_linear(slope: float) -> Any:
    """f = A z_1 but for the bend of one tanh unit."""
    prior: Any = priors.Energy(2, hidden=[1]).double().eval()
    with torch.no_grad():
        prior.net.layers[0].weight.copy_(torch.tensor([[0.01, 0.0]]))
        prior.net.layers[0].bias.zero_()
        prior.out.weight.fill_(slope / 0.01)
        prior.out.bias.zero_()
    return prior


@pytest.mark.parametrize("slope", [5.0, 8.0, 10.0])
def test_a_tilt_beyond_all_fixed_draws_is_normalised_all_the_same(slope: float) -> None:
    """The mass of A = 10 lies where none of the fixed draws is: by them log Z would be 18 nats less."""
    prior = nearly_linear(slope)
    line = torch.linspace(-30, 30, 60_001, dtype=torch.float64)
    log_mass = slope / 0.01 * (0.01 * line).tanh() - 0.5 * line**2 - 0.5 * math.log(2 * math.pi)
    exact = float(log_mass.logsumexp(0)) + math.log(1e-3)
    found, error = float(prior.log_mean_weight()), prior.log_z_error()
    assert error < 0.2 and abs(found - exact) < 4 * error + 1e-3, (found, exact, error)
    assert prior.doubt() is None
    assert float(nearly_linear(slope).log_mean_weight()) == found, "it is a function of the weights"


def test_the_annealed_mean_is_exact_for_slopes_and_squares() -> None:
    """log E[exp(a z)] = a^2 / 2 and log E[exp(-c z^2 / 2)] = -log(1 + c) / 2, in the mean of exp over sets."""
    torch.manual_seed(0)
    a = torch.tensor([3.0, -2.0, 1.0]).double()
    noise = torch.randn(64, 100, 3).double()
    for f, exact in ((lambda z: z @ a, 7.0), (lambda z: -4.5 * z.square().sum(-1), -1.5 * math.log(10.0))):
        gap = (annealed_log_mean(f, noise, stages=32) - exact).exp()
        assert abs(float(gap.mean()) - 1) < 4 * float(gap.std()) / 8 and float(gap.std()) < 0.5


def walled(prior: Any) -> None:
    """All the mass lies where the sum of the 32 latents is above 17, three of its deviations."""
    with torch.no_grad():
        prior.net.layers[0].weight.fill_(0.05)
        prior.net.layers[0].bias.zero_()
        prior.net.layers[2].weight.fill_(1.0)
        prior.net.layers[2].bias.fill_(-16 * math.tanh(0.05 * 17))
        prior.out.weight.fill_(20.0)
        prior.out.bias.zero_()


def test_a_tilt_that_draws_cannot_weigh_says_so() -> None:
    """A wall of 640 nats: log Z is right to its error, by quadrature, and as that is large evaluation warns."""
    model: Any = recipes.energy_prior_vae(shape=(4,), latent_dim=32, hidden=[5]).model
    prior = model.prior = priors.Energy(32, hidden=[16, 16])
    walled(prior)
    model.eval()
    total = torch.linspace(-40, 80, 120_001, dtype=torch.float64)
    f = 320 * (16 * ((0.05 * total).tanh() - math.tanh(0.85))).tanh()
    exact = float((f - total**2 / 64 - 0.5 * math.log(64 * math.pi)).logsumexp(0)) + math.log(1e-3)
    found, error = float(prior.log_mean_weight()), prior.log_z_error()
    assert error > 0.05 > strong().log_z_error() and abs(found - exact) < 4 * error, (found, exact, error)
    assert strong().doubt() is None and strong().train().doubt() is not None
    with pytest.warns(UserWarning, match="log Z is known to"):
        said = vk.evaluate(model, torch.zeros(12, 4).numpy(), samples=20)["nll"]
    assert "in doubt" in said.how


def test_the_slope_of_the_constant_is_the_exact_one() -> None:
    """In the mean over steps: E[f'] under the prior by quadrature; the constant's own mean is Z."""
    prior = strong()
    log_z, points, mass = quadrature(prior)
    wanted = torch.autograd.grad((mass * prior.log_weight(points)).sum(), list(prior.parameters()))
    prior.train()
    torch.manual_seed(1)
    values, slopes = [], []
    for _ in range(300):
        value = prior.log_mean_weight()
        slopes.append(torch.cat([g.flatten() for g in torch.autograd.grad(value, list(prior.parameters()))]))
        values.append(value.detach())
    found, z = torch.stack(slopes), (torch.stack(values) - log_z).exp()
    assert abs(float(z.mean()) - 1) < 4 * float(z.std()) / 300**0.5
    error = found.std(0) / 300**0.5
    want = torch.cat([g.flatten() for g in wanted])
    # chains of 10 steps from chosen draws: what is left of their start is less than a twentieth of the slope's size
    assert bool(((found.mean(0) - want).abs() < 4.5 * error + 0.05 * want.abs().max()).all())
    assert float(want.abs().max()) > 10 * float(error.max())


def test_the_energy_that_is_learned_gives_the_density() -> None:
    """Maximum likelihood on draws of two Gaussians apart: the divergence from the truth, by quadrature."""
    torch.manual_seed(0)
    prior: Any = priors.Energy(1, hidden=[32, 32]).double()

    def truth(z: Tensor) -> Tensor:
        parts = [torch.distributions.Normal(m, 0.4).log_prob(z) + math.log(s) for m, s in ((-1.2, 0.3), (0.8, 0.7))]
        return torch.logaddexp(*parts).squeeze(-1)

    means = torch.where(torch.rand(4000, 1) < 0.3, -1.2, 0.8).double()
    z = means + 0.4 * torch.randn(4000, 1).double()
    optimizer = torch.optim.Adam(prior.parameters(), lr=2e-2)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, 400)
    for _ in range(400):
        optimizer.zero_grad()
        prior.lost(z[torch.randint(4000, (256,))]).mean().backward()
        optimizer.step()
        falling.step()
    line = torch.linspace(-7, 7, 2801, dtype=torch.float64)[:, None]
    with torch.no_grad():
        p, q, base = truth(line), prior.eval()().log_prob(line), prior.base.log_prob(line)
    cell = 14 / 2800
    assert float(q.exp().sum() * cell) == pytest.approx(1, abs=3 * prior.log_z_error() + 1e-4)
    gap, before = (float((p.exp() * (p - other)).sum() * cell) for other in (q, base))
    assert before > 0.2 and gap < 0.02, (before, gap)
    drawn = prior().sample((4000,))[:, 0].numpy()
    assert abs(float((drawn < -0.2).mean()) - 0.3) < 0.03 and abs(float(drawn.mean()) - 0.2) < 0.06


def test_it_is_fitted_to_latents_and_scores_a_model() -> None:
    z = 0.2 * white() + torch.tensor([0.5, -0.3])
    torch.manual_seed(0)
    prior = priors.Energy(2, hidden=[32, 32]).double()
    found: Any = vk.fit_prior(autoencoder(), z.numpy(), prior, epochs=40, lr=1e-2, verbose=False).prior
    with torch.no_grad():
        assert float((found().log_prob(z) - found.base.log_prob(z)).mean()) > 0.1  # the clusters are no Gaussian
        points, cell = grid(3.0, 601)
        density = found().log_prob(points).exp() * cell
        assert float(density.sum()) == pytest.approx(1, abs=1e-3)
        drawn = found().sample((2000,))
    torch.testing.assert_close(drawn.mean(0), density @ points, rtol=0, atol=5 * 0.2 / 2000**0.5)
