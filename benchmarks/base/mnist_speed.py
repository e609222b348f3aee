"""Training speed of `vae` on MNIST, 784-512-16, batch 128, float32, beside pythae and a step written by hand.

Interleaved A B C A B C ..., each in a process of its own as a user would run it, on the same thresholded images with
the same loss; the medians of the rounds are compared. `--together` puts all into one process, where the others profit
from vaekit's settings of the allocator: what is left is the engine's own overhead. Needs `pip install pythae==0.1.2`
beside vaekit, and mnist.npz in $VAEKIT_DATA.

    python benchmarks/base/mnist_speed.py --rounds 5
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import vaekit as vk
from vaekit.memory import keep_freed_memory
from vaekit.training import Fitter, Loader, Settings

BATCH, LATENTS, HIDDEN = 128, 16, 512


def images(items: int) -> Tensor:
    """Thresholded MNIST, (N, 28, 28) uint8 of 0 and 1."""
    archive = np.load(Path(os.environ["VAEKIT_DATA"]) / "mnist.npz")
    return torch.from_numpy((archive["x_train"][:items] > 127).astype(np.uint8))


def of_vaekit(x: Tensor) -> Callable[[], float]:
    def run() -> float:
        torch.manual_seed(0)
        recipe = vk.recipes.vae(shape=(28, 28), latent_dim=LATENTS, hidden=[HIDDEN], beta=1.0)  # the same loss
        train = Loader(x, None, recipe.model, batch_size=BATCH, seed=0, device=torch.device("cpu"))
        fitter = Fitter(recipe, train, None, Settings(epochs=1, batch_size=BATCH, lr=1e-3), show=False)
        fitter.run()
        return fitter.seconds

    return run


class ByHand(nn.Module):
    """The same network and loss, nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * LATENTS))
        self.decoder = nn.Sequential(nn.Linear(LATENTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 784))

    def forward(self, x: Tensor) -> Tensor:
        mean, log_var = self.encoder(x).chunk(2, -1)
        z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
        lost = nn.functional.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        rate = -0.5 * (1 + log_var - mean.square() - log_var.exp()).sum()
        return (lost + rate) / len(x)


def by_hand(x: Tensor) -> Callable[[], float]:
    def run() -> float:
        torch.manual_seed(0)
        model = ByHand()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        flat = x.flatten(1)
        began = time.monotonic()
        for rows in torch.randperm(len(flat)).split(BATCH):
            optimizer.zero_grad()
            model(flat[rows].float()).backward()
            optimizer.step()
        return time.monotonic() - began

    return run


def of_pythae(x: Tensor) -> Callable[[], float]:
    logging.disable(logging.WARNING)
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    def run() -> float:
        torch.manual_seed(0)
        model = VAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=LATENTS, reconstruction_loss="bce"))
        data = BaseDataset(x.float().unsqueeze(1), torch.zeros(len(x)))
        config = BaseTrainerConfig(
            output_dir=tempfile.mkdtemp(), num_epochs=1, per_device_train_batch_size=BATCH, learning_rate=1e-3,
            no_cuda=True,
        )  # fmt: skip
        trainer = BaseTrainer(model, train_dataset=data, training_config=config)
        trainer.prepare_training()
        trainer.callback_handler.callbacks.clear()
        began = time.monotonic()
        trainer.train_step(epoch=1)
        return time.monotonic() - began

    return run


MAKERS = {"vaekit": of_vaekit, "by hand": by_hand, "pythae 0.1.2": of_pythae}


def in_a_process(name: str, items: int) -> float:
    """The seconds of one epoch in a process of its own, after one to warm up."""
    command = [sys.executable, __file__, "--items", str(items), "--one", name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--items", type=int, default=60_000)
    parser.add_argument("--without-pythae", action="store_true")
    parser.add_argument("--together", action="store_true", help="all in one process, with vaekit's allocator settings")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        run = MAKERS[given.one](images(given.items))
        run()
        print(run())
        return
    names = [name for name in MAKERS if not (given.without_pythae and name.startswith("pythae"))]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    if given.together:
        keep_freed_memory()
        x = images(given.items)
        runs = {name: MAKERS[name](x) for name in names}
        for run in runs.values():  # once each to warm up
            run()
    for _ in range(given.rounds):
        for name in names:
            seconds[name].append(runs[name]() if given.together else in_a_process(name, given.items))
    speed = {name: given.items / statistics.median(values) for name, values in seconds.items()}
    for name, value in speed.items():
        print(f"{name:<14} {value:>9,.0f} items/s; vaekit is {speed['vaekit'] / value:.3f} times as fast")
    print(json.dumps({"threads": torch.get_num_threads(), "items_per_second": speed, "seconds": seconds}))


if __name__ == "__main__":
    main()
