"""A step's loss and gradients by operations that are recorded once and replayed: no modules, no autograd."""

from __future__ import annotations

__all__ = ["Losses", "Replay", "Replayed", "called"]

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vaekit.objectives import Schedule
from vaekit.training.graph import Function, recorded
from vaekit.training.loader import Batch
from vaekit.training.metrics import Metrics
from vaekit.training.step import Step

KNOWN = ("torch", "vaekit")  # whose modules decide nothing in Python from one step to the next
WORTH = 1000  # steps from which on it pays to record one
SLOW = 0.03  # seconds of a step of which a replay would save nothing that counts


class Losses(nn.Module):
    """A step of one player as a function of a batch to its loss and scores."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step
        # where values are missing, it stands in the scores; else it is a plain number, which can be taken here only
        self.gain = 0.0 if step.model.takes_missing else float(step.jacobian(torch.empty(0)))

    def forward(self, x: Tensor, y: Any) -> tuple[Tensor, dict[str, Tensor]]:
        losses, metrics = self.step.losses(Batch(x, y))
        return next(iter(losses.values())), dict(metrics.scores)


class Replay:
    """Runs a step's batches by replaying them, where that is the step to the bit; else says why it is not.

    Args:
        step: whose losses are replayed; validation and the guard stay eager.

    Attributes:
        why: why steps are not replayed, or None.
    """

    def __init__(self, step: Step) -> None:
        self.step, self.why = step, _apart(step)
        self._replayed: Replayed | None = None
        self._began: list[float] = []

    def __call__(self, batch: Batch) -> Metrics | None:
        """The metrics, with the gradients at the weights; None where the step is not replayed."""
        if self.why is None and self._replayed is None:
            self._try(batch)
        if self._replayed is None:
            return None
        scores = self._replayed(batch.x, *(batch.y or {}).values())[1]
        return Metrics(scores, len(batch), self.losses.gain)

    def __bool__(self) -> bool:
        """Whether steps are replayed by now."""
        return self._replayed is not None

    def _try(self, batch: Batch) -> None:
        """Begin with the third step, where the second one was quick enough."""
        self._began.append(time.perf_counter())
        if len(self._began) == 3:
            spent = self._began[2] - self._began[1]
            self.why = None if spent < SLOW else f"a step takes {1e3 * spent:.0f} ms, next to which nothing is saved"
            if self.why is None:
                self._begin(batch)

    def _begin(self, batch: Batch) -> None:
        """Record a batch, and go on where its loss and gradients are the eager step's."""
        self.losses = Losses(self.step)
        names = list(batch.y or {})

        def scored(tensors: Mapping[str, Tensor], x: Tensor, *y: Tensor) -> Any:
            return called(self.losses, tensors, (x, dict(zip(names, y, strict=True)) or None))

        tensors = dict([*self.losses.named_parameters(), *self.losses.named_buffers()])
        noise = torch.get_rng_state()
        try:
            replayed = Replayed(scored, tensors)
            with undisturbed(tensors.values()):
                said = replayed(batch.x, *(batch.y or {}).values())
                found = [tensors[name].grad for name in replayed.moved]
                torch.set_rng_state(noise)
                loss, scores = self.losses(batch.x, batch.y)
                wanted = torch.autograd.grad(loss, [tensors[name] for name in replayed.moved])
        except Exception as error:  # what can go wrong in recording is of many kinds; eager steps tell if it was ours
            self.why = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
        else:
            mine, its = [said[0], *said[1].values(), *found], [loss, *scores.values(), *wanted]
            if all(a is not None and torch.equal(a, b) for a, b in zip(mine, its, strict=True)):
                self._replayed = replayed
            else:
                self.why = "it is not the eager step"
        for parameter in self.step.moved:  # of the trial
            parameter.grad = None


def _apart(step: Step) -> str | None:
    """Why a step is not replayed, in words, or None."""
    if step.device.type != "cpu" or len(step.players) > 1 or step.accumulate > 1:
        return "it is not one player's on a CPU, in one part"
    strange = next((m for m in step.modules() if type(m).__module__.split(".")[0] not in KNOWN), None)
    if strange is not None:
        return f"{type(strange).__name__} may decide in Python"
    moving = next((part for part in step.after if not isinstance(part, Schedule) and part.moves_by_hand), None)
    return None if moving is None else f"{type(moving).__name__} moves without a gradient"


