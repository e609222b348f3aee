"""Tiny data and runs, and a way to call the command line in this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vaekit.cli import main
from vaekit.report import write_report

TINY = ("--set", "hidden=[16]", "--set", "latent_dim=2", "--epochs", "1")


def table(path: Path, rows: int = 80) -> Path:
    """Columns of which b follows a, with an id, a site and a text."""
    random = np.random.default_rng(0)
    a = random.normal(size=rows)
    lines = ["sample,a,b,c,site,remark"]
    for i in range(rows):
        site = ("Bonn", "Ulm")[i % 2]
        lines.append(f"s{i:03d},{a[i]:.6f},{2 * a[i] + 1:.6f},{random.normal():.6f},{site},text")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session", autouse=True)
def path_of_processes() -> Iterator[None]:
    """Processes that tests start find this vaekit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(sys.modules["vaekit"].__file__ or "").parents[1]), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module", autouse=True)  # no longer: other folders' runs have the report that they are to have
def no_reports() -> Iterator[None]:
    """Runs get an empty report, since pages have tests of their own."""

    def write(subject: Any, path: Path) -> Path:
        path.write_text("<html></html>")
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vaekit.run.run.write_report", write)
        yield


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs get the report that they are to have."""
    monkeypatch.setattr("vaekit.run.run.write_report", write_report)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, shared and not to be changed."""
    folder = tmp_path_factory.mktemp("cli")
    random = np.random.default_rng(1)
    images = (random.random((60, 6, 6)) * 16).astype(np.float32)
    np.save(folder / "images.npy", images)
    np.save(folder / "wide.npy", np.zeros((5, 7, 7), dtype=np.float32) + np.arange(5)[:, None, None])
    table(folder / "table.csv")
    for kind in ("cat", "dog"):
        (folder / "photos" / kind).mkdir(parents=True)
        for i in range(12):
            pixels = (random.random((20, 20)) * 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / kind / f"{i:02d}.png")
    return folder


@pytest.fixture
def vaekit(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """Call `vaekit ...` in an empty folder: code, out, err."""
    monkeypatch.chdir(tmp_path)

    def call(*words: Any) -> SimpleNamespace:
        capsys.readouterr()
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    yield call


@pytest.fixture
def refused(vaekit: Callable[..., Any]) -> Callable[..., str]:
    """Call `vaekit ...`, which must be refused in one sentence; returns the sentence."""

    def call(*words: Any) -> str:
        done = vaekit(*words)
        lines = [line for line in done.err.splitlines() if line.startswith("vaekit: ")]
        assert (done.code, done.out) == (2, ""), done
        assert "Traceback" not in done.err
        assert len(lines) == 1 and lines[0].startswith("vaekit: error: ")
        return lines[0].removeprefix("vaekit: error: ")

    return call


def _made(folder: Path, name: str, *words: Any) -> Path:
    out = folder / name
    before = os.getcwd()
    os.chdir(folder)
    try:
        assert main(["train", *map(str, words), "--out", str(out)]) == 0
    finally:
        os.chdir(before)
    return out


@pytest.fixture(scope="session")
def images_run(home: Path) -> Path:
    """A finished VAE of small grey images."""
    return _made(home, "images_run", "images.npy", "--recipe", "vae", *TINY)


@pytest.fixture(scope="session")
def table_run(home: Path) -> Path:
    """A finished VAE of a table with ids and labels."""
    return _made(
        home,
        "table_run",
        "table.csv",
        "--recipe",
        "vae",
        "--id",
        "sample",
        "--labels",
        "site",
        "--drop",
        "remark",
        *TINY,
    )


@pytest.fixture(scope="session")
def conditional_run(home: Path) -> Path:
    """A finished VAE of a table, conditioned on the site."""
    return _made(
        home, "conditional_run", "table.csv", "--id", "sample", "--condition", "site", "--drop", "remark", *TINY
    )


@pytest.fixture
def make_table() -> Callable[..., Path]:
    """Write the table with another number of rows."""
    return table
