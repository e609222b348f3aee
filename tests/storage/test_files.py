"""Files are whole or untouched."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from vaekit.messages import Mistake
from vaekit.storage import read_json, read_tensors, write_atomically, write_json, write_tensors


@pytest.mark.parametrize("broken", ["replace", "fsync"])
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    path = tmp_path / "a" / "file.json"
    write_atomically(path, b"old")

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(Mistake, match=r"file.json cannot be written \(No space left on device\): free some space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and [p.name for p in path.parent.iterdir()] == ["file.json"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Mistake, match=r"file cannot be written \(.*\): give another folder with --out"):
        write_atomically(tmp_path / "file" / "x.json", b"new")
    if os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(Mistake, match="locked cannot be written"):
            write_atomically(tmp_path / "locked" / "x.json", b"new")


def test_json_round_trip_and_what_is_no_json(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, True], "é": "ü", "x": {"nan": math.nan, "inf": [math.inf, -math.inf]}}
    write_json(tmp_path / "a.json", {**value, "n": np.float32(0.5), "t": torch.arange(3), 1: np.array([1.0, np.nan])})
    assert read_json(tmp_path / "a.json") == {
        "a": [1, 2.5, None, True], "é": "ü", "x": {"nan": None, "inf": [None, None]},
        "n": 0.5, "t": [0, 1, 2], "1": [1.0, None],
    }  # fmt: skip
    x = 0.1 + 0.2
    write_json(tmp_path / "b.json", [x])
    assert read_json(tmp_path / "b.json") == [x]  # to the last bit
    (tmp_path / "big.json").write_bytes(b" " * (64 * 2**20 + 1))
    with pytest.raises(Mistake, match=r"big.json has 67,108,865 bytes and at most 67,108,864 were expected"):
        read_json(tmp_path / "big.json")


def test_tensors_round_trip(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    given = {
        "whole": base, "turned": base.T, "row": base[1], "empty": torch.zeros(0, 3), "number": torch.tensor(7),
        "flag": torch.tensor([True, False]), "half": base.to(torch.bfloat16), "nan": torch.tensor([math.nan, -0.0]),
    }  # fmt: skip
    write_tensors(tmp_path / "t.safetensors", given)
    found = read_tensors(tmp_path / "t.safetensors")
    assert found.keys() == given.keys()
    for name, tensor in given.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0, equal_nan=True)
