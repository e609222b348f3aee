"""The doctor's part of a report, and the case that a run makes."""

from __future__ import annotations

__all__ = ["case_of", "doctor_section"]

from vaekit.data import Dataset
from vaekit.doctor import DIAGNOSES, Case, examine
from vaekit.report.html import escape
from vaekit.report.subject import Subject

CLEAN = "Nothing was found"


def case_of(subject: Subject) -> Case:
    """What the doctor looks at: training items, and test items or else validation items, where they are at hand."""

    def part(*names: str) -> Dataset | None:
        parts = {} if subject.data is None else subject.data.parts
        name = next((name for name in names if len(parts.get(name, ()))), None)
        return None if name is None or subject.data is None else subject.data.take(parts[name])

    return Case(subject.model, subject.record, subject.rows, train=part("train"), held=part("test", "valid"))


def doctor_section(subject: Subject) -> str:
    """The findings as a list, or a clean bill of health, in HTML."""
    found = examine(case_of(subject))
    looked = f"{len(DIAGNOSES)} illnesses were looked for"
    if subject.data is None:
        looked += ", most of which need the items, which are not at hand"
    if not found:
        return f"<p>{CLEAN}: {looked}.</p>\n"
    said = "".join(
        f"<li><strong>{escape(f.illness.capitalize())}.</strong> {escape(f.evidence[0].upper() + f.evidence[1:])}. "
        f"<em>To mend it:</em> {escape(f.remedy)}.</li>"
        for f in found
    )
    return f"<p>{looked.capitalize()}.</p>\n<ul>{said}</ul>\n"
