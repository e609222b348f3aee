r"""Generalised leapfrog steps of Hamilton's equations where lengths differ from place to place.

.. math:: v' = v + \tfrac{\epsilon}{2} (\nabla \log f(z) - \nabla_z K(z, v')), \quad
          z_1 = z + \tfrac{\epsilon}{2} (G^{-1}(z) + G^{-1}(z_1)) v', \quad
          v_1 = v' + \tfrac{\epsilon}{2} (\nabla \log f(z_1) - \nabla_z K(z_1, v')),
.. math:: K(z, v) = -\log N(v; 0, G(z)), \qquad
          G^{-1}(z) = \lambda I + \sum_i L_i L_i^\top e^{-\|z - c_i\|^2 / \tau^2}

The first two are equations in what they give. Steps: Girolami and Calderhead 2011, arXiv:0907.1100; the metric:
Chadebec, Mantoux and Allassonniere 2020, arXiv:2010.11518.
"""

from __future__ import annotations

__all__ = ["CentredMetric", "riemannian_leapfrog"]

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from vaekit.maths.leapfrog import force_of

SMALLEST = 1e-3  # pivot of a Jacobian that a step is taken with
FARTHEST = 10.0  # that an iterate goes from where it began, in units of 1 + its size


class CentredMetric:
    """G of the formula above; nothing is ever inverted.

    Args:
        centres: c, (N, D).
        factors: L, (N, D, D).
        reach: tau.
        floor: lambda, above 0, which keeps G from growing without end far from all centres.

    Example:
        >>> flat = CentredMetric(torch.zeros(1, 2), torch.zeros(1, 2, 2), reach=1.0, floor=1.0)
        >>> flat.log_momentum(torch.zeros(3, 2), torch.ones(3, 2))
        tensor([-1., -1., -1.])
    """

    def __init__(self, centres: Tensor, factors: Tensor, *, reach: float, floor: float) -> None:
        self.centres, self.factors, self.reach, self.floor = centres, factors, reach, floor
        with torch.autocast(factors.device.type, enabled=False):
            self.squares = factors @ factors.mT  # (N, D, D)

    def _near(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z - c, (*leading, N, D), and what each centre weighs there, (*leading, N)."""
        away = z.unsqueeze(-2) - self.centres
        return away, (away.square().sum(-1) / -(self.reach**2)).exp()

    def times(self, v: Tensor) -> Tensor:
        """L L^T v of each centre, (*leading, N, D)."""
        with torch.autocast(v.device.type, enabled=False):  # a fixed point needs full precision
            return (v @ self.squares.movedim(0, 1).flatten(1)).unflatten(-1, self.centres.shape)

    def velocity(self, z: Tensor, v: Tensor, times: Tensor | None = None) -> Tensor:
        """G^-1(z) v, (*leading, D); where v is kept and z moves, `times` is what `times(v)` gave."""
        _, weights = self._near(z)
        return self.floor * v + (weights.unsqueeze(-1) * (self.times(v) if times is None else times)).sum(-2)

    def around(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """What `pull` has to know of a place: tr(G L L^T) of each centre, (*leading, N), and (*leading, N, D)."""
        n, d = self.centres.shape
        beside = self.factors.movedim(0, 1).flatten(1)  # (D, N D)
        solved = torch.linalg.solve_triangular(self.root(z), beside.expand(*z.shape[:-1], d, n * d), upper=False)
        traces = solved.unflatten(-1, (n, d)).square().sum((-3, -1))
        return traces, self.directions(z)

    def directions(self, z: Tensor) -> Tensor:
        """Minus half the gradient of what each centre weighs at z, (*leading, N, D)."""
        away, weights = self._near(z)
        return away * (weights / self.reach**2).unsqueeze(-1)

    def pull(self, around: tuple[Tensor, Tensor], v: Tensor) -> Tensor:
        """The gradient in z of -log N(v; 0, G(z)), (*leading, D)."""
        traces, directions = around
        energies = (self.times(v) * v.unsqueeze(-2)).sum(-1)  # (*leading, N)
        return ((traces - energies).unsqueeze(-1) * directions).sum(-2)

    def root(self, z: Tensor) -> Tensor:
        """The Cholesky factor of G^-1(z), (*leading, D, D)."""
        _, weights = self._near(z)
        d = z.shape[-1]
        with torch.autocast(z.device.type, enabled=False):
            inverse = (weights @ self.squares.flatten(1)).unflatten(-1, (d, d))
        return torch.linalg.cholesky_ex(inverse + self.floor * torch.eye(d, dtype=z.dtype, device=z.device))[0]

    def momentum(self, z: Tensor, noise: Tensor) -> Tensor:
        """The draw of N(0, G(z)) that standard normal noise makes."""
        return torch.linalg.solve_triangular(self.root(z).mT, noise.unsqueeze(-1), upper=True).squeeze(-1)

    def log_momentum(self, z: Tensor, v: Tensor) -> Tensor:
        """log N(v; 0, G(z)) but for the constant of N(0, I), (*leading)."""
        half_log_det = self.root(z).diagonal(dim1=-2, dim2=-1).log().sum(-1)  # of G^-1
        return half_log_det - 0.5 * (v * self.velocity(z, v)).sum(-1)


def riemannian_leapfrog(
    log_density: Callable[[Tensor], Tensor],
    metric: CentredMetric,
    z: Tensor,
    v: Tensor,
    step: Tensor | float,
    scales: Iterable[Tensor | float],
    *,
    iterations: int = 8,
) -> tuple[Tensor, Tensor, Tensor]:
    """Where (z, v) goes, (*leading, D) each, and the share of steps that were taken, (*leading).

    A step whose equations are not solved after the iterations, there and on the way back from where it leads, is not
    taken: z stays and v is turned round. So every step can be undone, whatever its length, and the map keeps volumes
    but for log|det| = D sum_k log alpha_k, up to the tolerance, the square root of the type's precision.

    Args:
        log_density: log p of the place, (*leading, D) -> (*leading), each row by itself; momenta are N(0, G(z)).
        metric: G.
        z, v, step, scales: as for `tempered_leapfrog`.
        iterations: of each equation's fixed point, before a step of Newton's.

    Example:
        >>> flat = CentredMetric(torch.zeros(1, 1), torch.zeros(1, 1, 1), reach=1.0, floor=1.0)
        >>> one, zero = torch.ones(1), torch.zeros(1)
        >>> with torch.no_grad():
        ...     riemannian_leapfrog(lambda z: -0.5 * z.square().sum(-1), flat, one, zero, 0.1, [1.0] * 10)
        (tensor([0.5400]), tensor([-0.8406]), tensor(1.))
    """
    force = force_of(log_density)
    tolerance = torch.finfo(z.dtype).eps ** 0.5

    sides = torch.as_tensor(step, dtype=z.dtype, device=z.device).expand_as(z).unsqueeze(-1)  # (*leading, D, 1)

    def halved(around: tuple[Tensor, Tensor], v: Tensor, push: Tensor) -> tuple[Tensor, Tensor]:
        def slope(v: Tensor) -> Tensor:
            return sides * (around[1].mT @ metric.times(v))

        half = v + 0.5 * step * push
        return _fixed_point(half, lambda v: -0.5 * step * metric.pull(around, v), slope, iterations)

    def moved(z: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
        times = metric.times(half)
        start = z + 0.5 * step * metric.velocity(z, half, times)

        def slope(z: Tensor) -> Tensor:
            return -sides * (times.mT @ metric.directions(z))

        return _fixed_point(start, lambda z: 0.5 * step * metric.velocity(z, half, times), slope, iterations)

    push, around, taken = force(z), metric.around(z), []
    for scale in scales:
        half, solved = halved(around, v, push)
        there, also = moved(z, half)
        pushed, beyond = force(there), metric.around(there)
        after = half + 0.5 * step * (pushed - metric.pull(beyond, half))
        with torch.no_grad():  # the way back, of which the last part is explicit
            again, back = halved(beyond, -after, pushed)
            home, too = moved(there, -half)
            close = _close(again, -half, tolerance) & _close(home, z, tolerance)
            ok = solved & also & back & too & close
        moves = ok.unsqueeze(-1)
        z, push = torch.where(moves, there, z), torch.where(moves, pushed, push)
        traces, directions = (
            torch.where(w, a, b) for w, a, b in zip((moves, moves.unsqueeze(-1)), beyond, around, strict=True)
        )
        v, around = scale * torch.where(moves, after, -v), (traces, directions)
        taken.append(ok.to(z.dtype))
    return z, v, torch.stack(taken).mean(0)


def _fixed_point(
    start: Tensor,
    change: Callable[[Tensor], Tensor],
    slope: Callable[[Tensor], Tensor],
    iterations: int,
) -> tuple[Tensor, Tensor]:
    """x = start + change(x), and whether it is solved, (*leading), where `slope` is the Jacobian of `change`.

    Iterates stay near the start, and so finite. The last step is Newton's: it squares the error, and with the Jacobian
    held its gradient is that of the implicit function theorem.
    """
    with torch.no_grad():
        x = first = start.detach()
        most = FARTHEST * (1 + first.abs())
        for _ in range(iterations):
            x = first + change(x).clamp(-most, most)
        with torch.autocast(x.device.type, enabled=False):
            jacobian = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device) - slope(x)
        factors, pivots, info = torch.linalg.lu_factor_ex(jacobian)
        good = (info == 0) & (factors.diagonal(dim1=-2, dim2=-1).abs() > SMALLEST).all(-1)
        factors = torch.where(good[..., None, None], factors, torch.eye(x.shape[-1], dtype=x.dtype, device=x.device))
    gap = start + change(x).clamp(-most, most) - x
    move = torch.linalg.lu_solve(factors, pivots, gap.unsqueeze(-1)).squeeze(-1)
    with torch.no_grad():
        solved = good & (move.abs() <= torch.finfo(x.dtype).eps ** (1 / 3) * (1 + x.abs())).all(-1)
    return x + move, solved


def _close(a: Tensor, b: Tensor, tolerance: float) -> Tensor:
    return ((a - b).abs() <= tolerance * (1 + b.abs())).all(-1)
