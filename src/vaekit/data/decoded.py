"""Decoded pictures, kept on the disk: a folder is decoded once, and again only where a file in it has changed."""

from __future__ import annotations

__all__ = ["cache", "decoded"]

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

WORTH = 32 * 2**20  # bytes, of files or of pixels, below which decoding again is quicker than asking
LIMIT = 16 * 2**30  # bytes of all that is kept; what was not used for longest goes first


def cache() -> Path:
    """Where vaekit keeps what it can make again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vaekit"


def decoded(
    files: Sequence[Path],
    folder: Path,
    how: str,
    shape: Callable[[], tuple[int, ...]],
    fill: Callable[[np.ndarray], None],
) -> np.ndarray:
    """The pixels of all files as uint8, (N, *shape): in memory where they are few, else mapped from a kept file.

    Args:
        files: in the order of the items.
        folder: above them.
        how: what else the pixels depend on.
        shape: of one item; asked only where nothing is kept.
        fill: writes all items into the array.
    """
    kept = cache() / "images" / f"{_key(files, folder, how)}.npy"
    try:
        found: np.ndarray = np.load(kept, mmap_mode="c", allow_pickle=False)  # "c" never writes to the file
        if len(found) == len(files) and found.dtype == np.uint8:
            os.utime(kept)
            return found
    except (OSError, ValueError, EOFError):  # not there, or cut short
        pass
    size = (len(files), *shape())
    if max(int(np.prod(size)), sum(file.stat().st_size for file in files)) < WORTH:
        x = np.empty(size, np.uint8)
        fill(x)
        return x
    partial = kept.with_name(f".{kept.name}.{os.getpid()}.part")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        _make_room(kept.parent, int(np.prod(size)))
        x = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=size)
    except OSError:  # no such place: in memory then
        x = np.empty(size, np.uint8)
        fill(x)
        return x
    try:
        fill(x)
        x.flush()
        os.replace(partial, kept)
    finally:
        partial.unlink(missing_ok=True)
    mapped: np.ndarray = np.load(kept, mmap_mode="c", allow_pickle=False)
    return mapped


def _key(files: Sequence[Path], folder: Path, how: str) -> str:
    """A name for these files as they are now."""
    sums = hashlib.sha256(f"1 {folder.resolve()} {how}".encode())
    for file in files:
        state = file.stat()
        sums.update(f"\0{file.relative_to(folder)}\0{state.st_size} {state.st_mtime_ns}".encode())
    return sums.hexdigest()[:32]


def _make_room(folder: Path, wanted: int) -> None:
    """Remove what was not used for longest until so many more bytes fit."""
    there = sorted(folder.glob("*.npy"), key=lambda file: file.stat().st_mtime)
    total = sum(file.stat().st_size for file in there) + wanted
    for file in there:
        if total <= LIMIT:
            return
        total -= file.stat().st_size
        file.unlink(missing_ok=True)
