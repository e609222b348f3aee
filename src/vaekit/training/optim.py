"""Optimisers, learning-rate factors and the moving average of weights."""

from __future__ import annotations

__all__ = ["Adam", "Average", "learning_rate", "make_optimizers"]

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vaekit.training.settings import Settings


class Adam(torch.optim.Adam):
    """torch's fused Adam, which keeps its lists of tensors from step to step: a third of its time on small models."""

    _lists: tuple[list[Tensor], ...] | None = None

    def __init__(self, parameters: list[nn.Parameter], lr: float) -> None:
        super().__init__(parameters, lr=lr, fused=True)

    def __setstate__(self, state: dict[str, Any]) -> None:  # what load_state_dict ends with: the tensors are others now
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._lists = None

    def step(self, closure: Any = None) -> Any:
        """torch's own step, or the same call of its kernel where nothing unusual is asked for."""
        group = self.param_groups[0]
        parameters = group["params"]
        gradients = [p.grad for p in parameters]
        if not self._plain(closure) or not all(g is not None for g in gradients):
            self._lists = None
            return super().step(closure)
        if self._lists is None:
            states = [self.state[p] for p in parameters]
            self._lists = tuple([s[name] for s in states] for name in ("exp_avg", "exp_avg_sq", "step"))
        means, squares, steps = self._lists
        beta1, beta2 = group["betas"]
        with torch.no_grad():
            torch._foreach_add_(steps, 1)
            torch._fused_adam_(
                parameters, gradients, means, squares, [], steps,
                lr=group["lr"], beta1=beta1, beta2=beta2, weight_decay=group["weight_decay"], eps=group["eps"],
                amsgrad=False, maximize=False,
            )  # fmt: skip
        return None

    step.hooked = True  # type: ignore[attr-defined]  # torch's step, where it is taken, runs the hooks

    def _plain(self, closure: Any) -> bool:
        unusual = closure or self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks
        masked = hasattr(self, "found_inf") or hasattr(self, "grad_scale")
        return not unusual and not masked and len(self.param_groups) == 1 and len(self.state) > 0


def make_optimizers(
    players: Mapping[str, list[nn.Parameter]], *, optimizer: Any = None, lr: float = 2e-3
) -> dict[str, torch.optim.Optimizer]:
    """One optimiser a player: fused Adam, a factory of the user's for all, or one for each player.

    Example:
        >>> sorted(make_optimizers({"model": [nn.Parameter(torch.zeros(2))]}))
        ['model']
    """
    made = {}
    for player, parameters in players.items():
        factory = optimizer.get(player) if isinstance(optimizer, Mapping) else optimizer
        if parameters:
            made[player] = Adam(parameters, lr) if factory is None else factory(parameters)
    return made


def learning_rate(settings: Settings, step: int, total: int) -> float:
    """The factor on the learning rate at a step, from warm-up and schedule."""
    warm = settings.warmup * total if settings.warmup < 1 else settings.warmup
    rise = min(1.0, (step + 1) / warm) if warm >= 1 else 1.0
    fraction = step / max(total, 1)
    if callable(settings.lr_schedule):
        return rise * float(settings.lr_schedule(fraction))
    return rise * (0.5 * (1 + math.cos(math.pi * fraction)) if settings.lr_schedule == "cosine" else 1.0)


class Average:
    """The exponential moving average of a model's trainable weights, without the bias towards the start.

    Args:
        parameters: the weights.
        decay: the share kept at each step.
    """

    def __init__(self, parameters: list[nn.Parameter], decay: float) -> None:
        self.parameters, self.decay = parameters, decay
        self.values = [p.detach().clone() for p in parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After step + 1 optimiser steps; early steps are averaged plainly."""
        weight = max(1 - self.decay, 1 / (step + 2))
        torch._foreach_lerp_(self.values, list(self.parameters), weight)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the weights with their average; twice is nothing."""
        held: list[Tensor] = [p.detach().clone() for p in self.parameters]
        for p, v, h in zip(self.parameters, self.values, held, strict=True):
            p.copy_(v)
            v.copy_(h)
