from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vaekit.data import check, read, restore
from vaekit.messages import Mistake


def save(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def test_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(6, dtype=np.float32).reshape(3, 2))
    data = read(tmp_path / "a.npy")
    assert data.name == "a" and data.origin == "file" and data.x.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert isinstance(restore(data, data.x), np.ndarray)


def test_npz_splits_and_labels(tmp_path: Path) -> None:
    x = np.arange(10, dtype=np.uint8).reshape(5, 2)
    columns = {"y_test": [8, 9], "y_train": [1, 2, 3], "who_train": list("abc")}
    path = save(tmp_path / "d.npz", x_test=x[3:], x_train=x[:3], **columns)
    data = read(str(path), condition="who")
    assert data.x.tolist() == x.tolist() and data.labels is not None and data.labels.tolist() == [1, 2, 3, 8, 9]
    assert {part: rows.tolist() for part, rows in data.parts.items()} == {"train": [0, 1, 2], "test": [3, 4]}
    assert data.context["who"].tolist() == ["a", "b", "c", "", ""]


def test_npz_bare_splits_and_val(tmp_path: Path) -> None:
    items = {"train": np.zeros((4, 2)), "val": np.ones((2, 2)), "test": np.ones((1, 2))}
    path = save(tmp_path / "d.npz", **items, y_train=np.arange(4))
    data = read(path)
    assert {part: len(rows) for part, rows in data.parts.items()} == {"train": 4, "valid": 2, "test": 1}
    assert data.labels is not None and data.labels.tolist() == [0, 1, 2, 3, -1, -1, -1]


def test_npz_single_x_with_columns(tmp_path: Path) -> None:
    path = save(tmp_path / "d.npz", x=np.zeros((3, 2)), digit=[1, 2, 3], speaker=list("abc"), names=["u", "v"])
    data = read(path, labels="digit", condition=["speaker"])
    assert data.labels is not None and data.labels.tolist() == [1, 2, 3]
    assert data.context["speaker"].tolist() == ["a", "b", "c"] and set(data.extras) == {"digit", "speaker"}
    with pytest.raises(Mistake, match=r"labels='digits' names no column.*did you mean 'digit'\?"):
        read(path, labels="digits")


def test_npz_key(tmp_path: Path) -> None:
    splits = {"a_train": np.zeros((2, 5)), "a_test": np.ones((1, 5))}
    path = save(tmp_path / "d.npz", counts=np.ones((3, 4)), genes=np.zeros(4), **splits)
    assert read(path, key="counts").shape == (4,)
    assert len(read(path, key="a")) == 3 and read(path, key="a").parts["test"].tolist() == [2]
    assert len(read(path, key="a_test")) == 1
    with pytest.raises(Mistake, match=r"It holds counts 3x4, genes 4, .*key=NAME"):
        read(path)
    with pytest.raises(Mistake, match=r"no array 'count': did you mean 'counts'\?"):
        read(path, key="count")
    only = save(tmp_path / "only.npz", whatever=np.ones((3, 4)))
    assert read(only).shape == (4,)


def test_damaged_archives(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.npz", x=np.random.default_rng(0).random((50, 20))).read_bytes()
    short = tmp_path / "short.npz"
    short.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Mistake, match=r"short.npz.*cut short or damaged"):
        read(short)
    flipped = tmp_path / "flipped.npz"
    flipped.write_bytes(whole[:4000] + b"XXXX" + whole[4004:])
    with pytest.raises(Mistake, match=r"flipped.npz: its array 'x' cannot be read"):
        read(flipped)
    text = tmp_path / "text.npz"
    text.write_text("hello")
    with pytest.raises(Mistake, match=r"text.npz.*cannot be read"):
        read(text)
    array = tmp_path / "array.npy"
    np.save(array, np.zeros((50, 20)))
    array.write_bytes(array.read_bytes()[:300])
    with pytest.raises(Mistake, match=r"array.npy: its array cannot be read"):
        read(array)
    (tmp_path / "void.npz").write_bytes(b"PK\x05\x06" + b"\0" * 18)
    with pytest.raises(Mistake, match="holds no arrays"):
        read(tmp_path / "void.npz")


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    objects = np.array([[1, None]], dtype=object)
    np.save(tmp_path / "o.npy", objects)
    with pytest.raises(Mistake, match=r"o.npy: its array holds pickled objects"):
        read(tmp_path / "o.npy")
    with pytest.raises(Mistake, match=r"o.npz: its array 'x' holds pickled objects"):
        read(save(tmp_path / "o.npz", x=objects))
    (tmp_path / "p.npy").write_bytes(pickle.dumps(np.zeros((2, 2))))
    with pytest.raises(Mistake, match=r"p.npy: its array holds pickled objects"):
        read(tmp_path / "p.npy")


