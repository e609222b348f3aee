"""The verbs that list: recipes, datasets, citation."""

from __future__ import annotations

__all__ = ["PARSERS"]

import argparse
import importlib
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import vaekit as vk
from vaekit.cli.options import add_imports
from vaekit.cli.parser import Parser
from vaekit.cli.runs import import_all, load
from vaekit.recipes import RECIPES
from vaekit.references import PAPERS

Made = tuple[Parser, Callable[[argparse.Namespace], int]]


def recipes_parser() -> Made:
    """The options of `recipes`."""
    p = Parser(
        "recipes",
        "List the recipes: name, paper, and what it is; with --import also those of your own modules.",
        examples=("vaekit recipes", "vaekit recipes --import my_models"),
    )
    p.add_argument("--markdown", action="store_true", help="As a table in Markdown, with links to the papers.")
    p.add_argument("--proofs", action="store_true", help="Composition, oracle and figures of each, in Markdown.")
    p.add_argument("--json", action="store_true", help="All that is known of each, as JSON.")
    add_imports(p)
    return p, recipes


def recipes(options: argparse.Namespace) -> int:
    """Print the table."""
    import_all(options.imports)
    if options.json or options.proofs:
        whole: Any = importlib.import_module("vaekit.cli.catalogue")
        print(json.dumps(whole.catalogue(), indent=1, ensure_ascii=False) if options.json else whole.proofs())
    elif options.markdown:
        print(markdown())
    else:
        known = [(name, paper(file), line) for name, (file, line) in RECIPES.items()]
        print(aligned([("recipe", "paper", "what it is"), *known, *own_recipes(options.imports or ())]))
    return 0


def own_recipes(modules: Iterable[str]) -> list[tuple[str, str, str]]:
    """The recipes among the functions that the user's modules define, each as `--recipe` takes it."""
    rows = []
    for module in modules:
        for name, function in inspect.getmembers(sys.modules[module], inspect.isfunction):
            if function.__module__ == module and not name.startswith("_") and _gives_recipe(function):
                line = (inspect.getdoc(function) or "").partition("\n")[0]
                rows.append((f"{module}:{name}", "-", line))
    return rows


def _gives_recipe(function: Callable[..., object]) -> bool:
    """Whether a function says that it returns a Recipe or, where it says nothing, takes the shape of the data."""
    returned = inspect.get_annotations(function).get("return")
    if returned is None:
        return "shape" in inspect.signature(function).parameters
    return str(getattr(returned, "__name__", returned)).split(".")[-1] == "Recipe"


def markdown() -> str:
    """The table of recipes for the README."""
    rows = [f"| `{n}` | [{paper(f)}]({PAPERS[f][4]}) | {line} |" for n, (f, line) in RECIPES.items()]
    return "\n".join(["| recipe | paper | what it is |", "|---|---|---|", *rows])


def paper(key: str) -> str:
    """Who and when.

    Example:
        >>> paper("kingma2014"), paper("burda2016")
        ('Kingma and Welling 2014', 'Burda et al. 2016')
    """
    if key not in PAPERS:
        return key
    authors = [name.split()[-1] for name in PAPERS[key][0].split(" and ")]
    who = f"{authors[0]} et al." if len(authors) > 2 else " and ".join(authors)
    return f"{who} {PAPERS[key][2]}"


def datasets_parser() -> Made:
    """The options of `datasets`."""
    p = Parser(
        "datasets", "List the built-in data sets, their licences, and where they are.", examples=("vaekit datasets",)
    )
    add_imports(p)
    return p, datasets


def datasets(options: argparse.Namespace) -> int:
    """Print the table."""
    import_all(options.imports)
    rows = [("data set", "items", "shape", "labels", "here", "licence", "source")]
    for row in vk.data.datasets():
        shape, here = "x".join(map(str, row["shape"])), "yes" if row["available"] else "no"
        rows.append(
            (row["name"], f"{row['items']:,}", shape, row["labels"] or "-", here, row["licence"], row["source"])
        )
    print(aligned(rows))
    return 0


def citation_parser() -> Made:
    """The options of `citation`."""
    p = Parser(
        "citation",
        "Print the BibTeX of the papers that a run's model comes from.",
        examples=("vaekit citation runs/demo",),
    )
    p.add_argument("run", metavar="RUN", help="A run's folder or a saved model's.")
    add_imports(p)
    return p, citation


def citation(options: argparse.Namespace) -> int:
    """Print it."""
    print(load(options).citation())
    return 0


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text in columns.

    Example:
        >>> print(aligned([("a", "b"), ("ccc", "d")]))
        a    b
        ccc  d
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


PARSERS = {"recipes": recipes_parser, "datasets": datasets_parser, "citation": citation_parser}
