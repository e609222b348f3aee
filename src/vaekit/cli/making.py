"""What the verbs that write items and latents have in common."""

from __future__ import annotations

__all__ = ["ITEMS", "NUMBERS", "Made", "add_drawing", "add_given", "base", "context", "done", "in_range", "seed"]

import argparse
import importlib
import sys
from collections.abc import Callable
from typing import Any

from vaekit.cli.options import add_imports, add_reading
from vaekit.cli.parser import Parser, key_value
from vaekit.messages import Mistake

Made = tuple[Parser, Callable[[argparse.Namespace], int]]
ITEMS = ".png (a grid), .npy, .npz, .csv or .parquet"
NUMBERS = ".csv, .parquet, .npy or .npz"


def base(verb: str, summary: str, examples: tuple[str, ...], *, data: str | None = None) -> Parser:
    """What these verbs have in common."""
    p = Parser(verb, summary, examples=examples)
    p.add_argument("run", metavar="RUN", help="A run's folder or a saved model's.")
    if data is not None:
        p.add_argument("data", metavar="DATA", help=data)
        add_reading(p, table=False)
    add_imports(p)
    return p


def add_given(p: Parser) -> None:
    """The context of a conditional model."""
    p.add_argument(
        "--given", metavar="K=V", type=key_value, action="append",
        help="What a conditional model is given, such as digit=3; it may come several times.",
    )  # fmt: skip


def add_drawing(p: Parser) -> None:
    """Whether items are drawn or means, and the seed."""
    p.add_argument("--mean", action="store_true", help="Write the mean of p(x|z) for tables too, which else are drawn.")
    p.add_argument("--seed", metavar="N", type=int, default=0, help="The seed of the draws (0).")


def context(run: Any, options: argparse.Namespace) -> dict[str, Any] | None:
    """--given as one row of context."""
    if options.given and run.model.context is None:
        raise Mistake(f"the model in {options.run} is conditioned on nothing: leave --given out.")
    return dict(options.given) if options.given else None


def seed(options: argparse.Namespace) -> None:
    """Let what is drawn hang on --seed alone."""
    importlib.import_module("torch").manual_seed(options.seed)


def in_range(run: Any, x: Any) -> Any:
    """Pictures cut at the white of the run's own data, so that they are drawn at its brightness."""
    if run.data is None or run.data.kind != "image" or not hasattr(x, "clip"):
        return x
    white = importlib.import_module("vaekit.data.grid").white_of(run.data.x[:1000].numpy())
    return x.clip(None, white)


def done(path: Any, n: int) -> int:
    """Say what was written."""
    print(f"wrote {n:,} items to {path}", file=sys.stderr)
    return 0
