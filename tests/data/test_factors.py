"""Data drawn from factors: addresses, what each factor does to the picture, and an exact posterior."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from vaekit.data import Bars, FactorData, Scenes, Sprites, datasets, read, scenes
from vaekit.messages import Mistake

SPRITES, SCENES = Sprites(), Scenes()
ALL: list[FactorData] = [SPRITES, SCENES]


@pytest.mark.parametrize("data", ALL, ids=lambda data: data.name)
def test_index_and_factors_are_each_others_inverse(data: FactorData) -> None:
    assert len(data) == math.prod(data.factor_sizes) == {"dsprites": 737_280, "scenes": 480_000}[data.name]
    indices = np.random.default_rng(0).integers(len(data), size=(200, 5))
    factors = data.factors(indices)
    assert factors.shape == (200, 5, len(data.factor_sizes)) and (data.index(factors) == indices).all()
    assert data.factors(1)[-1] == 1  # the last runs fastest
    strides = [math.prod(data.factor_sizes[k + 1 :]) for k in range(len(data.factor_sizes))]
    assert (factors @ strides == indices).all()


@pytest.mark.parametrize("data", ALL, ids=lambda data: data.name)
def test_items_do_not_depend_on_their_company(data: FactorData) -> None:
    # few views of the scenes, each of which is cast once
    indices = data.sample_fixed("orientation", 30, seed=1)
    items = data.items(indices)
    assert items.shape == (30, *data.shape) and items.dtype == torch.uint8
    assert torch.equal(data.items(indices[::-1].copy()), items.flip(0))
    assert torch.equal(type(data)().items(indices[3]), items[3:4])


@pytest.mark.parametrize("data", ALL, ids=lambda data: data.name)
def test_samples(data: FactorData) -> None:
    drawn = data.sample(5000, seed=2)
    assert len(set(drawn.tolist())) == 5000 and (data.sample(5000, seed=2) == drawn).all()
    assert (data.sample(5000, seed=3) != drawn).any()
    for k, size in enumerate(data.factor_sizes):
        shares = np.bincount(data.factors(drawn)[:, k], minlength=size) / 5000
        assert np.abs(shares - 1 / size).max() < 5 * (1 / size / 5000) ** 0.5  # five standard errors, a hundred shares
        held = data.factors(data.sample_fixed(k, 500, seed=4))
        assert (held[:, k] == held[0, k]).all()
        assert all(len(np.unique(held[:, j])) > 1 for j, n in enumerate(data.factor_sizes) if j != k and n > 1)
    rows = data.factors(data.sample_fixed(np.array([2, 4, 4]), 50, seed=5))
    assert rows.shape == (3, 50, len(data.factor_sizes))
    assert [(row[:, k] == row[0, k]).all() for row, k in zip(rows, (2, 4, 4), strict=True)] == [True] * 3
    assert (data.sample_fixed(data.factor_names[2], 9, seed=6) == data.sample_fixed(2, 9, seed=6)).all()


def cropped(picture: Tensor) -> tuple[tuple[int, ...], bytes]:
    rows, columns = picture.any(1).nonzero().flatten(), picture.any(0).nonzero().flatten()
    box = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].contiguous()
    return tuple(box.shape), box.numpy().tobytes()


def test_sprites_differ_where_a_factor_does_but_for_the_full_turn() -> None:
    """702 outlines of which no two are translates, and 1,024 places: 718,848 pictures, and the last angle again."""
    factors = np.array([[0, k, s, o, 15, 15] for k in range(3) for s in range(6) for o in range(40)])
    pictures = SPRITES.draw(factors)
    assert set(pictures.unique().tolist()) == {0, 1}
    turn = factors[:, 3] == 39
    assert torch.equal(pictures[turn], pictures[factors[:, 3] == 0])
    assert len({cropped(picture) for picture in pictures[~turn]}) == 3 * 6 * 39
    # nothing leaves the picture at the outermost places, so that a place moves the outline and does not cut it
    for corner in (0, 31):
        factors[:, 4:] = corner
        assert torch.equal(SPRITES.draw(factors).sum((1, 2)), pictures.sum((1, 2)))


def test_positions_move_the_centre_by_a_pixel_a_level() -> None:
    rng = np.random.default_rng(7)
    factors = SPRITES.factors(rng.integers(len(SPRITES), size=300))
    pictures = SPRITES.draw(factors).double()
    there = torch.arange(64.0, dtype=torch.float64)
    mass = pictures.sum((1, 2))
    across, down = (pictures.sum(1) @ there / mass).numpy(), (pictures.sum(2) @ there / mass).numpy()
    middle = factors.copy()
    middle[:, 4:] = 0
    first = SPRITES.draw(middle).double()
    assert across - (first.sum(1) @ there / mass).numpy() == pytest.approx(factors[:, 4], abs=1e-9)
    assert down - (first.sum(2) @ there / mass).numpy() == pytest.approx(factors[:, 5], abs=1e-9)


def test_scale_scales_the_area() -> None:
    """By its square. Of an outline of some 45 pixels a pixel or two may fall either way: 2 % in the mean of angles."""
    factors = np.array([[0, k, s, o, 9, 9] for k in range(3) for s in range(6) for o in range(39)])
    area = SPRITES.draw(factors).sum((1, 2)).double().view(3, 6, 39).mean(2)
    assert (area / area[:, 5:]).numpy() == pytest.approx(np.tile(np.linspace(0.5, 1, 6) ** 2, (3, 1)), rel=0.02)
    assert area[:2, 5].tolist() == pytest.approx([22**2, math.pi * 15.2 * 7.6], rel=0.02)  # square and ellipse


def test_scenes_differ_where_a_factor_does() -> None:
    geometry = np.array([[0, 0, 0, s, k, o] for s in range(8) for k in range(4) for o in range(15)])
    for hues in ([3, 3, 3], [0, 5, 9]):  # even where all surfaces have one hue
        factors = geometry.copy()
        factors[:, :3] = hues
        assert len(SCENES.draw(factors).flatten(1).unique(dim=0)) == 480
    hues = np.array([[f, w, o, 4, 2, 7] for f in range(10) for w in range(10) for o in range(10)])
    assert len(SCENES.draw(hues).flatten(1).unique(dim=0)) == 1000


def test_the_ball_of_a_scene_is_where_geometry_says() -> None:
    """From the eye a ball of radius r at distance e fills a cone of half-angle asin(r / e): its area on the picture."""
    light = torch.from_numpy(scenes._lights(7)[:, 2])  # (scale, surface, H W), seen from the front
    seen = (light[:, 2] > 0).view(8, 64, 64).double()
    for i, scale in enumerate(np.linspace(0.75, 1.25, 8)):
        radius = 0.55 * scale
        eye = np.array([0.0, -scenes.EYE[0], scenes.EYE[1]])
        ahead = np.array([0.0, 0.0, scenes.TARGET]) - eye
        ahead /= np.linalg.norm(ahead)
        to_ball = np.array([0.0, 0.0, radius]) - eye
        line = scenes.VIEW * ((np.arange(64) + 0.5) / 32 - 1)
        up = np.cross([1.0, 0.0, 0.0], ahead)
        rays = ahead + line[None, :, None] * np.array([1.0, 0, 0]) - line[:, None, None] * up
        rays /= np.linalg.norm(rays, axis=2, keepdims=True)
        inside = rays @ (to_ball / np.linalg.norm(to_ball)) > math.sqrt(1 - (radius / np.linalg.norm(to_ball)) ** 2)
        # a pixel whose middle is inside is seen; the seen ones reach over the rim by less than a pixel
        assert bool(seen[i][torch.from_numpy(inside)].all())
        rim = 2 * math.sqrt(math.pi * inside.sum())
        assert inside.sum() <= seen[i].sum() <= inside.sum() + 1.5 * rim


@pytest.mark.parametrize("name", ["dsprites", "bars"])
def test_they_are_read_by_name(name: str) -> None:
    data = read(name)
    row = next(row for row in datasets() if row["name"] == name)
    assert len(data) == 20_000 and data.origin == "builtin" and row["available"] and row["shape"] == data.shape
    assert row["items"] == (737_280 if name == "dsprites" else 20_000)


def test_a_dataset_carries_its_factors() -> None:
    data = SPRITES.dataset(500, seed=1)
    factors = SPRITES.factors(data.index)
    assert torch.equal(data.x, SPRITES.items(data.index))
    assert data.labels is not None and data.labels.tolist() == [SPRITES.values["shape"][k] for k in factors[:, 1]]
    assert list(data.extras) == ["shape", "scale", "orientation", "position_x", "position_y"]
    assert (data.extras["position_y"] == factors[:, 5]).all()
    assert read(data, condition="scale").context["scale"].tolist() == factors[:, 2].tolist()
    assert SCENES.dataset(4).x.shape == (4, 3, 64, 64)


def test_bars_have_the_posterior_and_the_density_that_they_say() -> None:
    """Against the joint Gaussian of pictures and factors, written out."""
    bars = Bars(noise=0.7)
    x, u = bars.sample(50, seed=0)
    templates = torch.eye(8, dtype=torch.float64).repeat_interleave(8, 1) * bars.loadings[:, None]  # (8, 64)
    covariance = templates.T @ templates + 0.49 * torch.eye(64, dtype=torch.float64)
    flat = x.double().flatten(1)
    exact = MultivariateNormal(torch.zeros(64, dtype=torch.float64), covariance).log_prob(flat)
    assert bars.log_prob(x).numpy() == pytest.approx(exact.numpy(), abs=1e-9)
    gain = templates @ torch.linalg.inv(covariance)
    mean, variance = bars.posterior(x)
    assert mean.numpy() == pytest.approx((flat @ gain.T).numpy(), abs=1e-9)
    full = torch.eye(8, dtype=torch.float64) - gain @ templates.T
    assert torch.diag(variance).numpy() == pytest.approx(full.numpy(), abs=1e-9)
    x, u = bars.sample(4000, seed=1)
    mean, variance = bars.posterior(x)
    scaled = (u - mean) / variance.sqrt()
    # 32,000 standard normals: mean within 4 / sqrt(n), mean square within 4 sqrt(2 / n)
    assert (
        abs(float(scaled.mean())) < 4 / 32_000**0.5 and abs(float(scaled.square().mean()) - 1) < 4 * (2 / 32_000) ** 0.5
    )


def test_mistakes() -> None:
    with pytest.raises(Mistake, match="0 to 737279"):
        SPRITES.items([737_280])
    with pytest.raises(Mistake, match="'scale' outside 0 to 5"):
        SPRITES.index([0, 0, 6, 0, 0, 0])
    with pytest.raises(Mistake, match=r"wanted \(..., 6\)"):
        SPRITES.index([0, 0])
    with pytest.raises(Mistake, match="has no factor 'hue'"):
        SPRITES.sample_fixed("hue", 3, seed=0)
    with pytest.raises(Mistake, match="above 0"):
        Bars(noise=0.0)
