"""The verbs that write new items and the latents of items: sample, encode, reconstruct."""

from __future__ import annotations

__all__ = ["PARSERS"]

import argparse
import importlib
from pathlib import Path

import vaekit as vk
from vaekit.cli.making import ITEMS, NUMBERS, Made, add_drawing, add_given, base, context, done, in_range, seed
from vaekit.cli.options import add_output
from vaekit.cli.runs import items, load, output
from vaekit.messages import Mistake


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
        "--what",
        metavar="WHAT",
        default="mean",
        help="mean, sample, moments (mean and deviation), or indices of codes (mean).",
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
    if z.ndim > 2 and Path(out).suffix.lower() not in (".npy", ".npz"):  # a map of indices as one row of a table
        z = z.reshape(len(z), -1)
    names = (
        importlib.import_module("vaekit.run.latents").column_names(z.shape[1], options.what) if z.ndim == 2 else None
    )
    return done(vk.data.write(out, z, dataset=data, names=None if hasattr(z, "columns") else names), len(z))


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


def impute_parser() -> Made:
    """The options of `impute`."""
    p = base("impute", "Write items with their gaps filled by what the model expects there, given what is observed.", (
        "vaekit impute runs/patients patients.csv --out filled.csv",
        "vaekit impute runs/patients patients.csv --draws 5 --out filled.csv    # filled-1.csv ... filled-5.csv",
    ), data="A built-in name, or the path of the items.")  # fmt: skip
    p.add_argument(
        "--draws", metavar="M", type=int, default=0,
        help="Write M copies, each with other draws from p(missing | observed), in files numbered 1 to M.",
    )  # fmt: skip
    p.add_argument(
        "--importance-samples", metavar="K", type=int, default=1000, help="Draws of the latents for each item (1000)."
    )
    p.add_argument("--seed", metavar="N", type=int, default=0, help="The seed of the draws (0).")
    add_output(p, ITEMS)
    return p, impute


def impute(options: argparse.Namespace) -> int:
    """Fill in and write."""
    if options.importance_samples < 1 or options.draws < 0:
        raise Mistake(
            f"got --importance-samples {options.importance_samples} and --draws {options.draws} and wanted 1 or more, "
            "and 0 or more."
        )
    name = Path(options.out)
    names = [name.with_stem(f"{name.stem}-{i + 1}") for i in range(options.draws)] or [options.out]
    outs = [output(argparse.Namespace(**{**vars(options), "out": one})) for one in names]
    run = load(options)
    data = items(run, options)
    found = run.impute(data, draws=options.draws, samples=options.importance_samples, seed=options.seed)
    for out, filled in zip(outs, found if options.draws else [found], strict=True):
        done(vk.data.write(out, filled, dataset=data), len(data))
    return 0


PARSERS = {
    "sample": sample_parser, "encode": encode_parser, "reconstruct": reconstruct_parser, "impute": impute_parser,
}  # fmt: skip
