r"""Deep Feature Consistent Variational Autoencoder: Hou et al. 2017, https://arxiv.org/abs/1610.00291.

.. math:: \min \alpha\, KL(q(z|x) \| p(z)) + \beta \sum_l \tfrac{1}{2 F_l} \|\phi_l(x) - \phi_l(\hat x)\|^2
"""

from __future__ import annotations

__all__ = ["dfc_vae", "layers_for"]

import dataclasses
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import interpolate

from vaekit.evaluation.features import digit_features
from vaekit.likelihoods import Gaussian, OptimalScale
from vaekit.messages import Mistake
from vaekit.objectives import KL, FeatureDistance, Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae_conv

SIDE = 28  # pixels that the digit network wants


@extends(vae_conv, without=("beta", "likelihood"))
def dfc_vae(*, weight: float = 300.0, features: nn.Module | None = None, **vae_arguments: object) -> Recipe:
    """A VAE whose pictures are compared in the layers of a frozen network, in place of pixels.

    No bound on log p(x); the likelihood is a Gaussian of the one scale that fits best, for the numbers that are
    reported.

    Args:
        weight: of the distance in features; the rate has 1.
        features: a network from pictures in 0..1 to features, or to a list of them, a layer each; it is frozen. The
            library's own classifier of digits where nothing is given, for grey pictures.
        vae_arguments: as for `vae_conv`.
    """
    net = layers_for(vae_arguments["shape"], features)
    recipe = vae_conv(**vae_arguments, likelihood=Gaussian(scale=OptimalScale()))
    return dataclasses.replace(recipe, objective=KL() + weight * FeatureDistance(net))


def layers_for(shape: Any, features: nn.Module | None) -> nn.Module:
    """The network that pictures of this shape are compared in, frozen: the one given, or the library's own.

    Raises:
        Mistake: for pictures with colours and no network.
    """
    if features is not None:
        return frozen(features)
    if isinstance(shape, Sequence) and len(shape) == 3 and shape[0] > 1:
        raise Mistake("the library's own network compares grey pictures and these have colours: give features=net.")
    return DigitLayers()


def frozen(features: object) -> nn.Module:
    """A network that is only read."""
    if not isinstance(features, nn.Module):
        raise Mistake(f"got features={features!r:.60} and wanted a torch module from pictures to features.")
    return features.eval().requires_grad_(False)


class DigitLayers(nn.Module):
    """The layers of the library's classifier of digits, of grey pictures of any size, resized to its own.

    Example:
        >>> import torch
        >>> [layer.shape[1:] for layer in DigitLayers()(torch.zeros(2, 20, 15))]
        [torch.Size([16, 14, 14]), torch.Size([32, 7, 7]), torch.Size([48, 4, 4]), torch.Size([64])]
    """

    ends = (2, 5, 7, 9)  # the modules of the body whose outputs are compared

    def __init__(self) -> None:
        super().__init__()
        self.body: nn.Sequential = digit_features().function.body  # type: ignore[attr-defined]

    def forward(self, x: Tensor) -> list[Tensor]:
        x = x.view(len(x), 1, *x.shape[-2:])
        if x.shape[-2:] != (SIDE, SIDE):
            x = interpolate(x, (SIDE, SIDE), mode="bilinear", align_corners=False)
        found = []
        for i, layer in enumerate(self.body):
            x = layer(x)
            if i in self.ends:
                found.append(x)
        return found
