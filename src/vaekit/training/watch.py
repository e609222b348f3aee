"""Watch: which steps to leave out, because a number is not finite or a gradient explodes."""

from __future__ import annotations

__all__ = ["Watch"]

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vaekit.messages import Mistake

SMALL = 4096  # elements of a parameter that is read at every step
FOLLOW = 0.05  # how fast the usual norm follows what is seen


class Watch:
    """Looks at losses and gradient norms, and says which player's step to leave out.

    A step is left out where the norm is `skip` times the usual one. The usual norm follows what is seen, skipped steps
    included, so that training cannot stall behind it. A number that is not finite leaves out that step and every
    later one; `bad` is then its number (else -1).

    On the CPU the decision is made at once; on an accelerator it stays there as a flag, and nothing waits for it.

    Args:
        players: the parameters of each player.
        device: where they are.
        skip: above 1.
        all_of_them: read every gradient, not only the small ones.
    """

    def __init__(
        self,
        players: Mapping[str, list[nn.Parameter]],
        device: torch.device,
        *,
        skip: float,
        all_of_them: bool,
    ) -> None:
        if not skip > 1:
            raise Mistake(f"got skip={skip!r} and wanted a number above 1: a usual step must never be left out.")
        self.skip, self.here = skip, device.type == "cpu"
        self.read = {name: own if all_of_them else _small(own) for name, own in players.items()}
        self.bad = torch.full((), -1, dtype=torch.long, device=device)
        self.skipped = torch.zeros((), device=device)
        self.usual = {name: torch.zeros((), device=device) for name in players}  # gradient norms

    def norms(self, moving: Iterable[str]) -> dict[str, Tensor | float]:
        """The gradient norm of each player: a number on the CPU, a tensor on an accelerator."""
        return {name: self._norm([p.grad for p in self.read[name] if p.grad is not None]) for name in moving}

    def _norm(self, gradients: list[Tensor]) -> Tensor | float:
        norms = torch._foreach_norm(gradients) if gradients else [torch.zeros_like(self.skipped)]
        if self.here:
            return math.hypot(*[norm.item() for norm in norms])
        return torch.linalg.vector_norm(torch.stack(norms)).to(self.skipped.dtype)  # gradients may be float64

    def stay(self, step: int, loss: Tensor, norms: Mapping[str, Any]) -> dict[str, Tensor | bool]:
        """player -> whether to leave its step out."""
        return self._decide(step, loss, norms) if self.here else self._flag(step, loss, norms)

    def _decide(self, step: int, loss: Tensor, norms: Mapping[str, float]) -> dict[str, Tensor | bool]:
        halted = self.bad.item() >= 0
        if not halted and not all(map(math.isfinite, [loss.item(), *norms.values()])):
            self.bad.fill_(step)
            halted = True
        out: dict[str, Tensor | bool] = {}
        for name, norm in norms.items():
            usual = self.usual[name].item()
            limit = usual * self.skip if usual > 0 else norm
            if not halted:
                self.usual[name].fill_(usual + FOLLOW * (min(norm, limit) - usual) if usual > 0 else norm)
            if norm > limit:
                self.skipped += 1
            out[name] = halted or norm > limit
        return out

    def _flag(self, step: int, loss: Tensor, norms: Mapping[str, Tensor]) -> dict[str, Tensor | bool]:
        finite = loss.isfinite()
        for norm in norms.values():
            finite = finite & norm.isfinite()
        self.bad.copy_(torch.where(finite | (self.bad >= 0), self.bad, step))
        halted = self.bad >= 0
        out: dict[str, Tensor | bool] = {}
        for name, norm in norms.items():
            usual = self.usual[name]
            limit = torch.where(usual > 0, usual * self.skip, norm)
            self.skipped += norm > limit
            followed = torch.where(usual > 0, torch.lerp(usual, torch.minimum(norm, limit), FOLLOW), norm)
            out[name] = halted | (norm > limit)
            usual.copy_(torch.where(halted, usual, followed))
        return out


def _small(parameters: list[nn.Parameter]) -> list[nn.Parameter]:
    """The small parameters, biases above all, where there are some.

    Every layer's error signal passes through them, so that their gradients explode when any does, and reading them
    costs a hundredth of reading all.
    """
    return [p for p in parameters if p.numel() <= SMALL] or parameters
