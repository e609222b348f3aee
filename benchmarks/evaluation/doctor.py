"""The doctor on ten planted illnesses and ten runs that are meant to be healthy, from three data sets.

Its thresholds were fixed on the embedded digits and on MNIST before it saw any of these: Frey Faces, Omniglot and
counts of genes in cells. Needs frey_faces.npz, omniglot28.npz and cell_lines_counts.npz in $VAEKIT_DATA.

    python benchmarks/evaluation/doctor.py
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import vaekit as vk
from vaekit.doctor import examine
from vaekit.likelihoods import FixedScale, Gaussian, PerDimensionScale
from vaekit.report.health import case_of


def archive(name: str, key: str) -> np.ndarray:
    """An array of one of the data sets."""
    return np.asarray(np.load(Path(os.environ["VAEKIT_DATA"]) / f"{name}.npz")[key])


def gaussian(scale: Any = None) -> dict[str, Any]:
    return {"likelihood": Gaussian(scale=scale)}


def plans() -> list[tuple[str | None, str, Any, str, dict[str, Any], dict[str, Any]]]:
    """(the illness planted or None, data set, items, recipe, its arguments, training arguments)."""
    rng = np.random.default_rng(0)
    faces = archive("frey_faces", "x")
    letters = (
        (255 - archive("omniglot28", "x")) if archive("omniglot28", "x").mean() > 127 else archive("omniglot28", "x")
    )
    letters = letters[rng.permutation(len(letters))]
    counts = archive("cell_lines_counts", "counts")
    genes = counts[:, np.argsort(-counts.astype(float).var(0))[:60]].astype(np.float32)
    cells = np.log1p(genes)
    repeated = np.concatenate([cells[:, :10], cells[:, :10], cells[:, :10]], 1)
    many, few = letters[:6000], letters[:1200]
    small, own = {"latent_dim": 4}, gaussian(PerDimensionScale())
    return [
        ("wrong likelihood", "faces", faces, "vae", small, {"epochs": 60, "binarize": "dynamic"}),
        ("holes in the prior", "faces", faces, "autoencoder", {"latent_dim": 4}, {"epochs": 60}),
        ("under-regularisation", "faces", faces, "vae", small | gaussian(FixedScale(c=1e-3)), {"epochs": 60}),
        ("underfitting", "faces", faces, "vae", {"latent_dim": 16} | gaussian(), {"epochs": 6}),
        ("posterior collapse", "letters", many, "vae", {"beta": 40.0}, {"epochs": 8}),
        ("overfitting", "letters", few, "vae", {}, {"epochs": 150, "keep": "last", "valid": 0.1, "test": 0.4}),
        ("too few draws for the NLL", "letters", many, "vae", {}, {"epochs": 20, "draws": 4}),
        ("wrong likelihood", "cells", genes, "vae", small | gaussian(), {"epochs": 60}),
        ("saturated scales", "cells", repeated, "vae", {"latent_dim": 16} | own, {"epochs": 600}),
        ("over-regularisation", "cells", cells, "vae", small | gaussian(FixedScale(c=10.0)), {"epochs": 60}),
        (None, "faces", faces, "vae", small | gaussian(), {"epochs": 150}),
        (None, "faces", faces, "vae", {"latent_dim": 2} | gaussian(), {"epochs": 150}),
        (None, "faces", faces, "ppca", {"latent_dim": 10}, {}),
        (None, "letters", many, "vae", {"latent_dim": 8}, {"epochs": 40}),
        (None, "letters", many, "iwae", {"latent_dim": 8}, {"epochs": 30}),
        (None, "letters", many, "vae", {"latent_dim": 2}, {"epochs": 40}),
        (None, "cells", cells, "vae", small | gaussian(), {"epochs": 80}),
        (None, "cells", cells, "ppca", {"latent_dim": 6}, {}),
        (None, "cells", cells, "vae", {"latent_dim": 2} | gaussian(), {"epochs": 80}),
        (None, "cells", cells, "vae", small | {"hidden": [32]} | own, {"epochs": 80}),
    ]  # fmt: skip


def main() -> None:
    found, alarms, rows = 0, 0, []
    for planted, name, items, recipe, arguments, training in plans():
        began = time.monotonic()
        draws = training.pop("draws", None)
        run = vk.fit(vk.recipe(recipe, items, **arguments), items, seed=0, verbose=False, **training)
        if draws is not None:
            run.metrics.update({k: v for k, v in run.evaluate(samples=draws).items() if k in run.metrics or "nll" in k})
        said = examine(case_of(run._subject()))
        names = [finding.illness for finding in said]
        right = planted in names if planted is not None else not names
        found += right and planted is not None
        alarms += planted is None and bool(names)
        rows.append({"planted": planted, "data": name, "recipe": recipe, "found": names})
        what = f"{planted or 'healthy':<26} {name:<8} {recipe:<12} -> {', '.join(names) or 'nothing'}"
        print(f"{'ok  ' if right else 'MISS'} {what} ({time.monotonic() - began:.0f} s)", file=sys.stderr)
        for finding in said:
            print(f"       {finding}", file=sys.stderr)
    print(json.dumps({"planted_found": found, "of": 10, "false_alarms": alarms, "healthy": 10, "rows": rows}))


if __name__ == "__main__":
    main()
