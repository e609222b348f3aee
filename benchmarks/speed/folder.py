"""A folder of JPEGs: how fast it is decoded, how fast it opens once it was, and how fast a small conv net takes it.

python benchmarks/speed/folder.py
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from table import keep

import vaekit as vk
from vaekit.data import decoded
from vaekit.data.folders import read_folder
from vaekit.objectives import ELBO, Recipe
from vaekit.training import Fitter, Loader, Settings

ROUNDS, BATCH = 5, 128
CASES = {"64 x 64": (64, 64, 6_400), "1,024 x 768": (768, 1024, 640)}  # height, width, files


def write(folder: Path, height: int, width: int, count: int) -> None:
    """Smooth pictures with some noise: JPEGs of an ordinary size."""
    rng = np.random.default_rng(0)
    for i in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((width, height))
        noise = rng.integers(-12, 13, (height, width, 3))
        pixels = (np.asarray(coarse).astype(np.int64) + noise).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:05d}.jpg", quality=90)


def seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def step_rate(x: torch.Tensor) -> float:
    """Items/s of an epoch of the recipe `vae_conv`."""
    torch.manual_seed(0)
    transform = vk.data.transforms.Rescale(255.0)
    likelihood = vk.likelihoods.Gaussian()
    recipe = vk.recipes.vae_conv(shape=(3, 64, 64), latent_dim=32, transform=transform, likelihood=likelihood)
    loader = Loader(x[: 10 * BATCH], None, recipe.model, batch_size=BATCH, seed=0, device=torch.device("cpu"))
    fitter = Fitter(
        Recipe(recipe.model, ELBO()), loader, None, Settings(epochs=1, batch_size=BATCH, lr=1e-4), show=False
    )
    return loader.items / seconds(fitter.run)


def main() -> None:
    rows = []
    decoded.WORTH = 0
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CACHE_HOME"] = place
        step = 0.0
        for name, (height, width, count) in CASES.items():
            folder = Path(place) / name.replace(" ", "")
            folder.mkdir()
            write(folder, height, width, count)
            read = lambda folder=folder: read_folder(folder, size=64)  # noqa: E731
            first, again = [], []
            for _ in range(ROUNDS + 1):
                for kept in (Path(place) / "vaekit/images").glob("*"):
                    kept.unlink()
                first.append(count / seconds(read))
                again.append(count / seconds(read))
            if not step:
                x = read().x
                step = statistics.median(step_rate(x) for _ in range(ROUNDS))
            decode, opened = (statistics.median(values[1:]) for values in (first, again))
            verdict = "met" if decode > step else "**slower**"
            rows.append([name, f"{count:,}", f"{decode:,.0f}", f"{opened:,.0f}", f"{step:,.0f}", verdict])
    text = (
        "JPEGs decoded to 64 x 64 when a folder is first read, the same folder read again from what was kept, and the "
        f"items/s of `vae_conv` on 64 x 64 at batch {BATCH}; medians of {ROUNDS}. Decoding happens once, before the "
        "first step, on all cores."
    )
    head = ["pictures", "files", "decoded/s", "read again/s", "trained on/s", "decoding no slower than a pass"]
    keep("folder", "Folders of pictures", text, head, rows)


if __name__ == "__main__":
    main()
