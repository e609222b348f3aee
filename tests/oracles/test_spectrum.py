"""Sharpness against the response of filters whose Fourier transform is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from torch import Tensor

from vaekit.evaluation.number import Number
from vaekit.evaluation.spectrum import radial_spectrum, sharpness
from vaekit.messages import Mistake


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def frequencies(*shape: int) -> np.ndarray:
    """The radial frequency of each place of a Fourier transform."""
    return np.sqrt(sum(f**2 for f in np.meshgrid(*(np.fft.fftfreq(n) for n in shape), indexing="ij")))


def blurred_share(response: np.ndarray, radius: np.ndarray) -> float:
    """White noise has equal power everywhere, so a filter's share is that of its squared response, over noise's own."""
    power = np.abs(response) ** 2
    power.flat[0] = 0.0  # the mean
    above = radius > 0.25 + 1e-9
    return float(power[above].sum() / power.sum() / (above.sum() / (radius.size - 1)))


def off(found: Number, want: float) -> float:
    assert found.value is not None and found.se
    return abs(found.value - want) / found.se


@pytest.mark.parametrize("shape", [(16, 16), (12, 20), (1, 9, 9), (3, 8, 8)])
@pytest.mark.parametrize("sigma", [0.4, 0.7])
def test_blurred_noise(shape: tuple[int, ...], sigma: float) -> None:
    real, made = numbers(0, 900, *shape), numbers(1, 1000, *shape)
    radius = frequencies(*shape[-2:])
    response = np.exp(-2 * (math.pi * sigma * radius) ** 2)  # of a Gaussian with that standard deviation in pixels
    blurred = torch.fft.ifft2(torch.fft.fft2(made) * torch.from_numpy(response)).real
    want = blurred_share(response, radius)
    assert want < 0.8
    assert off(sharpness(real, 7 * blurred + 3)["sharpness"], want) < 3  # on any scale of grey


def test_noise_blurred_by_another_library() -> None:
    real, made = numbers(0, 900, 16, 16), numbers(1, 900, 16, 16)
    point = np.zeros((16, 16))
    point[0, 0] = 1.0
    want = blurred_share(np.fft.fft2(gaussian_filter(point, 0.6, mode="wrap")), frequencies(16, 16))
    blurred = gaussian_filter(made.numpy(), (0, 0.6, 0.6), mode="wrap")
    assert off(sharpness(real, torch.from_numpy(blurred))["sharpness"], want) < 3


def test_signals() -> None:
    real, made = numbers(0, 900, 2, 50), numbers(1, 900, 2, 50)
    point = np.zeros(50)
    point[0] = 1.0
    want = blurred_share(np.fft.fft(gaussian_filter1d(point, 0.8, mode="wrap")), frequencies(50))
    blurred = gaussian_filter1d(made.numpy(), 0.8, axis=-1, mode="wrap")
    assert off(sharpness(real, torch.from_numpy(blurred), axes=1)["sharpness"], want) < 3


def test_waves_of_known_energy() -> None:
    """One wave below and one above half Nyquist, with energies 4 : 1 and 9 : 1: the shares are 1/5 and 1/10."""
    t = torch.arange(32, dtype=torch.float64)
    low, high = (2 * math.pi * 3 * t / 32).cos(), (2 * math.pi * 11 * t / 32).cos()
    real = (2 * low[:, None] + high[:, None]).expand(32, 32).expand(4, 32, 32)
    made = (3 * low[None, :] + high[None, :]).expand(32, 32).expand(5, 32, 32) + 0.5
    assert sharpness(real, made)["sharpness"].value == pytest.approx(0.5, rel=1e-9)
    quarter = (2 * math.pi * 8 * t / 32).cos().expand(5, 32, 32)  # half Nyquist itself is not above it
    assert sharpness(real, quarter)["sharpness"].value == pytest.approx(0.0, abs=1e-12)
    frequency, power = radial_spectrum(made)
    ring = int(frequency.sub(11 / 32).abs().argmin())
    assert int(power.topk(2).indices.max()) == ring
    # power is spread over the ring: energy 1/2 a step over 1024 places, the ring's own number of places
    places = int((np.abs(frequencies(32, 32) * 32 - 11) < 0.5).sum())
    assert float(power[ring]) * places == pytest.approx(0.5 * 1024, rel=1e-9)


def test_the_spectrum_holds_all_the_variance() -> None:
    x = numbers(0, 20, 2, 10, 14)
    frequency, power = radial_spectrum(x)
    radius = frequencies(10, 14).flatten()[1:]
    rings = np.round(radius * 10)
    count = np.array([(rings == r).sum() for r in np.unique(rings)])
    variance = float(x.var((-2, -1), correction=0).mean())
    assert float((power * torch.from_numpy(count)).sum()) / 140 == pytest.approx(variance, rel=1e-9)
    want = [radius[rings == r].mean() for r in np.unique(rings)]
    assert frequency.tolist() == pytest.approx(want, rel=1e-9)


def test_the_same_set_is_as_sharp_and_the_error_is_that_of_new_sets() -> None:
    x = numbers(0, 50, 8, 8)
    assert sharpness(x, x)["sharpness"].value == pytest.approx(1.0, rel=1e-12)
    found = []
    for seed in range(40):  # items of unlike energy, as data are
        y = numbers(seed, 2, 60, 8, 8) * (1 + numbers(100 + seed, 2, 60, 1, 1).tanh())
        found.append(sharpness(y[0], y[1], seed=seed)["sharpness"])
    spread = np.std([number.value for number in found], ddof=1)
    assert np.mean([number.se for number in found]) == pytest.approx(spread, rel=0.34)  # known to 11 %: three of that


def test_what_has_no_spectrum() -> None:
    x = numbers(0, 10, 8, 8)
    for real, made in ((x, torch.ones(10, 8, 8)), (torch.ones(10, 8, 8), x)):
        found = sharpness(real, made)["sharpness"]
        assert found.value is None and "undefined" in found.how
    with pytest.raises(Mistake, match="leave it out for tables"):
        sharpness(x[:, 0], x[:, 0])
    with pytest.raises(Mistake, match="at least 4 steps"):
        sharpness(x[:, :3], x[:, :3])
    with pytest.raises(Mistake, match="in one shape"):
        sharpness(x, x[:, :5])
    with pytest.raises(Mistake, match="NaN"):
        sharpness(x, x.log())
