from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from vaekit.data import frame_like, image_grid, read, write
from vaekit.messages import Mistake

Z = np.arange(6, dtype=np.float32).reshape(3, 2)


def test_npy_and_npz(tmp_path: Path) -> None:
    assert np.array_equal(np.load(write(tmp_path / "new/z.npy", torch.from_numpy(Z))), Z)
    data = read(pd.DataFrame({"a": [1.0, 2, 3]}, index=["u", "v", "w"]))
    with np.load(write(tmp_path / "z.npz", {"mean": Z, "scale": Z + 1}, dataset=data), allow_pickle=False) as archive:
        assert archive["index"].tolist() == ["u", "v", "w"] and np.array_equal(archive["scale"], Z + 1)
    assert np.array_equal(read(write(tmp_path / "one.npz", Z)).x.numpy(), Z)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "one.npz", "z.npz"]


def test_csv_carries_the_index(tmp_path: Path) -> None:
    write(tmp_path / "z.csv", Z, dataset=read(Z), names=["z0", "z1"])
    assert (tmp_path / "z.csv").read_text().splitlines() == ["index,z0,z1", "0,0.0,1.0", "1,2.0,3.0", "2,4.0,5.0"]
    data = read(pd.DataFrame({"who": ["u", "v", "w"], "a": [1.0, 2, 3]}), id="who")
    latents = frame_like(data, torch.from_numpy(Z), ["z0", "z1"])
    first = (tmp_path / "z.csv").with_name("a.csv")
    assert write(first, latents, dataset=data).read_text().splitlines()[:2] == ["who,z0,z1", "u,0.0,1.0"]
    assert write(first, latents).read_text().splitlines()[:2] == ["who,z0,z1", "u,0.0,1.0"]
    assert write(first, Z).read_text().splitlines()[0] == "x0,x1"
    scores = {"nll": np.array([1.5, 2, 3]), "is_anomaly": np.array([True, False, False])}
    assert write(first, scores, dataset=data).read_text().splitlines()[:2] == ["who,nll,is_anomaly", "u,1.5,True"]
    assert write(first, np.array([1, 2, 3])).read_text().splitlines() == ["value", "1", "2", "3"]


def test_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    data = read(pd.DataFrame({"a": [1.0, 2, 3]}, index=[7, 8, 9]))
    frame = pd.read_parquet(write(tmp_path / "z.parquet", Z, dataset=data, names=["z0", "z1"]))
    assert frame["index"].tolist() == [7, 8, 9] and frame["z1"].tolist() == [1, 3, 5]


def test_rows_of_another_number_carry_no_index(tmp_path: Path) -> None:
    assert write(tmp_path / "z.csv", Z[:2], dataset=read(Z)).read_text().splitlines()[0] == "x0,x1"


def test_image_grid_places_and_scales() -> None:
    images = np.stack([np.full((2, 2), value) for value in (0.0, 0.5, 1.0)])
    grid = image_grid(images, columns=2)
    assert grid.shape == (5, 5) and grid.dtype == np.uint8
    assert (grid[0, 0], grid[0, 3], grid[3, 0], grid[3, 3]) == (0, 128, 255, 0)
    assert image_grid(np.full((1, 2, 2), 16.0)).max() == 255
    assert image_grid(np.full((1, 2, 2), 1, dtype=np.uint8)).max() == 255
    assert image_grid(np.full((1, 2, 2), 9, dtype=np.uint8)).max() == 9
    assert image_grid(np.zeros((4, 5, 6, 3))).shape == (11, 13, 3)
    assert image_grid(np.zeros((4, 5, 6, 1))).shape == (11, 13)
    assert image_grid(np.array([[[-1.0, 0.0, 1.0]]])).tolist() == [[0, 128, 255]]


def test_png(tmp_path: Path) -> None:
    x = torch.zeros(4, 3, 5, 6)
    x[0, 1] = 1.0
    picture = np.asarray(Image.open(write(tmp_path / "g.png", x)))
    assert picture.shape == (11, 13, 3)
    assert picture[0, 0].tolist() == [0, 255, 0] and picture[6, 0].tolist() == [0, 0, 0]


