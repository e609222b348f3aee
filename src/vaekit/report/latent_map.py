"""The map of posterior means in two dimensions, coloured by label."""

from __future__ import annotations

__all__ = ["has_ring", "latent_panels", "principal"]

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.data import Dataset
from vaekit.priors import StandardNormal
from vaekit.report.panels import BLUE, GREY, Panel, plain
from vaekit.report.reading import items, latent_count, latents, random_rows
from vaekit.report.subject import Subject

MOST_POINTS, MOST_CLASSES = 5000, 20
RASTER = 1500  # points beyond which a drawing of each is larger than a picture of all


def principal(z: Tensor) -> tuple[Tensor, list[float]]:
    """z (N, D) on its two leading principal components, (N, 2), and the share of the variance of each.

    Example:
        >>> flat, shares = principal(torch.tensor([[0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [4.0, 0.0, 1.0]]))
        >>> flat[:, 0].tolist(), [round(s, 3) for s in shares]
        ([-2.0, 0.0, 2.0], [1.0, 0.0])
    """
    centred = z - z.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    axes = vectors.flip(1)[:, :2]  # (D, 2)
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    axes = axes * largest.sign()  # an eigenvector's sign is open: its largest entry is positive
    total = float(values.clamp_min(0).sum()) or 1.0
    return centred @ axes, [float(v) / total for v in values.flip(0).clamp_min(0)[:2]]


def latent_panels(subject: Subject, split: str | None = None) -> list[Panel]:
    """One panel with a point for each item, at most 5,000 random ones."""
    chosen = items(subject, split)
    dataset = random_rows(chosen, MOST_POINTS)
    z = latents(subject, dataset)
    count = z.shape[1]
    rings = False
    if count == 1:
        jitter = np.random.default_rng(0).uniform(-1, 1, len(z))
        points, names = np.stack([z[:, 0].numpy(), jitter], 1), ["z1", "at random, so that points are seen"]
    elif count == 2:
        points, names = z.numpy(), ["z1", "z2"]
        rings = has_ring(subject)
    else:
        flat, shares = principal(z)
        points = flat.numpy()
        names = [f"principal component {i + 1} of {count} latents ({s:.0%})" for i, s in enumerate(shares)]
    field, values = _labels(dataset)
    part = f"{len(dataset):,} {'of ' + format(len(chosen), ',') + ' ' if len(dataset) < len(chosen) else ''}items"

    def draw(ax: Any) -> None:
        _scatter(ax, points, field, values)
        if rings:
            _prior_ring(ax)
        ax.set_xlabel(names[0])
        ax.set_ylabel(names[1])
        if count == 1:
            ax.set_yticks([])
        elif count == 2:
            ax.set_aspect("equal", adjustable="datalim")
        ax.set_title(f"{part}{', ' + split if split else ''}", fontsize=11)
        ax.spines[["top", "right"]].set_visible(False)

    coloured = f", coloured by {field}" if field else ""
    alt = f"The posterior means of {part} as points over {names[0]} and {names[1]}{coloured}."
    return [Panel(draw, (5.0, 5.2), alt)]


def has_ring(subject: Subject) -> bool:
    """Whether the map shows a plane of which the prior is known."""
    prior = getattr(subject.model, "prior", None)
    return isinstance(prior, StandardNormal) and subject.model.has_density and latent_count(subject) == [2]


def _labels(dataset: Dataset) -> tuple[str, np.ndarray | None]:
    """What colours the points: the labels, else the only field of the context."""
    if dataset.labels is not None:
        same = [
            name
            for name, column in dataset.extras.items()
            if column is dataset.labels or _equal(column, dataset.labels)
        ]
        return plain(same[0] if same else "label"), np.asarray(dataset.labels)
    if len(dataset.context) == 1:
        ((name, values),) = dataset.context.items()
        if values.ndim == 1:
            return plain(name), np.asarray(values)
    return "", None


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.dtype.kind == b.dtype.kind and bool(np.array_equal(a, b))


