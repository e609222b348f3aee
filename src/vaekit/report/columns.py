"""Tables: samples and reconstructions column by column, and what each latent does to the columns."""

from __future__ import annotations

__all__ = ["effect_panels", "histogram_panels", "recovery_panels"]

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaekit.report.panels import BLUE, GREY, ORANGE, Panel, plain
from vaekit.report.paths import decoded, paths, ticks
from vaekit.report.reading import batches, column_names, held_out, items, like_data, quiet, random_rows, typical
from vaekit.report.sheets import in_units
from vaekit.report.subject import Subject

MOST_HISTOGRAMS, MOST_SCATTERS, MOST_EFFECTS = 12, 9, 30
POINTS = 1000
SIZE = (2.9, 2.2)
FEW = 12  # distinct values that get a bar each


def histogram_panels(subject: Subject, n: int) -> list[Panel]:
    """The values of each column in the data and among n samples, at most twelve columns."""
    with quiet(subject):
        drawn = subject.model.sample(n, like_data(subject, n), mean=False).cpu().flatten(1).double().numpy()
    data = None if subject.data is None else items(subject).x.flatten(1).double().numpy()
    names = column_names(subject)
    return [
        _histogram(names[i], None if data is None else data[:, i], drawn[:, i])
        for i in range(min(drawn.shape[1], MOST_HISTOGRAMS))
    ]


def _histogram(name: str, data: np.ndarray | None, drawn: np.ndarray) -> Panel:
    there = drawn if data is None else data[np.isfinite(data)]
    bins = _bins(there if len(there) else drawn, drawn)

    def draw(ax: Any) -> None:
        if data is not None:
            ax.hist(there, bins, weights=np.full(len(there), 100 / len(there)), color=GREY, alpha=0.55, label="data")
        inside = drawn[(drawn >= bins[0]) & (drawn <= bins[-1])]
        weights = np.full(len(inside), 100 / max(len(drawn), 1))
        ax.hist(inside, bins, weights=weights, histtype="step", color=ORANGE, lw=1.8, label="samples")
        ax.set_title(plain(name), fontsize=11)
        ax.set_ylabel("%", fontsize=9)
        ax.tick_params(labelsize=8.5)
        ax.legend(frameon=False, fontsize=8.5)
        ax.spines[["top", "right"]].set_visible(False)

    stats = (
        "" if data is None or not len(there) else f"data with mean {there.mean():.3g} and spread {there.std():.3g}, "
    )
    return Panel(
        draw,
        SIZE,
        f"{plain(name)}: {stats}samples with mean {np.nanmean(drawn):.3g} and spread {np.nanstd(drawn):.3g}.",
    )


def _bins(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """A bin for each value where they are few whole numbers, else 30 over nearly all of the data and the samples."""
    distinct = np.unique(values)
    if np.array_equal(distinct, np.round(distinct)) and distinct[-1] - distinct[0] < FEW:
        return np.arange(distinct[0] - 0.5, distinct[-1] + 1)
    low, high = np.quantile(values, [0.002, 0.998])
    span = (high - low) or 1.0
    ends = np.nanquantile(drawn, [0.005, 0.995])  # a bad model may draw anything: at most half the data's range more
    low, high = max(min(low, ends[0]), low - span / 2), min(max(high, ends[1]), high + span / 2)
    return np.linspace(low - 0.02 * span, high + 0.02 * span, 31)


def recovery_panels(subject: Subject) -> list[Panel]:
    """Each observed value of held-out items against its reconstruction, at most nine columns."""
    dataset, part = held_out(subject)
    dataset = random_rows(dataset, POINTS)
    model: Any = subject.model
    true: list[Tensor] = []
    made: list[Tensor] = []
    with quiet(subject):
        for batch in batches(subject, dataset):
            true.append(in_units(subject, batch.x).flatten(1))
            px = model._likelihood(model._posterior(batch.x, batch.y).mean, batch.y)
            made.append(in_units(subject, px.mean).flatten(1))
    x, y = torch.cat(true).double().numpy(), torch.cat(made).double().numpy()
    names = column_names(subject)
    return [_recovery(names[i], x[:, i], y[:, i], part) for i in range(min(x.shape[1], MOST_SCATTERS))]


def _recovery(name: str, x: np.ndarray, y: np.ndarray, part: str) -> Panel:
    there = np.isfinite(x)
    x, y = x[there], y[there]
    varies = len(x) > 1 and x.std() > 0 and y.std() > 0
    fit = f"r = {np.corrcoef(x, y)[0, 1]:.2f}" if varies else ""

    def draw(ax: Any) -> None:
        ax.scatter(x, y, s=8, lw=0, alpha=0.5, color=BLUE)
        if len(x):
            ends = [min(x.min(), y.min()), max(x.max(), y.max())]
            ax.plot(ends, ends, color=GREY, lw=1, ls="--")
        ax.set_title(f"{plain(name, 20)}{', ' + fit if fit else ''}", fontsize=11)
        ax.set_xlabel("value", fontsize=9)
        ax.set_ylabel("reconstruction", fontsize=9)
        ax.tick_params(labelsize=8.5)
        ax.spines[["top", "right"]].set_visible(False)

    alt = f"{plain(name)} of {len(x)} {part} items against its reconstruction{', ' + fit if fit else ''}."
    return Panel(draw, (SIZE[0], 2.5), alt)


def effect_panels(subject: Subject, n: int) -> list[Panel]:
    """What each of the two latents of largest KL does to the columns, as heat maps."""
    path = paths(subject, n, 2)
    given = typical(subject)
    middle = decoded(subject, path.centre[None], given, raw=True)
    names = [plain(c, 18) for c in column_names(subject)[:MOST_EFFECTS]]
    moves = [
        (decoded(subject, path.at({i: row}), given, raw=True) - middle).flatten(1)[:, : len(names)].double().numpy()
        for i, row in enumerate(path.values)
    ]
    most = max(float(np.abs(move).max()) for move in moves) or 1.0
    return [
        _effect(name, row, move, names, most) for name, row, move in zip(path.names, path.values, moves, strict=True)
    ]


def _effect(name: str, row: Tensor, move: np.ndarray, columns: list[str], most: float) -> Panel:
    def draw(ax: Any) -> None:
        drawn = ax.imshow(move.T, aspect="auto", cmap="RdBu_r", vmin=-most, vmax=most, interpolation="none")
        ax.set_yticks(range(len(columns)), columns, fontsize=9)
        ax.set_xticks([0, (len(row) - 1) / 2, len(row) - 1], ticks(row))
        ax.set_xlabel(name)
        ax.figure.colorbar(drawn, ax=ax, shrink=0.9)

    ends = move[-1] - move[0]
    largest = columns[int(np.abs(ends).argmax())]
    return Panel(draw, (4.6, 1.2 + 0.22 * len(columns)), f"What {name} does to each column: most to {largest}.")
