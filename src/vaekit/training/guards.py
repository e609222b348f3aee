"""The guard: what to say when a loss or a gradient is not finite, found by going through the step once more."""

from __future__ import annotations

__all__ = ["Diverged", "explain"]

from typing import Any

import torch
from torch import Tensor, nn

from vaekit.messages import Mistake
from vaekit.training.loader import Batch
from vaekit.training.step import Step


class Diverged(Mistake):
    """Training met a number that is not finite; the last good state is on the disk."""


def explain(step: Step, batch: Batch, number: int, where: str) -> Diverged:
    """Replay a bad step with hooks and name term, layer, items and remedy."""
    with torch.random.fork_rng([step.device] if step.device.type == "cuda" else []):
        layer = _first_bad_layer(step, batch)
    with torch.no_grad():  # with the same noise
        trace = step.game.trace(step.model, batch)
        named = {k: v for role in step.game.roles.values() for k, v in role.terms(step.model, trace).items()}
    term = next((name for name, value in named.items() if not bool(value.isfinite().all())), None)
    items = ""
    if term is not None and named[term].ndim == 1:
        rows = (~named[term].isfinite()).nonzero().flatten()
        rows = rows if batch.index is None else batch.index[rows]
        items = f" at items {', '.join(map(str, rows[:5].tolist()))}{' and others' if len(rows) > 5 else ''}"
    bad_input = not step.model.takes_missing and not bool(torch.isfinite(batch.x).all())
    what = f"term {term!r} is not finite{items}" if term else "the loss is finite but a gradient is not"
    remedy = (
        "the data itself holds NaN or inf there: clean or drop those items"
        if bad_input
        else "lower lr, set clip=1.0, or bound the likelihood's scale"
    )
    return Diverged(
        f"training stopped at step {number}: {what}, first in {layer or 'the objective'}; {where}. To go on: {remedy}."
    )


def _first_bad_layer(step: Step, batch: Batch) -> str | None:
    """The first module, in the order of the forward pass and then of the backward pass, that gave a bad number."""
    found: list[str] = []

    def look(value: Tensor, what: str) -> None:
        if not found and not bool(value.isfinite().all()):
            found.append(what)

    def watch(name: str) -> Any:
        def forward(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                look(output, f"layer {name}")

        return forward

    def watch_back(name: str) -> Any:  # by the input's gradient: torch's own backward hooks refuse layers in place
        def before(module: nn.Module, inputs: Any) -> None:
            for value in inputs:
                if isinstance(value, Tensor) and value.requires_grad:
                    value.register_hook(lambda gradient: look(gradient, f"the gradient of layer {name}"))

        return before

    step.zero_grad()  # those of the bad step itself
    modules = [*step.model.named_modules(), *step.game.named_modules()]
    leaves = [(n, m) for n, m in modules if not list(m.children())]
    hooks = [m.register_forward_hook(watch(n)) for n, m in leaves]
    hooks += [m.register_forward_pre_hook(watch_back(n)) for n, m in leaves]
    try:
        losses, _ = step.losses(batch)
        if not found:
            for loss in losses.values():
                loss.backward(retain_graph=True)
        for name, p in [*step.model.named_parameters(), *step.game.named_parameters()]:
            if p.grad is not None:
                look(p.grad, f"the gradient of {name}")
    finally:
        for hook in hooks:
            hook.remove()
        step.zero_grad()
    return found[0] if found else None
