r"""Weights that a controller sets from what was seen: a distortion to be met, or a rate to be held.

.. math:: KL + \lambda\,(D - D^*), \qquad D + \beta\, KL
"""

from __future__ import annotations

__all__ = ["GECO", "ControlledRate"]

import math
from typing import ClassVar

import torch
from torch import Tensor

from vaekit.messages import Mistake
from vaekit.models import Model, Trace
from vaekit.objectives.term import Term


class Controlled(Term):
    """The base: in training the mean of a batch's gap is kept, and `after_step` moves the controller's state by it.

    Validation never moves it, and checkpoints hold it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._gaps: list[Tensor] = []  # of the parts of a batch

    def note(self, gap: Tensor) -> None:
        """Keep what the controller is to react to."""
        if self.training and torch.is_grad_enabled():
            self._gaps.append(gap.detach().mean())

    def react(self, gap: Tensor) -> None:
        raise NotImplementedError

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        if self._gaps:
            self.react(torch.nan_to_num(torch.stack(self._gaps).mean(), 0.0, 0.0, 0.0))
            self._gaps = []

    def forget(self) -> None:
        self._gaps = []


class GECO(Controlled):
    """The rate under the constraint that the distortion is at most a goal (Rezende and Viola 2018, arXiv:1810.00597).

    The weight of the distortion grows while its moving average is above the goal, and falls below it.

    Args:
        distortion: the goal, nats an item in the model's units.
        speed: how fast the log of the weight moves for a gap of the goal's own size.
        decay: of the moving average.
    """

    cites: ClassVar[tuple[str, ...]] = ("rezende2018",)

    def __init__(self, distortion: float, *, speed: float = 0.1, decay: float = 0.99) -> None:
        super().__init__()
        if not math.isfinite(distortion):
            raise Mistake(f"got distortion={distortion!r} and wanted the nats an item that may be lost.")
        self.distortion, self.speed, self.decay = float(distortion), float(speed), float(decay)
        self.register_buffer("log_weight", torch.zeros(()))
        self.register_buffer("average", torch.full((), math.nan))
        self.log_weight: Tensor
        self.average: Tensor

    def forward(self, model: Model, trace: Trace) -> Tensor:
        gap = -trace.log_px.mean(0) - self.distortion
        self.note(gap)
        return trace.kl + self.log_weight.exp() * gap

    def react(self, gap: Tensor) -> None:
        average = torch.where(self.average.isnan(), gap, torch.lerp(gap, self.average.to(gap), self.decay))
        self.average.copy_(average)
        change = self.speed * average / max(abs(self.distortion), 1.0)
        self.log_weight.add_(change.clamp(-0.1, 0.1)).clamp_(-10.0, 10.0)


class ControlledRate(Controlled):
    """The ELBO whose rate's weight a PI controller sets, so that the rate is a given one (Shao et al. 2020).

    beta = Kp / (1 + exp(e)) - Ki sum e + lowest with e = rate - the batch's own; the sum stands still at the ends.

    Args:
        rate: nats an item.
        proportional, integral: Kp and Ki.
        lowest, highest: of beta.
    """

    cites: ClassVar[tuple[str, ...]] = ("shao2020",)

    def __init__(
        self, rate: float, *, proportional: float = 0.01, integral: float = 1e-3, lowest: float = 0.0,
        highest: float = 100.0,
    ) -> None:  # fmt: skip
        super().__init__()
        if not 0 < rate < math.inf:
            raise Mistake(f"got rate={rate!r} and wanted nats an item, above 0.")
        self.rate, self.proportional, self.integral = float(rate), float(proportional), float(integral)
        self.lowest, self.highest = float(lowest), float(highest)
        self.register_buffer("sum", torch.zeros(()))
        self.register_buffer("beta", torch.full((), float(lowest)))
        self.sum: Tensor
        self.beta: Tensor

    def forward(self, model: Model, trace: Trace) -> Tensor:
        self.note(self.rate - trace.kl)
        return self.beta * trace.kl - trace.log_px.mean(0)

    def react(self, gap: Tensor) -> None:
        inside = (self.beta >= self.lowest) & (self.beta <= self.highest)
        self.sum.copy_(torch.where(inside, self.sum - self.integral * gap, self.sum))
        beta = self.proportional * torch.sigmoid(-gap) + self.sum + self.lowest
        self.sum.clamp_(0.0, self.highest)
        self.beta.copy_(beta.clamp(self.lowest, self.highest))
