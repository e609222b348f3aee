from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from vaekit.data import check, frame_like, read, restore
from vaekit.messages import ArgumentMistake, Mistake


def test_storage_types_keep_what_they_can() -> None:
    def dtype_of(dtype: type) -> torch.dtype:
        return read(np.ones((3, 2), dtype=dtype)).x.dtype

    assert dtype_of(np.uint8) is torch.uint8 and dtype_of(np.bool_) is torch.uint8
    assert dtype_of(np.float32) is torch.float32 and dtype_of(np.float16) is torch.float32
    assert dtype_of(np.float64) is torch.float64
    assert dtype_of(np.int64) is torch.float32 and dtype_of(np.uint16) is torch.float32


def test_values_survive_byte_order_strides_and_read_only() -> None:
    array = np.arange(12.0).reshape(4, 3)
    assert read(array.astype(">f8")).x.tolist() == array.tolist()
    assert read(array[::-1]).x.tolist() == array[::-1].tolist()
    array.flags.writeable = False
    assert read(array).x.tolist() == array.tolist()


def test_masked_values_are_missing() -> None:
    x = read(np.ma.masked_array([[1, 2], [3, 4]], mask=[[False, True], [False, False]])).x
    assert x[0, 0] == 1 and torch.isnan(x[0, 1]) and x[1].tolist() == [3, 4]


def test_numpy_layouts() -> None:
    last = read(np.arange(2 * 5 * 6 * 3).reshape(2, 5, 6, 3))
    assert last.shape == (3, 5, 6) and last.layout == "NHWC" and last.x[0, 1, 0, 0] == 1
    first = read(np.zeros((2, 3, 5, 6)))
    assert first.shape == (3, 5, 6) and first.layout is None
    grey = read(np.zeros((2, 5, 6)))
    assert grey.shape == (5, 6) and grey.kind == "image" and read(np.zeros((2, 5))).kind == "table"


@pytest.mark.parametrize("shape", [(2, 3, 5, 3), (2, 5, 6, 7)])
def test_open_layout_is_refused_and_answered(shape: tuple[int, ...]) -> None:
    with pytest.raises(Mistake, match=r"first or last\?.*layout='NCHW' or layout='NHWC'"):
        read(np.zeros(shape))
    assert read(np.zeros(shape), layout="NHWC").shape == (shape[3], shape[1], shape[2])
    assert read(np.zeros(shape), layout="NCHW").shape == shape[1:]
    with pytest.raises(Mistake, match="'HWC' is unknown"):
        read(np.zeros(shape), layout="HWC")


def test_torch_is_channels_first_and_comes_back_as_torch() -> None:
    data = read(torch.zeros(2, 7, 5, 3))
    assert data.shape == (7, 5, 3) and data.layout is None
    assert torch.equal(restore(data, data.x), data.x)
    assert isinstance(frame_like(data, torch.zeros(2, 4), ["a"] * 4), torch.Tensor)


def test_restore_gives_back_the_layout_and_kind() -> None:
    array = np.random.default_rng(0).random((3, 5, 6, 3))
    back = restore(read(array), read(array).x)
    assert isinstance(back, np.ndarray) and np.array_equal(back, array)


def test_restore_gives_a_frame_with_index_and_columns() -> None:
    frame = pd.DataFrame({0: [1.0, 2.0], "b": [3.0, np.nan]}, index=pd.Index(["u", "v"], name="who"))
    data = read(frame)
    pd.testing.assert_frame_equal(restore(data, data.x), frame)
    latents = frame_like(data, torch.ones(2, 1), ["z0"])
    assert latents.index.equals(frame.index) and latents["z0"].tolist() == [1.0, 1.0]
    assert restore(data, torch.zeros(5, 2)).index.tolist() == [0, 1, 2, 3, 4]


def test_take_selects_everything() -> None:
    data = read(np.arange(8.0).reshape(4, 2), labels=list("abcd"), condition={"n": [0, 1, 2, 3]})
    part = data.take(np.array([False, True, False, True]))
    assert part.x[:, 0].tolist() == [2.0, 6.0] and part.labels is not None and part.labels.tolist() == ["b", "d"]
    assert part.context["n"].tolist() == [1, 3] and part.index.tolist() == [1, 3] and len(part) == 2
    frame = read(pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=["x", "y", "z"])).take([2])
    assert list(frame.index) == ["z"] and frame.columns == ("a",)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros(5), r"one number an item.*reshape\(-1, 1\)"),
        (np.zeros((2, 3, 4, 5, 6)), r"give a table \(N, D\)"),
        (np.zeros((0, 3)), "has no rows"),
        (np.zeros((3, 0)), "items of 'array' are empty"),
        (np.array([["a", "b"]]), "give numbers"),
        (np.array([[1, None]], dtype=object), "give numbers"),
        (np.zeros((2, 2), dtype=complex), "complex128"),
        (torch.zeros(2, 2, dtype=torch.complex64), "complex64"),
        (np.array([[1.0, np.inf], [np.nan, -np.inf]]), r"2 infinite values, the first at \(0, 1\)"),
        (pd.DataFrame({"a": [1.0, np.inf]}), r"\(column 'a'\)"),
        ([[1, 2], [3]], "different shapes"),
        (pd.Series([1.0, 2.0]), "to_frame"),
    ],
)
def test_bad_arrays(data: object, message: str) -> None:
    with pytest.raises(Mistake, match=message):
        read(data)


