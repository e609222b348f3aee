"""Damaged files: whatever the bytes, a model or a Mistake that names the file."""

from __future__ import annotations

import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import vaekit as vk
from vaekit.messages import Mistake
from vaekit.storage import load_model, read_tensors, save_model, write_tensors


def saved(folder: Path) -> Path:
    torch.manual_seed(0)
    save_model(vk.recipes.vae(shape=(4,), latent_dim=2, hidden=[5]).model, folder, version="x")
    return folder


def tensors(folder: Path, edit: Callable[[dict[str, Tensor]], object]) -> None:
    held = read_tensors(folder / "model.safetensors")
    edit(held)
    write_tensors(folder / "model.safetensors", held)


@pytest.mark.parametrize(("edit", "message"), [
    (lambda t: t.pop("likelihood.head.layer.bias"), "field 'likelihood.head.layer.bias': missing"),
    (lambda t: t.update(more=torch.zeros(1)), "field 'more': the spec has no such tensor"),
    (lambda t: t.update({"likelihood.head.layer.bias": torch.zeros(9)}), r"got .*\(9,\) and the spec wants \(4,\)"),
    (lambda t: t.update({"likelihood.head.layer.bias": torch.zeros(4).half()}), "got torch.float16 and the spec wants"),
])  # fmt: skip
def test_wrong_tensors_are_refused_by_name(tmp_path: Path, edit: Callable[[Any], object], message: str) -> None:
    tensors(saved(tmp_path), edit)
    with pytest.raises(Mistake, match=f"model.safetensors, .*{message}"):
        load_model(tmp_path)


class Evil:
    def __reduce__(self) -> Any:
        return (Path("/tmp").joinpath, ("x",))


BYTES: list[Callable[[bytes], bytes]] = [
    lambda b: b"", lambda b: b[:4], lambda b: b[:8], lambda b: b[:100], lambda b: b[: len(b) // 2], lambda b: b[:-1],
    lambda b: b + b"\x00", lambda b: b + b"trailing", lambda b: struct.pack("<Q", 2**62) + b[8:],
    lambda b: struct.pack("<Q", len(b) * 2) + b[8:], lambda b: pickle.dumps(Evil()), lambda b: b"[" * 100_000,
    lambda b: b"1" * 5000, lambda b: b"\xff\xfe" + b, lambda b: b"{}", lambda b: b"null",
]  # fmt: skip


@pytest.mark.parametrize("file", ["spec.json", "model.safetensors"])
@pytest.mark.parametrize("damage", BYTES, ids=range(len(BYTES)))
def test_damaged_files_are_refused_by_name(tmp_path: Path, file: str, damage: Callable[[bytes], bytes]) -> None:
    path = saved(tmp_path) / file
    content = path.read_bytes()
    path.write_bytes(damaged := damage(content))
    if file == "spec.json" and damaged.strip() == content.strip():
        return  # without its last line break it is whole
    with pytest.raises(Mistake, match=file):
        load_model(tmp_path)


@pytest.mark.parametrize("file", ["spec.json", "model.safetensors"])
def test_any_bytes_load_or_are_a_mistake(tmp_path: Path, file: str) -> None:
    saved(tmp_path / "good")
    content = (tmp_path / "good" / file).read_bytes()
    state = load_model(tmp_path / "good").state_dict()
    values = len(content) - 8 - struct.unpack("<Q", content[:8])[0] if file != "spec.json" else 0
    random = np.random.default_rng(0)
    refused = 0
    for i in range(60):
        shutil.copytree(tmp_path / "good", tmp_path / "bad", dirs_exist_ok=True)
        place = int(random.integers(len(content) - values if i % 2 else len(content)))
        cut, flipped = i % 3 == 2, bytes([content[place] ^ (1 << i % 8)])
        (tmp_path / "bad" / file).write_bytes(content[:place] + (b"" if cut else flipped + content[place + 1 :]))
        try:
            found = load_model(tmp_path / "bad").state_dict()
        except Mistake as error:
            refused += 1
            assert str(tmp_path / "bad") in str(error)
            continue
        assert not cut and list(found) == list(state)  # a changed weight is a model like any other
        changed = [k for k in state if not torch.equal(state[k], found[k])]
        assert len(changed) <= (1 if place >= len(content) - values else 0)
    assert refused >= 30
