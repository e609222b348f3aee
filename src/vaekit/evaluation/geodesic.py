r"""Paths in latent space, measured in decoded space: short steps, straight lines and shortest curves.

.. math:: E(c) = \tfrac{T}{2} \sum_{t=1}^{T} \|g(z_t) - g(z_{t-1})\|^2, \qquad L(c) = \sum_t \|g(z_t) - g(z_{t-1})\|

The Riemannian Geometry of Deep Generative Models: Shao, Kumar and Fletcher 2018, arXiv:1711.08014. Latent Space Oddity:
Arvanitidis, Hansen and Hauberg 2018, arXiv:1710.11379.
"""

from __future__ import annotations

__all__ = ["Curves", "geodesics", "real_levels", "smoothness_numbers", "step_lengths", "straight_path"]

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vaekit.conditional import pick, rows_of
from vaekit.distributions import Bernoulli
from vaekit.evaluation.number import Number, mean_number
from vaekit.evaluation.surgery import flat_means, top_level
from vaekit.messages import Mistake
from vaekit.models import HierarchicalVAE, Model
from vaekit.networks import parameter_dtype
from vaekit.noise import forked

REFINE = 4  # parts that each step is cut into when a curve is measured: a leap over a bump is then seen
EPS = 0.05  # a short step, in standard deviations of the latents
PLACES = 500  # of short steps
PAIRS, STEPS = 100, 32  # straight lines, and steps of each
CURVES, BENDS = 16, 16  # geodesics, and steps of each
FEWEST = 20  # items
ROWS = 256  # items decoded at a time

Decoder = Callable[[Tensor], Tensor]  # (T, P, D) -> (T, P, ...)
Context = Mapping[str, Tensor] | None


@dataclass(frozen=True)
class Curves:
    """Curves between P pairs of latents.

    Attributes:
        path: (T + 1, P, D), the ends among them.
        length: (P,) of the decoded curve.
        straight: (P,) of the decoded straight line; never less than length.
    """

    path: Tensor
    length: Tensor
    straight: Tensor


