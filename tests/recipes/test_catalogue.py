"""The catalogue: every recipe has its paper and the tests that hold it, and the documentation is generated from it."""

from __future__ import annotations

import ast
import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from vaekit.cli import main
from vaekit.cli.catalogue import catalogue, proofs
from vaekit.recipes import RECIPES
from vaekit.references import PAPERS
from vaekit.reproductions import ROWS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, Any]]:
    return {row["recipe"]: row for row in catalogue()}


def test_every_recipe_is_there_with_its_own_paper(rows: dict[str, dict[str, Any]]) -> None:
    assert list(rows) == list(RECIPES)
    assert all(RECIPES[name][0] in PAPERS for name in rows)


def test_every_recipe_is_held_by_tests_that_exist(rows: dict[str, dict[str, Any]]) -> None:
    known: dict[str, set[str]] = {}
    for name, row in rows.items():
        assert row["oracle"], name
        for test in row["oracle"]:
            file, _, function = test.partition("::")
            if file not in known:
                tree = ast.parse((ROOT / file).read_text())
                known[file] = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
            assert function in known[file], f"{name}: {test}"


def test_reproductions_exist_or_say_why_not(rows: dict[str, dict[str, Any]]) -> None:
    for name, row in rows.items():
        again = row["reproduced"]
        if again is not None:
            assert again in ROWS or again.startswith("not reproduced: "), name
        if row["published"] is not None:
            assert again is not None, name


def test_the_documentation_is_the_table() -> None:
    text = (ROOT / "docs" / "recipes.md").read_text()
    assert proofs() in text, "write `vaekit recipes --proofs` into docs/recipes.md"


def test_it_is_machine_readable(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"recipe", "what", "paper", "link", "composition", "oracle", "published", "reproduced"} == set(found[0])


def test_recipes_are_short_and_none_is_a_copy() -> None:
    """The median body is under 12 lines, and no two papers' files share six lines of code but for imports."""
    bodies, windows = [], {}
    for file in {RECIPES[name][0] for name in RECIPES}:
        source = (ROOT / "src" / "vaekit" / "recipes" / f"{file}.py").read_text()
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef) and node.name in RECIPES:
                bodies.append(sum((part.end_lineno or 0) - part.lineno + 1 for part in node.body[1:]))
        lines = [line.strip() for line in source.splitlines()]
        lines = [line for line in lines if line and not line.startswith(("from ", "import "))]
        for i in range(len(lines) - 5):
            first = windows.setdefault(tuple(lines[i : i + 6]), file)
            assert first == file, f"{first} and {file} share: {lines[i]}"
    assert statistics.median(bodies) < 12
    assert len({RECIPES[name][0] for name in RECIPES}) >= 70  # papers
