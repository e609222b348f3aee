r"""The Power Spherical distribution: De Cao and Aziz 2020, https://arxiv.org/abs/2006.04437.

.. math:: q(z|x) \propto (1 + \mu(x) \cdot z)^{\kappa(x)}, \quad |z| = 1
"""

from __future__ import annotations

__all__ = ["power_spherical_vae"]

from vaekit.objectives import Recipe
from vaekit.posteriors import PowerSpherical
from vaekit.recipes.davidson2018 import svae
from vaekit.recipes.declare import extends


@extends(svae, without=("posterior",))
def power_spherical_vae(**svae_arguments: object) -> Recipe:
    """A VAE with latents on the unit sphere, by a posterior that is drawn without rejection.

    Args:
        svae_arguments: as for `svae`.
    """
    return svae(posterior=PowerSpherical, **svae_arguments)
