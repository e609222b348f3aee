r"""High-Resolution Image Synthesis with Latent Diffusion Models: Rombach et al. 2022, https://arxiv.org/abs/2112.10752.

.. math:: \min_{q, p} -\log p(x|z) + \beta\, KL(q(z|x) \| N(0, I)) + w \lambda L_{GAN}, \quad
          p(x|z) = \mathrm{Laplace}(f(z), b)
"""

from __future__ import annotations

__all__ = ["kl_autoencoder"]

from collections.abc import Sequence

from torch import nn

from vaekit.data import Context
from vaekit.data.transforms import Transform
from vaekit.likelihoods import Laplace
from vaekit.networks import Mapped
from vaekit.objectives import KL, Recipe, Reconstruction
from vaekit.posteriors import GaussianMap
from vaekit.recipes.declare import declare
from vaekit.recipes.judged import against_patches, on_map, require_weight, seen_by


@declare
def kl_autoencoder(
    *,
    shape: Sequence[int],
    latents: int = 4,
    channels: Sequence[int] = (32, 64),
    blocks: int = 1,
    beta: float = 1e-6,
    weight: float = 0.5,
    start: float = 0.3,
    judge_width: int = 64,
    features: nn.Module | None = None,
    perceptual: float = 1.0,
    transform: Transform | None = None,
    context: Context | None = None,
) -> Recipe:
    """The first stage of latent diffusion: pictures to a small map of latents, hardly held back, and sharp again.

    A judge of patches plays from some step on, weighed by the gradients at the decoder's last layer. Nothing of it is
    a bound on log p(x): with so little weight on the rate, what is drawn from N(0, I) is not like the data. A prior is
    fitted afterwards, by `vk.fit_prior` or by a model of your own, for which `vk.maps.scaled` gives the latents the
    scale 1.

    Args:
        shape: of one picture, of any channels, height and width.
        latents: at each place of the map.
        channels: after each halving of the picture.
        blocks: residual cells at each size.
        beta: the weight of the rate.
        weight: of the adversary, where 1 is a gradient at the last layer as large as that of all else.
        start: steps before the adversary plays, below 1 a share of the run.
        judge_width: channels of its first layer.
        features: a network from pictures in 0..1 to features, or to a list of them, a layer each; it is frozen, and its
            distances are added. None compares pixels alone.
        perceptual: the weight of those distances, beside the absolute error of each pixel.
        transform, context: as for vk.VAE.

    Example:
        >>> model, objective = kl_autoencoder(shape=(3, 32, 20), channels=[8, 16], judge_width=8)
        >>> model.posterior.places, model.posterior.latent_shape, model.sample(2).shape
        ((8, 5), (160,), torch.Size([2, 3, 32, 20]))
    """
    model = on_map(
        shape, latents, Mapped(channels, blocks), GaussianMap, likelihood=Laplace(), transform=transform,
        context=context,
    )  # fmt: skip
    term = seen_by(features, Reconstruction() + require_weight("beta", beta) * KL(), shape, perceptual)
    game = against_patches(model, term, weight=weight, start=start, width=judge_width)
    return Recipe(model, game, defaults={"lr": 5e-4, "keep": "last"})