def test_bad_type() -> None:
    with pytest.raises(ArgumentMistake, match="data is a int"):
        read(3)


def test_nan_is_kept_and_one_row_can_be_read() -> None:
    data = read(np.array([[1.0, np.nan]]))
    assert torch.isnan(data.x).tolist() == [[False, True]]
    with pytest.raises(Mistake, match="one item"):
        check(data)


def test_constant_data_are_refused() -> None:
    with pytest.raises(Mistake, match="every column of 'array' is constant over its 100 rows"):
        check(read(np.full((100, 3), [1.0, np.nan, 3.0])))
    with pytest.raises(Mistake, match="constant"):
        check(read(np.full((100, 4, 4), 7, dtype=np.uint8)))
    late = np.zeros((100, 3))
    late[99, 1] = 1
    check(read(late))


def test_a_blank_column_is_named() -> None:
    with pytest.raises(Mistake, match="column 'b' of 'array' holds no value"):
        check(read(pd.DataFrame({"a": [1.0, 2.0], "b": [np.nan, np.nan]})))


def test_labels_and_context_of_many_kinds() -> None:
    x = np.zeros((3, 2))

    def labels(given: object) -> list[object]:
        found = read(x, labels=given).labels
        assert found is not None
        return found.tolist()

    assert labels([1, 2, -1]) == [1, 2, -1]
    assert labels(pd.Series(["a", None, "b"])) == ["a", "", "b"]
    assert labels(pd.Categorical(["u", "v", "u"])) == ["u", "v", "u"]
    assert labels(pd.array([1, 2, 3], dtype="Int64")) == [1, 2, 3]
    assert labels(torch.tensor([[1], [2], [3]])) == [1, 2, 3]
    assert np.isnan(read(x, labels=pd.array([1, None, 3], dtype="Int64")).labels[1])  # type: ignore[index]
    assert labels(np.array(["a", "b", "c"], dtype=object)) == ["a", "b", "c"]
    assert read(x, condition=[[1, 2], [3, 4], [5, 6]]).context["y"].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert list(read(x, condition=pd.DataFrame({"a": [1, 2, 3], "b": list("xyz")})).context) == ["a", "b"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 2], "labels has 2 values for 3 rows"),
        (np.eye(3), "one-hot rows array.argmax"),
        ("digit", "names no column beside the items of 'array'"),
        (5, "labels"),
        ([{"a": 1}, {}, {}], "dict values"),
    ],
)
def test_bad_labels(labels: object, message: str) -> None:
    with pytest.raises(Mistake, match=message):
        read(np.zeros((3, 2)), labels=labels)


def test_arguments_that_say_nothing_are_refused() -> None:
    for argument in ({"key": "x"}, {"size": 8}, {"id": "a"}, {"drop": ["a"]}, {"columns": ["a"]}):
        with pytest.raises(Mistake, match="leave it out"):
            read(np.zeros((3, 2)), **argument)  # type: ignore[arg-type]


def test_large_whole_numbers_are_kept() -> None:
    for wide in (2**24 + 1, -(2**24) - 1):
        ids = np.array([[wide], [wide + 2]])
        assert read(ids).x.tolist() == ids.tolist() == read(torch.from_numpy(ids)).x.tolist()
    assert read(np.array([[2**24], [1]])).x.dtype is torch.float32


@pytest.mark.parametrize("value", [1e300, -1e250])
def test_a_value_too_large_is_named(value: float) -> None:
    x = np.ones((4, 2))
    x[2, 1] = value
    with pytest.raises(Mistake, match=r"in row 2 \(counted from 0\), column 'b', which is too large"):
        read(pd.DataFrame(x, columns=["a", "b"]))
    with pytest.raises(Mistake, match=r"row 2 .*column 1, which is too large"):
        read(x)
    x[2, 1] = 1e60  # more than float32 holds, and nothing to refuse
    assert read(x).x[2, 1] == 1e60


def test_series_are_matched_by_their_index() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=["x", "y", "z"])
    labels = pd.Series([30, 10, 20], index=["z", "x", "y"])
    data = read(frame, labels=labels, condition=pd.DataFrame({"c": labels}))
    assert data.labels is not None and data.labels.tolist() == [10, 20, 30]
    assert data.context["c"].tolist() == [10, 20, 30]
    assert read(frame, condition=labels).context["y"].tolist() == [10, 20, 30]
    assert read(frame, condition={"c": labels}).context["c"].tolist() == [10, 20, 30]
    shuffled = read(frame.set_axis([2, 0, 1]), labels=pd.Series([0, 1, 2]))
    assert shuffled.labels is not None and shuffled.labels.tolist() == [2, 0, 1]
    for given in ([7, 8, 9], np.array([7, 8, 9]), pd.Series([7, 8, 9])):  # rows that are only counted
        found = read(frame, labels=given).labels
        assert found is not None and found.tolist() == [7, 8, 9]
    assert read(frame.to_numpy(), labels=labels).labels.tolist() == [30, 10, 20]  # type: ignore[union-attr]


@pytest.mark.parametrize("index", [["x", "y", "other"], ["x", "x", "y"]])
def test_series_with_another_index_are_refused(index: list[str]) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=["x", "y", "z"])
    with pytest.raises(Mistake, match=r"labels and the data have another index .*\.to_numpy\(\)"):
        read(frame, labels=pd.Series([1, 2, 3], index=index))
