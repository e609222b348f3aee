"""Latents on a map: attention written out, shortcuts as averages, shapes, the KL, a Laplace's density, codes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import laplace
from torch import Tensor, nn

import vaekit as vk
from vaekit import likelihoods, recipes
from vaekit.messages import Mistake
from vaekit.networks import (
    CompressingDecoder,
    CompressingEncoder,
    Convolutional,
    Doubling,
    Halving,
    MapDecoder,
    MapEncoder,
    Mapped,
    SelfAttention,
    as_map,
)
from vaekit.posteriors import GaussianMap, OnMap, PointMap
from vaekit.training import Batch, Step


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# -- attention -------------------------------------------------------------------------------------------------------


def test_attention_is_a_softmax_written_out() -> None:
    torch.manual_seed(0)
    net, x = SelfAttention(4).double(), numbers(1, 3, 4, 5, 2)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.3 * torch.randn_like(p))
    flat = net.norm(x).flatten(2)  # (B, C, N)
    query, key, value = (
        torch.einsum("oc,bcn->bon", net.ask.weight[rows, :, 0, 0], flat) + net.ask.bias[rows, None]
        for rows in (slice(0, 4), slice(4, 8), slice(8, 12))
    )
    want = torch.empty_like(flat)
    query, key, value = query.detach(), key.detach(), value.detach()
    for b in range(3):
        for i in range(10):
            scores = [float(query[b, :, i] @ key[b, :, j]) / math.sqrt(4) for j in range(10)]
            total = sum(math.exp(s) for s in scores)
            mixed = sum(math.exp(s) / total * value[b, :, j] for j, s in enumerate(scores))
            want[b, :, i] = net.give.weight[:, :, 0, 0] @ mixed + net.give.bias
    torch.testing.assert_close(net(x), x + want.view_as(x), rtol=1e-9, atol=1e-9)


def test_attention_goes_where_the_places_go() -> None:
    """It has no notion of place: permuted places give permuted results; and each place reads all of them."""
    torch.manual_seed(0)
    net, x = SelfAttention(4).double(), numbers(1, 1, 4, 3, 4).requires_grad_()
    order = torch.randperm(12)
    moved = x.flatten(2)[..., order].view_as(x)
    torch.testing.assert_close(net(moved), net(x).flatten(2)[..., order].view_as(x), rtol=1e-9, atol=1e-12)
    (slope,) = torch.autograd.grad(net(x)[0, 0, 0, 0], x)
    assert bool((slope != 0).all())


# -- shortcuts -------------------------------------------------------------------------------------------------------


def silenced(net: nn.Module) -> nn.Module:
    """The same with branches of zero: what is left are the shortcuts."""
    for layer in net.modules():
        if isinstance(layer, (Halving, Doubling)):
            nn.init.zeros_(layer.conv.weight)
            nn.init.zeros_(layer.conv.bias)  # type: ignore[arg-type]
    return net.double()


@pytest.mark.parametrize("out, group", [(2, (2, 2)), (4, (1, 2)), (8, (1, 1))])
def test_down_and_up_by_shortcuts_alone_are_averages(out: int, group: tuple[int, int]) -> None:
    """Of squares of four pixels where the channels stay as many, of pairs where they double, of one at four times."""
    down, up, x = silenced(Halving(2, out)), silenced(Doubling(out, 2)), numbers(1, 3, 2, 6, 4)
    again = up(down(x))
    a, b = group
    means = x.unfold(2, a, a).unfold(3, b, b).mean((-2, -1))
    want = means.repeat_interleave(a, 2).repeat_interleave(b, 3)
    torch.testing.assert_close(again, want, rtol=0, atol=1e-15)
    torch.testing.assert_close(up(down(again)), again, rtol=0, atol=1e-15)  # averages of averages
    assert down(x).shape == (3, out, 3, 2)


def test_each_shortcut_by_hand() -> None:
    x = torch.arange(8.0).double().view(1, 2, 2, 2)  # channels [0 1; 2 3] and [4 5; 6 7]
    assert silenced(Halving(2, 4))(x).flatten().tolist() == [0.5, 2.5, 4.5, 6.5]
    assert silenced(Halving(2, 1))(x).flatten().tolist() == [3.5]
    z = torch.tensor([1.0, 2.0, 3.0, 4.0]).double().view(1, 4, 1, 1)
    assert silenced(Doubling(4, 2))(z).tolist() == [[[[1.0, 1.0], [2.0, 2.0]], [[3.0, 3.0], [4.0, 4.0]]]]
    assert silenced(Doubling(4, 1))(z).tolist() == [[[[1.0, 2.0], [3.0, 4.0]]]]
    odd = torch.tensor([[1.0, 2.0, 6.0]]).double().view(1, 1, 1, 3)  # as if the last row and column were there twice
    assert silenced(Halving(1, 1))(odd).flatten().tolist() == [1.5, 6.0]


def test_the_branch_is_a_convolution_that_is_added() -> None:
    torch.manual_seed(0)
    net, x = Halving(3, 6).double(), numbers(1, 2, 3, 5, 4)
    with torch.no_grad():
        net.conv.bias.normal_()
    still = silenced(Halving(3, 6))(x)
    torch.testing.assert_close(net(x) - still, net.conv(x), rtol=0, atol=1e-12)
    up, z = Doubling(6, 3).double(), numbers(2, 2, 6, 3, 2)
    torch.testing.assert_close(
        up(z) - silenced(Doubling(6, 3))(z), nn.functional.pixel_shuffle(up.conv(z), 2), rtol=0, atol=1e-12
    )


def test_a_whole_network_with_branches_of_zero_is_its_shortcuts() -> None:
    """But for the first halving, which is the picture's, and the normalisation at the end."""
    torch.manual_seed(0)
    net = CompressingEncoder((3, 24, 16), [4, 8, 8], blocks=2).double()
    first, *rest = net.layers
    for layer in net.modules():
        if isinstance(layer, Halving):
            silenced(layer)
        elif hasattr(layer, "gates"):  # a cell
            nn.init.zeros_(layer.layers[-1].weight)
        elif isinstance(layer, SelfAttention):
            nn.init.zeros_(layer.give.weight)
    x = numbers(1, 2, 3, 24, 16)
    start = first(x)
    want = nn.functional.pixel_unshuffle(start, 2).view(2, 8, 2, 6, 4).mean(2)
    want = nn.functional.avg_pool2d(want, 2)  # as many channels again: each the mean of its four pixels
    torch.testing.assert_close(nn.Sequential(*list(net.layers)[:-2])(x), want, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(net(x), nn.functional.silu(net.layers[-2](want)), rtol=1e-12, atol=1e-12)
    assert len(rest) > 8


@pytest.mark.parametrize("channels", [[4, 6], [4, 32]])
def test_channels_that_do_not_fit_are_refused(channels: list[int]) -> None:
    with pytest.raises(Mistake, match="divide"):
        CompressingEncoder((1, 8, 8), channels)
    with pytest.raises(Mistake, match="divide"):
        CompressingDecoder((1, 8, 8), (2, 2, 2), channels)


# -- shapes and units ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 8, 8), (5, 9, 14), (7, 6), (2, 3, 31)])
@pytest.mark.parametrize("name", ["kl_autoencoder", "vqgan", "dc_ae"])
def test_any_channels_height_and_width(name: str, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    more: dict[str, Any] = {} if name == "dc_ae" else {"judge_width": 4}
    model = getattr(recipes, name)(shape=shape, channels=[4, 8], **more).model
    h, w = (-(-side // 4) for side in shape[-2:])
    assert model.posterior.places == (h, w)
    width = model.posterior.latent_shape[0] // (h * w)
    assert model.posterior.latent_shape == (width * h * w,)
    x = torch.randn(3, *shape)
    assert model.reconstruct(x).shape == x.shape and model.sample(2).shape == (2, *shape)
    if name == "vqgan":
        assert model.encode_indices(x).shape == (3, h, w)


def test_the_kl_of_a_map_is_summed_over_all_of_it_in_nats() -> None:
    torch.manual_seed(0)
    model = recipes.kl_autoencoder(shape=(2, 9, 6), latents=3, channels=[4], judge_width=4).model.double()
    x = numbers(1, 4, 2, 9, 6)
    with torch.no_grad():
        q, trace = model.posterior(x), model.trace(x)
    want = torch.zeros(4).double()
    for i in range(4):
        for d in range(3 * 5 * 3):
            m, s = float(q.loc[i, d]), float(q.scale[i, d])
            want[i] += 0.5 * (m**2 + s**2 - 1) - math.log(s)
    torch.testing.assert_close(trace.kl, want, rtol=1e-9, atol=1e-9)


def test_a_latent_stands_for_its_place() -> None:
    """Laid out by `as_map`, a latent is the head's own convolution at that place."""
    torch.manual_seed(0)
    q = GaussianMap(MapEncoder((2, 9, 6), [4]), 3).double()
    x = numbers(1, 4, 2, 9, 6)
    features = q.net(x)
    out = nn.functional.conv2d(features, q.head.layer.weight, padding=1) + q.head.places
    laid = as_map(q(x).loc, (3, *q.places))
    torch.testing.assert_close(laid, out[:, :3], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(as_map(q(x).log_scale, (3, *q.places)), out[:, 3:], rtol=1e-12, atol=1e-12)
    with pytest.raises(Mistake, match="map"):
        PointMap(nn.Linear(4, 3), 2, features=(3,))


def test_codes_begin_at_the_scale_of_the_prior_in_each_plane() -> None:
    torch.manual_seed(0)
    q = GaussianMap(MapEncoder((2, 9, 6), [4]), 3).double()
    x = 5 * numbers(1, 300, 2, 9, 6) + 2
    with torch.no_grad():
        q.before_fit(x, {}, 300)
        planes = as_map(q(x).loc, (3, *q.places)).transpose(0, 1).flatten(1)
    torch.testing.assert_close(planes.mean(1), torch.zeros(3).double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(planes.var(1, correction=0), torch.ones(3).double(), rtol=1e-9, atol=0)
    assert torch.equal(q(x).scale, torch.ones_like(q(x).scale))
    flat = torch.zeros(5, 2, 9, 6).double()
    before = [p.clone() for p in q.parameters()]
    OnMap.before_fit(q, torch.full_like(flat, math.nan), {}, 5)
    assert all(torch.equal(p, b) for p, b in zip(q.parameters(), before, strict=True))


# -- the likelihood --------------------------------------------------------------------------------------------------


def test_a_laplace_likelihood_is_scipys_and_sums_to_one() -> None:
    torch.manual_seed(0)
    p = likelihoods.Laplace(nn.Linear(2, 3), (4,), features=(3,)).double()
    with torch.no_grad():
        p.scale.log_scale.fill_(-0.7)
    z, x = numbers(1, 5, 2), numbers(2, 5, 4)
    found = p(z)
    want = laplace.logpdf(x.numpy(), found.loc.detach().numpy(), math.exp(-0.7)).sum(1)
    torch.testing.assert_close(found.log_prob(x).detach(), torch.from_numpy(want), rtol=1e-9, atol=1e-9)
    m = float(found.loc.detach()[0, 0])

    def density(v: float) -> float:
        return math.exp(float(found.log_prob_each(torch.full((4,), v).double()).detach()[0, 0]))

    assert quad(density, -20, m)[0] + quad(density, m, 20)[0] == pytest.approx(1, abs=1e-8)


def test_the_scale_that_fits_best_is_the_mean_absolute_error() -> None:
    """The learned scale's gradient is zero there, which is where it begins."""
    p = likelihoods.Laplace(nn.Linear(2, 3), (4,), features=(3,)).double()
    x = numbers(2, 400, 4)
    with torch.no_grad():
        p.before_fit(x, {}, 400)
        p.head.layer.weight.zero_()
        p.scale.log_scale.copy_((x - x.mean(0)).abs().mean().log())
    (slope,) = torch.autograd.grad(p(numbers(1, 400, 2)).log_prob(x).sum(), [p.scale.log_scale])
    assert abs(float(slope)) < 1e-9


# -- codes -----------------------------------------------------------------------------------------------------------


def test_codes_of_a_vqgan_there_and_back_and_a_prior_over_them() -> None:
    torch.manual_seed(0)
    model, game = recipes.vqgan(shape=(1, 8, 8), codes=8, code_dim=2, channels=[4, 8], judge_width=4, start=0)
    step, x = Step(model, game), torch.rand(64, 1, 8, 8)
    for _ in range(3):
        step(Batch(x, None))
    model.eval()
    indices = model.encode_indices(x)
    assert indices.shape == (64, 2, 2) and int(indices.max()) < 8
    made = model.decode_indices(indices).mean
    torch.testing.assert_close(made, model.reconstruct(x), rtol=1e-6, atol=1e-6)
    q = model.encode(x)
    vectors = model.posterior.codebook.vectors[indices]  # (B, h, w, D)
    torch.testing.assert_close(q.mean, vectors.flatten(1))
    gaps = (q.encoded.unsqueeze(-2) - model.posterior.codebook.vectors).square().sum(-1)
    assert torch.equal(gaps.argmin(-1).view_as(indices), indices)
    prior = vk.priors.AutoregressiveCodes(model.posterior.codebook, 4, width=8, heads=2, layers=1)
    fitted = vk.fit_prior(model, x, prior, epochs=2, verbose=False)
    drawn = fitted.prior().sample((5,))
    assert fitted.sample(3).shape == (3, 1, 8, 8)
    assert torch.equal(fitted.prior().log_prob(drawn).isfinite(), torch.ones(5, dtype=torch.bool))


def test_a_pair_without_a_map_is_refused() -> None:
    with pytest.raises(Mistake, match="map in between"):
        recipes.vq_vae(shape=(1, 8, 8), networks=Convolutional([4]))
    model = recipes.vq_vae(shape=(1, 8, 8), codes=8, networks=Mapped([4, 4])).model
    assert isinstance(model.likelihood.net, MapDecoder) and model.posterior.places == (2, 2)
    with pytest.raises(Mistake, match=r"begins at 2 x 2"):
        MapDecoder((1, 8, 8), (3, 4, 4), [4, 4])
