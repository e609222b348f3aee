"""`vaekit compare`: runs side by side, or several recipes trained on the same split."""

from __future__ import annotations

__all__ = ["PARSERS", "compare"]

import argparse
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import vaekit as vk
from vaekit.cli.options import TRAINING, add_imports, add_reading, add_training, given
from vaekit.cli.parser import Parser, key_value
from vaekit.cli.plan import find_recipe, free_folder, locate, read_material
from vaekit.cli.runs import browse, json_line, load
from vaekit.cli.side_by_side import differences, error, page, paired, paired_text, row, text
from vaekit.cli.train import fit, fit_all
from vaekit.cli.train import parser as train_parser
from vaekit.messages import Mistake, near_miss
from vaekit.recipes import RECIPES

FACTS = ("key", "layout", "id", "drop", "size", "labels", "imports")  # options that `train` has too


def parser() -> tuple[Parser, Callable[[argparse.Namespace], int]]:
    """The options of `compare`."""
    p = Parser(
        "compare", "Put the numbers and pictures of runs side by side; with --recipes train each recipe on DATA first.",
        examples=(
            "vaekit compare runs/digits-vae-1 runs/digits-iwae-1",
            "vaekit compare digits --recipes vae --betas 0.1,0.5,1,2,4 --epochs 30",
            "vaekit compare digits --recipes pca,linear_autoencoder,autoencoder,vae --set latent_dim=2 --labels digit",
        ),
    )  # fmt: skip
    p.add_argument("names", metavar="RUN|DATA", nargs="+", help="Runs, or with --recipes the data to train on.")
    p.add_argument("--recipes", metavar="A,B", help="Names of recipes, or module:function, with commas between them.")
    p.add_argument(
        "--betas", metavar="A,B",
        help="With --recipes: each recipe at each of these weights of the rate; the page shows the curve.",
    )  # fmt: skip
    p.add_argument(
        "--set", metavar="K=V", type=key_value, action="append", help="An argument for every recipe that takes it."
    )
    p.add_argument("--labels", metavar="COL", help="The column that colours pictures; the models never see it.")
    p.add_argument("--out", metavar="DIR", help="Where compare.html and new runs go (runs/compare-<data>-<k>, or for "
                   "runs that are there the folder worked in).")  # fmt: skip
    p.add_argument("--overwrite", action="store_true", help="Delete runs, or a page, that are in --out.")
    p.add_argument("--json", action="store_true", help="Print the numbers as one JSON object.")
    p.add_argument("--open", action="store_true", help="Show the page in the browser.")
    add_imports(p)
    add_reading(p)
    add_training(p)
    return p, compare


def compare(options: argparse.Namespace) -> int:
    """Train where asked, print the table, write the page."""
    if options.recipes is None:
        runs = [load(argparse.Namespace(run=name, imports=options.imports)) for name in options.names]
        without = next((name for name, run in zip(options.names, runs, strict=True) if not run.metrics), None)
        if without is not None:
            raise Mistake(f"{without} holds a model without numbers: give run's folders.")
        path = Path(options.out or ".") / "compare.html"
        titles = [Path(name).resolve().name for name in options.names]
    else:
        titles, runs, path = trained(options)
    if options.recipes is None and path.exists() and not options.overwrite:
        raise Mistake(f"{path} exists already: add --overwrite to replace it, or give another --out.")
    for run in runs:
        run.metrics["rmse"] = error(run)
    rows = [row(title, run) for title, run in zip(titles, runs, strict=True)]
    pairs = paired(titles, runs)
    notes = [*paired_text(pairs), *differences([run.record for run in runs])]
    importlib.import_module("vaekit.storage.files").write_atomically(path, page(titles, runs, rows, notes).encode())
    said = {
        "runs": [run.metrics for run in runs], "notes": notes,
        "paired_nll": {name: [number.value, number.se] for name, number in pairs.items()},
    }  # fmt: skip
    print(json_line(said) if options.json else text(rows, notes))
    print(f"the page is {path}", file=sys.stderr)
    if options.open:
        browse(path)
    return 0