class Replayed:
    """Values and gradients of a function of weights, by operations recorded once for each shape of its inputs.

    Noise is drawn anew at each replay, in the function's order. What the function decides in Python is decided once.

    Args:
        function: (weights by name, *inputs) -> a loss, which is differentiated, and what else there is to know.
        weights: parameters and buffers; those that ask for gradients get them.
    """

    def __init__(
        self, function: Callable[..., tuple[Tensor, Mapping[str, Tensor]]], weights: Mapping[str, Tensor]
    ) -> None:
        self.function, self.weights = function, dict(weights)
        self.moved = [name for name, weight in weights.items() if weight.requires_grad]
        self._known: dict[tuple[torch.Size, ...], tuple[Function, list[str]]] = {}

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and the rest; the gradients stand at the weights."""
        shapes = tuple(tensor.shape for tensor in inputs)
        if shapes not in self._known:
            self._known[shapes] = self._recorded(inputs)
        replay, names = self._known[shapes]
        with torch.no_grad():
            loss, *found = replay(*self.weights.values(), *inputs)
        rest = dict(zip(names, found, strict=False))
        given: set[int] = set()
        for name, gradient in zip(self.moved, found[len(names) :], strict=True):
            gradient = gradient.clone() if gradient.data_ptr() in given else gradient  # each may be changed in place
            given.add(gradient.data_ptr())
            self.weights[name].grad = _laid_out(self.weights[name], gradient)
        return loss, rest

    def _recorded(self, inputs: Sequence[Tensor]) -> tuple[Function, list[str]]:
        names: list[str] = []

        def flat(*tensors: Tensor) -> list[Tensor]:
            weights = dict(zip(self.weights, tensors, strict=False))
            loss, rest = self.function(weights, *tensors[len(weights) :])
            names[:] = rest
            gradients = torch.autograd.grad(loss, [weights[name] for name in self.moved], allow_unused=True)
            self.moved = [name for name, g in zip(self.moved, gradients, strict=True) if g is not None]
            return [
                loss.detach(),
                *(value.detach() for value in rest.values()),
                *(g for g in gradients if g is not None),
            ]

        with undisturbed(tensor for tensor in self.weights.values() if not tensor.requires_grad):
            return recorded(flat, [*self.weights.values(), *inputs]), names


def called(module: nn.Module, tensors: Mapping[str, Tensor], arguments: tuple[Any, ...]) -> Any:
    """module(*arguments) with these tensors for its own, by their first names; afterwards it has its own again.

    Each place is filled once: torch's own way fills a module that stands in two places twice, and leaves it filled.
    """
    first: dict[int, str] = {}
    places: dict[str, Tensor] = {}
    for prefix, part in module.named_modules():
        for kind in (part._parameters, part._buffers):
            for name, own in kind.items():
                place = f"{prefix}.{name}" if prefix else name
                given = None if own is None else tensors.get(first.setdefault(id(own), place))
                if given is not None:
                    places[place] = given
    return functional_call(module, places, arguments, tie_weights=False)


class undisturbed:
    """Recording runs the function once: noise and buffers are as before afterwards."""

    def __init__(self, buffers: Iterable[Tensor]) -> None:
        self.buffers = list(buffers)

    def __enter__(self) -> None:
        self.noise, self.held = torch.get_rng_state(), [tensor.clone() for tensor in self.buffers]

    def __exit__(self, *error: object) -> None:
        torch.set_rng_state(self.noise)
        with torch.no_grad():
            for tensor, held in zip(self.buffers, self.held, strict=True):
                tensor.copy_(held)


def _laid_out(weight: Tensor, gradient: Tensor) -> Tensor:
    """The gradient in its weight's memory layout, which fused optimisers take for granted."""
    return gradient if gradient.stride() == weight.stride() else torch.empty_like(weight).copy_(gradient)
