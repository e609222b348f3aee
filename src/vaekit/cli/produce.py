"""The verbs that write latents and items: sample, encode, decode, reconstruct, interpolate."""

from __future__ import annotations

__all__ = ["PARSERS"]

import argparse
import importlib
import sys
from collections.abc import Callable
from typing import Any

import vaekit as vk
from vaekit.cli.latents import read_latents, walk
from vaekit.cli.options import add_imports, add_output, add_reading
from vaekit.cli.parser import Parser, key_value
from vaekit.cli.runs import items, load, output
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


def sample_parser() -> Made:
    """The options of `sample`."""
    p = base("sample", "Draw new items from the model.", (
        "vaekit sample runs/demo -n 64 --out samples.png", "vaekit sample runs/c -n 9 --given digit=3 --out threes.npy",
    ))  # fmt: skip
    p.add_argument("-n", metavar="N", type=int, default=64, help="How many (64).")
    add_given(p)
    add_drawing(p)
    p.add_argument(
        "--temperature",
        metavar="T",
        type=float,
        default=1.0,
        help="Scales the prior; below 1 is nearer its middle (1).",
    )
    add_output(p, ITEMS)
    return p, sample


def sample(options: argparse.Namespace) -> int:
    """Draw and write."""
    if options.n < 1 or not options.temperature > 0:
        raise Mistake(f"got -n {options.n} and --temperature {options.temperature}: both have to be above 0.")
    out, run = output(options), load(options)
    x = run.sample(
        options.n, context(run, options), temperature=options.temperature, seed=options.seed, mean=options.mean or None
    )
    return done(vk.data.write(out, in_range(run, x)), len(x))


def encode_parser() -> Made:
    """The options of `encode`."""
    p = base("encode", "Write the latents of items, each with its id, index or file name.", (
        "vaekit encode runs/demo digits --out latents.csv", "vaekit encode runs/demo x.npy --what moments --out z.npz",
    ), data="A built-in name, or the path of the items.")  # fmt: skip
    p.add_argument(
        "--what", metavar="WHAT", default="mean", help="mean, sample or moments (mean and deviation) (mean)."
    )
    p.add_argument("--seed", metavar="N", type=int, default=0, help="The seed of the draws, for --what sample (0).")
    add_output(p, NUMBERS)
    return p, encode


def encode(options: argparse.Namespace) -> int:
    """Encode and write."""
    out, run = output(options, suffixes=(".csv", ".parquet", ".npy", ".npz")), load(options)
    data = items(run, options)
    seed(options)
    z = run.encode(data, what=options.what)
    name_of = importlib.import_module("vaekit.run.run").latent_names
    names = name_of(z.shape[1] // (2 if options.what == "moments" else 1))
    names += [f"{name}_sd" for name in names] if options.what == "moments" else []
    return done(vk.data.write(out, z, dataset=data, names=None if hasattr(z, "columns") else names), len(z))


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
    z, index = read_latents(options.latents, run)
    seed(options)
    x = in_range(run, run.decode(z, context(run, options), mean=options.mean or None))
    return done(vk.data.write(out, x, dataset=shell(run, x, index)), len(x))


def reconstruct_parser() -> Made:
    """The options of `reconstruct`."""
    p = base("reconstruct", "Write items as the model makes them again, each with its id, index or file name.", (
        "vaekit reconstruct runs/demo digits --out again.npy", "vaekit reconstruct runs/faces photos/ --out again/",
    ), data="A built-in name, or the path of the items.")  # fmt: skip
    add_drawing(p)
    add_output(p, ITEMS)
    return p, reconstruct


def reconstruct(options: argparse.Namespace) -> int:
    """Reconstruct and write."""
    out, run = output(options), load(options)
    data = items(run, options)
    seed(options)
    x = run.reconstruct(data, mean=options.mean or None)
    return done(vk.data.write(out, x, dataset=data), len(x))


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
    z, y = walk(run, data, options.start, options.end, options.steps)
    x = run.decode(z, context(run, options) or y, mean=True)
    return done(vk.data.write(out, in_range(run, x)), len(x))


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


def shell(run: Any, x: Any, index: Any) -> Any:
    """A Dataset of results, for their index alone."""
    if index is None or hasattr(x, "columns"):
        return None
    tensor = importlib.import_module("torch").as_tensor(x)
    return vk.data.Dataset(name="latents", x=tensor, kind=run.record["data"]["kind"], index=index)


def done(path: Any, n: int) -> int:
    """Say what was written."""
    print(f"wrote {n:,} items to {path}", file=sys.stderr)
    return 0


PARSERS = {
    "sample": sample_parser,
    "encode": encode_parser,
    "decode": decode_parser,
    "reconstruct": reconstruct_parser,
    "interpolate": interpolate_parser,
}
