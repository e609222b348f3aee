"""Importance-sampled NLL on thresholded MNIST, 784-512-16, K = 5,000: seconds an image, beside pythae's `get_nll`.

Both hold the same weights, of a `vae` after one epoch, and take turns A B A B ... on blocks of the same test images in
one process; the totals and the median of the blocks' ratios are given. On the first images vaekit's float32 estimates
are compared with float64 ones of the same draws, every pixel's term by itself. Peak memory is that of the process up to
then: with the training for vaekit, with everything for pythae. Needs `pip install pythae==0.1.2` beside vaekit, and
mnist.npz in $VAEKIT_DATA.

    python benchmarks/evaluation/mnist_nll_speed.py --items 1000
    python benchmarks/evaluation/mnist_nll_speed.py --items 10000 --without-pythae
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import os
import resource
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

import vaekit as vk
from vaekit.evaluation import nll_numbers, products
from vaekit.likelihoods import Bernoulli
from vaekit.maths import log_mean_exp
from vaekit.models.trace import Trace
from vaekit.training import Fitter, Loader, Settings

LATENTS, HIDDEN, BLOCK, CHUNK = 16, 512, 20, 80


def images(part: str, items: int) -> Tensor:
    """Thresholded MNIST, (N, 28, 28) uint8 of 0 and 1."""
    archive = np.load(Path(os.environ["VAEKIT_DATA"]) / "mnist.npz")
    return torch.from_numpy((archive[f"x_{part}"][:items] > 127).astype(np.uint8))


def trained(items: int) -> Any:
    """The model after one epoch, in evaluation mode."""
    torch.manual_seed(0)
    recipe = vk.recipes.vae(shape=(28, 28), latent_dim=LATENTS, hidden=[HIDDEN], likelihood=Bernoulli(), beta=1.0)
    train = Loader(images("train", items), None, recipe.model, batch_size=128, seed=0, device=torch.device("cpu"))
    Fitter(recipe, train, None, Settings(epochs=1, batch_size=128, lr=1e-3), show=False).run()
    return recipe.model.eval()


def twin(model: Any) -> Any:
    """pythae's VAE with the same weights."""
    logging.disable(logging.WARNING)
    from pythae.models import VAE, VAEConfig

    other = VAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=LATENTS, reconstruction_loss="bce")).eval()
    q, p = model.posterior, model.likelihood
    pairs = [
        (other.encoder.layers[0][0], q.net.layers[0], 1.0, slice(None)),
        (other.encoder.embedding, q.head.layer, 1.0, slice(0, LATENTS)),
        (other.encoder.log_var, q.head.layer, 2.0, slice(LATENTS, None)),  # a log-scale, doubled
        (other.decoder.layers[0][0], p.net.layers[0], 1.0, slice(None)),
        (other.decoder.layers[1][0], p.head.layer, 1.0, slice(None)),
    ]
    with torch.no_grad():
        for mine, theirs, factor, rows in pairs:
            mine.weight.copy_(factor * theirs.weight[rows])
            mine.bias.copy_(factor * theirs.bias[rows])
    return other


@torch.no_grad()
def float64_weights(model: Any, x: Tensor, samples: int) -> Iterator[Tensor]:
    """Log weights of the draws that `products.log_weights` makes, each step in float64."""
    wide = copy.deepcopy(model).double()
    x64, q = x.double(), model._posterior(x, None)
    for start in range(0, samples, CHUNK):
        z = q.rsample((min(CHUNK, samples - start),)).double()
        levels = ((wide._posterior(x64, None), wide._prior(None), z),)
        yield Trace(x64, None, levels, wide._likelihood(z, None)).log_w


@torch.no_grad()
def error(model: Any, x: Tensor, samples: int) -> float:
    """The largest difference in log p(x) from the float64 reference, in nats."""
    found = []
    for weights in (products.log_weights(model, x, None, samples, CHUNK), float64_weights(model, x, samples)):
        torch.manual_seed(0)
        found.append(log_mean_exp(torch.cat(list(weights))))
    return float((found[0] - found[1]).abs().max())


def peak() -> float:
    """GiB that the process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--train-items", type=int, default=60_000)
    parser.add_argument("--reference-items", type=int, default=20)
    parser.add_argument("--without-pythae", action="store_true")
    given = parser.parse_args()
    model, x = trained(given.train_items), images("test", given.items).float()

    def of_vaekit(part: Tensor) -> float:
        return -nll_numbers(model, [SimpleNamespace(x=part, y=None)], given.samples)["nll"]

    of_vaekit(x[:2])  # to warm up
    difference = error(model, x[: given.reference_items], given.samples)
    runs = {"vaekit": of_vaekit}
    if not given.without_pythae:
        other = twin(model)
        runs["pythae 0.1.2"] = lambda part: float(other.get_nll(part.unsqueeze(1), n_samples=given.samples))
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    log_p: dict[str, list[float]] = {name: [] for name in runs}
    memory: dict[str, float] = {"trained and compared": peak()}
    with torch.no_grad():
        for part in x.split(BLOCK):
            for name, run in runs.items():
                began = time.monotonic()
                log_p[name].append(run(part) * len(part))
                seconds[name].append(time.monotonic() - began)
                memory.setdefault(f"after a block by {name}", peak())
    memory["at the end"] = peak()
    each = {name: sum(values) / len(x) for name, values in seconds.items()}
    for name, value in each.items():
        mean = sum(log_p[name]) / len(x)
        print(f"{name:<14} {value:.4f} s an image, {value / each['vaekit']:.2f} of vaekit's; log p(x) {mean:.3f} nats")
    if not given.without_pythae:
        ratios = [b / a for a, b in zip(seconds["vaekit"], seconds["pythae 0.1.2"], strict=True)]
        print(f"pythae takes {statistics.median(ratios):.2f} times as long (median of {len(ratios)} blocks)")
    print(f"largest difference to float64, {given.reference_items} images: {difference:.1e} nats")
    print("; ".join(f"{name}: {value:.2f} GiB" for name, value in memory.items()))
    print(json.dumps({"threads": torch.get_num_threads(), "seconds_an_image": each, "seconds": seconds}))


if __name__ == "__main__":
    main()
