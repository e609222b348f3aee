"""`vaekit train`: from data to a trained, measured, saved model."""

from __future__ import annotations

__all__ = ["PARSERS", "train"]

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import vaekit as vk
from vaekit.cli.options import TRAINING, add_imports, add_reading, add_training, given
from vaekit.cli.parser import Parser, fraction_or_path, key_value
from vaekit.cli.plan import Material, find_recipe, free_folder, locate, read_material
from vaekit.cli.recorded import PLACES, command_of, configure, resumed
from vaekit.cli.runs import browse, import_all, show
from vaekit.messages import Mistake

EXAMPLES = (
    "vaekit train digits --labels digit",
    "vaekit train mnist --recipe vae_conv --set latent_dim=16 --epochs 50 --out runs/mnist",
    "vaekit train measurements.csv --id sample --labels site --drop comment --valid 0.1 --test held_out.csv",
    "vaekit train photos/ --size 64 --crop random --flip --set latent_dim=64",
    "vaekit train --resume --out runs/mnist",
)
HINT = "The arguments of a recipe are given as --set name=value. "


def parser() -> tuple[Parser, Callable[[argparse.Namespace], int]]:
    """The options of `train`."""
    p = Parser(
        "train", "Train a recipe on data, measure it, and write run, model and report.", examples=EXAMPLES, hint=HINT
    )
    p.add_argument("data", metavar="DATA", nargs="?", help="A built-in name, or a .npy, .npz, .csv or .parquet file, "
                   "or a folder of pictures.")  # fmt: skip
    p.add_argument(
        "--recipe", metavar="NAME", help="A recipe's name, auto, or module:function for one of your own (auto)."
    )
    p.add_argument("--set", metavar="K=V", type=key_value, action="append", help="An argument of the recipe, such as "
                   "latent_dim=8, hidden=[512,256] or networks=conv; it may come several times.")  # fmt: skip
    p.add_argument("--likelihood", metavar="NAME", help="p(x|z), such as bernoulli, gaussian or gaussian:0.1; else "
                   "what suits the data.")  # fmt: skip
    p.add_argument("--binarize", metavar="HOW", help="Make grey data 0/1: dynamic (drawn anew at each step), threshold "
                   "or none.")  # fmt: skip
    p.add_argument("--labels", metavar="COL", help="The column that colours pictures; the model never sees it.")
    p.add_argument(
        "--condition", metavar="COL", nargs="+", action="extend", help="Columns the model is conditioned on."
    )
    p.add_argument("--init-from", metavar="RUN", help="Start from the weights of this run.")
    p.add_argument(
        "--config", metavar="RECORD", help="Take recipe and training arguments of this run.json as defaults."
    )
    add_imports(p)
    split = p.add_argument_group("held-out data")
    split.add_argument(
        "--valid", metavar="F|PATH", type=fraction_or_path, help="The fraction held out for choices, or data (0.1)."
    )
    split.add_argument(
        "--test", metavar="F|PATH", type=fraction_or_path, help="The fraction held out for the result, or data (0.1)."
    )
    split.add_argument("--split-by", metavar="COL|time", help="Keep the rows of one value together, or split by time.")
    add_reading(p)
    p.add_argument(
        "--crop", metavar="HOW", help="Cut pictures to --size at the center, or in training at random places (center)."
    )
    p.add_argument("--flip", action="store_true", help="Mirror half of the pictures in training.")
    add_training(p)
    out = p.add_argument_group("results")
    out.add_argument("--out", metavar="DIR", help="The run's folder; without it runs/<data>-<recipe>-<k>.")
    out.add_argument("--resume", action="store_true", help="Go on with the run in --out, as it was started.")
    out.add_argument("--overwrite", action="store_true", help="Delete the run that is in --out.")
    out.add_argument("--log", metavar="HOW", help="Write the history for tensorboard too, into the run's folder.")
    out.add_argument("--json", action="store_true", help="Print the numbers as one JSON object.")
    out.add_argument("--open", action="store_true", help="Show the report in the browser.")
    return p, train


