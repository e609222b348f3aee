"""Autoregressive likelihoods: tiny pictures are counted, no pixel sees what is to come, draws follow the density."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from vaekit import likelihoods, recipes
from vaekit.networks.masked_conv import MaskedConv

SHAPE = (2, 3)


def made(shape: tuple[int, ...] = SHAPE, **more: Any) -> Any:
    torch.manual_seed(0)
    model = recipes.pixel_vae(shape=shape, latent_dim=2, channels=[4], width=8, masked=6, layers=2, **more).model
    with torch.no_grad():  # pixels that matter to one another
        for p in model.likelihood.parameters():
            p.mul_(2.0)
    return model.double().eval()


def every() -> Tensor:
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * 6).view(-1, *SHAPE)


def test_all_pictures_sum_to_one() -> None:
    model, x = made(), every()
    with torch.no_grad():
        p = model.likelihood(torch.randn(5, 1, 2).double())  # (5, 1): every picture under each of five latents
        log_p = torch.stack([p.log_prob(item[None]) for item in x])
    torch.testing.assert_close(log_p.exp().sum(0), torch.ones(5, 1).double(), rtol=1e-10, atol=1e-10)
    # and it is no product of independent pixels
    independent = p.conditionals(torch.zeros(1, *SHAPE).double()).log_prob(x[-1:])
    assert float((independent - log_p[-1]).detach().abs().max()) > 1e-3


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5)])
def test_no_pixel_sees_itself_or_what_is_to_come(shape: tuple[int, ...]) -> None:
    model = made(shape, likelihood=likelihoods.Gaussian())
    x = torch.randn(1, *shape).double().requires_grad_()
    loc = model.likelihood(torch.randn(1, 2).double()).conditionals(x).loc
    order = torch.arange(20).view(4, 5).expand(shape).flatten()
    reach = torch.stack([torch.autograd.grad(v, x, retain_graph=True)[0].flatten() for v in loc.flatten()])
    later = order[None, :] >= order[:, None]  # (of the mean, of the pixel)
    assert float(reach[later].abs().max()) == 0
    beside = order[None, :] == order[:, None] - 1
    seen = reach[beside & (order[:, None] % 5 > 0)] != 0  # the one before is, but where a rectifier is closed
    assert float(seen.double().mean()) > 0.8


def test_draws_follow_the_density_and_means_are_theirs() -> None:
    model = made()
    torch.manual_seed(3)
    z = torch.randn(1, 2).double()
    with torch.no_grad():
        exact = torch.stack([model.likelihood(z).log_prob(item[None]) for item in every()])[:, 0].exp()
        n = 8000
        p = model.likelihood(z.expand(n, 2))
        drawn, mean = p._drawn()
    number = (drawn.flatten(1) @ (2.0 ** torch.arange(5, -1, -1)).double()).long()
    share = torch.bincount(number, minlength=64) / n
    error = (exact * (1 - exact) / n).sqrt()
    assert bool(((share - exact).abs() < 4.5 * error + 1e-4).all())  # 64 shares at once
    want = (exact[:, None] * every().flatten(1)).sum(0)
    assert float((mean.flatten(1).mean(0) - want).abs().max()) < 4 * 0.5 / n**0.5  # four standard errors
    assert float(mean.flatten(1).std(0).max()) <= 0.5


def test_log_p_of_x_and_z_is_that_of_a_sum_over_pictures() -> None:
    """K draws at once are those of a loop; the ELBO's log p(x|z) is the likelihood's own."""
    model = made()
    x = every()[[3, 17, 42]]
    trace = model.trace(x, samples=4)
    looped = torch.stack([model.likelihood(trace.z[k]).log_prob(x) for k in range(4)])
    torch.testing.assert_close(trace.log_px, looped, rtol=1e-10, atol=1e-10)
    assert trace.px.sample().shape == (4, 3, *SHAPE)


def test_masks_by_hand() -> None:
    first, later = MaskedConv(1, 1, 3, own=False), MaskedConv(1, 1, 3, own=True)
    assert first.mask.tolist() == [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert later.mask.tolist() == [[1, 1, 1], [1, 1, 0], [0, 0, 0]]
