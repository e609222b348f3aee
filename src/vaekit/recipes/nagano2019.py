r"""A Wrapped Normal Distribution on Hyperbolic Space for Gradient-Based Learning: Nagano et al. 2019,
https://arxiv.org/abs/1902.02992.

.. math:: z = \exp_\mu(PT_{0 \to \mu}(v)), \quad v \sim N(0, \mathrm{diag}(\sigma^2))
"""

from __future__ import annotations

__all__ = ["hyperbolic_vae"]

from vaekit.networks import Lorentzian
from vaekit.objectives import Recipe
from vaekit.recipes.declare import extends
from vaekit.recipes.mathieu2019 import poincare_vae


@extends(poincare_vae, without=("pair",))
def hyperbolic_vae(**poincare_arguments: object) -> Recipe:
    """A VAE with latents in a hyperbolic space, whose decoder reads their coordinates in the Lorentz model.

    The latents themselves are written as points of the Poincare ball; the distribution is the same in both.

    Args:
        poincare_arguments: as for `poincare_vae`.
    """
    return poincare_vae(pair=Lorentzian, **poincare_arguments)