def train(options: argparse.Namespace) -> int:
    """Do what the options say."""
    if options.log not in (None, "tensorboard"):
        raise Mistake(f"got --log {options.log} and wanted tensorboard.")
    if options.resume and (options.overwrite or options.config):
        raise Mistake("--resume goes on with a run as it was started: leave --overwrite and --config out.")
    if options.config is not None:
        configure(options)
    named = options.data is not None
    record = resumed(options) if options.resume else None
    import_all(options.imports)
    if record is not None and record.get("status") == "finished":
        if named:
            check_same(read_material(options), record["data"], options)
        return close(vk.load_run(options.out), options, f"{options.out} holds a finished run: nothing to do")
    if options.data is None:
        raise Mistake(
            "DATA is missing: give a built-in name such as digits, a file or a folder; see `vaekit datasets`."
        )
    for name in PLACES:
        if isinstance(getattr(options, name), str):
            setattr(options, name, locate(getattr(options, name)))
    check_folder(options)
    material = read_material(options)
    if record is not None:
        check_same(material, record["data"], options)
    run = fit(options, material, find_recipe(options, material.data), resume=record is not None)
    return close(run, options)


def check_folder(options: argparse.Namespace) -> None:
    """Refuse an existing folder before the data is read."""
    folder = None if options.out is None else Path(options.out)
    if folder is not None and folder.is_dir() and any(folder.iterdir()) and not (options.resume or options.overwrite):
        raise Mistake(
            f"{folder} exists already: add --resume to go on, --overwrite to delete it, or give another --out."
        )


def check_same(material: Material, known: dict[str, Any], options: argparse.Namespace) -> None:
    """Refuse to go on with data that have changed."""
    items = sum(map(len, (material.data, *material.held_out.values())))
    if (items, list(material.data.shape)) != (known["items"], known["shape"]):
        raise Mistake(
            f"{options.data} held {known['items']:,} items of {tuple(known['shape'])} when this run was started and "
            f"holds {items:,} of {material.data.shape} now: put the data back, or start another run."
        )


def fit(options: argparse.Namespace, material: Material, plan: Any, *, resume: bool = False) -> Any:
    """The trained Run of a recipe; `options.out` becomes its folder."""
    options.out = str(options.out or free_folder(f"{material.data.name}-{plan.name}"))
    training = given(options, TRAINING)
    parts = parts_of(options, material)
    origin = origin_of(options, material)
    if options.log == "tensorboard":
        logger = importlib.import_module("vaekit.training.callbacks").TensorBoard
        training["callbacks"] = [logger(Path(options.out) / "tensorboard")]
    try:
        return vk.fit(
            plan, material.data, **parts, split_by=options.split_by, binarize=options.binarize,
            augmentation=material.augmentation, origin=origin, out=options.out, resume=resume,
            overwrite=options.overwrite, init_from=options.init_from, **training,
        )  # fmt: skip
    except KeyboardInterrupt as error:
        if not (Path(options.out) / "run.json").exists():
            raise
        stopped = str(error).removesuffix(": use --resume") or "interrupted"
        raise KeyboardInterrupt(f"{stopped}; go on with `vaekit train --resume --out {options.out}`") from error


def parts_of(options: argparse.Namespace, material: Material) -> dict[str, Any]:
    """valid= and test= as `vk.fit` takes them."""
    return {part: material.held_out.get(part, getattr(options, part)) for part in ("valid", "test")}


def origin_of(options: argparse.Namespace, material: Material) -> dict[str, Any]:
    """What a run's record says of its data and of the command that made it."""
    return {
        "source": material.source, "read": material.read, "held_out": material.sources, "crop": material.crop,
        "command": command_of(options),
    }  # fmt: skip


def fit_all(orders: list[argparse.Namespace], material: Material, plans: list[Any]) -> list[Any]:
    """The trained Runs of recipes that differ in their arguments alone, together where that is possible."""
    many: Any = importlib.import_module("vaekit.run.many")
    first = orders[0]
    return list(
        many.fit_plans(
            plans, material.data, folders=[Path(each.out) for each in orders],
            origins=[origin_of(each, material) for each in orders], **parts_of(first, material),
            split_by=first.split_by, binarize=first.binarize, augmentation=material.augmentation,
            overwrite=first.overwrite, **given(first, TRAINING),
        )
    )  # fmt: skip


def close(run: Any, options: argparse.Namespace, note: str | None = None) -> int:
    """The numbers on stdout, and on stderr where all is."""
    show(run.metrics, run.record, as_json=options.json)
    page = Path(options.out) / "report.html"
    print(note or f"the run is in {options.out}, its report in {page}", file=sys.stderr)
    if options.open:
        browse(page)
    return 0


PARSERS = {"train": parser}
