from __future__ import annotations

import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from vaekit.data import check, datasets, download, read, split
from vaekit.messages import Mistake


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No data anywhere, and a publisher that is not there."""
    monkeypatch.delenv("VAEKIT_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "MNIST_URL", f"{(tmp_path / 'publisher').as_uri()}/")
    return tmp_path


def test_digits() -> None:
    data = read("digits", condition="digit")
    assert data.x.shape == (1797, 8, 8) and (data.x.min(), data.x.max()) == (0, 16)
    assert data.labels is not None and np.bincount(data.labels).tolist()[:3] == [178, 182, 177]
    assert (data.context["digit"] == data.labels).all() and data.origin == "builtin"
    check(data)


def test_absent_data_say_what_to_put_where(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = r"put frey_faces.npz, a NumPy archive of x: .* into .*cache/vaekit \(or .*VAEKIT_DATA"
    with pytest.raises(Mistake, match=wanted):
        read("frey_faces")
    monkeypatch.setenv("VAEKIT_DATA", str(nothing / "mine"))
    with pytest.raises(Mistake, match=r"put cifar10.npz.* into .*/mine\."):
        read("cifar10")
    with pytest.raises(Mistake, match=r"could not be downloaded.*put mnist.npz.*x_train, y_train.* into .*/mine\."):
        read("mnist")


def test_files_are_found_in_both_places(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (nothing / "cache/vaekit").mkdir(parents=True)
    np.savez(nothing / "cache/vaekit/frey_faces.npz", x=np.arange(3 * 28 * 20).reshape(3, 28, 20).astype(np.uint8))
    monkeypatch.setenv("VAEKIT_DATA", str(nothing))
    data = read("frey_faces")
    assert (len(data), data.shape, data.labels, data.name) == (3, (28, 20), None, "frey_faces")
    rows = {row["name"]: row for row in datasets()}
    assert rows["frey_faces"]["available"] and not rows["omniglot28"]["available"] and rows["digits"]["available"]
    assert rows["cifar10"]["source"] == f"put cifar10_train15k.npz and cifar10_test.npz into {nothing}"


def test_cifar10_in_two_files(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAEKIT_DATA", str(nothing))
    names = np.array(["cat", "dog"])
    x = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    np.savez(nothing / "cifar10_train15k.npz", x=x, y=np.array([1, 0], dtype=np.uint8), class_names=names)
    np.savez(nothing / "cifar10_test.npz", x=x[:1], y=np.array([1], dtype=np.uint8), class_names=names)
    data = read("cifar10", condition="class")
    assert data.shape == (3, 32, 32) and data.context["class"].tolist() == ["dog", "cat", "dog"]
    assert {part: rows.tolist() for part, rows in data.parts.items()} == {"train": [0, 1], "test": [2]}


def test_omniglot_is_split_by_drawer(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAEKIT_DATA", str(nothing))
    arrays = {"x": np.zeros((3, 28, 28)), "alphabet": np.array([0, 1, 0]), "drawer": np.array([15, 16, 1])}
    np.savez(nothing / "omniglot28.npz", allow_pickle=False, **arrays, alphabet_names=np.array(["Tifinagh", "Latin"]))
    data = read("omniglot28")
    assert data.labels is not None and data.labels.tolist() == ["Tifinagh", "Latin", "Tifinagh"]
    assert data.parts["train"].tolist() == [0, 2] and data.parts["test"].tolist() == [1]


def publish(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """A publisher of four small files in LeCun's format."""
    folder.mkdir()
    shapes = {"x_train": (3, 28, 28), "y_train": (3,), "x_test": (2, 28, 28), "y_test": (2,)}
    arrays = {name: np.arange(np.prod(shape)).reshape(shape).astype(np.uint8) for name, shape in shapes.items()}
    files = {}
    for name, (file, _) in download.MNIST_FILES.items():
        array = arrays[name]
        header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape)
        content = gzip.compress(header + array.tobytes())
        (folder / file).write_bytes(content)
        files[name] = (file, hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(download, "MNIST_FILES", files)
    return arrays


def test_mnist_is_downloaded_once(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = publish(nothing / "publisher", monkeypatch)
    data = read("mnist")
    assert np.array_equal(data.x.numpy(), np.concatenate([arrays["x_train"], arrays["x_test"]]))
    assert data.labels is not None and data.labels.tolist() == [0, 1, 2, 0, 1] and data.parts["test"].tolist() == [3, 4]
    assert [p.name for p in (nothing / "cache/vaekit").iterdir()] == ["mnist.npz"]
    monkeypatch.setattr(download, "MNIST_URL", "file:///nowhere/")
    assert len(read("mnist")) == 5


def test_a_changed_download_is_refused(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(nothing / "publisher", monkeypatch)
    with (nothing / "publisher" / "t10k-labels-idx1-ubyte.gz").open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(Mistake, match="t10k-labels-idx1-ubyte.gz gave .* not the published"):
        read("mnist")
    assert not (nothing / "cache").exists()


@pytest.mark.skipif(not os.environ.get("VAEKIT_DATA"), reason="needs the files in $VAEKIT_DATA")
def test_the_real_files() -> None:
    mnist = read("mnist")
    assert mnist.labels is not None and np.bincount(mnist.labels[mnist.parts["test"]])[:2].tolist() == [980, 1135]
    assert abs(mnist.x[:60000].float().mean().item() / 255 - 0.1307) < 1e-4
    assert {part: len(rows) for part, rows in split(mnist).items()} == {"train": 54000, "valid": 6000, "test": 10000}
    static = read("mnist_static_binary")
    assert {part: len(rows) for part, rows in static.parts.items()} == {"train": 50000, "valid": 10000, "test": 10000}
    omniglot = read("omniglot28")
    assert len(omniglot.parts["train"]) == 24345 and omniglot.labels is not None and len(set(omniglot.labels)) == 50
