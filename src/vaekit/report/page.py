"""The report: one self-contained HTML page on a run, and its short form for notebooks."""

from __future__ import annotations

__all__ = ["render", "write_report"]

from pathlib import Path
from typing import Any

from vaekit.messages import Mistake
from vaekit.report.diagram import diagram
from vaekit.report.figures import panels
from vaekit.report.health import doctor_section
from vaekit.report.html import document, escape, facts, figure, pictures, section
from vaekit.report.reading import latent_count
from vaekit.report.style import BRIEF
from vaekit.report.subject import Subject
from vaekit.report.summary import numbers
from vaekit.report.words import TITLES, caption, lead, title_of
from vaekit.storage import write_atomically

HALVES = ("samples", "latent", "manifold", "traversals", "rates", "model")
SHEET = 640  # pixels of a sheet's side, which bounds the page's size


def render(subject: Subject, brief: bool = False) -> str:
    """The page as HTML; the same subject gives the same bytes.

    Args:
        subject: without data the page shows nothing that was measured on single items, and says so.
        brief: only the numbers and samples, as a fragment for notebooks.
    """
    if brief:
        return _brief(subject)
    title = f"{subject.record['recipe']} on {subject.record['data']['name']}"
    parts = {name: _part(subject, name) for name in TITLES}
    there = {name: content for name, content in parts.items() if content}
    links = "".join(f'<li><a href="#{name}">{title_of(subject, name)}</a></li>' for name in there)
    body = [
        f"<header>\n<h1>{escape(title)}</h1>\n{lead(subject)}",
        "" if subject.data is not None else _left_out(),
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n</header>\n',
        *(
            section(name, title_of(subject, name), content, half=_is_half(name, content))
            for name, content in there.items()
        ),
        f"<footer>Made by vaekit {escape(subject.record.get('vaekit', ''))}. "
        "This page loads nothing from elsewhere.</footer>\n",
    ]
    return document(title, "".join(body))


def _is_half(name: str, content: str) -> bool:
    """Whether a section is small enough to stand beside another."""
    return name in HALVES and content.count("<svg") <= 2


def write_report(subject: Subject, path: Path) -> Path:
    """Write the page; a reader sees the old one or the new one."""
    write_atomically(path, render(subject).encode())
    return Path(path)


def _part(subject: Subject, name: str) -> str:
    if name == "numbers":
        return _numbers(subject)
    if name == "model":
        return f"<figure>{diagram(subject.model)}</figure>\n"
    if name == "settings":
        return _settings(subject)
    if name == "cite":
        return (
            "<p>The papers behind the parts of this model, as BibTeX:</p>\n"
            f'<pre tabindex="0">{escape(subject.citation())}</pre>\n'
        )
    if name == "doctor":
        return doctor_section(subject)
    return _figure(subject, name)


def _figure(subject: Subject, name: str) -> str:
    """A figure with its caption; nothing where the run has not what it shows."""
    how: dict[str, Any] = {}
    side = max(subject.model.shape[-2:]) if len(subject.model.shape) > 1 else 1
    if name == "manifold":
        how["n"] = max(5, min(16, SHEET // min(side, 64)))
    elif name == "samples" and side > 64:
        how["n"] = 32
    elif name == "traversals" and (len(subject.model.shape) < 2 or sum(latent_count(subject)) <= 2):
        return ""
    elif name == "history" and any(row.get("elbo") is not None for row in subject.rows):
        how["names"] = ("elbo", "rate", "distortion")
    try:
        return figure(pictures(lambda: panels(subject, name, **how)), caption(subject, name))
    except (Mistake, NotImplementedError):
        return ""


def _numbers(subject: Subject) -> str:
    if "metrics" not in subject.record:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="value">{escape(_minus(value))}</td>'
        f'<td class="why">{escape(why)}</td></tr>'
        for name, value, why in numbers(subject.record)
    )
    head = "".join(f'<th scope="col">{title}</th>' for title in ("number", "value ± standard error", "meaning"))
    unit = (
        "<p>A nat is the natural unit of information, 1.44 bits; all nats are for one item, summed over its "
        "dimensions. p is a model’s distribution, q its posterior, x an item, z its latents.</p>\n"
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>\n{unit}"


def _minus(value: str) -> str:
    return "−" + value[1:] if value.startswith("-") else value


def _left_out() -> str:
    return (
        '<p class="note">Items, reconstructions, labels and the map of the latents were left out of this page: it was '
        "made without the data. What is shown comes from the model and the record of its training.</p>\n"
    )


def _settings(subject: Subject) -> str:
    record = subject.record
    shown = ("name", "source", "kind", "shape", "dtype", "items", "layout", "columns", "condition")
    hidden = ("source",) if subject.data is None else ()
    data = {k: record["data"].get(k) for k in shown if k not in hidden} | {"binarised": record.get("binarization")}
    split = record.get("split") or {}
    made = {name: record.get(name) for name in ("objective", "likelihood", "parameters")}
    return "".join([
        facts("Training", record.get("settings", {})),
        facts("Recipe", {"recipe": record["recipe"], **record.get("recipe_arguments", {}), **made}),
        facts("Data", data),
        facts("Split", {**(split.get("items") or {}), **(split.get("arguments") or {})}),
        facts("Versions", {"vaekit": record.get("vaekit"), **record.get("versions", {})}),
    ])  # fmt: skip


def _brief(subject: Subject) -> str:
    title = f"{subject.record['recipe']} on {subject.record['data']['name']}"
    head = f'<div class="vaekit"><style>{BRIEF}</style><strong>{escape(title)}</strong>\n'
    return f"{head}{_numbers(subject)}{_figure(subject, 'samples')}</div>"
