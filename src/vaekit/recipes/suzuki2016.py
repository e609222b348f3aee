r"""Joint Multimodal Learning with Deep Generative Models: Suzuki, Nakayama and Matsuo 2016,
https://arxiv.org/abs/1611.01891.

.. math:: \mathrm{ELBO}(x) - \alpha \sum_m KL(q(z|x) \| q_m(z|x_m))
"""

from __future__ import annotations

__all__ = ["jmvae"]

from vaekit.objectives import ExpertKL, Recipe, Schedule
from vaekit.recipes.declare import extends
from vaekit.recipes.multimodal import joint_or_experts, multimodal, rising, weighed
from vaekit.recipes.wu2018 import mvae


@extends(mvae, without=("subsets",))
def jmvae(
    *,
    alpha: float = 0.1,
    beta: float | Schedule | None = None,
    weights: dict[str, float] | None = None,
    **mvae_arguments: object,
) -> Recipe:
    """A VAE of several modalities with one encoder of all, and one of each that is drawn to it.

    Args:
        alpha: how strongly each modality's own posterior and that of all are drawn together.
        beta, weights, mvae_arguments: as for `mvae`.
    """
    model = multimodal(joint_or_experts, **mvae_arguments)  # type: ignore[arg-type]
    return Recipe(model, weighed(rising(beta), weights) + alpha * ExpertKL())
