"""The papers that the parts come from, once each, as BibTeX."""

from __future__ import annotations

__all__ = ["PAPERS", "bibtex"]

import json
from importlib import resources

# key: (authors, title, year, where, link)
PAPERS: dict[str, tuple[str, str, int, str, str]] = {
    key: tuple(fields)
    for key, fields in json.loads((resources.files("vaekit") / "papers.json").read_text(encoding="utf-8")).items()
}


def bibtex(key: str) -> str:
    """One entry as BibTeX.

    >>> print(bibtex("kingma2014").splitlines()[0])
    @inproceedings{kingma2014,
    """
    authors, title, year, where, link = PAPERS[key]
    kind, field = (
        ("inproceedings", "booktitle") if "Conference" in where or "Advances" in where else ("article", "journal")
    )
    return (
        f"@{kind}{{{key},\n  author = {{{authors}}},\n  title = {{{title}}},\n"
        f"  {field} = {{{where}}},\n  year = {{{year}}},\n  url = {{{link}}}\n}}"
    )
