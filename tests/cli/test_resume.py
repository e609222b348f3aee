"""Going on: a run that was killed or stopped ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

WORDS = ("--recipe", "vae", "--set", "hidden=[16]", "--set", "latent_dim=2", "--steps", "150", "--batch-size", "20")


def weights(folder: Path) -> bytes:
    return (folder / "model" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(home: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The weights of the run that nobody disturbs."""
    from vaekit.cli import main

    out = tmp_path_factory.mktemp("whole") / "a"
    assert main(["train", str(home / "images.npy"), *WORDS, "--out", str(out)]) == 0
    return weights(out)


def started(home: Path, out: Path) -> subprocess.Popen[str]:
    """A run in a process of its own, a few checkpoints on its way."""
    words = ["train", str(home / "images.npy"), *WORDS, "--save-every", "5", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "vaekit", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )  # fmt: skip
    pointer, end = out / "checkpoint" / "latest.json", time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        if pointer.exists() and json.loads(pointer.read_text())["step"] >= 20:
            return process
        time.sleep(0.005)
    raise AssertionError(process.communicate())


def test_kill_and_resume(
    vaekit: Callable[..., Any], refused: Callable[..., str], home: Path, tmp_path: Path, whole: bytes
) -> None:
    process = started(home, tmp_path / "a")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    at = json.loads((tmp_path / "a/checkpoint/latest.json").read_text())["step"]
    assert 20 <= at < 150 and json.loads((tmp_path / "a/run.json").read_text())["status"] == "running"
    # what differs from the recorded options is refused, and an unfinished run is no run yet
    assert "--steps was 150 when this run was started and is 400 now" in refused(
        "train", "--resume", "--out", "a", "--steps", 400
    )
    assert "DATA was" in refused("train", "digits", "--resume", "--out", "a")
    assert "--resume" in refused("sample", "a", "--out", "x.npy")
    record = json.loads((tmp_path / "a/run.json").read_text())
    (tmp_path / "a/run.json").write_text(json.dumps({**record, "data": {**record["data"], "items": 61}}))
    assert "held 61 items of (6, 6) when this run was started and holds 60" in refused(
        "train", "--resume", "--out", "a"
    )
    (tmp_path / "a/run.json").write_text(json.dumps(record))
    done = vaekit("train", "--resume", "--out", "a", "--json")
    assert (done.code, json.loads(done.out)["steps"]) == (0, 150)
    assert weights(tmp_path / "a") == whole
    # finished: nothing to do, nothing changed
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "a").rglob("*")}
    again = vaekit("train", "--resume", "--out", "a", "--json")
    assert again.code == 0 and "finished" in again.err
    assert json.loads(again.out)["elbo"] == json.loads(done.out)["elbo"]
    assert "--seed was nothing when this run was started and is 5 now" in refused(
        "train", "--resume", "--out", "a", "--seed", 5
    )
    assert "DATA was " in refused("train", home / "wide.npy", "--resume", "--out", "a")
    assert vaekit("train", home / "images.npy", "--resume", "--out", "a").code == 0
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "a").rglob("*")} == before


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_terminate_and_resume(vaekit: Callable[..., Any], home: Path, tmp_path: Path, whole: bytes) -> None:
    process = started(home, tmp_path / "a")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, "")
    last = err.splitlines()[-1]
    assert last.startswith("vaekit: stopped by SIGTERM at step ") and "Traceback" not in err
    assert last.endswith(f"go on with `vaekit train --resume --out {tmp_path / 'a'}`")
    # with the data and the options repeated it goes on just so
    assert vaekit("train", home / "images.npy", *WORDS, "--resume", "--out", "a").code == 0
    assert weights(tmp_path / "a") == whole


def test_resume_without_a_run(
    vaekit: Callable[..., Any], refused: Callable[..., str], home: Path, whole: bytes
) -> None:
    assert "name it with --out" in refused("train", "--resume")
    assert "holds no run" in refused("train", "--resume", "--out", "nowhere")
    assert "as it was started" in refused("train", "--resume", "--overwrite", "--out", "nowhere")
    assert vaekit("train", home / "images.npy", *WORDS, "--resume", "--out", "new").code == 0
    assert weights(Path("new")) == whole
