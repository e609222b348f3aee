"""The doctor on ten planted illnesses and ten healthy runs from three data sets, and from three seen before.

Its thresholds are fixed on the embedded digits and on MNIST. New to it are spoken digits as log-mel pictures, the
numeric columns of a census and grey CIFAR-10 pictures, both kinds of picture reduced to 16x16. Frey Faces, Omniglot
and counts of genes in cells were its test once; what it said of them changed what it looks for, so that they are a
table of their own. A healthy run has as many epochs as the library itself chooses for data of its size, unless others
are given, the weights of the best epoch, and a small network. Needs the data sets in $VAEKIT_DATA.

    python benchmarks/evaluation/doctor.py [new] [seen]
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import vaekit as vk
from vaekit.doctor import examine
from vaekit.likelihoods import Bernoulli, FixedScale, Gaussian, PerDimensionScale
from vaekit.report.health import case_of

SMALL = {"hidden": [128]}


@dataclass(frozen=True)
class Plan:
    """A run: the illness planted or None, the data's name, items, recipe, its arguments, training arguments."""

    planted: str | None
    data: str
    items: np.ndarray
    recipe: str
    arguments: dict[str, Any]
    training: dict[str, Any] = field(default_factory=dict)
    draws: int | None = None  # for the NLL


def archive(name: str, key: str) -> np.ndarray:
    """An array of one of the data sets."""
    return np.asarray(np.load(Path(os.environ["VAEKIT_DATA"]) / f"{name}.npz")[key])


def gaussian(latents: int, scale: Any = None) -> dict[str, Any]:
    return {"likelihood": Gaussian(scale=scale), "latent_dim": latents, **SMALL}


def repeated(columns: int) -> dict[str, Any]:
    """A linear model of columns that repeat others: its scales reached their bound, e^-6, when they were looked at."""
    return gaussian(columns, PerDimensionScale()) | {"hidden": []}