def _scatter(ax: Any, points: np.ndarray, field: str, values: np.ndarray | None) -> None:
    order = np.random.default_rng(0).permutation(len(points))  # or the last class would cover the others
    n = len(points)
    style: dict[str, Any] = {
        "s": float(np.clip(9000 / max(n, 1), 4, 28)),
        "lw": 0,
        "alpha": 0.8,
        "rasterized": n > RASTER,
    }
    if values is None:
        ax.scatter(*points[order].T, color=BLUE, **style)
        return
    missing = _missing(values)
    known = values[~missing]
    distinct = np.unique(known)
    if known.dtype.kind in "fiu" and len(distinct) > MOST_CLASSES:
        numbers = np.where(missing, np.nan, values.astype(np.float64))
        drawn = ax.scatter(*points[order].T, c=numbers[order], cmap="plasma", plotnonfinite=False, **style)
        ax.figure.colorbar(drawn, ax=ax, label=field, shrink=0.8, location="bottom")
        return
    classes = _frequent(known, distinct)
    colours = _palette(len(classes))
    which = {value: i for i, value in enumerate(classes)}
    each = [GREY if m or v not in which else colours[which[v]] for v, m in zip(values.tolist(), missing, strict=True)]
    ax.scatter(*points[order].T, c=[each[i] for i in order], **style)
    rest = ["other"] if len(distinct) > len(classes) else []
    rest += ["no label"] if missing.any() else []
    _legend(ax, field, [plain(c, 18) for c in classes] + [" or ".join(rest)] * bool(rest), [*colours, GREY])


def _missing(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind == "i":
        return values == -1 if (values < 0).any() and int(values.min()) == -1 else np.zeros(len(values), dtype=bool)
    return values == "" if values.dtype.kind == "U" else np.zeros(len(values), dtype=bool)


def _frequent(known: np.ndarray, distinct: np.ndarray) -> list[Any]:
    """The classes that get a colour of their own, in their order."""
    if len(distinct) <= MOST_CLASSES:
        return list(distinct.tolist())
    counts = {value: int((known == value).sum()) for value in distinct.tolist()}
    often = set(sorted(counts, key=lambda value: -counts[value])[: MOST_CLASSES - 1])
    return [value for value in distinct.tolist() if value in often]


def _palette(n: int) -> list[Any]:
    from matplotlib import colormaps

    maps: Any = colormaps
    # without the greys of both maps, which would look like missing labels
    ten = [c for i, c in enumerate(maps["tab10"].colors) if i != 7]
    twenty = [c for i, c in enumerate(maps["tab20"].colors) if i not in (14, 15)]
    return ([*ten, "#2733a8"] if n <= 10 else [*twenty, "#2733a8", "#0b5d4e"])[:n]


def _legend(ax: Any, title: str, names: list[str], colours: list[Any]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], ls="", marker="o", ms=6, color=colour) for colour in colours[: len(names)]]
    names = [f" {name}" if name.startswith("_") else name for name in names]  # matplotlib hides those
    n = len(names)
    rows = -(-n // max(1, min(n, 48 // (max(map(len, names)) + 4))))
    columns = -(-n // rows)
    order = [r * columns + c for c in range(columns) for r in range(rows) if r * columns + c < n]  # read row by row
    ax.legend(
        [handles[i] for i in order], [names[i] for i in order], title=title, ncols=columns, loc="upper center",
        bbox_to_anchor=(0.5, -0.13), frameon=False, fontsize=9, handletextpad=0.2, columnspacing=1.0,
    )  # fmt: skip


def _prior_ring(ax: Any) -> None:
    from matplotlib.patches import Circle

    radius = math.sqrt(-2 * math.log(0.05))  # of the circle that holds 95 % of N(0, I) in the plane
    ax.add_patch(Circle((0, 0), radius, fill=False, ls="--", lw=1, ec=GREY, zorder=0))
