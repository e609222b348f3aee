"""How sharp samples are: their share of spectral energy above half Nyquist, against that of held-out data."""

from __future__ import annotations

__all__ = ["radial_spectrum", "sharpness", "sharpness_applies"]

from collections.abc import Iterator

import torch
from torch import Tensor

from vaekit.evaluation.number import Number
from vaekit.messages import Mistake

HALF_NYQUIST = 0.25  # cycles a step
SHORTEST = 4  # steps along an axis: fewer hold too few frequencies on either side of half Nyquist
RESAMPLES = 400  # the bootstrap's error is then known to 1 / sqrt(2 * 400) = 4 %
VALUES = 4_000_000  # transformed at a time


def sharpness_applies(x: Tensor, *, axes: int = 2) -> bool:
    """Whether items (N, *X) have that many axes of space, long enough.

    Example:
        >>> sharpness_applies(torch.zeros(5, 28, 28)), sharpness_applies(torch.zeros(5, 28))
        (True, False)
    """
    return x.ndim > axes and min(x.shape[x.ndim - axes :]) >= SHORTEST


def sharpness(real: Tensor, made: Tensor, *, axes: int = 2, seed: int = 0) -> dict[str, Number]:
    """The samples' share of spectral energy above half Nyquist over the held-out items'; 1 is as sharp, less is blur.

    The energy is that of the Fourier transform over the last axes without the mean (of each item and channel), summed
    over items; above means a radial frequency over 1/4 cycle a step. Noise counts as sharpness: of models whose
    likelihood is noisy, give the means and not the draws.

    Args:
        real: held-out items, (N, *X): pictures (N, H, W) or (N, C, H, W), signals (N, T) or (N, C, T).
        made: samples (M, *X), on any scale of grey.
        axes: the last axes that are space or time: 2 for pictures, 1 for signals.
        seed: of the bootstrap over items.

    Returns:
        sharpness; None where either set has no energy at all.

    Raises:
        Mistake: for items of different shapes or without space, and for values that are not finite.

    Example:
        >>> noise = torch.randn(200, 16, 16, generator=torch.Generator().manual_seed(0))
        >>> blurred = (noise + noise.roll(1, 1) + noise.roll(1, 2) + noise.roll((1, 1), (1, 2))) / 4
        >>> bool(sharpness(noise, blurred)["sharpness"].value < 0.8)
        True
    """
    if real.shape[1:] != made.shape[1:]:
        raise Mistake(
            f"got real items of shape {tuple(real.shape[1:])} and made ones of shape {tuple(made.shape[1:])}: "
            "give both in one shape."
        )
    energies = [_energies(x, axes) for x in (real, made)]  # (N, 2): above half Nyquist, all
    how = f"energy above half Nyquist, {len(made):,} made over {len(real):,} real, {axes}-D Fourier transform"
    value = _ratio(*energies)
    if not bool(value.isfinite()):
        why = "undefined, since one set has no energy"
        return {"sharpness": Number(None, "ratio", f"{how}; {why}", None, len(made))}
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.stack([
        _ratio(*(e[torch.randint(len(e), (len(e),), generator=generator)] for e in energies)) for _ in range(RESAMPLES)
    ])  # fmt: skip
    se = float(drawn[drawn.isfinite()].std())
    return {"sharpness": Number(float(value), "ratio", f"{how}; error by {RESAMPLES} bootstraps", se, len(made))}


def radial_spectrum(x: Tensor, *, axes: int = 2) -> tuple[Tensor, Tensor]:
    """The mean power of items (N, *X) on rings of radial frequency: frequencies in cycles a step and powers, (R,).

    White noise of variance 1 has power 1 on every ring; the mean of each item and channel is left out.

    Example:
        >>> frequency, power = radial_spectrum(torch.randn(500, 8, 8, generator=torch.Generator().manual_seed(0)))
        >>> [round(f, 2) for f in frequency.tolist()], bool(((power - 1).abs() < 0.1).all())
        ([0.15, 0.27, 0.38, 0.5, 0.62, 0.71], True)
    """
    parts = list(_powers(x, axes))
    power = torch.stack([part.sum(0) for part in parts]).sum(0) / sum(map(len, parts))
    radius = _radius(power.shape)
    ring = (radius * min(power.shape)).round().long().flatten()[1:]  # without the mean
    count = torch.bincount(ring).double()
    frequency, power = (torch.bincount(ring, value.flatten()[1:]) / count for value in (radius, power))
    return frequency[count > 0], power[count > 0]


def _energies(x: Tensor, axes: int) -> Tensor:
    """The energy of each item above half Nyquist and altogether, (N, 2)."""
    found = []
    for power in _powers(x, axes):
        above = power * (_radius(power.shape[1:]) > HALF_NYQUIST + 1e-9)
        found.append(torch.stack([above.flatten(1).sum(1), power.flatten(1).sum(1)], 1))
    return torch.cat(found)


def _powers(x: Tensor, axes: int) -> Iterator[Tensor]:
    """The power at each frequency of some items at a time, the mean over channels, (n, *space)."""
    if not sharpness_applies(x, axes=axes):
        raise Mistake(
            f"got items of shape {tuple(x.shape[1:])} and sharpness wants {axes} last axes of space or time with at "
            f"least {SHORTEST} steps each: give axes=1 for signals, and leave it out for tables."
        )
    space = tuple(range(-axes, 0))
    for part in x.split(max(1, VALUES // x[0].numel())):
        part = part.cpu().double()
        if not bool(part.isfinite().all()):
            raise Mistake("the items hold NaN or infinite values: give items without gaps, or fill them first.")
        wave = torch.fft.fftn(part - part.mean(space, keepdim=True), dim=space, norm="ortho")
        yield wave.abs().square().view(len(part), -1, *part.shape[part.ndim - axes :]).mean(1)


def _radius(shape: torch.Size) -> Tensor:
    """The radial frequency of each place of a Fourier transform, in cycles a step."""
    each = [torch.arange(n, dtype=torch.float64).sub(n * (torch.arange(n) > n / 2)) / n for n in shape]
    return torch.stack([grid.square() for grid in torch.meshgrid(*each, indexing="ij")]).sum(0).sqrt()


def _ratio(real: Tensor, made: Tensor) -> Tensor:
    (real_above, real_all), (made_above, made_all) = real.sum(0), made.sum(0)
    return (made_above / made_all) / (real_above / real_all)
