r"""How like its original each reconstruction is: MSE, PSNR, SSIM, MS-SSIM, distance in features.

.. math:: \mathrm{SSIM} = \frac{(2 \mu_x \mu_y + C_1)(2 \sigma_{xy} + C_2)}
    {(\mu_x^2 + \mu_y^2 + C_1)(\sigma_x^2 + \sigma_y^2 + C_2)}, \quad C_i = (K_i L)^2
"""

from __future__ import annotations

__all__ = ["feature_distances", "psnr", "reconstruction_numbers", "squared_errors", "ssim"]

import torch
from torch import Tensor
from torch.nn import functional

from vaekit.evaluation.features import Features
from vaekit.evaluation.number import Number, mean_number
from vaekit.maths import SCALES, similarity, similarity_scales, similarity_window
from vaekit.messages import Mistake

VALUES = 1_000_000  # filtered at a time


def reconstruction_numbers(
    real: Tensor, made: Tensor, *, peak: float | None = None, features: Features | None = None
) -> dict[str, Number]:
    """Means over items, with their errors.

    Args:
        real: items, (N, *X); pictures are (N, H, W) or (N, C, H, W).
        made: their reconstructions, (N, *X), in the same units.
        peak: the width of the range of values; None for 255 of uint8 and 1 of floats in 0..1.
        features: for the distance in features, which is left out without them.

    Returns:
        mse (a value), psnr (over the items that are not exact), and of pictures ssim and ms_ssim;
        feature_distance.

    Raises:
        Mistake: for different shapes, values that are not finite, and a peak that must be said.

    Example:
        >>> x = torch.rand(4, 8, 8)
        >>> {name: number.value for name, number in reconstruction_numbers(x, x).items()}
        {'mse': 0.0, 'psnr': None, 'ssim': 1.0, 'ms_ssim': 1.0}
    """
    if real.shape != made.shape or not len(real):
        raise Mistake(
            f"got {tuple(real.shape)} and {tuple(made.shape)}: give as many reconstructions as items, of one shape."
        )
    top = _peak(real) if peak is None else float(peak)
    mse = squared_errors(real, made)
    if not bool(mse.isfinite().all()):
        raise Mistake("the items or reconstructions hold NaN or infinite values: fill the gaps first.")
    differ = mse > 0
    how = f"10 log10(peak^2 / mse), peak {top:g}, mean over the {int(differ.sum()):,} items that are not exact"
    found = {
        "mse": _mean(mse, "squared units a value", "mean squared error"),
        "psnr": _mean(psnr(mse[differ], peak=top), "dB", how),
    }
    if real.ndim > 2:
        single, several = ssim(real, made, peak=top), ssim(real, made, peak=top, scales=len(SCALES))
        size, scales = similarity_window(real.shape)[0], similarity_scales(real.shape)
        found["ssim"] = _mean(single, "", f"SSIM, Gaussian window of {size}x{size}, peak {top:g}")
        found["ms_ssim"] = _mean(several, "", f"multi-scale SSIM, {scales} scales, window {size}x{size}, peak {top:g}")
    if features is not None:
        how = f"squared distance of unit-length features, 0 to 4: {features}"
        found["feature_distance"] = _mean(feature_distances(real, made, features=features), "", how)
    return found


def squared_errors(real: Tensor, made: Tensor) -> Tensor:
    """The mean squared error of each item over its values, (N,) float64.

    Example:
        >>> squared_errors(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 3.0]])).tolist()
        [5.0]
    """
    return (real.cpu().double() - made.cpu().double()).flatten(1).square().mean(1)


def psnr(mse: Tensor, *, peak: float) -> Tensor:
    """The peak signal-to-noise ratio in dB; infinite where the error is 0.

    Example:
        >>> psnr(torch.tensor([0.01]), peak=1.0).round().tolist()
        [20.0]
    """
    return 10 * (peak**2 / mse).log10()


def ssim(real: Tensor, made: Tensor, *, peak: float, scales: int = 1) -> Tensor:
    """The structural similarity of each pair of pictures, (N,) float64; 1 where they are equal, and never NaN.

    Wang et al. 2004, doi:10.1109/TIP.2003.819861; several scales: Wang et al. 2003, doi:10.1109/ACSSC.2003.1292216.
    The Gaussian window of 11x11 pixels (sigma 1.5) lies wholly inside; in smaller pictures it shrinks, sigma with it,
    to the largest odd size that fits. Channels are averaged.

    Args:
        real: pictures, (N, H, W) or (N, C, H, W).
        made: as real.
        peak: the width of the range of values.
        scales: at most how many; those are taken whose pictures still hold the window, with their weights in
            proportion, and negative contrasts count as 0.

    Example:
        >>> ssim(torch.zeros(2, 1, 9, 9), torch.ones(2, 1, 9, 9), peak=1.0)[0].item() < 1e-3
        True
    """
    parts = max(1, VALUES // real[0].numel())
    pairs = zip(real.split(parts), made.split(parts), strict=True)
    return torch.cat([similarity(_channels(a), _channels(b), peak=peak, scales=scales) for a, b in pairs])


def feature_distances(real: Tensor, made: Tensor, *, features: Features) -> Tensor:
    """The squared distance of unit-length features of each pair, 0 to 4, (N,) float64.

    As LPIPS without its learned weights and with one layer (Zhang et al. 2018, arXiv:1801.03924).

    Example:
        >>> from vaekit.evaluation.features import identity_features
        >>> a, b = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 5.0]])
        >>> feature_distances(a, b, features=identity_features()).tolist()
        [2.0]
    """
    a, b = (functional.normalize(features(x).double(), dim=1) for x in (real, made))
    return (a - b).square().sum(1)


def _channels(x: Tensor) -> Tensor:
    """(N, C, H, W) float64."""
    return x.cpu().double().view(len(x), -1, *x.shape[-2:])


def _peak(real: Tensor) -> float:
    if real.dtype == torch.uint8:
        return 255.0
    low, high = float(real.min()), float(real.max())
    if low < 0 or high > 1:
        raise Mistake(
            f"got values from {low:.4g} to {high:.4g}, so the peak is not known: give peak=, the width of their range."
        )
    return 1.0


def _mean(values: Tensor, unit: str, how: str) -> Number:
    if not len(values):
        return Number(None, unit, f"{how}: undefined, every item is exact", None, 0)
    return mean_number(values, unit, how)
