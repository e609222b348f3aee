"""Laws of networks: the exact shape, any leading axes, items apart, gradients everywhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from vaekit import networks
from vaekit.networks import Head

from .tables import CONTEXT, NETWORKS, numbers

each = pytest.mark.parametrize("name", NETWORKS)


def made(name: str) -> tuple[torch.nn.Module, tuple[int, ...], tuple[int, ...], bool]:
    torch.manual_seed(0)
    make, shape, out, leading = NETWORKS[name]
    return make().double(), shape, out, leading


@each
def test_shape(name: str) -> None:
    net, shape, out, _ = made(name)
    got = net(numbers(1, 4, *shape), numbers(2, 4, CONTEXT))
    # an MLP without layers passes its input and the context through
    assert tuple(got.shape) == (4, *out)
    assert tuple(net.features) == out


@each
def test_items_do_not_meet(name: str) -> None:
    net, shape, _, _ = made(name)
    x, y = numbers(1, 4, *shape), numbers(2, 4, CONTEXT)
    alone = torch.cat([net(x[i : i + 1], y[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(net(x, y), alone, rtol=1e-10, atol=1e-10)  # float64, another order of summation


@pytest.mark.parametrize("name", [name for name, row in NETWORKS.items() if row[3]])
def test_draws_are_loops(name: str) -> None:
    net, shape, _, _ = made(name)
    x, y = numbers(1, 3, 4, *shape), numbers(2, 4, CONTEXT)  # the context is one row an item, for all draws
    looped = torch.stack([net(row, y) for row in x])
    torch.testing.assert_close(net(x, y), looped, rtol=1e-10, atol=1e-10)


@each
def test_context_matters_and_none_is_skipped(name: str) -> None:
    net, shape, _, _ = made(name)
    x, y = numbers(1, 4, *shape), numbers(2, 4, CONTEXT)
    assert not torch.allclose(net(x, y), net(x, y + 1))
    torch.testing.assert_close(net(x, None, y), net(x, y), rtol=0, atol=0)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "MLP-empty"])
def test_gradients_reach_every_parameter(name: str) -> None:
    net, shape, _, _ = made(name)
    # the residual branches end in zeros on purpose: a nudge makes every parameter felt
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.01)
    out = net(numbers(1, 4, *shape), numbers(2, 4, CONTEXT))
    for (label, _), grad in zip(
        net.named_parameters(), torch.autograd.grad(out.square().sum(), list(net.parameters())), strict=True
    ):
        assert bool((grad != 0).any()), label


@pytest.mark.parametrize(
    "features, shape",
    [
        ((5,), (2, 3)),
        ((4, 6, 5), (6, 5)),
        ((4, 6, 5), (3, 6, 5)),
        ((4, 2, 2), (7,)),
        ((6, 40), (6, 3)),
        ((6, 40), (6,)),
    ],
)
def test_head_starts_where_it_is_told(features: tuple[int, ...], shape: tuple[int, ...]) -> None:
    head = Head(features, shape, 2).double()
    x = numbers(1, 3, 4, *features)
    out = torch.stack(tuple(head(x)))  # a tensor for each parameter
    assert tuple(out.shape) == (2, 3, 4, *shape)
    torch.testing.assert_close(out[:, 1], torch.stack(tuple(head(x[1]))), rtol=1e-10, atol=1e-10)
    nothing = torch.zeros(1, *features).double()
    other = head(nothing)[0][0]
    values = numbers(2, *shape)
    head.start_at(1, values)
    first, second = (parameter[0] for parameter in head(nothing))
    torch.testing.assert_close(first, other, rtol=0, atol=0)  # the other parameter stays
    torch.testing.assert_close(second, values, rtol=1e-12, atol=1e-12)
    spread = torch.stack(tuple(head(numbers(3, 200, *features)))).std(1).flatten(1).mean(1)
    assert spread[1].item() == pytest.approx(0.1 * spread[0].item(), rel=0.5)  # and whatever the features, nearly there


def test_a_whitened_head_gives_the_principal_components_at_unit_variance() -> None:
    """Of features that vary along few axes, and the other parameter stays."""
    torch.manual_seed(0)
    head = Head((20,), (3,), 2).double()
    x = numbers(4, 500, 3) * torch.tensor([5.0, 2.0, 0.5]) @ numbers(5, 3, 20) + numbers(6, 20)
    before = head(x)[1]
    head.whiten(0, x)
    codes, other = head(x)
    torch.testing.assert_close(codes.mean(0), torch.zeros(3).double(), rtol=0, atol=1e-10)
    torch.testing.assert_close(codes.T @ codes / 500, torch.eye(3).double(), rtol=0, atol=1e-10)
    torch.testing.assert_close(other, before, rtol=0, atol=0)
    first = torch.linalg.svd(x - x.mean(0), full_matrices=False)[0][:, 0] * 500**0.5
    assert (codes[:, 0] * first).mean().abs().item() == pytest.approx(1.0, abs=1e-10)


@pytest.mark.parametrize("x", [torch.ones(50, 20), torch.randn(2, 20), torch.full((50, 20), torch.nan)])
def test_a_head_that_cannot_be_whitened_stays(x: torch.Tensor) -> None:
    head = Head((20,), (3,), 2)
    before = head.layer.weight.clone()
    head.whiten(0, x)
    assert torch.equal(head.layer.weight, before)


@pytest.mark.parametrize("make", [
    lambda: networks.MLP(64, [64, 64, 64]),
    lambda: networks.MLP(64, [64, 64, 64], activation=nn.Tanh),
    lambda: networks.ConvDecoder((28, 28), 16, [32, 64]),
    lambda: networks.ConvDecoder((3, 27, 20), 16, [16, 32, 64]),
], ids=["MLP", "MLP-tanh", "ConvDecoder", "ConvDecoder-deep"])  # fmt: skip
def test_the_first_weights_keep_the_latents_audible(make: Callable[[], nn.Module]) -> None:
    """The features vary over unit-normal latents by about as much as the latents do, whatever the depth.

    Of a unit normal a rectifier keeps a variance of 0.34 and a mean square of 0.5; torch's own first weights leave
    0.02 and less after three layers, and the rate collapses.
    """
    torch.manual_seed(0)
    net = make()
    width = 64 if isinstance(net, networks.MLP) else 16
    out = net(torch.randn(256, width))
    assert 0.15 < float(out.var(0).mean().sqrt()) < 1.5