def trained(options: argparse.Namespace) -> tuple[list[str], list[Any], Path]:
    """Each recipe trained on the same data and split, in a folder of its own."""
    if len(options.names) != 1:
        raise Mistake(f"got {len(options.names)} names with --recipes and wanted one: the data to train on.")
    names = [name.strip() for name in options.recipes.split(",") if name.strip()]
    if len(set(names)) != len(names) or not names:
        raise Mistake(f"got --recipes {options.recipes} and wanted different names, such as pca,autoencoder,vae.")
    for name in names:
        if ":" not in name and name not in RECIPES:
            close = near_miss(name, RECIPES)
            meant = f"did you mean {close!r}? " if close else ""
            raise Mistake(f"unknown recipe {name!r}: {meant}Recipes are {', '.join(RECIPES)}.")
    betas = numbers(options.betas) if options.betas else [None]
    orders = [order(options, name) for name in names for _ in betas]
    asked = [dict(options.set or ()) | ({} if beta is None else {"beta": beta}) for _ in names for beta in betas]
    for order_, arguments in zip(orders, asked, strict=True):
        order_.set = accepted(order_, arguments)
    if options.betas and not all("beta" in dict(order_.set) for order_ in orders):
        without = next(order_.recipe for order_ in orders if "beta" not in dict(order_.set))
        raise Mistake(f"--betas: {without} takes no beta: leave it out, or give recipes such as vae,beta_vae.")
    taken = {name for order_ in orders for name, _ in order_.set}
    for name, _ in options.set or ():
        if name not in taken:
            raise Mistake(f"--set {name}=...: none of {', '.join(names)} takes it.")
    material = read_material(orders[0])
    plans = [find_recipe(order_, material.data) for order_ in orders]
    base = Path(options.out) if options.out else free_folder(f"compare-{material.data.name}")
    titles = [name.partition(":")[2] if ":" in name else name for name in names]
    ends = ["" if beta is None else f"-beta-{beta:g}" for beta in betas]
    folders = [base / f"{title}{end}" for title in titles for end in ends]
    for folder in folders:
        if folder.is_dir() and any(folder.iterdir()) and not options.overwrite:
            raise Mistake(f"{folder} exists already: add --overwrite to delete it, or give another --out.")
    runs: list[Any] = []
    for order_, plan, folder in zip(orders, plans, folders, strict=True):
        order_.out = str(folder)
        if plan.defaults.get("steps") == 0:  # a closed form is not trained
            order_.epochs = order_.steps = None
    each = len(betas)
    for first in range(0, len(orders), each):
        some = slice(first, first + each)
        alone = each == 1
        runs += [fit(orders[first], material, plans[first])] if alone else fit_all(orders[some], material, plans[some])
    return [folder.name for folder in folders], runs, base / "compare.html"


def numbers(text: str) -> list[float | None]:
    """Numbers with commas between them."""
    try:
        found: list[float | None] = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        found = []
    if not found or len(set(found)) != len(found):
        raise Mistake(f"got --betas {text} and wanted different numbers, such as 0.5,1,2.")
    return found


def order(options: argparse.Namespace, recipe: str) -> argparse.Namespace:
    """The options of the `vaekit train` that trains one of the recipes."""
    found = train_parser()[0].read([locate(options.names[0]), "--recipe", recipe])
    for name, value in given(options, (*TRAINING, *FACTS)).items():
        setattr(found, name, value)
    found.overwrite = options.overwrite
    return found


def accepted(options: argparse.Namespace, arguments: dict[str, Any]) -> list[tuple[str, Any]]:
    """Those of the arguments that the recipe takes."""
    module, _, name = options.recipe.partition(":")
    function = getattr(importlib.import_module(module), name, None) if name else getattr(vk.recipes, module)
    if function is None:
        return []  # what is wrong is said where the recipe is looked up
    parameters: dict[str, inspect.Parameter] = dict(inspect.signature(function).parameters)
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return [(k, v) for k, v in arguments.items() if anything or k in parameters or k in TRAINING]


PARSERS = {"compare": parser}
