r"""Terms that hold the rate: a floor for each latent, and a capacity for all.

.. math:: \sum_j \max(\lambda, \overline{KL}_j), \qquad \gamma\, |KL - C|
"""

from __future__ import annotations

__all__ = ["Capacity", "FreeBits"]

import math
from numbers import Real
from typing import ClassVar

import torch
from torch import Tensor

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
        if not (isinstance(nats, Real) and 0 <= nats < math.inf):
            raise Mistake(f"got nats={nats!r} and wanted a number, 0 or more.")
        self.nats: float = float(nats)
        self.group: int = require_count("group", group)

    def forward(self, model: Model, trace: Trace) -> Tensor:
        each = trace.kl_each.mean(0)  # (D,)
        return torch.stack([part.sum() for part in each.split(self.group)]).clamp_min(self.nats).sum()


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
        return self.gamma * (trace.kl.mean() - self.nats.value()).abs()
