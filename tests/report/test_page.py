"""The page is whole, self-contained, safe, and silent on data that may not be shown."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vaekit.report import Subject, render, write_report
from vaekit.report.diagram import diagram
from vaekit.report.summary import numbers
from vaekit.report.summary import table as text_table

SECTIONS = [
    "numbers",
    "history",
    "reconstructions",
    "samples",
    "latent",
    "manifold",
    "rates",
    "model",
    "settings",
    "cite",
    "doctor",
]
Pages = Callable[[Subject], str]
VOID = {"meta", "br", "img", "hr", "link", "input"}


class Reader(HTMLParser):
    """The tags and attributes of a page; fails where they do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag


def sections(text: str) -> list[str]:
    return [str(a["id"]) for tag, a in Reader(text).tags if tag == "section"]


def images(text: str) -> list[bytes]:
    return [base64.b64decode(found) for found in re.findall(r'data:image/png;base64,([^"]+)"', text)]


def test_every_section_in_order(pages: Pages, digits: Subject) -> None:
    page = pages(digits)
    assert sections(page) == SECTIONS
    for name in SECTIONS:
        assert f'href="#{name}"' in page
    assert '<html lang="en">' in page and 'name="viewport"' in page and page.count("<h1>") == 1
    assert "vae on digits" in page and "prefers-color-scheme: dark" in page and "@media print" in page
    assert "@inproceedings{kingma2014" in page


@pytest.mark.parametrize(
    ("name", "lacking"),
    [
        ("wide", set()),
        ("conditional", set()),
        ("points", {"rates"}),
        ("ladder", {"manifold"}),
        ("table", set()),
        ("closed", {"history"}),
    ],
)
def test_other_models_have_what_applies_to_them(
    name: str, lacking: set[str], pages: Pages, request: pytest.FixtureRequest
) -> None:
    found = sections(pages(request.getfixturevalue(name)))
    assert [s for s in found if s != "traversals"] == [s for s in SECTIONS if s not in lacking]
    assert ("traversals" in found) == (name in ("wide", "closed"))


@pytest.mark.parametrize("name", ["digits", "conditional", "table"])
def test_nothing_is_loaded_and_nothing_runs(name: str, pages: Pages, request: pytest.FixtureRequest) -> None:
    page = pages(request.getfixturevalue(name))
    assert len(page) < 3e6
    for tag, attributes in Reader(page).tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "img"), tag
        for key, value in attributes.items():
            assert not key.startswith("on"), key
            if key in ("src", "href", "xlink:href", "data", "action"):
                assert value is not None and value.startswith(("#", "data:image/png;base64,")), value
    assert not re.search(r"url\((?!#)", page) and "@import" not in page
    text = re.sub(r"<pre.*?</pre>", "", page, flags=re.DOTALL)
    assert "http://" not in text and "https://" not in text


def test_pictures_have_words_and_ids_are_single(pages: Pages, conditional: Subject) -> None:
    tags = Reader(pages(conditional)).tags
    drawn = [a for tag, a in tags if tag == "svg"]
    assert len(drawn) > 8
    assert all(a["role"] == "img" and len(str(a["aria-label"])) > 20 for a in drawn)
    ids = [a["id"] for _, a in tags if a.get("id")]
    assert len(ids) == len(set(ids))
    used = {str(v)[1:] for _, a in tags for k, v in a.items() if k in ("href", "xlink:href") and str(v).startswith("#")}
    assert used <= set(ids)


def test_names_are_escaped(pages: Pages, table: Subject, conditional: Subject) -> None:
    evil = dict(
        table.record, data=dict(table.record["data"], name="<script>x</script>"), recipe='"><img src=x onerror=y>'
    )
    closing = render(replace(table, record=evil, data=None))
    for page in (closing, pages(table)):
        assert "<script" not in page and "<img" not in page and "alert(1)" in page
    assert "&lt;script&gt;x&lt;/script&gt;" in closing
    shown = pages(conditional)
    assert "wombat<b>" not in shown and "wombat&lt;b&gt;" in shown
    assert "data with mean" in pages(table) and "data with mean" not in closing


