"""Threads: how many a run takes where several runs share a machine."""

from __future__ import annotations

__all__ = ["Threads"]

import os
import platform
from pathlib import Path
from types import TracebackType

import torch

from vaekit.data.decoded import cache


class Threads:
    """A block in which torch has this run's share of the processor: all threads, or an equal part beside other runs.

    Runs that ask for all cores each wait at every operation for threads that another run holds. Each run leaves a file
    with its process number while it trains; files of processes that are gone are removed. Where OMP_NUM_THREADS is
    set, on accelerators, and where there is no such place, nothing is done.

    Args:
        device: that the run is on.

    Attributes:
        count: the threads it has.
    """

    def __init__(self, device: torch.device) -> None:
        self.count = self.all = torch.get_num_threads()
        self.shares = device.type == "cpu" and os.name == "posix" and "OMP_NUM_THREADS" not in os.environ
        self.folder = cache() / "running"
        self.own = self.folder / f"{platform.node()}-{os.getpid()}"

    def __enter__(self) -> Threads:
        if self.shares:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                self.own.touch()
            except OSError:
                self.shares = False
        self.share()
        return self

    def share(self) -> None:
        """Look again how many runs there are."""
        if not self.shares:
            return
        self.count = max(1, self.all // max(1, sum(map(_runs, self.folder.glob(f"{platform.node()}-*")))))
        if self.count != torch.get_num_threads():
            torch.set_num_threads(self.count)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.shares:
            self.own.unlink(missing_ok=True)
            torch.set_num_threads(self.all)


def _runs(file: Path) -> bool:
    """Whether the process of a file is there; else the file goes."""
    number = file.name.rpartition("-")[2]
    try:
        os.kill(int(number), 0)
    except PermissionError:  # of another user
        return True
    except (ProcessLookupError, ValueError, OverflowError):
        file.unlink(missing_ok=True)
        return False
    return True
