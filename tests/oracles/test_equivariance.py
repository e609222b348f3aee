"""Turns and shrinking against loops, decoders that commute with them exactly, and the term written out."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.laws.tables import numbers
from torch import Tensor, nn

from vaekit import recipes
from vaekit.likelihoods import FixedScale, Gaussian
from vaekit.maths import shrunk, turned
from vaekit.messages import Mistake
from vaekit.networks import as_map, as_vector
from vaekit.objectives import Equivariance

# -- turns and shrinking -----------------------------------------------------------------------------------------------


def test_turns_are_numpys_and_four_of_them_none() -> None:
    x, turns = numbers(1, 8, 2, 5, 5), torch.arange(8)
    found = turned(x, turns)
    for i in range(8):
        assert np.array_equal(found[i].numpy(), np.rot90(x[i].numpy(), i, (1, 2)))
    again = x
    for _ in range(4):
        again = turned(again, torch.ones(8, dtype=torch.long))
    assert torch.equal(again, x) and not torch.equal(turned(x, torch.ones(8, dtype=torch.long)), x)
    wide = numbers(2, 3, 2, 4, 7)
    assert torch.equal(turned(wide, torch.tensor([0, 2, 4])), torch.stack([wide[0], wide[1].flip(1, 2), wide[2]]))


def mirrored(i: int, n: int) -> int:
    """The place of a line of n that stands at i where the line goes on as in a mirror on both sides."""
    i %= 2 * n
    return i if i < n else 2 * n - 1 - i


def smaller(plane: np.ndarray, scale: float) -> np.ndarray:
    """By loops: each place of the smaller picture is the mean, by a triangle, of what lies around where it was."""
    h, w = plane.shape
    out = np.zeros((h, w))
    for i in range(h):
        for j in range(w):
            total = weights = 0.0
            y, x = (i + 0.5 - h / 2) / scale + h / 2, (j + 0.5 - w / 2) / scale + w / 2
            for a in range(math.floor(y - 1 / scale) - 1, math.ceil(y + 1 / scale) + 1):
                for b in range(math.floor(x - 1 / scale) - 1, math.ceil(x + 1 / scale) + 1):
                    weight = max(0.0, 1 - abs(a + 0.5 - y) * scale) * max(0.0, 1 - abs(b + 0.5 - x) * scale)
                    total, weights = total + weight * plane[mirrored(a, h), mirrored(b, w)], weights + weight
            out[i, j] = total / weights
    return out


@pytest.mark.parametrize("shape", [(6, 6), (5, 8), (1, 3), (2, 1)])
def test_shrinking_against_loops(shape: tuple[int, int]) -> None:
    x, scale = numbers(1, 4, 2, *shape), torch.tensor([0.25, 0.4, 0.73, 1.0]).double()
    found = shrunk(x, scale, 0.25)
    for i in range(4):
        want = np.stack([smaller(plane, float(scale[i])) for plane in x[i].numpy()])
        np.testing.assert_allclose(found[i].numpy(), want, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(found[3], x[3], rtol=1e-12, atol=1e-12)
    flat = shrunk(torch.full_like(x, 3.0), scale, 0.25)
    torch.testing.assert_close(flat, torch.full_like(x, 3.0), rtol=1e-12, atol=0)


def test_a_ramp_is_steeper_when_it_is_shrunk_and_its_middle_stays() -> None:
    ramp = torch.arange(40.0).double().expand(1, 1, 3, 40)
    found = shrunk(ramp, torch.tensor([0.8]).double(), 0.5)[0, 0, 1]
    inner = found[8:32]  # where no mirrored part is seen
    assert float(inner.diff().mean()) == pytest.approx(1 / 0.8, rel=0.01)
    assert float((inner.diff() - 1 / 0.8).abs().max()) < 0.1  # a triangle of 2.5 places is not linear in between
    assert float(inner.mean()) == pytest.approx(19.5, abs=1e-9)


def test_turns_and_shrinking_commute_with_each_other_and_with_what_is_done_at_a_place() -> None:
    x, turns, scale = numbers(1, 4, 3, 6, 6), torch.arange(4), torch.tensor([0.3, 0.5, 0.8, 1.0]).double()
    torch.testing.assert_close(
        shrunk(turned(x, turns), scale, 0.25), turned(shrunk(x, scale, 0.25), turns), rtol=1e-12, atol=1e-12
    )
    mix = nn.Conv2d(3, 2, 1).double()
    moved = shrunk(turned(x, turns), scale, 0.25)
    torch.testing.assert_close(shrunk(turned(mix(x), turns), scale, 0.25), mix(moved), rtol=1e-10, atol=1e-12)


# -- the term ----------------------------------------------------------------------------------------------------------


class Placewise(nn.Module):
    """Each place of a map by itself: from two numbers to two."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(2, 2, 1), activation)

    def forward(self, z: Tensor) -> Tensor:
        made: Tensor = self.layers(as_map(z.flatten(0, -2), (2, 6, 6)))
        return made.unflatten(0, z.shape[:-1])


