"""Options that several verbs share; TRAINING is kept in step with vaekit.training.Settings by a test."""

from __future__ import annotations

__all__ = ["TRAINING", "add_imports", "add_output", "add_reading", "add_training", "given"]

import argparse
from collections.abc import Callable, Iterable
from typing import Any

from vaekit.cli.parser import Parser

# name: (type, placeholder, what it is, in one sentence)
TRAINING: dict[str, tuple[Callable[[str], Any], str, str]] = {
    "epochs": (int, "N", "Passes over the data; without it 30, or more for small data (about 10,000 steps)."),
    "steps": (int, "N", "Optimiser steps, in place of epochs."),
    "batch_size": (int, "N", "Items in one optimiser step (128)."),
    "accumulate": (int, "N", "Parts in which a batch is worked through, to save memory (1)."),
    "lr": (float, "RATE", "The highest learning rate (2e-3)."),
    "lr_schedule": (str, "NAME", "How the rate falls: cosine (to 0) or constant (cosine)."),
    "warmup": (float, "N", "Steps of linear warm-up, or below 1 a fraction of all steps (0.03)."),
    "clip": (float, "NORM", "The largest gradient norm; larger gradients are scaled down."),
    "skip": (float, "TIMES", "Leave out a step whose gradient norm is this many times the usual one (100)."),
    "ema": (float, "DECAY", "Use a moving average of the weights with this decay, such as 0.999."),
    "early_stopping": (int, "N", "Stop after this many validations without improvement."),
    "monitor": (str, "COLUMN", "The column of the history that says what is best (valid_loss)."),
    "valid_every": (int, "N", "Epochs between validations (1)."),
    "save_every": (int, "STEPS", "Optimiser steps between checkpoints; without it one every 30 seconds."),
    "keep": (str, "WHICH", "Keep the weights of the best validation, or the last: best or last (best)."),
    "precision": (str, "NAME", "fp32 or bf16: bf16 runs the networks in bfloat16 (fp32)."),
    "compile": (str, "HOW", "measure, on or off: measure compiles steps and keeps that where it is faster (off)."),
    "device": (str, "NAME", "auto, cpu, cuda or mps (auto)."),
    "workers": (int, "N", "Threads that decode pictures of a folder; without it all cores."),
    "seed": (int, "N", "The seed of split, weights, order and noise (0)."),
}


def add_training(parser: Parser, names: Iterable[str] = TRAINING) -> None:
    """The training arguments, the same as in Python."""
    group = parser.add_argument_group("training arguments")
    for name in names:
        kind, placeholder, text = TRAINING[name]
        group.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=placeholder, help=text)


def add_reading(parser: Parser, *, table: bool = True) -> None:
    """How a file is read."""
    group = parser.add_argument_group("reading the data")
    group.add_argument("--key", metavar="NAME", help="Which array of an .npz archive holds the items.")
    group.add_argument("--layout", metavar="NCHW|NHWC", help="The order of the axes, where an array leaves it open.")
    group.add_argument("--id", metavar="COL", help="The column of a table that names its rows.")
    if table:
        group.add_argument("--drop", metavar="COL", nargs="+", action="extend", help="Columns of a table to leave out.")
        group.add_argument("--size", metavar="N|HxW", help="Height and width of the pictures of a folder.")


def add_imports(parser: Parser) -> None:
    """Modules of the user's own parts."""
    parser.add_argument(
        "--import", dest="imports", metavar="MODULE", nargs="+", action="extend",
        help="Modules to import first, where parts of your own are defined.",
    )  # fmt: skip


def add_output(parser: Parser, kinds: str) -> None:
    """Where a result goes."""
    parser.add_argument(
        "--out", metavar="FILE", required=True, help=f"The file to write, by its suffix: {kinds}; a slash at the end "
        "means a folder of pictures.",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="Replace the file where it exists.")


def given(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Those of the options that were given."""
    return {name: value for name in names if (value := getattr(options, name, None)) is not None}
