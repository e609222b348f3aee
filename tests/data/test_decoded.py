"""Pictures are decoded once: what is kept is what the files hold, and is made anew where they change."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vaekit.data import decoded, folders, read
from vaekit.messages import Mistake


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of six pictures, all of which is worth keeping."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(decoded, "WORTH", 0)
    rng = np.random.default_rng(0)
    for i in range(6):
        write(tmp_path / f"data/{'ab'[i % 2]}/{i}.png", rng)
    return tmp_path / "data"


def write(path: Path, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (7, 5, 3), dtype=np.uint8)).save(path)


def kept(place: Path) -> list[Path]:
    return sorted((place.parent / "cache/vaekit").glob("images/*"))


def pixels(place: Path) -> np.ndarray:
    files = sorted(place.rglob("*.png"))
    return np.stack([np.asarray(Image.open(file)) for file in files]).transpose(0, 3, 1, 2)


def test_the_second_time_nothing_is_decoded(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read(place)
    assert np.array_equal(first.x.numpy(), pixels(place)) and len(kept(place)) == 1
    monkeypatch.setattr(folders, "_decode", lambda *a, **k: pytest.fail("decoded again"))
    second = read(place)
    assert torch.equal(first.x, second.x) and second.labels.tolist() == first.labels.tolist()  # type: ignore[union-attr]
    before = kept(place)[0].read_bytes()
    second.x.zero_()  # a copy on write: the file stays
    assert kept(place)[0].read_bytes() == before


def test_another_size_and_a_changed_file_are_decoded(place: Path) -> None:
    read(place)
    assert read(place, size=4).shape == (3, 4, 4) and len(kept(place)) == 2
    write(place / "a/0.png", np.random.default_rng(9))
    os.utime(place / "a/0.png", (1, 1))
    assert np.array_equal(read(place).x.numpy(), pixels(place))


@pytest.mark.parametrize("harm", ["cut", "empty", "text"])
def test_a_damaged_file_is_made_anew(place: Path, harm: str) -> None:
    read(place)
    file = kept(place)[0]
    file.write_bytes({"cut": file.read_bytes()[:-50], "empty": b"", "text": b"no array"}[harm])
    assert np.array_equal(read(place).x.numpy(), pixels(place))


def test_a_picture_that_cannot_be_read_leaves_nothing_behind(place: Path) -> None:
    (place / "a/0.png").write_bytes(Image.new("RGB", (5, 7)).tobytes())
    with pytest.raises(Mistake, match="cannot be read as an image"):
        read(place)
    write(place / "a/0.png", np.random.default_rng(1))
    whole = (place / "b/1.png").read_bytes()
    (place / "b/1.png").write_bytes(whole[: len(whole) // 2])  # its header is sound
    with pytest.raises(Mistake, match="cannot be read as an image"):
        read(place)
    assert kept(place) == []


def test_what_was_not_used_for_longest_goes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded, "LIMIT", 3 * (6 * 7 * 5 * 3 + 128))
    for i, size in enumerate([None, 4, 5]):
        read(place, size=size)
        newest = max(kept(place), key=lambda file: file.stat().st_mtime_ns)
        os.utime(newest, (i + 1, i + 1))
    read(place)  # used again
    read(place, size=(7, 4))
    read(place, size=(6, 5))
    shapes = sorted(np.load(file, mmap_mode="r").shape[2:] for file in kept(place))
    assert (7, 5) in shapes and (4, 4) not in shapes


def test_without_a_place_it_stays_in_memory(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.parent / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(place.parent / "file"))
    assert np.array_equal(read(place).x.numpy(), pixels(place))
