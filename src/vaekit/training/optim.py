"""Optimisers, learning-rate factors and the moving average of weights."""

from __future__ import annotations

__all__ = ["Average", "learning_rate", "make_optimizers"]

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vaekit.training.settings import Settings


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
            made[player] = torch.optim.Adam(parameters, lr=lr, fused=True) if factory is None else factory(parameters)
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
