"""What a process is told before it trains: to keep memory that is wanted again, and to round tiny numbers to 0."""

from __future__ import annotations

__all__ = ["denormals_flushed", "keep_freed_memory"]

import ctypes
import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # glibc's names for them are M_...
KEPT = 512 * 2**20  # bytes at the top of the heap
LARGEST = 32 * 2**20  # bytes of one block, the most that glibc allows


@functools.cache
def keep_freed_memory() -> bool:
    """Tell glibc to keep up to half a GiB of freed memory; once in a process, nothing elsewhere than on Linux.

    By default it hands large blocks back to the system, which gives them again as empty pages, one fault each: a step
    of the default `vae` on MNIST met a thousand faults and spent 2 ms of 7 in the system.

    Returns:
        Whether it was done.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(TRIM_THRESHOLD, KEPT)) and bool(mallopt(MMAP_THRESHOLD, LARGEST))


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """A block in which numbers too small for a full mantissa, below 1.2e-38 in float32, count as 0.

    Adam's moments of weights that no longer move shrink into that range, where processors take several times as long.

    Example:
        >>> import torch
        >>> with denormals_flushed():
        ...     print(float(torch.tensor(1e-38) * 0.1))
        0.0
    """
    import torch

    before = float(torch.tensor(1e-38) * 0.1) == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
