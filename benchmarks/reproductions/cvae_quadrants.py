"""The rest of a digit from one, two or three of its quadrants: `conditional_prior_vae` (Sohn, Lee and Yan 2015).

The context is the pixels that are given, a vector; the items are the pixels that are not. Pyro's re-run of the paper's
experiment (50 epochs, patience 3) has a conditional -log p of 71.8, 51.0 and 24.2 nats for 1, 2 and 3 quadrants given,
and 100.4, 61.9 and 25.4 for a network without latents. Here pixels are cut at the middle of their range; the NLL is
taken by importance sampling on 1,000 random test digits.

Measured so far at a fifth of the data only (`--items 10000 --epochs 10 --hidden 200 --latent-dim 20 --samples 100`, one
thread, 35 to 44 s each): 68.0 ± 0.8, 60.1 ± 0.7 and 23.1 ± 0.5. The default settings have not been run.

    VAEKIT_DATA=... python benchmarks/reproductions/cvae_quadrants.py --given 1
"""

from __future__ import annotations

import argparse
import json

import numpy as np

import vaekit as vk
from vaekit.data import read
from vaekit.likelihoods import Bernoulli

CORNERS = [(slice(14, 28), slice(0, 14)), (slice(0, 14), slice(0, 14)), (slice(0, 14), slice(14, 28))]  # in this order


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--given", type=int, default=1, choices=(1, 2, 3))
    parser.add_argument("--hidden", type=int, nargs="+", default=[500, 500])
    parser.add_argument("--latent-dim", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    data = read("mnist")
    seen = np.zeros((28, 28), dtype=bool)
    for corner in CORNERS[: given.given]:
        seen[corner] = True
    digits = (data.x.numpy() > 127).astype(np.float32)
    rows = {part: np.asarray(data.parts[part]) for part in ("train", "test")}
    rows["train"] = rows["train"][: given.items]
    x = {part: digits[found][:, ~seen] for part, found in rows.items()}
    y = {part: digits[found][:, seen] for part, found in rows.items()}
    recipe = vk.recipe(
        "conditional_prior_vae", x["train"], y=y["train"], likelihood=Bernoulli(), hidden=given.hidden,
        latent_dim=given.latent_dim, prior_hidden=given.hidden,
    )  # fmt: skip
    run = vk.fit(
        recipe, x["train"], y=y["train"], epochs=given.epochs, batch_size=100, seed=given.seed, early_stopping=3,
    )  # fmt: skip
    some = np.random.default_rng(given.seed).permutation(len(x["test"]))[:1000]
    nll = run.score(x["test"][some], y["test"][some], samples=given.samples)
    print(json.dumps({
        "given": given.given, "items": given.items, "epochs": run.metrics["epochs"], "hidden": given.hidden,
        "latent_dim": given.latent_dim, "seed": given.seed, "samples": given.samples, "nll": float(np.mean(nll)),
        "nll_se": float(np.std(nll) / len(some) ** 0.5), "seconds": run.metrics["seconds"],
    }))  # fmt: skip


if __name__ == "__main__":
    main()
