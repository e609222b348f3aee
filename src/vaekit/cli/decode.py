"""The verbs that start from latents: decode and interpolate."""

from __future__ import annotations

__all__ = ["PARSERS"]

import argparse
import importlib
from typing import Any

import vaekit as vk
from vaekit.cli.latents import read_latents, walk
from vaekit.cli.making import ITEMS, Made, add_drawing, add_given, base, context, done, in_range, seed
from vaekit.cli.options import add_output
from vaekit.cli.runs import items, load, output
from vaekit.messages import Mistake


def decode_parser() -> Made:
    """The options of `decode`."""
    p = base("decode", "Write the items of latents.", ("vaekit decode runs/demo latents.csv --out items.png",))
    p.add_argument("latents", metavar="LATENTS", help="A .npy array (items, latents), or a .csv as `encode` writes it.")
    add_given(p)
    add_drawing(p)
    add_output(p, ITEMS)
    return p, decode


def decode(options: argparse.Namespace) -> int:
    """Decode and write."""
    out, run = output(options), load(options)
    z, index = read_latents(options.latents, run, context(run, options))
    seed(options)
    x = in_range(run, run.decode(z, context(run, options), mean=options.mean or None))
    return done(vk.data.write(out, x, dataset=shell(run, x, index)), len(x))


def interpolate_parser() -> Made:
    """The options of `interpolate`."""
    p = base("interpolate", "Walk in a straight line between the posterior means of two items.", (
        "vaekit interpolate runs/demo digits --from 0 --to 1 --steps 9 --out walk.png",
    ), data="A built-in name, or the path of the items.")  # fmt: skip
    p.add_argument(
        "--from",
        dest="start",
        metavar="I",
        required=True,
        help="The first item: its id, file name or row number from 0.",
    )
    p.add_argument("--to", dest="end", metavar="J", required=True, help="The last item.")
    p.add_argument("--steps", metavar="N", type=int, default=9, help="Items written, both ends counted (9).")
    add_given(p)
    add_output(p, ITEMS)
    return p, interpolate


def interpolate(options: argparse.Namespace) -> int:
    """Walk and write."""
    if options.steps < 2:
        raise Mistake(f"got --steps {options.steps} and wanted 2 or more: both ends are counted.")
    out, run = output(options), load(options)
    data = items(run, options)
    z, y = walk(run, data, options.start, options.end, options.steps, given=bool(options.given))
    x = run.decode(z, context(run, options) or y, mean=True)
    return done(vk.data.write(out, in_range(run, x)), len(x))


def shell(run: Any, x: Any, index: Any) -> Any:
    """A Dataset of results, for their index alone."""
    if index is None or hasattr(x, "columns"):
        return None
    tensor = importlib.import_module("torch").as_tensor(x)
    return vk.data.Dataset(name="latents", x=tensor, kind=run.record["data"]["kind"], index=index)


PARSERS = {"decode": decode_parser, "interpolate": interpolate_parser}