def test_splits_of_different_shapes(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match=r"train \(2,\), test \(3,\)"):
        read(save(tmp_path / "d.npz", x_train=np.zeros((2, 2)), x_test=np.zeros((2, 3))))


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text("id,age,smokes,town,kind\np1,31,True,Ulm,a\np2, ,False,Bonn,b\np3,22,True,Ulm,a\n")
    return path


def test_csv(people: Path) -> None:
    data = read(people, id="id", drop="town", labels="kind")
    assert data.columns == ("age", "smokes") and list(data.index) == ["p1", "p2", "p3"] and data.index.name == "id"
    assert np.array_equal(data.x.numpy(), [[31, 1], [np.nan, 0], [22, 1]], equal_nan=True)
    assert data.labels is not None and data.labels.tolist() == ["a", "b", "a"]
    assert data.extras["town"].tolist() == ["Ulm", "Bonn", "Ulm"]
    back = restore(data, data.x)
    assert back.index.name == "id" and list(back.columns) == ["age", "smokes"]


def test_csv_condition_is_not_modelled(people: Path) -> None:
    data = read(people, id="id", condition=["town", "age"], drop=["kind"])
    assert data.columns == ("smokes",) and data.context["town"].tolist() == ["Ulm", "Bonn", "Ulm"]
    assert np.array_equal(data.context["age"], [31, np.nan, 22], equal_nan=True)


def test_columns_choose_what_is_modelled(people: Path) -> None:
    assert read(people, columns=["smokes", "age"]).columns == ("smokes", "age")
    with pytest.raises(Mistake, match=r"no column 'smoke': did you mean 'smokes'\?"):
        read(people, columns=["smoke"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"columns 'id', 'town', 'kind' of 'people' hold no numbers.*'p1'.*--drop.*--labels.*--condition"),
        ({"id": "id", "drop": ["town"], "labels": "knd"}, r"no column 'knd': did you mean 'kind'\?"),
        ({"id": "ID_"}, r"no column 'ID_': did you mean 'id'\?"),
        ({"drop": ["town", "kind", "age", "smokes", "id"]}, "no column left to model"),
        ({"id": "id", "drop": ["age", "smokes", "kind"]}, "no numeric column at all"),
        ({"key": "x"}, r"key='x' is for an \.npz archive"),
    ],
)
def test_bad_tables(people: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(Mistake, match=message):
        read(people, **arguments)  # type: ignore[arg-type]


def test_a_stray_word_among_numbers_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3,?\n")
    with pytest.raises(Mistake, match=r"column 'b' of 't' holds no numbers .*such as '\?'"):
        read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"a,b\n", "has no rows"),
        (b"a,b\n1,2\n1,2,3,4\n", "cannot be read as a table"),
        (b"a,b\n1,\xff\xfe\n", "UTF-8"),
        (b"a\n1\ninf\n", "infinite"),
    ],
)
def test_bad_csv(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(Mistake, match=message):
        read(tmp_path / "t.csv")


def test_a_one_row_csv_reads_but_does_not_train(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(Mistake, match="one item"):
        check(read(tmp_path / "t.csv"))


def test_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [True, None], "c": ["u", "v"]})
    frame.to_parquet(tmp_path / "t.parquet")
    data = read(tmp_path / "t.parquet", labels="c")
    assert np.array_equal(data.x.numpy(), [[1, 1], [np.nan, np.nan]], equal_nan=True)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no PAR1")
    with pytest.raises(Mistake, match=r"bad.parquet cannot be read as parquet"):
        read(tmp_path / "bad.parquet")


def test_frames_of_small_types_stay_small() -> None:
    assert str(read(pd.DataFrame({"a": [True, False], "b": [False, False]})).x.dtype) == "torch.uint8"
    assert str(read(pd.DataFrame({"a": [1.5, 2]}, dtype="float32")).x.dtype) == "torch.float32"
    assert str(read(pd.DataFrame({"a": [1, 2]})).x.dtype) == "torch.float64"


def test_columns_of_one_name_are_refused() -> None:
    with pytest.raises(Mistake, match="two columns of the name 'a'"):
        read(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_unknown_names_and_suffixes(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match=r"'mnst' is no file.*did you mean 'mnist'\?"):
        read("mnst")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(Mistake, match=r"suffix '.txt', which is not read"):
        read(tmp_path / "a.txt")


def test_a_dataset_takes_labels_and_condition() -> None:
    data = read(read(np.zeros((2, 2)), labels=["a", "b"]), condition="labels")
    assert data.context["labels"].tolist() == ["a", "b"]