def placewise(activation: nn.Module) -> Any:
    """A Gaussian whose mean at a pixel is made of the latents at its place alone."""
    torch.manual_seed(0)
    px: Any = Gaussian(Placewise(activation), (1, 6, 6), scale=FixedScale(c=0.25), features=(2, 6, 6)).double()
    with torch.no_grad():
        px.head.layer.weight[:, :, [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 2, 0, 1, 2]] = 0  # all but the middle
    return SimpleNamespace(_likelihood=lambda z, y: px(z)), px


def cost(term: Equivariance, model: Any, px: Any, z: Tensor) -> Tensor:
    """What the term costs above the distortion of x, where x is what z decodes to."""
    x = px(z).mean[0].detach()
    trace: Any = SimpleNamespace(x=x, y=None, z=z)
    return term(model, trace) + px(z).log_prob(x)[0]


def test_a_decoder_that_commutes_costs_nothing_more() -> None:
    z = numbers(1, 1, 50, 72)
    model, px = placewise(nn.Identity())  # affine at each place: means of its inputs are means of its outputs
    assert float(cost(Equivariance((2, 6, 6)), model, px, z).detach().abs().max()) < 1e-9
    model, px = placewise(nn.Tanh())  # turns only move places about
    assert float(cost(Equivariance((2, 6, 6), least=1.0), model, px, z).detach().abs().max()) < 1e-9
    assert float(cost(Equivariance((2, 6, 6)), model, px, 10 * z).detach().mean()) > 0.1


def test_a_decoder_that_knows_where_it_is_pays() -> None:
    z = numbers(1, 1, 400, 72)
    model, px = placewise(nn.Identity())
    with torch.no_grad():
        px.head.places.copy_(numbers(2, 1, 6, 6))
    own = px.head.places.detach()[0]
    torch.manual_seed(1)
    found = cost(Equivariance((2, 6, 6), least=1.0), model, px, z).detach()
    want = torch.tensor([float((own.rot90(k) - own).square().sum()) / (2 * 0.25) for k in range(3)]).double()
    gap = (found.unsqueeze(1) - want).abs()  # three quarters cost what one does
    assert float(gap.amin(1).max()) < 1e-4  # of tens; the scale is kept in float32
    shares = torch.bincount(gap.argmin(1), minlength=3) / 400
    assert float((shares - torch.tensor([0.25, 0.5, 0.25])).abs().max()) < 0.1  # four standard deviations


