"""Whether a step's losses run compiled: decided once, by measurement within the run, and replayed by resume."""

from __future__ import annotations

__all__ = ["Compiling"]

import statistics
import time
from typing import Any

import torch

from vaekit.training.loader import Batch
from vaekit.training.metrics import Metrics
from vaekit.training.step import Step

WARM, TIMED = 5, 15  # steps left out and steps timed, of either kind
WORTH = 60.0  # seconds that the rest of the run must take for compiling, which takes a minute itself, to be tried
FASTER = 0.95  # of the eager step's time that a compiled one must stay below


class Compiling:
    """Runs the steps of a training run, and compiles their losses where that pays.

    The noise of a compiled step is the eager one's, so that results differ by rounding alone. Any error of the compiler
    means eager steps and is recorded.

    Args:
        step: whose losses are compiled; validation and the guard's replay stay eager.
        how: "measure", "on" (at once) or "off" (never).
        total: the run's steps.
        choice: what a checkpoint says was chosen.

    Attributes:
        choice: None while undecided, else `kept`, and where it was measured `eager_ms`, `compiled_ms` and `seconds`
            (of compiling), or `why` it was not.
    """

    def __init__(self, step: Step, how: str, total: int, *, choice: dict[str, Any] | None = None) -> None:
        self.step, self.total = step, total
        self.choice = {"kept": how == "on"} if choice is None and how != "measure" else choice
        inside = next((part for part in step.modules() if not getattr(part, "compiles", True)), None)
        if inside is not None and how != "off":
            self.choice = {"kept": False, "why": f"{type(inside).__name__} differentiates inside its own pass"}
        self.eager: list[float] = []
        self.compiled: list[float] = []
        if self.choice is not None and self.choice["kept"]:
            self._start()

    def __call__(self, batch: Batch, at: int) -> Metrics:
        """One step, number `at` of the run."""
        if self.choice is not None:
            return self.step(batch)
        trying = len(self.eager) == WARM + TIMED
        began = self._clock()
        metrics: Metrics = self.step(batch)
        (self.compiled if trying else self.eager).append(self._clock() - began)
        if self.choice is None and not trying and len(self.eager) == WARM + TIMED:
            left = statistics.median(self.eager[WARM:]) * (self.total - at - 1)
            if left < WORTH:
                self.choice = {"kept": False, "why": f"{left:.0f} s were left: too few to pay for compiling"}
            else:
                self._start()
        elif self.choice is None and len(self.compiled) == WARM + TIMED:
            self._decide()
        return metrics

    def _start(self) -> None:
        compiled = torch.compile(self.step.losses, dynamic=False, options={"fallback_random": True})

        def guarded(batch: Batch) -> Any:
            noise = torch.get_rng_state()
            try:
                return compiled(batch)
            except Exception as error:  # the compiler's own are of many kinds; the eager step tells if it was ours
                torch.set_rng_state(noise)
                found = self.step.losses(batch)
                self.step.scored = self.step.losses
                self.choice = {"kept": False, "why": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"}
                return found

        self.step.scored = guarded

    def _decide(self) -> None:
        eager, compiled = (statistics.median(times[WARM:]) for times in (self.eager, self.compiled))
        kept = compiled < FASTER * eager
        if not kept:
            self.step.scored = self.step.losses
        self.choice = {
            "kept": kept, "eager_ms": round(1e3 * eager, 3), "compiled_ms": round(1e3 * compiled, 3),
            "seconds": round(sum(self.compiled[:WARM]), 1),
        }  # fmt: skip

    def _clock(self) -> float:
        if self.step.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()
