r"""Neural Autoregressive Flows: Huang, Krueger, Lacoste and Courville 2018, https://arxiv.org/abs/1804.00779.

.. math:: z_{t,i} = \mathrm{logit} \sum_n w_{in} \sigma(a_{in} z_{t-1,i} + b_{in}), \quad
          (a_i, b_i, w_i) \text{ of } z_{t-1,<i} \text{ and } x
"""

from __future__ import annotations

__all__ = ["naf_vae"]

import itertools
from typing import Any

from vaekit.networks.flows import Sigmoidal
from vaekit.objectives import Recipe
from vaekit.recipes.compose import bent
from vaekit.recipes.declare import extends
from vaekit.recipes.kingma2014 import vae


@extends(vae, without=("posterior",))
def naf_vae(*, flows: int = 2, flow_width: int = 320, units: int = 16, **vae_arguments: object) -> Recipe:
    """A VAE whose Gaussian posterior is pushed through deep sigmoidal flows, which can take any form.

    Args:
        flows: how many maps, each in the other order.
        flow_width: of the masked network of each.
        units: of the monotone network that a latent goes through.
        vae_arguments: as for `vae`.
    """
    orders = itertools.cycle((False, True))

    def layer(*sizes: Any) -> Sigmoidal:
        return Sigmoidal(*sizes, hidden=[flow_width], units=units, backwards=next(orders))

    return bent(vae(**vae_arguments), layer, flows)
