"""Rows of reproductions, at tiny size: figures are named as the bars read them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from vaekit.cli import main
from vaekit.recipes import RECIPES
from vaekit.references import PAPERS
from vaekit.reproductions import ROWS, Row, page, reproduced

KEPT = Path(__file__).resolve().parents[2] / "benchmarks" / "reproductions"


def counting(**settings: Any) -> Mapping[str, float]:
    return {"figure, nats": float(len(settings["seeds"]))}


COUNT = Row(
    "count", "kingma2014", ("vae",), "3", "at least 2", lambda f: f["figure, nats"] >= 2, counting, {"seeds": [0, 1]},
    0.1,
)  # fmt: skip


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_rows_name_what_exists_and_their_settings_are_json(row: Row) -> None:
    assert row.paper in PAPERS and set(row.recipes) <= set(RECIPES)
    assert json.loads(json.dumps(row.settings)) == row.settings


@pytest.mark.parametrize("file", sorted(KEPT.glob("*.json")), ids=lambda file: file.stem)
def test_kept_results_are_of_their_rows_and_judged_by_their_bars(file: Path) -> None:
    kept = json.loads(file.read_text())
    row = ROWS[kept["row"]]
    assert file.stem == row.name and kept["settings"] == row.settings and kept["wanted"] == row.wanted
    assert bool(row.met(kept["figures"])) == kept["met"]


def test_the_page_of_kept_results_is_up_to_date_and_a_miss_has_its_cause() -> None:
    kept = [json.loads(file.read_text()) for file in sorted(KEPT.glob("*.json"))]
    wanted = "write `vaekit reproduce --kept benchmarks/reproductions` into its README.md"
    assert page(ROWS, kept) in (KEPT / "README.md").read_text(), wanted
    assert all(result["met"] or ROWS[result["row"]].cause for result in kept)


def test_iris_at_tiny_size() -> None:
    row = ROWS["miwae_iris"]
    training = {**row.settings["training"], "epochs": 30}
    tiny = dataclasses.replace(row, settings={**row.settings, "seeds": [0], "samples": 50, "training": training})
    found = reproduced(tiny)
    # after 30 epochs better than the column's mean, which has 1; the bar is for 2,001
    assert 0.2 < found["figures"]["median MSE"] < 1.0 and found["settings"]["samples"] == 50


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.setitem(ROWS, "count", COUNT)
    assert main(["reproduce", "--list"]) == 0 and "miwae_iris" in capsys.readouterr().out
    assert main(["reproduce", "count", "--out", str(tmp_path / "kept")]) == 0
    out = capsys.readouterr().out
    assert "published: 3" in out and "at least 2: met" in out
    assert json.loads((tmp_path / "kept" / "count.json").read_text())["figures"] == {"figure, nats": 2.0}
    (tmp_path / "kept" / "other.json").write_text("[]")
    assert main(["reproduce", "--kept", str(tmp_path / "kept")]) == 0
    out = capsys.readouterr().out
    assert "| `count` | 3 | at least 2 | figure, nats 2 | met, 0 s |" in out and "| `miwae_iris` |" in out
    assert "not run" in out
    assert main(["reproduce", "--kept", str(tmp_path)]) == 2 and "holds no results" in capsys.readouterr().err
    assert main(["reproduce", "miwae_irs"]) == 2 and "did you mean 'miwae_iris'?" in capsys.readouterr().err
    assert main(["reproduce"]) == 2 and "wanted one of" in capsys.readouterr().err