def test_white_is_that_of_the_data(tmp_path: Path) -> None:
    data = read(np.array([[[0, 255]], [[0, 3]]], dtype=np.uint8))
    picture = np.asarray(Image.open(write(tmp_path / "g.png", np.array([[[0.0, 0.9]]]), dataset=data)))
    assert picture.tolist() == [[0, 1]]


def test_folder_names_files_by_their_index(tmp_path: Path) -> None:
    for name in ("cat/a.jpg", "cat/a.png", "dog/b.jpg"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), 9).save(tmp_path / "in" / name)
    data = read(tmp_path / "in")
    out = tmp_path / "out"
    write(f"{out}/", np.stack([np.full((4, 4), value, dtype=np.uint8) for value in (10, 20, 30)]), dataset=data)
    found = {p.relative_to(out).as_posix(): np.asarray(Image.open(p))[0, 0] for p in out.glob("*/*")}
    assert found == {"cat/a.png": 10, "cat/a-1.png": 20, "dog/b.png": 30}
    write(out, np.zeros((11, 4, 4)))
    assert (out / "00.png").is_file() and (out / "10.png").is_file()
    assert write(tmp_path / "z.csv", Z, dataset=data).read_text().startswith("file,x0,x1\ncat/a.jpg,0.0")


def test_ids_cannot_leave_the_folder(tmp_path: Path) -> None:
    data = read(np.zeros((2, 4, 4)))
    object.__setattr__(data, "index", np.array(["../../up", "/abs:x"]))
    write(f"{tmp_path}/out/", np.zeros((2, 4, 4)), dataset=data)
    found = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.png"))
    assert found == ["out/abs_x.png", "out/up.png"]


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("z.xlsx", Z, r"suffix '.xlsx', which is not written: give .npy"),
        ("z", Z, "suffix ''"),
        ("z.png", Z, r"for images, and the values are of shape \(3, 2\)"),
        ("z/", Z, "is for images"),
        ("z.png", pd.DataFrame(Z), "the values are columns"),
        ("z.csv", np.zeros((2, 4, 4)), r"is a table, and the values have shape \(2, 4, 4\)"),
        ("z.npy", {"mean": Z, "scale": Z}, "one array, and there are mean, scale: write z.npz"),
        ("z.npy", pd.DataFrame({"a": ["x"], "b": [1]}), "mixed columns"),
        ("file/z.csv", Z, "cannot be written"),
    ],
)
def test_bad_outputs(tmp_path: Path, name: str, values: object, message: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Mistake, match=message):
        write(f"{tmp_path}/{name}", values)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "z.npy", Z)

    def fail(stream: object, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(Mistake, match=r"z.npy cannot be written \(No space left on device\)"):
        write(path, Z + 1)
    assert np.array_equal(np.load(path), Z) and [p.name for p in tmp_path.iterdir()] == ["z.npy"]


@pytest.mark.parametrize("title", ["nll", "z1"])
def test_ids_take_no_outputs_name(tmp_path: Path, title: str) -> None:
    data = read(pd.DataFrame({title: ["u", "v", "w"], "a": [1.0, 2, 3]}), id=title)
    frame = pd.read_csv(write(tmp_path / "z.csv", {title: np.array([4.0, 5, 6])}, dataset=data))
    assert list(frame.columns) == [f"{title}_id", title] and frame[title].tolist() == [4, 5, 6]
    assert frame[f"{title}_id"].tolist() == ["u", "v", "w"]
    latents = frame_like(data, torch.from_numpy(Z), [title, f"{title}_id"])
    taken = pd.read_csv(write(tmp_path / "z.csv", latents, dataset=data))
    assert list(taken.columns) == [f"{title}_id_id", title, f"{title}_id"] and taken[title].tolist() == [0, 2, 4]
    with np.load(write(tmp_path / "z.npz", {"index": Z}, dataset=data)) as archive:
        assert archive["index_id"].tolist() == ["u", "v", "w"] and np.array_equal(archive["index"], Z)
