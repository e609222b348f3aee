"""What `vaekit compare` shows: the table, what keeps numbers from being compared, and the page."""

from __future__ import annotations

__all__ = ["differences", "error", "page", "row", "text"]

import base64
import importlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import vaekit as vk
from vaekit.cli.lists import aligned
from vaekit.messages import Mistake

HEAD = (
    "run", "ELBO", "rate", "distortion", "NLL", "RMSE", "active", "parameters", "seconds", "recipe", "likelihood",
    "data",
)  # fmt: skip
UNITS = (
    "On held-out items: ELBO, rate, distortion and NLL in nats an item; RMSE of reconstruction in the data's units; "
    "active: latents that are used."
)
FIGURES = {"latent": "Latent space", "reconstructions": "Reconstructions", "samples": "Samples"}
DPI = 110
MOST, DRAWS = 1000, 100  # items and draws that runs are paired on


def row(title: str, run: Any) -> tuple[str, ...]:
    """The cells of a run."""
    record, m = run.record, run.metrics

    def number(name: str, error: str | None = None) -> str:
        value, spread = m.get(name), m.get(error) if error else None
        return "-" if value is None else f"{value:.2f}" + ("" if spread is None else f" ± {spread:.2f}")

    active, items = m.get("active_units"), m.get("items")
    return (
        title, number("elbo", "elbo_se"), number("rate"), number("distortion"), number("nll", "nll_se"),
        "-" if m.get("rmse") is None else f"{m['rmse']:.4g}",
        "-" if active is None else str(active), f"{record['parameters']:,}", number("seconds"),
        record["recipe"], record["likelihood"],
        f"{record['data']['name']}: {items:,} {m.get('split')} items" if items else record["data"]["name"],
    )  # fmt: skip


def error(run: Any) -> float | None:
    """The root mean square error of reconstruction, in the data's units, on the items of the run's own numbers."""
    import numpy as np

    if run.data is None or run.metrics.get("split") is None:
        return None
    part = run.part(run.metrics["split"])
    x, again = vk.data.restore(part, part.x), run.reconstruct(part, mean=True)
    lost = np.asarray(x, dtype=np.float64) - np.asarray(again, dtype=np.float64)
    return float(np.sqrt(np.nanmean(lost**2)))


