r"""EQ-VAE: Equivariance Regularized Latent Space for Improved Generative Image Modeling: Kouzelis et al. 2025,
https://arxiv.org/abs/2502.09509.

.. math:: (1 - s) (-\log p(x|z)) + s\, E_\tau[-\log p(\tau x \mid \tau z)] + \beta\, KL(q(z|x) \| p(z))
"""

from __future__ import annotations

__all__ = ["eq_vae"]

from collections.abc import Sequence
from typing import Any

from vaekit.data import Context
from vaekit.data.transforms import Transform
from vaekit.likelihoods import Likelihood
from vaekit.messages import Mistake
from vaekit.networks import Convolutional
from vaekit.objectives import KL, Equivariance, Recipe, Reconstruction, Schedule
from vaekit.objectives.schedules import Linear
from vaekit.posteriors import GaussianMap
from vaekit.recipes.declare import declare
from vaekit.recipes.judged import on_map


@declare
def eq_vae(
    *,
    shape: Sequence[int],
    latents: int = 4,
    channels: Sequence[int] = (32, 64),
    share: float = 0.5,
    least: float = 0.25,
    beta: float | Schedule | None = None,
    likelihood: Likelihood | None = None,
    transform: Transform | None = None,
    context: Context | None = None,
) -> Recipe:
    """A VAE of pictures with a map of latents that turns and shrinks as the picture does.

    No bound on log p(x): a share of the distortion is that of turned and shrunk pictures, made of turned and shrunk
    maps. The paper draws which of the two an item pays, with the probability `share`; here it is the mean of both. It
    adds features and a discriminator, which are not there.

    Args:
        shape: of one picture.
        latents: at each place of the map.
        channels: after each halving of the picture; what is left of it is the map.
        share: of the transformed pictures' distortion, from 0 to 1; the pictures' own has the rest.
        least: the smallest scale.
        beta: the weight of the rate, as for `vae`.
        likelihood: a part of vk.likelihoods without its network.
        transform, context: as for vk.VAE.

    Example:
        >>> model, objective = eq_vae(shape=(1, 28, 28), channels=[8, 16])
        >>> model.posterior.latent_shape, model.sample(2).shape  # 4 * 7 * 7
        ((196,), torch.Size([2, 1, 28, 28]))
    """
    if not 0 <= share <= 1:
        raise Mistake(f"got share={share!r} and wanted a number from 0 to 1.")
    model = on_map(
        shape, latents, Convolutional(channels, None), GaussianMap, likelihood=likelihood, transform=transform,
        context=context,
    )  # fmt: skip
    q: Any = model.posterior
    rate = KL() * (Linear(0.1, 1.0, steps=0.2) if beta is None else beta)
    return Recipe(
        model, (1 - share) * Reconstruction() + share * Equivariance((latents, *q.places), least=least) + rate
    )
