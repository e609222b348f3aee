"""Noise that depends on the seed and the step alone, so that a run continues bit for bit."""

from __future__ import annotations

__all__ = ["derive", "forked", "seed_step"]

from collections.abc import Iterator
from contextlib import contextmanager

import torch

MASK = (1 << 64) - 1


def derive(*numbers: int) -> int:
    """One 63-bit seed from several numbers (splitmix64, Steele, Lea and Flood 2014).

    Example:
        >>> derive(0, 1) != derive(1, 0)
        True
    """
    state = 0
    for number in numbers:
        state = (state + (number & MASK) + 0x9E3779B97F4A7C15) & MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
        state ^= state >> 31
    return state >> 1


def seed_step(seed: int, device: torch.device) -> None:
    """Seed the default generators that a step draws from."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


@contextmanager
def forked(seed: int, device: torch.device) -> Iterator[None]:
    """A block with noise of its own, after which the generators are as they were."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        seed_step(seed, device)
        yield
