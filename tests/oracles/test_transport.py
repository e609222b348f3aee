"""Sinkhorn's divergence against exact assignment, finite differences and Gaussians; spectral norms against the SVD."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from vaekit import networks, recipes
from vaekit.objectives import Sinkhorn
from vaekit.objectives.matching import transport
from vaekit.training import Batch, Step


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def squares(a: Tensor, b: Tensor) -> Tensor:
    return torch.cdist(a, b).square()


def assigned(cost: Tensor) -> float:
    rows, columns = linear_sum_assignment(cost.numpy())
    return float(cost[rows, columns].mean())


def divergence(z: Tensor, p: Tensor, epsilon: float, iterations: int = 50) -> Tensor:
    trace = SimpleNamespace(z=z[None], x=z, p=SimpleNamespace(batch_shape=(1,), sample=lambda: p))
    return Sinkhorn(epsilon, iterations)(None, trace)  # type: ignore[arg-type]


def test_the_transport_goes_to_the_exact_assignment() -> None:
    z, p = numbers(0, 12, 3), 0.7 * numbers(1, 12, 3) + 1.0
    cost = squares(z, p)
    exact = assigned(cost)
    gaps = [float(transport(cost, epsilon, 3000)) - exact for epsilon in (0.3, 0.03, 0.003)]
    assert gaps[0] > gaps[1] > gaps[2] > 0  # KL(P || a b) is between 0 and log n
    assert gaps[2] < 0.003 * torch.log(torch.tensor(12.0)).item() + 1e-6
    assert float(divergence(z, p, 0.001, 3000)) == pytest.approx(exact, abs=0.02)


def test_the_plan_has_the_right_margins_and_value() -> None:
    """The optimum over plans, found by another road: the entropy-regularised plan by scaling in the plain domain."""
    cost, epsilon = squares(numbers(0, 6, 2), numbers(1, 9, 2)), 0.8
    kernel = (-cost / epsilon).exp() / 54
    u, v = torch.ones(6).double(), torch.ones(9).double()
    for _ in range(2000):
        u = (1 / 6) / (kernel @ v)
        v = (1 / 9) / (kernel.T @ u)
    plan = u[:, None] * kernel * v
    value = float((plan * cost).sum() + epsilon * (plan * (plan * 54).log()).sum())
    assert float(transport(cost, epsilon, 500)) == pytest.approx(value, abs=1e-9)


def test_it_is_zero_at_equality_symmetric_and_positive() -> None:
    z, p = numbers(0, 16, 3), numbers(1, 16, 3) + 0.5
    assert abs(float(divergence(z, z[torch.randperm(16)], 0.1, 200))) < 1e-9
    assert float(divergence(z, p, 0.1, 300)) == pytest.approx(float(divergence(p, z, 0.1, 300)), rel=1e-6)
    assert float(divergence(z, p, 0.1)) > 0.1
    far = (z.mean(0) - p.mean(0)).square().sum()
    assert float(divergence(z, p, 1e4, 100)) == pytest.approx(float(far), rel=1e-3)  # the squared distance of means


def test_its_gradient_is_that_of_the_optimum() -> None:
    z, p = numbers(0, 7, 2).requires_grad_(), numbers(1, 7, 2)
    (got,) = torch.autograd.grad(divergence(z, p, 0.3, 300), z)
    step, want = 1e-5, torch.zeros_like(got)
    with torch.no_grad():
        for i in range(7):
            for j in range(2):
                shift = torch.zeros(7, 2).double()
                shift[i, j] = step
                ends = [float(divergence(z + sign * shift, p, 0.3, 300)) for sign in (1, -1)]
                want[i, j] = (ends[0] - ends[1]) / (2 * step)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-6)  # central differences


def test_extreme_codes_and_a_batch_of_one_are_finite() -> None:
    for z in (1e4 * torch.randn(5, 2), torch.zeros(5, 2), torch.randn(1, 2)):
        z.requires_grad_()
        value = divergence(z, torch.randn(len(z), 2), 0.1)
        (gradient,) = torch.autograd.grad(value, z)
        assert bool(value.isfinite()) and bool(gradient.isfinite().all())


# -- spectral norms -------------------------------------------------------------------------------------------------


LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def matrix(layer: nn.Module, weight: Tensor) -> Tensor:
    """(out, the rest)."""
    return (weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else weight).flatten(1)


def weights(net: nn.Module) -> list[Tensor]:
    """Each layer's weights as the decoder uses them, (out, the rest)."""
    return [matrix(m, m.weight.detach()) for m in net.modules() if isinstance(m, LAYERS)]


NETS = {
    "dense": lambda: networks.MLP(6, [9, 5]),
    "conv": lambda: networks.ConvDecoder((3, 9, 7), 5, [4, 6]),
    "residual": lambda: networks.ResidualDecoder((6, 8), 5, [4]),
}


@pytest.mark.parametrize("name", NETS)
def test_every_layer_has_norm_one(name: str) -> None:
    torch.manual_seed(0)
    net = networks.SpectralNorm(NETS[name]()).double()
    net.iterate(500)
    for layer in net.modules():
        if not isinstance(layer, LAYERS):
            continue
        before = layer.parametrizations.weight.original.detach()  # type: ignore[union-attr]
        norm = torch.linalg.svdvals(matrix(layer, before))[0] if bool(before.any()) else torch.tensor(1.0)
        # residual branches begin at 0 and stay as they are
        torch.testing.assert_close(layer.weight.detach() * norm, before, rtol=1e-6, atol=1e-9)


def test_a_dense_decoder_stretches_nothing() -> None:
    """Rectifiers stretch nothing either, so that distances between features are at most those between latents."""
    torch.manual_seed(0)
    net = networks.SpectralNorm(networks.MLP(6, [40, 40])).double()
    net.iterate(500)
    a, b = numbers(0, 500, 6), numbers(1, 500, 6)
    assert float(((net(a) - net(b)).norm(dim=1) / (a - b).norm(dim=1)).max()) <= 1 + 1e-9


def test_the_norm_is_followed_in_training_and_a_pass_changes_nothing() -> None:
    torch.manual_seed(0)
    recipe = recipes.rae_sn(shape=(6,), latent_dim=2, hidden=[16, 8])
    net: Any = recipe.model.likelihood.net  # type: ignore[attr-defined]
    step = Step(recipe.model, recipe.objective)
    x = torch.randn(32, 6)
    for _ in range(60):
        step(Batch(x))
    state = {k: v.clone() for k, v in recipe.model.state_dict().items()}
    for _ in range(3):
        recipe.model.train().trace(x)
    assert all(torch.equal(v, state[k]) for k, v in recipe.model.state_dict().items())
    for weight in weights(net):
        assert float(torch.linalg.svdvals(weight)[0]) == pytest.approx(1.0, abs=0.02)  # one iteration a step lags
    assert weights(recipe.model.likelihood.head)[0].shape == (6, 16)  # type: ignore[attr-defined]
