"""The folder of a run: one run at a time, and what is there is kept unless it is a run that may be overwritten."""

from __future__ import annotations

__all__ = ["claim"]

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vaekit.messages import Mistake

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


LOCK = "run.lock"
FILES, FOLDERS = ("run.json", "history.jsonl", "report.html"), ("model", "checkpoint", "tensorboard")


@contextmanager
def claim(folder: Path | None, *, resume: bool = False, overwrite: bool = False) -> Iterator[None]:
    """Make the folder ours until the block ends; of what is there a run alone is deleted, where overwrite says so.

    The system lets go of the lock however the process ends, so that none is left behind.

    Raises:
        Mistake: where a run is going on in the folder, or it holds what may not be overwritten.
    """
    if folder is None:
        yield
        return
    if folder.exists() and not folder.is_dir():
        raise Mistake(f"{folder} is a file: give another --out.")
    handle = _hold(folder)
    try:
        _clear(folder, resume=resume, overwrite=overwrite)
        yield
    finally:
        with suppress(OSError):  # before it is let go, so that nobody's lock is deleted; Windows keeps the file
            (folder / LOCK).unlink()
        os.close(handle)


def _hold(folder: Path) -> int:
    """The locked file, open."""
    path = folder / LOCK
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise Mistake(f"{folder} cannot be written ({error.strerror}): give another folder with --out.") from error
        try:
            _lock(handle)
        except (BlockingIOError, PermissionError) as error:
            os.close(handle)
            raise Mistake(f"a run is going on in {folder}: wait for its end, or give another --out.") from error
        except OSError:
            pass  # a file system without locks
        if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
            return handle
        os.close(handle)  # its owner ended and deleted it between our two calls


def _clear(folder: Path, *, resume: bool, overwrite: bool) -> None:
    if not any(path.name != LOCK for path in folder.iterdir()):
        return
    if not (folder / "run.json").exists():
        raise Mistake(f"{folder} exists already and holds files that are no run: they are kept; give another --out.")
    if resume:
        return
    if not overwrite:
        raise Mistake(f"{folder} exists already: give --resume to go on, --overwrite to delete it, or another --out.")
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    for name in FOLDERS:
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
