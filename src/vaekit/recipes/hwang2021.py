r"""Multi-View Representation Learning via Total Correlation Objective: Hwang, Kim, Hong and Kim 2021 (NeurIPS).

.. math:: \tfrac{M - \alpha}{M} E_q \log p(x|z)
          - \beta \left[ \tfrac{\alpha}{M} \sum_m KL(q \| q_m(z|x_m)) + (1 - \alpha) KL(q \| p) \right]
"""

from __future__ import annotations

__all__ = ["mvtcae"]

import functools

from vaekit.messages import Mistake
from vaekit.objectives import KL, ExpertKL, Recipe, Reconstruction
from vaekit.posteriors import ProductOfExperts
from vaekit.recipes.declare import extends
from vaekit.recipes.multimodal import multimodal, weighed
from vaekit.recipes.wu2018 import mvae


@extends(mvae, without=("subsets",))
def mvtcae(
    *,
    alpha: float = 5 / 6,
    beta: float = 1.0,
    weights: dict[str, float] | None = None,
    **mvae_arguments: object,
) -> Recipe:
    """A VAE of several modalities whose latents hold what they have in common: their total correlation.

    Args:
        alpha: from 0, where it is the ELBO of a product of experts without the prior, to 1, where the rate is taken
            to each expert alone.
        beta: the weight of all rates.
        weights, mvae_arguments: as for `mvae`.
    """
    if not 0 <= alpha <= 1:
        raise Mistake(f"got alpha={alpha!r} and wanted a number from 0 to 1.")
    model = multimodal(functools.partial(ProductOfExperts, prior=False), **mvae_arguments)  # type: ignore[arg-type]
    share = alpha / len(model.posterior.modalities.names)
    distortion = (1 - share) * weighed(Reconstruction(), weights)
    return Recipe(model, distortion + (beta * share) * ExpertKL() + (beta * (1 - alpha)) * KL())