def reduced(pictures: np.ndarray) -> np.ndarray:
    """Pictures (N, H, W) as 16x16 means."""
    n, h, w = pictures.shape
    return pictures.reshape(n, 16, h // 16, 16, w // 16).mean((2, 4)).round().astype(np.uint8)


def census() -> tuple[np.ndarray, np.ndarray]:
    """8,000 complete rows: the numeric columns, standardised, and the categories as 0 and 1."""
    numbers, levels = archive("adult_income", "numeric_train"), archive("adult_income", "category_train")
    complete = (levels >= 0).all(1)
    numbers, levels = numbers[complete][:8000].astype(float), levels[complete][:8000]
    bits = np.concatenate([np.eye(size)[c] for size, c in zip(levels.max(0) + 1, levels.T, strict=True)], 1)
    return ((numbers - numbers.mean(0)) / numbers.std(0)).astype(np.float32), bits.astype(np.float32)


def new() -> list[Plan]:
    speech = reduced(archive("spoken_digits_logmel", "x").astype(float))
    grey = reduced(archive("cifar10_train15k", "x")[:8000].mean(-1))
    table, bits = census()
    few = speech[np.random.default_rng(0).permutation(len(speech))[:600]]
    alike = np.concatenate([table[:, [0, 5]]] * 4, 1)  # age and hours a week
    large = {"latent_dim": 32, "likelihood": Gaussian()}
    bernoulli = {"epochs": 40, "binarize": "dynamic"}
    return [
        Plan("wrong likelihood", "grey", grey, "vae", {"latent_dim": 8, **SMALL}, bernoulli),
        Plan("underfitting", "grey", grey, "vae", gaussian(8), {"epochs": 5}),
        Plan("too few draws for the NLL", "grey", grey, "vae", gaussian(32), {"epochs": 40}, draws=4),
        Plan("holes in the prior", "speech", speech, "autoencoder", {"latent_dim": 4, **SMALL}, {"epochs": 100}),
        Plan("under-regularisation", "speech", speech, "vae", gaussian(4, FixedScale(c=1e-3)), {"epochs": 100}),
        Plan("posterior collapse", "speech", speech, "vae", gaussian(4) | {"beta": 1000.0}, {"epochs": 100}),
        Plan("overfitting", "speech", few, "vae", large, {"epochs": 500, "keep": "last", "valid": 0.1, "test": 0.4}),
        Plan("wrong likelihood", "census", bits, "vae", gaussian(4), {"epochs": 40}),
        Plan("saturated scales", "census", alike, "vae", repeated(2), {"epochs": 240, "lr": 3e-3}),
        Plan("over-regularisation", "census", table, "vae", gaussian(2, FixedScale(c=10.0)), {"epochs": 60}),
        Plan(None, "speech", speech, "vae", gaussian(4), draws=5000),  # of the usual 500 draws 3 counted: too few
        Plan(None, "speech", speech, "vae", gaussian(2)),
        Plan(None, "speech", speech, "ppca", {"latent_dim": 10}),
        Plan(None, "grey", grey, "vae", gaussian(8)),
        Plan(None, "grey", grey, "vae", gaussian(4, PerDimensionScale())),
        Plan(None, "grey", grey, "iwae", gaussian(8), {"epochs": 100}),
        Plan(None, "grey", grey, "ppca", {"latent_dim": 16}),
        Plan(None, "census", table, "vae", gaussian(2)),
        Plan(None, "census", table, "vae", gaussian(3)),
        # not ppca of the numeric columns: they hardly hang together, and the best it can do is a rate of 0.23 nats
        Plan(None, "census", bits, "vae", {"latent_dim": 4, "likelihood": Bernoulli(), **SMALL}),
    ]


def seen() -> list[Plan]:
    faces = archive("frey_faces", "x")
    letters = archive("omniglot28", "x")
    letters = letters[np.random.default_rng(0).permutation(len(letters))]
    counts = archive("cell_lines_counts", "counts")
    genes = counts[:, np.argsort(-counts.astype(float).var(0))[:60]].astype(np.float32)
    cells = np.log1p(genes)
    alike = np.concatenate([cells[:, :2]] * 4, 1)
    many, few, own = letters[:6000], letters[:1200], PerDimensionScale()
    bernoulli = {"epochs": 60, "binarize": "dynamic"}
    last = {"epochs": 150, "keep": "last", "valid": 0.1, "test": 0.4}
    return [
        Plan("wrong likelihood", "faces", faces, "vae", {"latent_dim": 4, **SMALL}, bernoulli),
        Plan("holes in the prior", "faces", faces, "autoencoder", {"latent_dim": 4, **SMALL}, {"epochs": 60}),
        Plan("under-regularisation", "faces", faces, "vae", gaussian(4, FixedScale(c=1e-3)), {"epochs": 60}),
        Plan("underfitting", "faces", faces, "vae", gaussian(16), {"epochs": 6}),
        Plan("posterior collapse", "letters", many, "vae", {"beta": 40.0}, {"epochs": 8}),
        Plan("overfitting", "letters", few, "vae", {}, last),
        Plan("too few draws for the NLL", "letters", many, "vae", SMALL, {"epochs": 20}, draws=4),
        Plan("wrong likelihood", "cells", genes, "vae", gaussian(4), {"epochs": 60}),
        Plan("saturated scales", "cells", alike, "vae", repeated(2), {"epochs": 1300, "lr": 3e-3}),
        Plan("over-regularisation", "cells", cells, "vae", gaussian(4, FixedScale(c=10.0)), {"epochs": 60}),
        # batches of 32: with the usual 128, few steps an epoch, half of the samples were near real faces
        Plan(None, "faces", faces, "vae", gaussian(4), {"epochs": 300, "batch_size": 32}),
        Plan(None, "faces", faces, "vae", gaussian(2), {"epochs": 300, "batch_size": 32}),
        Plan(None, "faces", faces, "ppca", {"latent_dim": 10}),
        Plan(None, "letters", many, "vae", {"latent_dim": 8, **SMALL}, {"epochs": 60}),
        Plan(None, "letters", many, "iwae", {"latent_dim": 8, **SMALL}, {"epochs": 30}),
        Plan(None, "letters", many, "vae", {"latent_dim": 2, **SMALL}, {"epochs": 60}),
        Plan(None, "cells", cells, "vae", gaussian(4)),
        Plan(None, "cells", cells, "ppca", {"latent_dim": 6}),
        Plan(None, "cells", cells, "vae", gaussian(2)),
        Plan(None, "cells", cells, "vae", gaussian(4, own)),
    ]


def examined(plan: Plan) -> dict[str, Any]:
    """What the doctor finds in a run, and whether that is right."""
    began = time.monotonic()
    recipe = vk.recipe(plan.recipe, plan.items, **plan.arguments)
    run = vk.fit(recipe, plan.items, seed=0, verbose=False, **plan.training)
    if plan.draws is not None:
        run.metrics.update(run.evaluate(samples=plan.draws))
    said = examine(case_of(run._subject()))
    found = [finding.illness for finding in said]
    right = plan.planted in found if plan.planted is not None else not found
    what = f"{plan.planted or 'healthy':<26} {plan.data:<8} {plan.recipe:<12} -> {', '.join(found) or 'nothing'}"
    print(f"{'ok  ' if right else 'MISS'} {what} ({time.monotonic() - began:.0f} s)", file=sys.stderr)
    for finding in said:
        print(f"       {finding}", file=sys.stderr)
    return {"planted": plan.planted, "data": plan.data, "recipe": plan.recipe, "found": found, "right": right}


def main() -> None:
    for table in (new, seen):
        if table.__name__ in (sys.argv[1:] or ["new", "seen"]):
            rows = [examined(plan) for plan in table()]
            ill = [row["right"] for row in rows if row["planted"] is not None]
            well = [row["right"] for row in rows if row["planted"] is None]
            counted = {"planted_found": sum(ill), "of": len(ill)}
            alarms = {"false_alarms": well.count(False), "healthy": len(well)}
            print(json.dumps({"table": table.__name__, **counted, **alarms, "rows": rows}), flush=True)


if __name__ == "__main__":
    main()
