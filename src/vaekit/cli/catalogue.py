"""The catalogue of recipes: papers, compositions, the tests that hold them, figures published and reproduced."""

from __future__ import annotations

__all__ = ["catalogue", "proofs"]

import importlib
import json
from importlib import resources
from typing import Any

import vaekit as vk
from vaekit.cli.lists import paper
from vaekit.messages import Mistake
from vaekit.recipes import RECIPES
from vaekit.references import PAPERS


def catalogue() -> list[dict[str, Any]]:
    """What is known of each recipe: its paper, what it is composed of, the tests that hold it, the figures."""
    known = json.loads((resources.files("vaekit.recipes") / "catalogue.json").read_text(encoding="utf-8"))
    rows = []
    for name, (file, line) in RECIPES.items():
        row = dict(known[name])
        model, objective = _example(name, row.pop("example", {}))
        own = {"what": line, "paper": paper(file), "link": PAPERS[file][4], "composition": _composed(model, objective)}
        rows.append({"recipe": name, **own, **row})
    return rows


def _composed(model: Any, objective: Any) -> str:
    """The parts of a model and the terms of its objective in one line."""
    words: Any = importlib.import_module("vaekit.run.record").words

    def term(one: Any) -> str:
        kind = type(one).__name__
        if kind == "Sum":
            return " + ".join(map(term, one.parts))
        if kind == "Weighted":
            return f"{words(one.arguments['weight'])} * {term(one.term)}"
        if kind == "Game":
            return ", ".join(f"{player}: {term(loss)}" for player, loss in one.roles.items())
        return str(words(one))

    named = (getattr(model, name, None) for name in ("prior", "posterior", "likelihood"))
    parts = ", ".join(type(part).__name__ for part in named if part is not None)
    return f"{type(model).__name__}({parts}); {term(objective)}"


def _example(name: str, arguments: dict[str, Any]) -> Any:
    """A recipe for small pictures, given three classes where it asks for some."""
    make = getattr(vk.recipes, name)
    try:
        return make(shape=(8, 8), **arguments)
    except Mistake:
        return make(shape=(8, 8), context=vk.data.Context({"y": {"levels": [0, 1, 2]}}), **arguments)


def proofs() -> str:
    """The catalogue as a table in Markdown, for the documentation."""
    rows = ["| recipe | paper | composition | held by | published | reproduced |", "|---|---|---|---|---|---|"]
    for row in catalogue():
        tests = ", ".join(f"`{test.rpartition('::')[2]}`" for test in row["oracle"])
        where = row["reproduced"] or ""
        again = f"`vaekit reproduce {where}`" if where and " " not in where else where
        cells = [f"`{row['recipe']}`", f"[{row['paper']}]({row['link']})", f"`{row['composition']}`", tests]
        rows.append(f"| {' | '.join([*cells, row['published'] or '', again])} |")
    return "\n".join(rows)
