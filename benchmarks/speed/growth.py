"""How time and memory grow with items, input size, latents, draws and levels; exponents are fitted to the upper half.

Each point runs in a process of its own, so that its peak memory is its own. Memory is anonymous: pages of a mapped file
belong to the system.

    python benchmarks/speed/growth.py
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from table import keep

import vaekit as vk
from vaekit.evaluation import nll_numbers
from vaekit.objectives import ELBO
from vaekit.training import Batch, Step

POINTS: dict[str, list[int]] = {
    "items": [10_000, 100_000, 1_000_000, 10_000_000],
    "numbers an item": [256, 1024, 4096, 16_384],
    "latents": [8, 32, 128, 512],
    "draws K of the NLL": [100, 1_000, 10_000, 100_000],
    "levels": [1, 2, 4, 8],
}
WHAT = {
    "items": "16 numbers each in a .npy file, 500 steps of 1,024 in all, batch order included",
    "numbers an item": "a step of 128, hidden 256, 16 latents",
    "latents": "a step of 128, 784 numbers, hidden 512",
    "draws K of the NLL": "20 items, 784-512-16",
    "levels": "a step of 128, 784 numbers, each level 64 wide and 8 latents",
}


def memory() -> float:
    """MiB of anonymous memory of this process now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return math.nan


def steps(model: Any, x: torch.Tensor, n: int = 30) -> float:
    """The median seconds of a training step."""
    step, took = Step(model.train(), ELBO()), []
    for _ in range(n):
        began = time.perf_counter()
        step(x)
        took.append(time.perf_counter() - began)
    return statistics.median(took[n // 3 :])


def bits(n: int, d: int) -> torch.Tensor:
    return (torch.rand(n, d) > 0.5).float()


def measured(what: str, size: int) -> dict[str, float]:
    """Seconds, and MiB above what the process held before."""
    torch.manual_seed(0)
    flat: dict[str, Any] = {"likelihood": vk.likelihoods.Bernoulli()}
    if what == "items":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.npy"
            rows = np.lib.format.open_memmap(path, "w+", np.float32, (size, 16))
            for low in range(0, size, 1_000_000):  # two numbers, eight times each
                part = np.random.default_rng(low).normal(size=(min(1_000_000, size - low), 2))
                rows[low : low + len(part)] = np.repeat(part, 8, 1)
            rows.flush()
            del rows
            before = memory()
            seen = []

            class Watch(vk.Callback):
                def on_step_end(self, run: Any, metrics: Any) -> None:
                    if run.at % 100 == 0:
                        seen.append(memory())

            run = vk.fit(
                "vae", path, valid=0.001, test=0.001, steps=500, batch_size=1024, verbose=False, callbacks=[Watch()]
            )
            return {"seconds": run.metrics["seconds"] / 500, "mib": max(seen) - before}
    before = memory()
    if what == "numbers an item":
        model = vk.recipes.vae(shape=(size,), latent_dim=16, hidden=[256], **flat).model
        return {"seconds": steps(model, bits(128, size)), "mib": memory() - before}
    if what == "latents":
        model = vk.recipes.vae(shape=(784,), latent_dim=size, hidden=[512], **flat).model
        return {"seconds": steps(model, bits(128, 784)), "mib": memory() - before}
    if what == "levels":
        wide = {"hidden": [64] * size, "latent_dims": [8] * size}
        model = vk.recipes.ladder_vae(shape=(784,), **wide, **flat).model
        return {"seconds": steps(model, bits(128, 784)), "mib": memory() - before}
    model = vk.recipes.vae(shape=(784,), latent_dim=16, hidden=[512], **flat).model.eval()
    batch = Batch(bits(20, 784))
    nll_numbers(model, [batch], samples=100)
    before, began = memory(), time.perf_counter()
    nll_numbers(model, [batch], samples=size)
    return {"seconds": time.perf_counter() - began, "mib": memory() - before}


def exponent(sizes: list[int], values: list[float]) -> float:
    """Of the power law through the two largest sizes."""
    return math.log(values[-1] / values[-2]) / math.log(sizes[-1] / sizes[-2])


def main() -> None:
    if len(sys.argv) == 3:
        print(json.dumps(measured(sys.argv[1], int(sys.argv[2]))))
        return
    rows = []
    for what, sizes in POINTS.items():
        found = []
        for size in sizes:
            command = [sys.executable, __file__, what, str(size)]
            found.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        seconds = [point["seconds"] for point in found]
        rows.append([
            what, WHAT[what], ", ".join(f"{size:,}" for size in sizes),
            ", ".join(f"{1e3 * s:,.3g}" for s in seconds), f"{exponent(sizes, seconds):.2f}",
            ", ".join(f"{point['mib']:,.0f}" for point in found),
        ])  # fmt: skip
    keep(
        "growth", "Growth",
        "Milliseconds of a step, or of the NLL, and the MiB that it took beside what the process held before. The "
        "exponent is that of the power law through the two largest sizes.",
        ["of", "what", "sizes", "ms", "exponent", "MiB"], rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()
