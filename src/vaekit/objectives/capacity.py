r"""Terms that hold the rate: a floor for each latent, a floor for what means say, and a capacity for all.

.. math:: \sum_j \max(\lambda, \overline{KL}_j), \qquad
          \max\big(0,\ \beta - \tfrac12 \textstyle\sum_j \mathrm{Var}[\mu_j]\big), \qquad \gamma\, |KL - C|
"""

from __future__ import annotations

__all__ = ["BlockCapacity", "Capacity", "FreeBits", "MuForcing"]

import math
from numbers import Real
from typing import ClassVar

import torch
from torch import Tensor

from vaekit.distributions import Blocks
from vaekit.messages import Mistake, require_count
from vaekit.models import Model, Trace
from vaekit.objectives.schedules import Constant, Schedule
from vaekit.objectives.term import Term


class FreeBits(Term):
    """The rate, of which the first nats of each latent are free (Kingma et al. 2016, arXiv:1606.04934).

    Where the mean over the batch of a latent's KL is below the floor, it counts as the floor and has no gradient: no
    latent is switched off to save them.

    Args:
        nats: the floor of each latent, or of each group.
        group: latents that share a floor, so many in a row.
    """

    cites: ClassVar[tuple[str, ...]] = ("kingma2016",)

    def __init__(self, nats: float = 0.5, *, group: int = 1) -> None:
        super().__init__()
        self.nats: float = _nats(nats)
        self.group: int = require_count("group", group)

    def forward(self, model: Model, trace: Trace) -> Tensor:
        each = trace.kl_each.mean(0)  # (D,)
        return torch.stack([part.sum() for part in each.split(self.group)]).clamp_min(self.nats).sum()


class MuForcing(Term):
    """What is missing to a floor under the spread of the posteriors' means over a batch, a scalar (Liu et al. 2019,
    arXiv:1905.10072).

    The spread is half the mean squared distance of the means from their centre: the part of KL(q || N(0, I)) that says
    which item it is, so that where nothing is missing the mean rate is at least the floor.

    Args:
        nats: the floor, of all latents together.
    """

    cites: ClassVar[tuple[str, ...]] = ("liu2019",)
    company = 2

    def __init__(self, nats: float = 3.0) -> None:
        super().__init__()
        self.nats: float = _nats(nats)

    def forward(self, model: Model, trace: Trace) -> Tensor:
        mean = trace.q.mean.flatten(1)  # (B, D)
        spread = 0.5 * (mean - mean.mean(0)).square().sum(1).mean()
        return (self.nats - spread).clamp_min(0.0)


class Capacity(Term):
    """The distance of the rate from a capacity that grows (Burgess et al. 2018, arXiv:1804.03599).

    Args:
        gamma: the weight.
        nats: C, a number or a schedule.
    """

    cites: ClassVar[tuple[str, ...]] = ("burgess2018",)

    def __init__(self, gamma: float = 100.0, nats: float | Schedule = 25.0) -> None:
        super().__init__()
        self.gamma = float(gamma)
        self.nats = nats if isinstance(nats, Schedule) else Constant(float(nats))

    def forward(self, model: Model, trace: Trace) -> Tensor:
        return self.gamma * (self.rate(trace).mean() - self.nats.value()).abs()

    def rate(self, trace: Trace) -> Tensor:
        """What is led to the capacity, (B,)."""
        return trace.kl


class BlockCapacity(Capacity):
    """The same for the rate of one part of the latents (Dupont 2018, arXiv:1804.00104).

    Args:
        block: which part of a posterior of `Blocks`, from 0.
        gamma, nats: as for Capacity.
    """

    cites: ClassVar[tuple[str, ...]] = ("dupont2018",)

    def __init__(self, block: int, gamma: float = 30.0, nats: float | Schedule = 5.0) -> None:
        super().__init__(gamma, nats)
        self.block = block

    def rate(self, trace: Trace) -> Tensor:
        q, p = trace.q, trace.p
        if not isinstance(q, Blocks) or not isinstance(p, Blocks):
            raise Mistake(f"BlockCapacity needs latents in blocks and got a {type(q).__name__}: use Capacity().")
        return q.kl_parts(p)[self.block]


def _nats(nats: float) -> float:
    if not (isinstance(nats, Real) and 0 <= nats < math.inf):
        raise Mistake(f"got nats={nats!r} and wanted a number, 0 or more.")
    return float(nats)
