r"""Sigmoidal layers: Neural Autoregressive Flows, Huang et al. 2018, https://arxiv.org/abs/1804.00779.

.. math:: f(z)_i = \mathrm{logit} \sum_n w_{in} \sigma(a_{in} z_i + b_{in}), \qquad
          (a_i, b_i, w_i) = \mathrm{MADE}(z_{<i}, h), \quad a > 0, \ \sum_n w_{in} = 1
"""

from __future__ import annotations

__all__ = ["Sigmoidal"]

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from vaekit.maths import increasing_root
from vaekit.messages import require_count
from vaekit.networks.flows.autoregressive import Autoregressive
from vaekit.networks.flows.base import ONE

LEAST = 0.01  # of a unit's slope, so that the way back stays among the numbers


class Sigmoidal(Autoregressive):
    """Each latent goes through a monotone network of one layer, whose weights read the latents before it.

    One pass forward, D passes back, each with a search for a root. Several layers are the paper's deep sigmoidal flow,
    which comes as near to any density as is wanted.

    Args:
        latent_dim, features, hidden, backwards: as for Autoregressive.
        units: n, of the monotone network.

    Example:
        >>> layer = Sigmoidal(3, units=4)().frozen()
        >>> z = torch.randn(5, 3)
        >>> torch.allclose(layer.inverse(layer.forward(z)[0])[0], z, atol=1e-4)
        True
    """

    cites: ClassVar[tuple[str, ...]] = ("huang2018",)

    def __init__(
        self,
        latent_dim: int,
        features: Sequence[int] | int | None = None,
        *,
        hidden: Sequence[int] = (128,),
        backwards: bool = False,
        units: int = 16,
    ) -> None:
        self.units = require_count("units", units)
        super().__init__(latent_dim, features, hidden=hidden, backwards=backwards)

    def numbers_each(self) -> int:
        return 3 * self.units

    def moved(self, z: Tensor, numbers: Tensor, back: bool) -> tuple[Tensor, Tensor]:
        numbers = numbers.unflatten(-1, (3, self.units, -1))  # (*leading, 3, n, D)
        slopes, shifts, logits = numbers.unbind(-3)
        slopes, log_share = LEAST + (1 - LEAST) * softplus(slopes + ONE), logits.log_softmax(-2)

        def there(z: Tensor) -> tuple[Tensor, Tensor]:
            """log s - log(1 - s), each summed in the log domain, so that s may come as near to 0 and 1 as it likes."""
            bent = slopes * z.unsqueeze(-2) + shifts
            on, off = logsigmoid(bent), logsigmoid(-bent)
            above, below = (torch.logsumexp(log_share + side, -2) for side in (on, off))
            return above - below, torch.logsumexp(log_share + slopes.log() + on + off, -2) - above - below

        def lacking(z: Tensor) -> tuple[Tensor, Tensor]:
            value, log_slope = there(z)
            return value - target, log_slope.exp()

        if not back:
            return there(z)
        target = z  # the logit of a mean lies between those of its parts, which gives a bracket
        ends = (target.unsqueeze(-2) - shifts) / slopes
        found = increasing_root(lacking, ends.amin(-2), ends.amax(-2))
        return found, there(found)[1]
