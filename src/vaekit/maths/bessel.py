r"""Modified Bessel functions of the first kind, without overflow, for orders from 0 up and arguments from 0 to 1e6.

.. math:: f_\nu(x) = \Gamma(\nu + 1) I_\nu(x) / (x / 2)^\nu, \qquad (\log f_\nu)' = I_{\nu + 1}(x) / I_\nu(x)

A large order has a uniform expansion (Olver 1954; NIST Digital Library of Mathematical Functions, 10.41), and the
recurrence leads from it down to the order asked for, the direction in which errors shrink.
"""

from __future__ import annotations

__all__ = ["log_bessel"]

import functools
import math
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

LARGE, TERMS = 16, 8  # the order from which the expansion is taken, and its terms: log f is right to 1e-11


def log_bessel(order: float, x: Tensor) -> tuple[Tensor, Tensor]:
    """log f and its derivative, the ratio I_{order + 1}(x) / I_order(x), in float64; both are 0 at x = 0.

    Args:
        order: 0 or more.
        x: 0 or more, of any shape.

    Example:
        >>> log_bessel(0.5, torch.tensor(2.0))  # log(sinh(x) / x) and 1 / tanh(x) - 1 / x
        (tensor(0.5952, dtype=torch.float64), tensor(0.5373, dtype=torch.float64))
    """
    found: tuple[Tensor, Tensor] = _LogBessel.apply(x.double(), order)  # type: ignore[no-untyped-call]
    return found


def slope(order: float, x: Tensor, ratio: Tensor) -> Tensor:
    """The derivative of the ratio, 1 - ratio^2 - (2 order + 1) ratio / x."""
    there = x > 0
    share = torch.where(there, ratio / torch.where(there, x, torch.ones_like(x)), 0.5 / (order + 1))
    return 1 - ratio.square() - (2 * order + 1) * share


class _LogBessel(torch.autograd.Function):
    """A hundred small operations with a derivative of three."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, order: float) -> tuple[Tensor, Tensor]:
        steps = max(0, math.ceil(LARGE - order))
        log_f, share = _expansion(order + steps, x)
        orders = [order + k for k in range(steps, 0, -1)]
        square, found = x.square(), []
        for k in orders:  # share is ratio / x, which 0 does not divide
            found.append(square * share)
            share = (found[-1] + 2 * k).reciprocal()
        if steps:
            twice = 2 * torch.tensor(orders, dtype=x.dtype, device=x.device).view(-1, *[1] * x.ndim)
            log_f = log_f + (torch.stack(found) / twice).log1p().sum(0)
        return log_f, x * share

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: tuple[Tensor, Tensor]) -> None:
        ctx.order = inputs[1]
        ctx.save_for_backward(inputs[0], output[1])

    @staticmethod
    def backward(ctx: Any, *up: Tensor) -> tuple[Tensor, None]:
        x, ratio = ctx.saved_tensors
        return up[0] * ratio + up[1] * slope(ctx.order, x, ratio), None


def _expansion(order: float, x: Tensor) -> tuple[Tensor, Tensor]:
    """log f and ratio / x for a large order."""
    s = torch.hypot(x, torch.full_like(x, order))
    p = order / s
    value, change = _polynomials(order)
    powers = p.unsqueeze(-1) ** torch.arange(len(value), dtype=x.dtype, device=x.device)
    series, its_change = (powers @ torch.tensor([value, change], dtype=x.dtype, device=x.device).T).unbind(-1)
    gap = x.square() / (s + order)  # s - order
    log_f = gap - order * torch.log1p(gap / (2 * order)) - 0.5 * torch.log1p(gap / order)
    share = (order + s).reciprocal() - 0.5 / s.square() - order / s**3 * its_change / series
    return log_f + (series / sum(value)).log(), share


@functools.lru_cache(maxsize=256)
def _polynomials(order: float) -> tuple[list[float], list[float]]:
    """The coefficients of sum_k U_k(p) / order^k and of its derivative in p."""
    value = [0.0] * (3 * TERMS + 1)
    for k, polynomial in enumerate(_debye()):
        for power, coefficient in polynomial.items():
            value[power] += float(coefficient) / order**k
    return value, [power * value[power] for power in range(1, len(value))] + [0.0]


@functools.cache
def _debye() -> list[dict[int, Fraction]]:
    """U_0 to U_TERMS, power -> coefficient: U_{k+1} = p^2 (1 - p^2) U_k' / 2 + 1/8 int_0^p (1 - 5 t^2) U_k dt."""
    found = [{0: Fraction(1)}]
    for _ in range(TERMS):
        nxt: dict[int, Fraction] = {}
        for j, c in found[-1].items():
            nxt[j + 1] = nxt.get(j + 1, Fraction(0)) + c * (Fraction(j, 2) + Fraction(1, 8 * (j + 1)))
            nxt[j + 3] = nxt.get(j + 3, Fraction(0)) - c * (Fraction(j, 2) + Fraction(5, 8 * (j + 3)))
        found.append(nxt)
    return found
