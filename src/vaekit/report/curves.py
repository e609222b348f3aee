"""Curves of a run: its history, and the rate of each latent."""

from __future__ import annotations

__all__ = ["CARRIES", "history_panels", "rate_panels"]

from collections.abc import Sequence
from typing import Any

import numpy as np

from vaekit.messages import Mistake
from vaekit.report.panels import BLUE, GREY, ORANGE, Panel
from vaekit.report.reading import latent_count
from vaekit.report.subject import Subject

CURVES = (
    ("elbo", "ELBO", "nats, higher is better"),
    ("rate", "rate", "nats"),
    ("distortion", "distortion", "nats, lower is better"),
    ("loss", "loss (what was minimised)", "nats in the model's units"),
)
SIZE = (3.75, 2.9)
CARRIES = 0.01  # nats above which a latent of a hierarchy counts: there the means follow the levels above
MOST_NAMED = 24  # bars that carry their names


def history_panels(subject: Subject, names: Sequence[str] | None = None) -> list[Panel]:
    """A panel for each curve that the history holds.

    Raises:
        Mistake: where there was nothing to train.
    """
    rows = subject.rows
    wanted = [curve for curve in CURVES if (names is None or curve[0] in names) and _known(rows, curve[0])]
    if not wanted:
        raise Mistake("this run has no history: its model is set in closed form, without a training step.")
    best = _kept(subject)
    return [_curve(rows, *curve, best) for curve in wanted]


def _known(rows: Sequence[dict[str, Any]], name: str) -> bool:
    return bool(np.isfinite(_values(rows, name)).any())


def _values(rows: Sequence[dict[str, Any]], name: str) -> np.ndarray:
    return np.array([np.nan if row.get(name) is None else row[name] for row in rows], dtype=np.float64)


def _kept(subject: Subject) -> float | None:
    """The epoch whose weights were kept, where it is not the last."""
    step = subject.record.get("metrics", {}).get("best_step")
    if step is None or subject.record.get("settings", {}).get("keep") != "best":
        return None
    found = [row["epoch"] for row in subject.rows if row.get("step") == step]
    return found[0] if found and found[0] != subject.rows[-1]["epoch"] else None


def _curve(rows: Sequence[dict[str, Any]], name: str, title: str, unit: str, best: float | None) -> Panel:
    epochs = _values(rows, "epoch")
    lines = [("training", _values(rows, name), ORANGE), ("validation", _values(rows, f"valid_{name}"), BLUE)]
    lines = [line for line in lines if np.isfinite(line[1]).any()]
    few = "o" if len(rows) < 3 else None

    def draw(ax: Any) -> None:
        for label, values, colour in lines:
            there = np.isfinite(values) if label == "validation" else slice(None)  # validated every few epochs
            ax.plot(epochs[there], values[there], color=colour, lw=1.6, marker=few, label=label)
        limits = _limits([values for _, values, _ in lines])
        if limits is not None:
            ax.set_ylim(*limits)
        ax.set_title(title if limits is None else f"{title}, from where it settles", fontsize=11)
        ax.set_xlabel("epoch")
        ax.set_ylabel(unit)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=0.15)
        if best is not None:
            ax.axvline(best, color=GREY, lw=1, ls=":", label="kept weights")
        ax.legend(frameon=False, fontsize=9)
        _bare(ax)

    ends = "; ".join(f"{label} from {_ends(values)}" for label, values, _ in lines)
    return Panel(draw, SIZE, f"{title} by epoch: {ends}.")


def _ends(values: np.ndarray) -> str:
    there = values[np.isfinite(values)]
    return f"{there[0]:,.4g} to {there[-1]:,.4g}"


def _limits(lines: Sequence[np.ndarray]) -> tuple[float, float] | None:
    """Limits that show the later nine tenths, where the first epochs would flatten all that follows."""
    late = np.concatenate([line[max(1, len(line) // 10) :] for line in lines])
    late, every = late[np.isfinite(late)], np.concatenate(lines)
    if len(late) < 10:
        return None
    low, high = float(late.min()), float(late.max())
    span = high - low
    if span <= 0 or np.nanmax(every) - np.nanmin(every) < 4 * span:
        return None
    return low - 0.08 * span, high + 0.08 * span


def _bare(ax: Any) -> None:
    ax.spines[["top", "right"]].set_visible(False)


def rate_panels(subject: Subject) -> list[Panel]:
    """Bars of the KL of each latent in descending order, a panel for each level.

    Raises:
        Mistake: where there is no KL for each latent.
    """
    metrics = subject.record.get("metrics", {})
    kl = metrics.get("kl_each")
    if kl is None:
        why = "" if subject.model.has_density else ": a Point posterior has no rate"
        raise Mistake(f"this run has no KL for each latent{why}.")
    counts = latent_count(subject)
    values = np.array(kl, dtype=np.float64)
    order = np.argsort(-values, kind="stable")
    active = values > CARRIES
    if len(counts) == 1:
        active[order] = np.arange(len(values)) < (metrics.get("active_units") or 0)
    starts = np.cumsum([0, *counts])
    return [
        _bars(
            values,
            active,
            np.arange(starts[i], starts[i + 1]),
            f"level {i + 1} of {len(counts)}" if len(counts) > 1 else "",
        )
        for i in range(len(counts))
    ]


def _bars(values: np.ndarray, active: np.ndarray, which: np.ndarray, level: str) -> Panel:
    which = which[np.argsort(-values[which], kind="stable")]
    first = int(which.min())
    names = [f"z{i - first + 1}" for i in which]
    total, used = float(values[which].sum()), int(active[which].sum())

    word = f"above {CARRIES} nats" if level else "active"

    def draw(ax: Any) -> None:
        ax.bar(range(len(which)), values[which], color=[BLUE if a else GREY for a in active[which]], width=0.8)
        few = len(which) <= MOST_NAMED
        ax.set_xticks(
            range(len(which)) if few else [], names if few else [], fontsize=9, rotation=90 if len(which) > 10 else 0
        )
        ax.set_xlabel("latent" if few else f"{len(which)} latents, by their KL")
        ax.set_ylabel("KL, nats")
        ax.set_title(f"{level + ': ' if level else ''}{used} of {len(which)} {word} (blue)", fontsize=11)
        ax.grid(alpha=0.15, axis="y")
        ax.set_axisbelow(True)
        _bare(ax)

    top = ", ".join(f"{n} {values[i]:.2f}" for n, i in list(zip(names, which, strict=True))[:3])
    alt = f"KL of each latent{', ' + level if level else ''}: {total:.2f} nats in all; largest {top}; {used} {word}."
    return Panel(draw, SIZE, alt)