def geodesics(decode: Decoder, start: Tensor, end: Tensor, *, steps: int = 16, iterations: int = 60) -> Curves:
    """The curves of least energy between pairs of latents, all pairs at a time by L-BFGS.

    A curve of least energy is a shortest one, walked at constant speed. The lengths are measured along REFINE times
    as many steps as are moved, and the straight line is kept where nothing shorter was found.

    Args:
        decode: from latents (T, P, D) to their decoded means (T, P, ...), differentiable, each pair by itself.
        start, end: (P, D).
        steps: T.
        iterations: of L-BFGS at most.

    Example:
        >>> polar = lambda z: torch.stack([z[..., 0] * z[..., 1].cos(), z[..., 0] * z[..., 1].sin()], -1)
        >>> found = geodesics(polar, torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 2.0]]))  # an arc of radius 1
        >>> [round(float(length), 2) for length in (found.straight, found.length)]  # 2, and its chord 2 sin(1)
        [2.0, 1.68]
    """
    line = straight_path(start, end, steps)
    inner = line[1:-1].detach().clone().requires_grad_()
    scale = step_lengths(decode, line).square().sum(0).clamp_min(1e-12)  # (P,), so that all pairs count alike
    fit = torch.optim.LBFGS(
        [inner], max_iter=iterations, history_size=20, tolerance_grad=1e-6, tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def energy() -> Tensor:
        decoded = decode(torch.cat([start[None], inner, end[None]])).flatten(2)
        total = ((decoded[1:] - decoded[:-1]).square().sum((0, 2)) / scale).sum()
        (inner.grad,) = torch.autograd.grad(total, [inner])  # not into the decoder's own gradients
        return total

    with torch.enable_grad():
        fit.step(energy)  # type: ignore[no-untyped-call, unused-ignore]
    bent = torch.cat([start[None], inner.detach(), end[None]])
    straight, length = (step_lengths(decode, _refined(path)).sum(0) for path in (line, bent))
    shorter = length < straight  # False where the search failed
    return Curves(torch.where(shorter[:, None], bent, line), torch.where(shorter, length, straight), straight)


def straight_path(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """The straight lines from start (P, D) to end, (steps + 1, P, D).

    Example:
        >>> straight_path(torch.zeros(1, 1), torch.ones(1, 1), 4).flatten()
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    t = torch.linspace(0, 1, steps + 1, dtype=start.dtype, device=start.device)[:, None, None]
    return torch.lerp(start, end, t)


@torch.no_grad()
def step_lengths(decode: Decoder, path: Tensor) -> Tensor:
    """How far the decoded means move at each step of a path (T + 1, P, D): (T, P).

    Example:
        >>> step_lengths(torch.square, straight_path(torch.zeros(1, 1), torch.ones(1, 1), 2)).flatten()
        tensor([0.2500, 0.7500])
    """
    decoded = decode(path).flatten(2)
    return torch.linalg.vector_norm(decoded[1:] - decoded[:-1], dim=-1)


@torch.no_grad()
def smoothness_numbers(model: Model, x: Tensor, y: Context = None, *, seed: int = 0) -> dict[str, Number]:
    """How far decoded means move along short steps, along straight lines between items and along geodesics.

    Steps are in units of the latents' own spread, so that latents in another scale give the same numbers.

    Args:
        model, x, y, seed: as for `regularity_numbers`.

    Returns:
        step_mean, step_q95: the movement for a short step from an item's posterior mean in a random direction, for
        each unit of the step, in units of the data's total standard deviation;
        detour: a straight line's decoded length by the distance between its decoded ends, 1 at best;
        largest_step: the share of its decoded length that the largest of its T steps has, 1/T at best;
        geodesic_ratio: its decoded length by the shortest curve's, 1 where the space is flat.

    Raises:
        Mistake: for latents that are bits, and fewer than 20 items.

    Example:
        >>> from vaekit.recipes import linear_autoencoder
        >>> model, x = linear_autoencoder(shape=(4,), latent_dim=2).model.eval(), torch.randn(50, 4)
        >>> found = smoothness_numbers(model, x)
        >>> round(found["detour"].value, 4), round(found["geodesic_ratio"].value, 4)  # a linear model is flat
        (1.0, 1.0)
    """
    pairs = real_levels(model, x, y)
    generator = torch.Generator().manual_seed(seed)
    means = flat_means([q for q, _ in pairs])
    with forked(seed, x.device):
        scale = torch.cat([q.sample().flatten(1) for q, _ in pairs]).std(0)
        return _short_steps(model, x, y, means, scale, generator) | _lines(model, x, y, means, generator)


def real_levels(model: Model, x: Tensor, y: Context) -> list[tuple[Any, Any]]:
    """`top_level`, where there are enough items and the latents are no bits."""
    if len(x) < FEWEST:
        raise Mistake(f"got {len(x)} items, too few to say how regular the latents are: give {FEWEST} or more.")
    pairs = top_level(model, x, y)
    if isinstance(pairs[0][0], Bernoulli):
        raise Mistake("the latents are bits, between which nothing is smooth: use surgery_numbers, or real latents.")
    return pairs


def _refined(path: Tensor) -> Tensor:
    """The same path in REFINE times as many steps."""
    between = torch.arange(REFINE, dtype=path.dtype, device=path.device)[:, None, None] / REFINE
    fine = torch.lerp(path[:-1, None], path[1:, None], between).flatten(0, 1)
    return torch.cat([fine, path[-1:]])


def _short_steps(
    model: Model, x: Tensor, y: Context, means: Tensor, scale: Tensor, generator: torch.Generator
) -> dict[str, Number]:
    spread = (x - x.nanmean(0)).square().nanmean(0).sum().sqrt().double()
    rows = torch.randint(len(x), (PLACES,), generator=generator).to(x.device)
    direction = normalize(torch.randn(PLACES, means.shape[1], generator=generator), dim=1).to(means)
    short = torch.stack([means[rows], means[rows] + EPS * scale * direction])
    moved = step_lengths(_decoder(model, rows_of(y, rows)), short)[0] / (EPS * spread)
    how = f"{PLACES} steps of {EPS} standard deviations of the latents, in the data's total standard deviation"
    return {
        "step_mean": mean_number(moved, "", how),
        "step_q95": Number(float(moved.quantile(0.95)), "", f"95 % quantile of {how}", items=PLACES),
    }


def _lines(model: Model, x: Tensor, y: Context, means: Tensor, generator: torch.Generator) -> dict[str, Number]:
    ends = torch.rand(PAIRS, len(x), generator=generator).argsort(1)[:, :2].to(x.device)  # two items each
    decode = _decoder(model, rows_of(y, ends[:, 0]))
    line = straight_path(means[ends[:, 0]], means[ends[:, 1]], STEPS)
    lengths, chord = step_lengths(decode, line), step_lengths(decode, line[[0, -1]])[0]
    if not bool((chord > 0).all()):
        why = "undefined: items decode to the same, so that there is no way between them"
        return {name: Number(None, "", why) for name in ("detour", "largest_step", "geodesic_ratio")}
    total = lengths.sum(0)
    few = ends[:CURVES]
    curves = geodesics(_decoder(model, rows_of(y, few[:, 0])), means[few[:, 0]], means[few[:, 1]], steps=BENDS)
    how = f"{PAIRS} straight lines between posterior means of two items, {STEPS} steps"
    shortest = f"straight by shortest decoded length, {len(few)} pairs of items, L-BFGS on {BENDS} steps"
    return {
        "detour": mean_number(total / chord, "", how),
        "largest_step": mean_number(lengths.max(0).values / total, "share", f"{how}; {1 / STEPS:.3g} at best"),
        "geodesic_ratio": mean_number(curves.straight / curves.length, "", shortest),
    }


def _decoder(model: Any, y: Context) -> Callable[[Tensor], Tensor]:
    """From latents (T, P, D) to decoded means (T, P, F); y has P rows."""

    def decode(z: Tensor) -> Tensor:
        leading = z.shape[:-1]
        flat = z.flatten(0, -2).to(parameter_dtype(model))
        given = None if y is None else {k: v.expand(*leading, v.shape[-1]).flatten(0, -2) for k, v in y.items()}
        parts = [
            _mean_of(model, flat[i : i + ROWS], rows_of(given, slice(i, i + ROWS))) for i in range(0, len(flat), ROWS)
        ]
        return torch.cat(parts).double().view(*leading, -1)

    return decode


def _mean_of(model: Any, z: Tensor, y: Context) -> Tensor:
    if isinstance(model, HierarchicalVAE):
        state = model._complete((z,), len(z), 0.0)[1]
        mean: Tensor = model.likelihood(state, *pick(model.likelihood, y)).mean
    else:
        mean = model._likelihood(z, y).mean
    return mean.flatten(1)
