"""Runs that share a machine share its threads; what a dead run left behind does not count."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from vaekit.training.threads import Threads

CPU = torch.device("cpu")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield tmp_path / "vaekit/running"
    torch.set_num_threads(before)


def test_a_run_alone_has_all_threads_and_leaves_no_trace(place: Path) -> None:
    with Threads(CPU) as threads:
        assert threads.count == torch.get_num_threads() == 4
        assert [file.name for file in place.iterdir()] == [f"{platform.node()}-{os.getpid()}"]
    assert list(place.iterdir()) == []


def test_runs_share_and_take_back(place: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        with Threads(CPU) as threads:
            (place / f"{platform.node()}-{other.pid}").touch()
            (place / f"another-{os.getppid()}").touch()  # of another machine, by a shared home
            threads.share()
            assert threads.count == torch.get_num_threads() == 2
            other.communicate(b"\n")
            threads.share()
            assert threads.count == torch.get_num_threads() == 4
            assert not (place / f"{platform.node()}-{other.pid}").exists()
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize("why", ["OMP_NUM_THREADS", "no place", "an accelerator"])
def test_where_nothing_is_done(place: Path, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    if why == "OMP_NUM_THREADS":
        monkeypatch.setenv("OMP_NUM_THREADS", "4")
    if why == "no place":
        place.parent.parent.joinpath("file").write_text("")
        monkeypatch.setenv("XDG_CACHE_HOME", str(place.parent.parent / "file"))
    with Threads(torch.device("meta") if why == "an accelerator" else CPU) as threads:
        threads.share()
        assert torch.get_num_threads() == threads.count == 4
    assert not place.exists() or list(place.iterdir()) == []
