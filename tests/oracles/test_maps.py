"""Pictures by tiles: equal to the whole where they can be; and latents of the scale 1 that decode to the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import vaekit as vk
from vaekit import likelihoods, posteriors, priors, recipes
from vaekit.data import Context
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.networks import MLP, Codebook, as_map, as_vector, tiled
from vaekit.training import Step


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# -- tiles -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(9, 9), (10, 23), (17, 8), (8, 31)])
@pytest.mark.parametrize("overlap", [0, 1, 3, 7])
@pytest.mark.parametrize("sharp", [True, False])
def test_what_reaches_nowhere_is_the_whole_to_the_bit_but_for_rounding(
    size: tuple[int, int], overlap: int, sharp: bool
) -> None:
    """Of any size, overlap and proportion: shares add up to 1 at each pixel."""
    x = numbers(0, 2, 3, *size)

    def grown(piece: Tensor) -> Tensor:
        return piece.repeat_interleave(2, -1).repeat_interleave(2, -2)

    got = tiled(grown, x, (8, 8), overlap=overlap, sharp=sharp)
    torch.testing.assert_close(got, grown(x), rtol=0, atol=0 if sharp else 1e-14)
    pooled = tiled(lambda piece: nn.functional.avg_pool2d(piece, 2), grown(x), (8, 8), overlap=overlap, shrink=2)
    torch.testing.assert_close(pooled, x, rtol=0, atol=1e-14)


@pytest.mark.parametrize("sharp, radius", [(False, 2), (True, 4)])
def test_a_convolution_by_tiles_is_the_whole_up_to_its_reach(sharp: bool, radius: int) -> None:
    """Blended it may reach a quarter of the overlap, sharp one half; one pixel more shows."""
    x, size = numbers(0, 2, 1, 44, 35), 8  # sides at which tiles overlap by that and no more

    def net(r: int) -> Any:
        kernel = numbers(r, 1, 1, 2 * r + 1, 2 * r + 1)
        return lambda piece: nn.functional.conv2d(piece, kernel, padding=r)

    whole = net(radius)(x)
    torch.testing.assert_close(tiled(net(radius), x, (20, 17), overlap=size, sharp=sharp), whole, rtol=0, atol=1e-12)
    far = net(radius + 1)
    assert float((tiled(far, x, (20, 17), overlap=size, sharp=sharp) - far(x)).abs().max()) > 1e-3


def test_shares_by_hand() -> None:
    """Two tiles of 6 that overlap by 4: all of the first up to the overlap's first quarter, then a line."""
    calls: list[Tensor] = []

    def numbered(piece: Tensor) -> Tensor:
        calls.append(piece)
        return torch.full_like(piece, float(len(calls) - 1))

    got = tiled(numbered, torch.zeros(1, 1, 8).double(), (1, 6), overlap=0)
    assert got.flatten().tolist() == [0.0] * 4 + [1.0] * 4  # evenly: they overlap by 4, and change in the middle
    calls.clear()
    assert tiled(numbered, torch.zeros(1, 1, 8).double(), (1, 6), overlap=0, sharp=True).unique().tolist() == [0.0, 1.0]
    calls.clear()
    column = tiled(numbered, torch.zeros(1, 8, 6).double(), (6, 6), overlap=4)[0, :, 0]
    torch.testing.assert_close(column, torch.tensor([0, 0, 0, 0.25, 0.75, 1, 1, 1]).double(), rtol=0, atol=1e-15)


@pytest.mark.parametrize("size", [(8, 8), (5, 8), (1, 3)])
def test_what_is_no_larger_than_a_tile_goes_as_it_is(size: tuple[int, int]) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.GroupNorm(1, 2)).double()
    x = numbers(0, 2, 1, *size)
    assert torch.equal(tiled(net, x, (8, 8), overlap=2), net(x))


def test_tiles_that_cannot_be_are_refused() -> None:
    x = torch.zeros(1, 9, 9)
    with pytest.raises(Mistake, match="overlap=8"):
        tiled(nn.Identity(), x, (8, 8), overlap=8)
    with pytest.raises(Mistake, match="sides that 2 divides"):
        tiled(nn.Identity(), x, (8, 8), overlap=2, shrink=2)


# -- models ----------------------------------------------------------------------------------------------------------