def test_without_data_no_items_and_no_labels(
    pages: Pages, conditional: Subject, digits: Subject, hidden_digits: Subject
) -> None:
    shown, hidden = pages(conditional), render(replace(conditional, data=None))
    assert "quokka" in shown
    assert not any(name in hidden for name in ("quokka", "wombat", "numbat"))
    assert "left out" in hidden and "left out" not in shown
    assert sections(hidden) == [s for s in SECTIONS if s not in ("reconstructions", "latent")]
    without = pages(hidden_digits)
    assert len(images(without)) < len(images(pages(digits)))
    assert "<use" not in without.split('id="samples"')[1].split('id="rates"')[0]  # no points


def test_without_data_the_pictures_are_the_models_own(pages: Pages, digits: Subject, hidden_digits: Subject) -> None:
    """No picture of the page holds any item of the data."""
    assert digits.data is not None
    page = pages(hidden_digits)
    items = (digits.data.x / 16 * 255).round().numpy().astype(int)
    for found in images(page):
        pixels = np.asarray(Image.open(io.BytesIO(found)).convert("L")).astype(int)
        height, width = pixels.shape
        for r in range(0, height - 7, 9):
            for c in range(0, width - 7, 9):
                assert np.abs(items - pixels[r : r + 8, c : c + 8]).mean((1, 2)).min() > 1


def test_the_same_bytes_every_time_and_no_noise_used(pages: Pages, digits: Subject, table: Subject) -> None:
    first, brief = pages(digits), render(table, brief=True)
    torch.manual_seed(3)
    again, brief_again = render(digits), render(table, brief=True)
    after = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(1))
    assert again == first and brief_again == brief


def test_a_users_style_changes_nothing(digits: Subject) -> None:
    import matplotlib

    first = render(digits, brief=True)
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red"}):
        assert render(digits, brief=True) == first
        assert matplotlib.rcParams["font.size"] == 20


def test_the_numbers_have_errors_and_units(pages: Pages, digits: Subject) -> None:
    m = digits.record["metrics"]
    page = pages(digits)
    assert f"{m['nll']:,.2f} ± {m['nll_se']:,.2f} nats" in page
    assert f"−{-m['elbo']:,.2f} ± {m['elbo_se']:,.2f} nats" in page
    assert all(len(row) == 3 and row[2].endswith(".") for row in numbers(digits.record))
    assert f"{m['rate']:.2f} nats" in text_table(digits.record)


def test_undefined_numbers_say_why(pages: Pages, points: Subject) -> None:
    found = {name: (value, why) for name, value, why in numbers(points.record)}
    assert found["NLL"][0] == "undefined" and "Point posterior" in found["NLL"][1]
    assert found["rate"][0] == "undefined"
    assert "an autoencoder" in pages(points)


def test_settings_are_all_there(pages: Pages, digits: Subject) -> None:
    page = pages(digits)
    for name in digits.record["settings"]:
        assert f'<th scope="row">{name}</th>' in page
    assert "latent_dim" in page and digits.record["versions"]["torch"] in page


def test_the_diagram_tells_sizes_and_contexts(
    digits: Subject, conditional: Subject, ladder: Subject, points: Subject
) -> None:
    def part(subject: Subject) -> str:
        return diagram(subject.model)

    n = sum(p.numel() for p in digits.model.posterior.net.parameters())
    assert "8 × 8" in part(digits) and f"{n:,} parameters" in part(digits) and "prior p(z)" in part(digits)
    assert part(conditional).count(">y</text>") == 2 and "animal" in part(conditional)
    assert ">y</text>" not in part(digits)
    assert "q(z2 | z1, x)" in part(ladder) and "p(z2 | z1)" in part(ladder)
    assert "prior" not in part(points)


def test_brief_is_numbers_and_samples(digits: Subject) -> None:
    text = render(digits, brief=True)
    Reader(text)
    assert "ELBO" in text and text.count("<svg") == 1 and "<html" not in text and "<section" not in text


def test_writing_a_run_that_is_not_finished(points: Subject, tmp_path: Path) -> None:
    record = {k: v for k, v in points.record.items() if k != "metrics"}
    path = write_report(replace(points, record=record, data=None), tmp_path / "new" / "report.html")
    assert sections(path.read_text(encoding="utf-8")) == ["history", "samples", "model", "settings", "cite", "doctor"]
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