@pytest.mark.parametrize("shape, channels", [((8, 8), [4]), ((2, 6, 9), [4])])
def test_the_term_is_the_cost_of_the_moved_picture_written_out(shape: tuple[int, ...], channels: list[int]) -> None:
    torch.manual_seed(0)
    model: Any = recipes.vq_vae(shape=shape, codes=9, code_dim=3, channels=channels).model.double().eval()
    x = (numbers(1, 5, *shape) > 0).double()
    side = tuple(-(-n // 2) for n in shape[-2:])
    term, trace = Equivariance((3, *side), least=0.4), model.trace(x)
    torch.manual_seed(3)
    found = term(model, trace).detach()
    square = shape[-1] == shape[-2]
    torch.manual_seed(3)
    turns = torch.randint(4, (5,)) if square else 2 * torch.randint(2, (5,))
    scale = torch.empty(5).uniform_(0.4, 1).double()
    want = []
    for i in range(5):
        k, s = int(turns[i]), float(scale[i])
        picture = x[i].view(-1, *shape[-2:]).numpy()
        places = trace.z[0, i].detach().view(*side, 3).permute(2, 0, 1).numpy()
        moved_x, moved_z = (np.stack([smaller(np.rot90(p, k), s) for p in planes]) for planes in (picture, places))
        p = model.likelihood(as_vector(torch.tensor(moved_z)[None])).mean.detach().numpy().reshape(moved_x.shape)
        want.append(-(moved_x * np.log(p) + (1 - moved_x) * np.log1p(-p)).sum())
    np.testing.assert_allclose(found.numpy(), want, rtol=1e-6)  # scales are drawn in float32
    assert len(turns.unique()) > 1


# -- the recipe --------------------------------------------------------------------------------------------------------


def made(**more: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    recipe: Any = recipes.eq_vae(**{"shape": (2, 6, 6), "latents": 3, "channels": [4], **more})
    return recipe.model.double().eval(), recipe.objective.double()


def test_the_recipe_is_both_distortions_and_the_rate() -> None:
    model, objective = made(share=0.3, beta=0.7, least=0.5)
    trace = model.trace((numbers(1, 4, 2, 6, 6) > 0).double())
    torch.manual_seed(2)
    found = objective(model, trace)
    torch.manual_seed(2)
    moved = Equivariance((3, 3, 3), least=0.5)(model, trace)
    want = 0.7 * -trace.log_px[0] + 0.3 * moved + 0.7 * trace.kl
    torch.testing.assert_close(found, want, rtol=1e-6, atol=1e-6)  # weights are float32


def test_a_map_of_gaussians_is_read_off_place_by_place() -> None:
    """Mean and scale by a convolution written out; the prior's rate is the sum of the places' own."""
    model, _ = made()
    x = (numbers(1, 4, 2, 6, 6) > 0).double()
    with torch.no_grad():
        model.posterior.head.places.add_(0.3 * numbers(4, 6, 3, 3))
    q = model.posterior(x)
    seen = nn.functional.pad(model.posterior.net(x), (1, 1, 1, 1)).detach().numpy()  # (4, 4, 5, 5)
    kernel, bias = model.posterior.head.layer.weight.detach().numpy(), model.posterior.head.places.detach().numpy()
    out = np.zeros((4, 6, 3, 3))
    for i in range(3):
        for j in range(3):
            out[:, :, i, j] = np.einsum("bcuv,ocuv->bo", seen[:, :, i : i + 3, j : j + 3], kernel) + bias[:, i, j]
    loc, log_scale = (part.transpose(0, 2, 3, 1).reshape(4, 27) for part in (out[:, :3], out[:, 3:]))
    np.testing.assert_allclose(q.mean.detach().numpy(), loc, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(q.variance.detach().numpy(), np.exp(2 * log_scale), rtol=1e-9)
    rate = 0.5 * (loc**2 + np.exp(2 * log_scale) - 1 - 2 * log_scale).sum(1)
    np.testing.assert_allclose(model.trace(x).kl.detach().numpy(), rate, rtol=1e-9)


def test_a_map_begins_at_mean_nought_and_variance_one_in_each_plane() -> None:
    model, _ = made()
    x = (numbers(1, 60, 2, 6, 6) > 0).double()
    model.posterior.before_fit(x, {}, 60)
    q = model.posterior(x)
    planes = as_map(q.mean.detach(), (3, 3, 3))
    torch.testing.assert_close(planes.mean((0, 2, 3)), torch.zeros(3).double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(planes.var((0, 2, 3), correction=0), torch.ones(3).double(), rtol=1e-9, atol=0)
    assert torch.equal(q.variance.detach(), torch.ones(60, 27).double())


def test_what_has_no_such_map_is_refused_in_a_sentence() -> None:
    model, _ = recipes.vq_vae(shape=(8, 8), code_dim=3, channels=[4])
    trace = model.trace(torch.zeros(2, 8, 8))
    with pytest.raises(Mistake, match="holds 27: give theirs"):
        Equivariance((3, 3, 3))(model, trace)
    with pytest.raises(Mistake, match=r"wanted \(D, h, w\)"):
        Equivariance((3, 3))
    with pytest.raises(Mistake, match="least=0"):
        Equivariance((3, 4, 4), least=0)