def differences(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each thing that keeps the numbers of runs from being compared."""

    def seen(record: Mapping[str, Any]) -> dict[str, Any]:
        m, data = record["metrics"], record["data"]
        return {
            "data": (data["name"], data.get("source"), data.get("items")),
            "split": (record["split"], m.get("split"), m.get("items")),
            "likelihood": record["likelihood"],
            "binarisation": record["binarization"],
            "nll_samples": m.get("nll_samples"),
        }

    values = [seen(record) for record in records]
    why = {
        "data": "the runs have different data: their numbers do not compare",
        "split": "the runs are measured on different items: small differences between their numbers mean nothing",
        "likelihood": "the likelihoods differ: distortion, ELBO and NLL do not compare",
        "binarisation": "the data are binarised differently: their numbers do not compare",
        "nll_samples": "the NLL is estimated with different numbers of draws: more draws give a lower NLL",
    }
    found = [
        name for name in why if len({repr(v[name]) for v in values if name != "nll_samples" or v[name] is not None}) > 1
    ]
    undefined = [record["recipe"] for record in records if record["metrics"].get("nll") is None]
    said = [f"Note: {why[name]}." for name in found if not (name == "split" and "data" in found)]
    if undefined and len(undefined) < len(records):
        said.append(f"Note: {', '.join(undefined)}: no density, so ELBO, rate and NLL are undefined; compare the RMSE.")
    return said


def paired(titles: Sequence[str], runs: Sequence[Any]) -> dict[str, Any]:
    """title -> Number, how much higher each run's NLL is than the lowest, on the same items with the same noise.

    Empty where fewer than two runs have a density, or where they were not measured on the same items.
    """
    import numpy as np
    import torch

    names = {id(run): title for title, run in zip(titles, runs, strict=True)}
    able = [run for run in runs if run.model.has_density and run.data is not None and run.metrics.get("split")]
    if len(able) < 2 or len({run.record["binarization"] for run in able}) > 1:
        return {}
    parts = [run.part(run.metrics["split"]) for run in able]
    first = parts[0].x
    if any(part.x.shape != first.shape or not torch.equal(part.x.nan_to_num(), first.nan_to_num()) for part in parts):
        return {}
    rows = np.sort(np.random.default_rng(0).permutation(len(first))[:MOST])
    scores = {
        names[id(run)]: torch.as_tensor(np.asarray(run.score(part.take(rows), samples=DRAWS)))
        for run, part in zip(able, parts, strict=True)
    }
    found: dict[str, Any] = importlib.import_module("vaekit.evaluation").paired_differences(scores)
    return found


def paired_text(found: Mapping[str, Any]) -> list[str]:
    """The paired differences in a sentence; none where there are none."""
    if not found:
        return []
    items = next(iter(found.values())).items
    ordered = sorted(found.items(), key=lambda pair: pair[1].value)
    said = [f"{name} {'is the lowest' if n.se is None else f'{n.value:.2f} ± {n.se:.2f}'}" for name, n in ordered]
    return [f"Paired, on the same {items:,} items with the same noise (K = {DRAWS}), NLL in nats above the lowest: "
            f"{'; '.join(said)}."]  # fmt: skip


def text(rows: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    """The table for a terminal, in nats an item."""
    return "\n".join([aligned([HEAD, *rows]), UNITS, *notes])


def page(titles: Sequence[str], runs: Sequence[Any], rows: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    """The self-contained HTML page: table, notes, and each figure of all runs beside each other."""
    html: Any = importlib.import_module("vaekit.report.html")
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in HEAD)
    body = "".join(
        f'<tr><th scope="row">{html.escape(cells[0])}</th>'
        + "".join(f'<td class="value">{html.escape(c)}</td>' for c in cells[1:])
        + "</tr>"
        for cells in rows
    )
    said = "".join(f'<p class="note">{html.escape(note)}</p>' for note in notes)
    numbers = (
        f'<div style="overflow-x:auto"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f"<p>{UNITS}</p>{said}"
    )
    sections = [html.section("numbers", "Numbers", numbers)]
    plane = _plane(titles, runs)
    if plane is not None:
        words = (
            "Rate and distortion of each run in nats; on a dotted line the ELBO is the same, higher towards the left."
        )
        shown = _image(html, plane, words)
        sections.append(html.section("plane", "Rate and distortion", f'<div class="panels">{shown}</div>'))
    for name, heading in FIGURES.items():
        shown = "".join(_figure(html, title, run, name) for title, run in zip(titles, runs, strict=True))
        sections.append(html.section(name, heading, f'<div class="panels">{shown}</div>'))
    title = " and ".join(dict.fromkeys(run.record["data"]["name"] for run in runs))
    return str(
        html.document(f"Comparison on {title}", f"<h1>Comparison on {html.escape(title)}</h1>{''.join(sections)}")
    )


def _plane(titles: Sequence[str], runs: Sequence[Any]) -> Any:
    """Rate against distortion; None where fewer than two runs under one likelihood have both."""
    import numpy as np
    from matplotlib.figure import Figure

    points = [
        (title, run.metrics["rate"], run.metrics["distortion"])
        for title, run in zip(titles, runs, strict=True)
        if run.metrics.get("rate") is not None
    ]
    if len(points) < 2 or len({run.record["likelihood"] for run in runs if run.metrics.get("rate") is not None}) > 1:
        return None
    points.sort(key=lambda point: point[1])
    rates, distortions = np.array([p[1] for p in points]), np.array([p[2] for p in points])
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    ax = figure.subplots()
    low, high = rates.min(), rates.max()
    pad = 0.12 * max(high - low, 1e-9)
    across = np.array([low - pad, high + 2 * pad])
    for total in np.unique(np.round(rates + distortions, 6)):
        ax.plot(across, total - across, ":", color="0.8", linewidth=0.8, zorder=0)
    ax.plot(rates, distortions, "o-", color="#1f5fa8", linewidth=1)
    for title, rate, distortion in points:
        ax.annotate(title, (rate, distortion), xytext=(6, 5), textcoords="offset points", fontsize=8)
    ax.set_xlim(*across)
    ax.set_ylim(
        distortions.min() - 0.1 * np.ptp(distortions) - 1e-9, distortions.max() + 0.15 * np.ptp(distortions) + 1e-9
    )
    ax.set_xlabel("rate, KL(q(z|x) || p(z)), nats")
    ax.set_ylabel("distortion, -log p(x|z), nats")
    return figure


def _image(html: Any, figure: Any, caption: str) -> str:
    """A matplotlib figure with its caption, as part of the page."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    code = base64.b64encode(stream.getvalue()).decode()
    return (
        f'<figure style="flex:1 1 15rem;max-width:40rem"><img alt="{html.escape(caption)}" '
        f'style="width:100%;height:auto" src="data:image/png;base64,{code}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _figure(html: Any, title: str, run: Any, name: str) -> str:
    """One figure of one run, or why there is none."""
    caption = f"{title} ({run.record['recipe']})"
    try:
        figure = getattr(run.plot, name)()
    except Mistake as error:
        return f"<figure><figcaption>{html.escape(caption)}: {html.escape(error)}</figcaption></figure>"
    return _image(html, figure, caption)
