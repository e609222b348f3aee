"""Settings: the one list of training arguments, the same in Python and on the command line."""

from __future__ import annotations

__all__ = ["Settings"]

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any

import torch

from vaekit.messages import Mistake, reject_unknown
from vaekit.training.callbacks import Callback


@dataclass(frozen=True)
class Settings:
    """How to train; every value has a default that a recipe may replace.

    Attributes:
        epochs: passes over the data; None chooses 30, or more for small data (about 10,000 steps, 500 epochs at most).
        steps: optimiser steps, in place of epochs.
        batch_size: items in one optimiser step.
        accumulate: parts in which a batch is worked through, to save memory.
        optimizer: a factory, parameters -> torch optimiser, or one for each player; None is fused Adam.
        lr: the highest learning rate.
        lr_schedule: "cosine" to 0, "constant", or a function of the fraction done.
        warmup: steps of linear warm-up, or a fraction of all steps below 1.
        clip: the largest gradient norm; larger ones are scaled down.
        skip: a step whose gradient norm is this many times the usual one is left out.
        ema: decay of the moving average of the weights, used for validation and the result; None for none.
        early_stopping: validations without improvement after which to stop; None never stops early.
        monitor: the history's column that says what is best.
        valid_every: epochs between validations.
        save_every: optimiser steps between checkpoints; None saves every 30 seconds.
        keep: "best" restores the weights of the best validation at the end, "last" keeps the last.
        precision: "fp32" or "bf16" (networks and heads of logits in bfloat16; other heads, scores, weights in float32).
        compile: "measure" compiles the losses after the first steps and keeps that where it is faster; "on", "off".
        device: "auto", "cpu", "cuda", "mps", ...
        workers: threads that decode pictures of a folder; None for all cores.
        seed: of weights, order and noise.
        callbacks: objects with the methods of vk.Callback.
    """

    epochs: int | None = None
    steps: int | None = None
    batch_size: int = 128
    accumulate: int = 1
    optimizer: Any = None
    lr: float = 2e-3
    lr_schedule: str | Callable[[float], float] = "cosine"
    warmup: float = 0.03
    clip: float | None = None
    skip: float = 100.0
    ema: float | None = None
    early_stopping: int | None = None
    monitor: str = "valid_loss"
    valid_every: int = 1
    save_every: int | None = None
    keep: str = "best"
    precision: str = "fp32"
    compile: str = "off"
    device: str = "auto"
    workers: int | None = None
    seed: int = 0
    callbacks: Sequence[Any] = ()

    def __post_init__(self) -> None:
        for name, low in [
            ("epochs", 0), ("steps", 0), ("batch_size", 1), ("accumulate", 1), ("early_stopping", 1),
            ("valid_every", 1), ("save_every", 1), ("workers", 1), ("seed", 0),
        ]:  # fmt: skip
            value = getattr(self, name)
            if value is not None and (not _is(Integral, value) or value < low):
                raise Mistake(f"got {name}={value!r} and wanted a whole number, {low} or more.")
        for name, low, such in [("lr", 0, "1e-3"), ("clip", 0, "1.0"), ("skip", 1, "100")]:
            value = getattr(self, name)
            if not (name == "clip" and value is None) and not (_is(Real, value) and low < value < math.inf):
                raise Mistake(f"got {name}={value!r} and wanted a number above {low}, such as {such}.")
        if not _is(Real, self.warmup) or not 0 <= self.warmup < math.inf:
            raise Mistake(f"got warmup={self.warmup!r} and wanted steps, or a fraction of all steps below 1.")
        if self.epochs is not None and self.steps is not None:
            raise Mistake(f"got epochs={self.epochs} and steps={self.steps}: give one of them.")
        for name, choices in [("keep", ("best", "last")), ("precision", ("fp32", "bf16")),
                              ("compile", ("measure", "on", "off"))]:  # fmt: skip
            if getattr(self, name) not in choices:
                raise Mistake(f"got {name}={getattr(self, name)!r} and wanted {' or '.join(map(repr, choices))}.")
        if not callable(self.lr_schedule) and self.lr_schedule not in ("cosine", "constant"):
            raise Mistake(f"got lr_schedule={self.lr_schedule!r} and wanted 'cosine', 'constant' or a function.")
        if self.ema is not None and not (_is(Real, self.ema) and 0 < self.ema < 1):
            raise Mistake(f"got ema={self.ema!r} and wanted a decay between 0 and 1, such as 0.999.")
        factories = self.optimizer.values() if isinstance(self.optimizer, Mapping) else [self.optimizer]
        if not all(f is None or callable(f) for f in factories):
            raise Mistake(f"got optimizer={self.optimizer!r} and wanted a factory, such as torch.optim.AdamW.")
        known = [name for name in vars(Callback) if name.startswith("on_")]
        several = isinstance(self.callbacks, Iterable)
        if not several or not all(hasattr(c, name) for c in self.callbacks for name in known):
            raise Mistake(f"got callbacks={self.callbacks!r} and wanted a list of vk.Callback objects.")

    @classmethod
    def of(cls, defaults: Any, given: dict[str, Any]) -> Settings:
        """A recipe's defaults below what the user gives."""
        names = [f.name for f in fields(cls)]
        reject_unknown("training", given, names)
        given = {k: v for k, v in given.items() if v is not None}
        length = {"epochs", "steps"}
        kept = {k: v for k, v in defaults.items() if k not in length or not length & set(given)}
        return cls(**{**kept, **given})

    def total_steps(self, per_epoch: int) -> int:
        """Optimiser steps of the whole run."""
        if self.steps is not None:
            return self.steps
        epochs = self.epochs if self.epochs is not None else max(30, min(500, round(10_000 / per_epoch)))
        return epochs * per_epoch

    def chosen_device(self) -> torch.device:
        """The device that "auto" or a name means here."""
        name = self.device
        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        try:
            device = torch.device(name)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:
            raise Mistake(f"device {name!r} is not to be had here: give 'auto' or 'cpu'.") from error
        return device

    def record(self) -> dict[str, Any]:
        """The settings as JSON."""
        record = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "callbacks"}
        for name in ("optimizer", "lr_schedule"):
            value = record[name]
            record[name] = value if value is None or isinstance(value, str) else getattr(value, "__name__", str(value))
        return record


def _is(kind: type, value: Any) -> bool:
    """Whether a value is a number of this kind, numpy's included and truth values not."""
    return isinstance(value, kind) and not isinstance(value, bool)
