"""The share of codes in use: finite scalar quantisation against a plain codebook of as many codes on the same network.

Mentzer et al. 2023 (arXiv:2309.15505, figure 3): FSQ uses nearly all of its codes without any help, VQ less than half
from 2^11 codes on. Here MNIST's digits pass two strided convolutions to 7 x 7 places of 1,000 codes. The plain codebook
is the one of the paper that introduced it: from small random vectors, by gradient, without moving averages, k-means or
revival. A code is in use where any place of the 10,000 test images has it.

    VAEKIT_DATA=... python benchmarks/reproductions/fsq_usage.py
"""

from __future__ import annotations

import argparse
import json
import time

import torch

import vaekit as vk


class Plain(vk.networks.Codebook):
    """A codebook that begins between -1 / K and 1 / K at random, and not where the data is."""

    @torch.no_grad()
    def start(self, x: torch.Tensor) -> None:
        self.vectors.uniform_(-1 / self.size, 1 / self.size)


def trained(recipe: vk.Recipe, x: torch.Tensor, given: argparse.Namespace) -> vk.VAE:
    """The model after some steps on pictures (N, 28, 28) in [0, 1]."""
    model, objective = recipe
    for part in model.walk("before_fit"):
        part.before_fit(x[:256], {}, len(x))
    step = vk.Step(model, objective, {"model": torch.optim.Adam(model.parameters(), lr=given.lr)})
    for _ in range(given.steps):
        step(vk.training.Batch(x[torch.randint(len(x), (given.batch_size,))]))
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--channels", type=json.loads, default=[16, 32])
    parser.add_argument("--code-dim", type=int, default=32, help="numbers in a vector of the plain codebook")
    given = parser.parse_args()
    torch.set_num_threads(1)
    began = time.process_time()
    data = vk.data.read("mnist")
    train, test = (data.x[data.parts[part]].float() / 255 for part in ("train", "test"))
    common = {"shape": (28, 28), "channels": given.channels, "likelihood": vk.likelihoods.Gaussian()}
    makers = {
        "fsq": lambda: vk.recipes.fsq_vae(levels=[8, 5, 5, 5], **common),
        "vq": lambda: vk.recipes.vq_vae(codebook=Plain(1000, given.code_dim, decay=None), **common),
    }
    row: dict[str, object] = {"figure": "share of 1,000 codes in use", "data": "mnist, test", **vars(given)}
    for name, make in makers.items():
        torch.manual_seed(given.seed)
        model = trained(make(), train, given)
        with torch.no_grad():
            found = [(model.encode_indices(x).flatten(), model.reconstruct(x) - x) for x in test.split(500)]
        used = torch.bincount(torch.cat([indices for indices, _ in found]), minlength=1000).double()
        share = used / used.sum()
        row[name] = {
            "used": float((used > 0).double().mean()),
            "perplexity": float(torch.special.entr(share).sum().exp()),
            "mean_square_error": float(torch.cat([gap for _, gap in found]).square().mean()),
        }
    row["cpu_seconds"] = round(time.process_time() - began, 1)
    print(json.dumps(row))


if __name__ == "__main__":
    main()
