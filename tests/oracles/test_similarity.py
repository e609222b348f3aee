"""Likeness of reconstructions against formulas written out pixel by pixel, and pictures whose likeness is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from vaekit.evaluation import similarity
from vaekit.evaluation.features import Features, identity_features
from vaekit.evaluation.similarity import feature_distances, psnr, reconstruction_numbers, squared_errors, ssim
from vaekit.messages import Mistake

Picture = list[list[float]]


def uniform(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_pixels(a: Picture, b: Picture, peak: float) -> tuple[float, float]:
    """Mean SSIM and mean contrast-structure of one picture: sums over each place of the window, nothing clever."""
    size = max(odd for odd in (1, 3, 5, 7, 9, 11) if odd <= min(len(a), len(a[0])))
    sigma, middle = 1.5 * size / 11, size // 2
    weight = {
        (i, j): math.exp(-((i - middle) ** 2 + (j - middle) ** 2) / (2 * sigma**2))
        for i in range(size)
        for j in range(size)
    }
    total = sum(weight.values())
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    whole, contrasts = [], []
    for top in range(len(a) - size + 1):
        for left in range(len(a[0]) - size + 1):
            seen = [(w / total, a[top + i][left + j], b[top + i][left + j]) for (i, j), w in weight.items()]
            m, n = sum(w * p for w, p, _ in seen), sum(w * q for w, _, q in seen)
            vp, vq = sum(w * (p - m) ** 2 for w, p, _ in seen), sum(w * (q - n) ** 2 for w, _, q in seen)
            both = sum(w * (p - m) * (q - n) for w, p, q in seen)
            contrasts.append((2 * both + c2) / (vp + vq + c2))
            whole.append((2 * m * n + c1) / (m**2 + n**2 + c1) * contrasts[-1])
    return sum(whole) / len(whole), sum(contrasts) / len(contrasts)


def halved(a: Picture) -> Picture:
    rows, columns = len(a) // 2, len(a[0]) // 2
    return [
        [
            (a[2 * i][2 * j] + a[2 * i + 1][2 * j] + a[2 * i][2 * j + 1] + a[2 * i + 1][2 * j + 1]) / 4
            for j in range(columns)
        ]
        for i in range(rows)
    ]


@pytest.mark.parametrize("shape", [(16, 13), (8, 8), (4, 9), (1, 5), (2, 2)])
def test_ssim_by_pixels(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    a = uniform(0, 3, *shape)
    b = 0.6 * a + 0.4 * uniform(1, 3, *shape)
    want = [by_pixels(p.tolist(), q.tolist(), 1.0)[0] for p, q in zip(a, b, strict=True)]
    assert ssim(a, b, peak=1.0).tolist() == pytest.approx(want, rel=1e-9)
    assert ssim(255 * a, 255 * b, peak=255.0).tolist() == pytest.approx(want, rel=1e-9)
    # channels are averaged, and so many at a time change nothing
    monkeypatch.setattr(similarity, "VALUES", 2 * shape[0] * shape[1])
    both = torch.stack([a, a.flip(0)], 1), torch.stack([b, b.flip(0)], 1)
    assert ssim(*both, peak=1.0).tolist() == pytest.approx([(p + q) / 2 for p, q in zip(want, want[::-1], strict=True)])


@pytest.mark.parametrize(("shape", "scales"), [((21, 30), 1), ((23, 22), 2), ((45, 44), 3)])
def test_several_scales_by_pixels(shape: tuple[int, int], scales: int) -> None:
    """As many as hold the window of 11, with the published weights in proportion."""
    a = uniform(0, 1, *shape)
    b = 0.5 * a + 0.5 * uniform(1, 1, *shape)
    weights = [0.0448, 0.2856, 0.3001][:scales]
    p, q, want = a[0].tolist(), b[0].tolist(), 1.0
    for scale, weight in enumerate(weights):
        whole, contrast = by_pixels(p, q, 1.0)
        want *= (whole if scale == scales - 1 else contrast) ** (weight / sum(weights))
        p, q = halved(p), halved(q)
    assert ssim(a, b, peak=1.0, scales=5).tolist() == pytest.approx([want], rel=1e-9)
    found = reconstruction_numbers(a, b)["ms_ssim"]
    assert found.value == pytest.approx(want, rel=1e-9) and f"{scales} scales" in found.how


def test_pictures_whose_likeness_is_known() -> None:
    x = uniform(0, 4, 3, 30, 30)
    for scales in (1, 5):
        assert ssim(x, x, peak=1.0, scales=scales).tolist() == pytest.approx([1.0] * 4, abs=1e-12)
        # constant pictures differ in their light alone
        a, b = torch.full((1, 30, 30), 0.2), torch.full((1, 30, 30), 0.7)
        light = (2 * 0.2 * 0.7 + 1e-4) / (0.2**2 + 0.7**2 + 1e-4)
        power = 1.0 if scales == 1 else 0.2856 / (0.0448 + 0.2856)  # of the last of two scales, where light counts
        assert float(ssim(a, b, peak=1.0, scales=scales)) == pytest.approx(light**power, rel=1e-6)  # 0.2 in float32
        black = torch.zeros(2, 5, 5)
        assert ssim(black, black, peak=1.0, scales=scales).tolist() == [1.0, 1.0]
        # one pixel has no contrast
        assert float(ssim(a[:, :1, :1], b[:, :1, :1], peak=1.0, scales=scales)) == pytest.approx(light, rel=1e-6)
    # opposite about the mean, so that all contrast is negative: no root of a negative number
    assert float(ssim(x, 1 - x, peak=1.0, scales=5).max()) < 0.2 and not bool(
        ssim(x, 1 - x, peak=1.0, scales=5).isnan().any()
    )
    assert float(ssim(x, 1 - x, peak=1.0).max()) < 0


def test_errors_in_closed_form() -> None:
    x = uniform(0, 50, 6)
    noise = torch.tensor([0.1, 0.01]).repeat(25)[:, None].double()
    found = reconstruction_numbers(x, x + noise)
    assert squared_errors(x, x + noise).tolist() == pytest.approx([1e-2, 1e-4] * 25, rel=1e-6)  # 0.1 in float32
    assert found["mse"].value == pytest.approx((1e-2 + 1e-4) / 2, rel=1e-6)
    assert found["psnr"].value == pytest.approx((20 + 40) / 2, rel=1e-6)
    assert found["psnr"].se == pytest.approx(10 * math.sqrt(50 / 49) / math.sqrt(50), rel=1e-5)
    assert set(found) == {"mse", "psnr"}  # rows of a table have no structure
    levels = (255 * uniform(1, 4, 6, 6)).to(torch.uint8)
    grey = reconstruction_numbers(levels, levels.double() + 255 / 10)["psnr"]
    assert grey.value == pytest.approx(20, rel=1e-9) and "peak 255" in grey.how
    assert reconstruction_numbers(4 * x, 4 * (x + noise), peak=4.0)["psnr"].value == pytest.approx(30, rel=1e-6)
    assert psnr(torch.zeros(1), peak=1.0).isinf().all()


def test_exact_items_have_no_psnr() -> None:
    x = uniform(0, 3, 6)
    made = x.clone()
    assert reconstruction_numbers(x, made)["psnr"].value is None
    made[1] += 0.1
    found = reconstruction_numbers(x, made)["psnr"]
    assert found.value == pytest.approx(20) and found.items == 1 and "the 1 items" in found.how


def test_distance_in_features_is_of_directions() -> None:
    angle = torch.tensor([0.0, 0.5, math.pi / 2, math.pi]).double()
    a, b = torch.tensor([[2.0, 0.0]]).expand(4, 2).double(), 5 * torch.stack([angle.cos(), angle.sin()], 1)
    got = feature_distances(a, b, features=identity_features())
    assert got.tolist() == pytest.approx((2 - 2 * angle.cos()).tolist(), abs=1e-12)
    nothing = torch.zeros(4, 2).double()
    assert feature_distances(nothing, b, features=identity_features()).tolist() == pytest.approx([1.0] * 4)
    layer = torch.nn.Linear(2, 3)
    net = Features("three", layer)
    found = reconstruction_numbers(a, b, peak=1.0, features=net)["feature_distance"]
    assert net.hash is not None and net.hash in found.how
    with torch.no_grad():
        p, q = layer(a.float()), layer(b.float())
    want = 2 - 2 * torch.cosine_similarity(p, q)
    assert found.value == pytest.approx(float(want.mean()), rel=1e-5)  # float32
    assert found.se == pytest.approx(float(want.std()) / 2, rel=1e-5)


def test_mistakes() -> None:
    x = uniform(0, 3, 6)
    with pytest.raises(Mistake, match="as many reconstructions as items"):
        reconstruction_numbers(x, x[:2])
    with pytest.raises(Mistake, match="give peak="):
        reconstruction_numbers(3 * x, x)
    with pytest.raises(Mistake, match="NaN"):
        reconstruction_numbers(x, (x - 0.5).log())