class Down(nn.Module):
    """A picture to a map half as high and wide; nothing reads all of it."""

    def __init__(self, h: int, w: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(2, 4, 2, stride=2), nn.Tanh())
        self.features = (4, h // 2, w // 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


class Up(nn.Module):
    """A map of three latents a place to a picture twice as high and wide."""

    def __init__(self, h: int, w: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.ConvTranspose2d(3, 4, 2, stride=2), nn.Tanh())
        self.features, self.map = (4, h, w), (3, h // 2, w // 2)

    def forward(self, z: Tensor) -> Tensor:
        out: Tensor = self.net(as_map(z, self.map))
        return out


def local(h: int, w: int, kind: Any = posteriors.GaussianMap) -> Any:
    torch.manual_seed(0)
    down, up = Down(h, w), Up(h, w)
    if kind is posteriors.GaussianMap:
        q = posteriors.GaussianMap(down, 3)
    else:
        q = posteriors.Quantized(down, Codebook(16, 3), (h // 2, w // 2))
    prior = priors.StandardNormal(3 * h * w // 4)
    return VAE(prior, q, likelihoods.Laplace(up, (2, h, w))).double().eval()


@pytest.mark.parametrize("kind", [posteriors.GaussianMap, posteriors.Quantized])
def test_a_model_of_a_larger_size_says_the_same(kind: Any) -> None:
    """The heads reach one place: of the same weights, a model made for the larger picture is the tiled one."""
    small, large = local(16, 12, kind), local(44, 30, kind)
    weights = {k: v for k, v in small.state_dict().items() if "places" not in k and "zeros" not in k}
    large.load_state_dict(weights, strict=False)
    x = numbers(1, 3, 2, 44, 30)
    z = vk.maps.encode(small, x, overlap=4)
    assert z.shape == (3, 3, 22, 15)
    want = as_map(large.encode(x).mean, (3, 22, 15))
    torch.testing.assert_close(z, want, rtol=0, atol=0 if kind is posteriors.Quantized else 1e-12)
    torch.testing.assert_close(vk.maps.decode(small, z, overlap=4), large.decode(as_vector(z)).mean, rtol=0, atol=1e-12)
    assert float((vk.maps.encode(small, x, overlap=0) - want).detach().abs().max()) > 1e-3  # it matters
    if kind is posteriors.Quantized:
        book = small.posterior.codebook
        assert bool(book.member(z.movedim(1, -1)).all())


@pytest.mark.parametrize("name", ["kl_autoencoder", "vqgan", "dc_ae"])
def test_a_picture_of_the_models_size_is_encoded_as_ever(name: str) -> None:
    torch.manual_seed(0)
    more: dict[str, Any] = {} if name == "dc_ae" else {"judge_width": 4}
    model = getattr(recipes, name)(shape=(2, 8, 12), channels=[4, 4], **more).model.eval()
    x = torch.randn(3, 2, 8, 12)
    z = vk.maps.encode(model, x)
    assert torch.equal(as_vector(z), model.encode(x).mean)
    assert torch.equal(vk.maps.decode(model, z), model.reconstruct(x))
    assert vk.maps.decode(model, vk.maps.encode(model, torch.randn(1, 2, 20, 28))).shape == (1, 2, 20, 28)


def test_context_and_grey_pictures_and_units() -> None:
    torch.manual_seed(0)
    context = Context({"y": {"levels": [0, 1]}})
    transform = vk.data.transforms.Standardize((8, 8))
    transform.before_fit(torch.randn(20, 8, 8) * 9 + 3, {}, 20)
    model = recipes.kl_autoencoder(
        shape=(8, 8), channels=[4], judge_width=4, context=context, transform=transform
    ).model.eval()
    x = torch.randn(2, 8, 8)
    z = vk.maps.encode(model, x, [0, 1])
    assert torch.equal(as_vector(z), model.encode(x, [0, 1]).mean)
    assert torch.equal(vk.maps.decode(model, z, [0, 1]), model.decode(as_vector(z), [0, 1]).mean)
    assert vk.maps.encode(model, torch.randn(2, 20, 14), [0, 1]).shape == (2, 4, 10, 7)


def test_models_and_pictures_that_do_not_fit_are_refused() -> None:
    model = recipes.kl_autoencoder(shape=(2, 8, 8), channels=[4], judge_width=4).model
    with pytest.raises(Mistake, match="or larger ones"):
        vk.maps.encode(model, torch.zeros(1, 3, 8, 8))
    with pytest.raises(Mistake, match=r"wants \(2, 8, 8\)"):
        vk.maps.encode(model, torch.zeros(1, 2, 6, 8))
    with pytest.raises(Mistake, match="sides that 2 divides"):
        vk.maps.encode(model, torch.zeros(1, 2, 9, 8))
    with pytest.raises(Mistake, match="4, 4 or more, 4 or more"):
        vk.maps.decode(model, torch.zeros(1, 4, 3, 4))
    with pytest.raises(Mistake, match="no map"):
        vk.maps.encode(recipes.vae(shape=(1, 8, 8)).model, torch.zeros(1, 1, 8, 8))
    with pytest.raises(Mistake, match="no whole number"):
        vk.maps.encode(recipes.kl_autoencoder(shape=(2, 9, 8), channels=[4]).model, torch.zeros(1, 2, 9, 8))


# -- the scale -------------------------------------------------------------------------------------------------------


def trained(name: str) -> tuple[Any, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(200, 1, 8, 8)
    arguments: dict[str, Any] = {
        "kl_autoencoder": {"channels": [4, 4], "judge_width": 4, "start": 0},
        "dc_ae": {"channels": [4, 8]},
        "vae": {"hidden": [16], "latent_dim": 3, "likelihood": likelihoods.Gaussian()},
        "autoencoder": {"hidden": [16], "latent_dim": 3, "likelihood": likelihoods.Gaussian()},
    }[name]
    model, game = getattr(recipes, name)(shape=(1, 8, 8), **arguments)
    step = Step(model, game)
    for _ in range(3):
        step(x[:64])
    with torch.no_grad():  # away from 0, and of a scale that is no 1
        model.posterior.head.bias(0).add_(3.0)
        model.posterior.head._weight(0).mul_(7.0)
    return model.eval(), x


@pytest.mark.parametrize("name", ["kl_autoencoder", "dc_ae", "vae", "autoencoder"])
def test_scaled_latents_have_deviation_one_and_decode_to_the_same(name: str) -> None:
    """By the mean and variance over all items, latents and draws, and of each distribution at equal noise."""
    model, x = trained(name)
    made = vk.maps.scaled(model, x)
    q, other = model.encode(x), made.encode(x)
    spread = q.variance.detach() if model.has_density else torch.zeros_like(q.mean)
    s = (q.mean.detach().double().var(correction=0) + spread.double().mean()).sqrt()
    assert float(s) > 1.5
    torch.testing.assert_close(other.mean, q.mean / s, rtol=1e-5, atol=1e-5, check_dtype=False)  # float32
    if model.has_density:
        torch.testing.assert_close(other.variance, q.variance / s**2, rtol=1e-5, atol=1e-7, check_dtype=False)
    torch.testing.assert_close(made.reconstruct(x), model.reconstruct(x), rtol=1e-4, atol=1e-5)
    torch.manual_seed(1)
    want = model.trace(x).log_px
    torch.manual_seed(1)
    torch.testing.assert_close(made.trace(x).log_px, want, rtol=1e-4, atol=1e-3)
    assert not torch.equal(made.posterior.head.bias(0), model.posterior.head.bias(0))  # the model is left as it was


def test_latents_that_have_no_scale_of_their_own_are_refused() -> None:
    x = torch.randn(20, 1, 8, 8)
    with pytest.raises(Mistake, match="another scale"):
        vk.maps.scaled(recipes.vq_vae(shape=(1, 8, 8)).model, x.sigmoid().round())
    model, _ = trained("kl_autoencoder")
    fitted = vk.fit_prior(model, x, verbose=False)
    with pytest.raises(Mistake, match="FullGaussian belongs to the latents"):
        vk.maps.scaled(fitted, x)
    flat = recipes.vae(shape=(6,), latent_dim=2, posterior=posteriors.NormalisedGaussian).model
    with pytest.raises(Mistake, match="another scale"):
        vk.maps.scaled(flat, torch.randn(20, 6))
    model, _ = trained("autoencoder")
    with torch.no_grad():
        model.posterior.head.silence(0)
    with pytest.raises(Mistake, match="the same for all items"):
        vk.maps.scaled(model, x)


def test_a_decoder_that_reads_its_latents_twice_is_found() -> None:
    class Twice(MLP):
        @property
        def entrance(self) -> nn.Module:
            return self.layers[0]

        def forward(self, x: Tensor, *given: Tensor | None) -> Tensor:
            return super().forward(x, *given) + x.square().sum(-1, keepdim=True)

    torch.manual_seed(0)
    model: Any = VAE(
        priors.StandardNormal(2), posteriors.Gaussian(MLP(5, [8]), 2), likelihoods.Gaussian(Twice(2, [8]), (5,))
    )
    with torch.no_grad():
        model.posterior.head.bias(0).add_(2.0)
        model.posterior.head._weight(0).mul_(4.0)
    with pytest.raises(Mistake, match="other places"):
        vk.maps.scaled(model, torch.randn(50, 5))


def test_latents_of_another_precision_are_taken() -> None:
    model = vk.recipes.kl_autoencoder(shape=(1, 8, 8), latents=2, channels=[4], judge_width=4).model.eval()
    z = torch.randn(1, 2, 4, 6)
    torch.testing.assert_close(vk.maps.decode(model, z.double().numpy()), vk.maps.decode(model, z))
    with pytest.raises(Mistake, match="got overlap=1.5"):
        vk.maps.decode(model, z, overlap=1.5)  # type: ignore[arg-type]
