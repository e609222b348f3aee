"""Stopper: the best validation so far, its weights, and when there was no better one for too long."""

from __future__ import annotations

__all__ = ["Stopper"]

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from vaekit.messages import Mistake
from vaekit.objectives import Schedule


class Stopper:
    """Judges rows of validation numbers.

    Args:
        monitor: the number that is judged; the lower the better, but for those that end in "elbo".
        patience: how many judgements in a row may bring nothing better; None for any number.
        schedules: of the objective: losses under other weights do not compare, so that the best is then forgotten.

    Attributes:
        best: value and step of the best so far, how many judgements it stands, and the weights it was under.
        state: the model's tensors at the best.
    """

    def __init__(self, monitor: str, patience: int | None, schedules: Sequence[Schedule]) -> None:
        self.monitor, self.patience, self.schedules = monitor, patience, list(schedules)
        self.best: dict[str, Any] = {"value": None, "step": None, "waits": 0, "weights": []}
        self.state: dict[str, Tensor] = {}

    def judge(self, row: Mapping[str, Any], step: int, state: dict[str, Tensor]) -> bool:
        """Whether it is time to stop.

        Args:
            row: the numbers of a validation.
            step: at which it was.
            state: the model's tensors that it was made with.
        """
        if self.monitor not in row:
            raise Mistake(f"got monitor={self.monitor!r} and the history has {', '.join(row)}: name one of these.")
        value = row[self.monitor] * (-1 if self.monitor.endswith("elbo") else 1)
        weights = [float(schedule.value()) for schedule in self.schedules]
        if weights != self.best["weights"]:
            self.best = {**self.best, "value": None, "weights": weights, "waits": 0}
        if math.isfinite(value) and (self.best["value"] is None or value < self.best["value"]):
            self.best = {"value": value, "step": step, "waits": 0, "weights": weights}
            self.state = state
            return False
        self.best["waits"] += 1
        return self.patience is not None and self.best["waits"] >= self.patience
