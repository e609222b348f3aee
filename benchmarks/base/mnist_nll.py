"""Held-out NLL of the recipe `vae` at its default settings on statically binarised MNIST.

Train, valid and test are the data set's own parts; the defaults were chosen on the valid part. The NLL is taken with
K = 5,000 on 1,000 random test images (--split valid for the choice of defaults).

    VAEKIT_DATA=... python benchmarks/base/mnist_nll.py
"""

from __future__ import annotations

import argparse
import json

import vaekit as vk


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", default="test", choices=("valid", "test"))
    parser.add_argument("--importance-samples", type=int, default=5000)
    parser.add_argument("--set", type=json.loads, default={}, help="recipe arguments as JSON")
    parser.add_argument("--training", type=json.loads, default={}, help="training arguments as JSON")
    given = parser.parse_args()
    recipe = vk.recipe("vae", "mnist_static_binary", **given.set)
    run = vk.fit(recipe, "mnist_static_binary", seed=given.seed, **given.training)
    numbers = run.evaluate(split=given.split, samples=given.importance_samples, limit=1000)
    kept = ("split", "elbo", "elbo_se", "rate", "nll", "nll_se", "nll_mc_se", "nll_samples", "active_units")
    found = {"seconds": run.metrics["seconds"], "epochs": run.metrics["epochs"], **{k: numbers[k] for k in kept}}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
