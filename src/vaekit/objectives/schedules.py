"""Schedules: weights that change with the step; state of the model, saved and resumed, untouched by validation."""

from __future__ import annotations

__all__ = ["Constant", "Cosine", "Cyclical", "Exponential", "Linear", "Schedule", "Switch"]

import math
from typing import ClassVar

import torch
from torch import Tensor

from vaekit.messages import Mistake
from vaekit.part import Part


class Schedule(Part):
    """The base: `value()` is a tensor, read as often as one likes; only `after_step` moves it."""

    now: Tensor

    def at(self, step: int) -> float:
        """The value after this many steps."""
        raise NotImplementedError

    def start(self) -> None:
        self.register_buffer("now", torch.tensor(float(self.at(0))))

    def over(self, total: int) -> None:
        """Told once, before the first step, how many steps the run has."""

    def value(self) -> Tensor:
        return self.now

    def after_step(self, step: int) -> None:
        self.now.fill_(self.at(step))


class Constant(Schedule):
    """Always the same.

    Example:
        >>> Constant(4.0).value()
        tensor(4.)
    """

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = level
        self.start()

    def at(self, step: int) -> float:
        return self.level


class _Ramp(Schedule):
    """From first to last over some steps, after a delay; steps below 1 are a share of the run."""

    length: Tensor

    def __init__(self, first: float, last: float, *, steps: float, delay: int = 0) -> None:
        super().__init__()
        if not steps > 0:
            raise Mistake(f"a schedule got steps={steps}: give the number of optimiser steps, or a share of the run.")
        self.first, self.last, self.steps, self.delay = first, last, steps, delay
        self.register_buffer("length", torch.tensor(float(steps)))
        self.start()

    def over(self, total: int) -> None:
        if self.steps < 1:
            self.length.fill_(max(1.0, self.steps * total))

    def fraction(self, step: int) -> float:
        if step <= self.delay:
            return 0.0  # without a look at the length, which has no value yet where a model is built from a file
        return min(max((step - self.delay) / float(self.length), 0.0), 1.0)


class Linear(_Ramp):
    """A straight line from first to last over `steps` optimiser steps (below 1: a share of the run), after `delay`.

    Example:
        >>> beta = Linear(0.0, 1.0, steps=100)
        >>> beta.after_step(25); beta.value()
        tensor(0.2500)
    """

    def at(self, step: int) -> float:
        return self.first + (self.last - self.first) * self.fraction(step)


class Cosine(_Ramp):
    """Half a cosine from first to last over `steps` optimiser steps, after `delay`."""

    def at(self, step: int) -> float:
        return self.last + (self.first - self.last) * 0.5 * (1 + math.cos(math.pi * self.fraction(step)))


class Exponential(_Ramp):
    """By the same factor each step from first to last, both above 0, over `steps` optimiser steps, after `delay`.

    Example:
        >>> temperature = Exponential(1.0, 0.25, steps=100)
        >>> temperature.after_step(50); temperature.value()
        tensor(0.5000)
    """

    def __init__(self, first: float, last: float, *, steps: float, delay: int = 0) -> None:
        if not (first > 0 and last > 0):
            raise Mistake(f"a schedule got first={first} and last={last}: an exponential one wants both above 0.")
        super().__init__(first, last, steps=steps, delay=delay)

    def at(self, step: int) -> float:
        return float(self.first * (self.last / self.first) ** self.fraction(step))


class Cyclical(_Ramp):
    """From first to last again and again, `steps` a cycle (Fu et al. 2019, arXiv:1903.10145).

    Args:
        first, last: of each cycle.
        steps: of each cycle (below 1: a share of the run).
        rising: the share of a cycle that it takes to reach `last`, where the rest of the cycle stays.

    Example:
        >>> beta = Cyclical(0.0, 1.0, steps=100)
        >>> [round(beta.at(step), 2) for step in (0, 25, 50, 100, 101, 125)]
        [0.0, 0.5, 1.0, 1.0, 0.02, 0.5]
    """

    cites: ClassVar[tuple[str, ...]] = ("fu2019",)

    def __init__(self, first: float, last: float, *, steps: float, rising: float = 0.5) -> None:
        if not 0 < rising <= 1:
            raise Mistake(f"got rising={rising!r} and wanted the share of a cycle, above 0 and at most 1.")
        self._rising = rising
        super().__init__(first, last, steps=steps)

    def at(self, step: int) -> float:
        if step == 0:
            return self.first
        length = float(self.length)
        into = (step % length or length) / length  # the run's last step ends a cycle
        return self.first + (self.last - self.first) * min(into / self._rising, 1.0)


class Switch(_Ramp):
    """`first` for `steps` optimiser steps (below 1: a share of the run), `last` from then on."""

    def at(self, step: int) -> float:
        return self.first if self.fraction(step) < 1 else self.last
