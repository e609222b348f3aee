"""The lossy VAE: a pixel's window is exact, what is beyond it goes through the latents, and the prior is a flow."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import vaekit as vk
from vaekit import likelihoods, posteriors, recipes
from vaekit.messages import Mistake
from vaekit.priors import FlowPrior
from vaekit.training import Batch

SHAPE = (9, 9)
SMALL: dict[str, Any] = {"latent_dim": 2, "channels": [4], "width": 8, "masked": 8, "flows": 2, "flow_width": 8}


def window(layers: int, size: int) -> set[tuple[int, int]]:
    """Rows and columns back from a pixel that a chain of masked kernels reaches, kernel by kernel."""
    r = size // 2
    later = {(i, j) for i in range(-r, r + 1) for j in range(-r, r + 1) if (i, j) <= (0, 0)}
    found = later - {(0, 0)}
    for _ in range(layers):
        found = {(a + i, b + j) for a, b in found for i, j in later}
    return found


@pytest.mark.parametrize(("layers", "size"), [(0, 3), (1, 3), (2, 3), (1, 5)])
def test_a_pixel_sees_its_window_and_no_more(layers: int, size: int) -> None:
    """By autodiff, at the pixel in the middle: over some pictures every pixel of the window matters, no other ever."""
    torch.manual_seed(0)
    shape = {**SMALL, "likelihood": likelihoods.Gaussian(), "layers": layers, "size": size, "masked": 24}
    model: Any = recipes.lossy_vae(shape=SHAPE, **shape).model.double().eval()
    x = torch.randn(64, *SHAPE).double().requires_grad_()  # many: a rectifier may be closed
    loc = model.likelihood(torch.randn(64, 2).double()).conditionals(x).loc
    middle = (4, 4)
    slope = torch.autograd.grad(loc[:, 4, 4].sum(), x)[0].abs().amax(0)
    seen = {(int(i) - middle[0], int(j) - middle[1]) for i, j in (slope > 0).nonzero()}
    inside = {(i, j) for i, j in window(layers, size) if abs(i) <= 4 and abs(j) <= 4}
    assert seen == inside
    reach = (layers + 1) * (size // 2)
    assert min(i for i, _ in window(layers, size)) == -reach == min(j for _, j in window(layers, size))


def bands(n: int) -> Tensor:
    """Pictures whose first row and last row are both ones or both zeros, with two empty rows between."""
    x = torch.zeros(n, 4, 4)
    x[:, [0, 3]] = (torch.arange(n) % 2).float().view(n, 1, 1)
    return x


def test_the_latents_carry_what_the_window_does_not_reach() -> None:
    """One bit is told again far away: through the latents where the window is small, through pixels where it is not.

    The rate costs 1.25 times its nats. A small window pays 1.25 log 2 with the latents and 2 log 2 without; a large one
    log 2 without. At a weight of 1 a large one would pay log 2 either way.
    """
    found = {}
    for layers in (0, 2):
        torch.manual_seed(0)
        small = {**SMALL, "latent_dim": 1, "layers": layers, "size": 3}
        model, objective = recipes.lossy_vae(shape=(4, 4), beta=1.25, **small)
        step = vk.Step(model, objective, torch.optim.Adam(model.parameters(), lr=0.01))
        for _ in range(400):
            step(Batch(bands(64)))
        with torch.no_grad():
            trace = model.eval().trace(bands(512))
        found[layers] = trace.kl.mean().item(), -trace.log_px.mean().item()
    assert found[0][0] > 0.4 and sum(found[0]) < 1.6 * math.log(2), found
    assert found[2][0] < 0.05 and sum(found[2]) < 1.1 * math.log(2), found


def test_it_is_the_pixel_vae_under_the_flow_prior() -> None:
    torch.manual_seed(0)
    model: Any = recipes.lossy_vae(shape=(4, 4), **SMALL).model.eval()
    assert isinstance(model.prior, FlowPrior) and isinstance(model.likelihood, likelihoods.Autoregressive)
    x = bands(4)
    trace = model.trace(x, samples=3)
    want = (
        model.likelihood(trace.z).log_prob(x) + model.prior().log_prob(trace.z) - model.posterior(x).log_prob(trace.z)
    )
    torch.testing.assert_close(trace.log_w, want, rtol=1e-5, atol=1e-5)  # float32


def test_its_latents_are_real() -> None:
    with pytest.raises(Mistake, match=r"Bernoulli has no density on R\^D"):
        recipes.lossy_vae(shape=(4, 4), **SMALL, posterior=posteriors.Bernoulli)
