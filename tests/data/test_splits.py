from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from vaekit.data import Dataset, join, read, split
from vaekit.messages import Mistake


def rows(n: int, **parts: np.ndarray) -> Dataset:
    return replace(read(np.arange(2.0 * n).reshape(n, 2)), parts=parts)


def sizes(parts: dict[str, np.ndarray]) -> tuple[int, ...]:
    return tuple(len(parts[part]) for part in ("train", "valid", "test"))


def covers(parts: dict[str, np.ndarray], n: int) -> bool:
    return np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(n))


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({}, (80, 10, 10)),
        ({"valid": 0.25, "test": 0.0}, (75, 25, 0)),
        ({"valid": 0, "test": 0}, (100, 0, 0)),
        ({"valid": 0.001, "test": 0.5}, (49, 1, 50)),
        ({"by": "time"}, (80, 10, 10)),
    ],
)
def test_fractions(arguments: dict[str, float], wanted: tuple[int, ...]) -> None:
    parts = split(rows(100), **arguments)  # type: ignore[arg-type]
    assert sizes(parts) == wanted and covers(parts, 100)


def test_the_seed_decides() -> None:
    one, same, other = (split(rows(100), seed=seed)["test"].tolist() for seed in (1, 1, 2))
    assert one == same != other and one == sorted(one) and one != list(range(90, 100))


def test_time_keeps_order() -> None:
    parts = split(rows(10), valid=0.2, test=0.3, by="time")
    assert [parts[part].tolist() for part in ("train", "valid", "test")] == [[0, 1, 2, 3, 4], [5, 6], [7, 8, 9]]


def test_named_parts_win_over_the_default_and_clash_with_a_fraction() -> None:
    data = rows(100, train=np.arange(20, 100), test=np.arange(20))
    parts = split(data)
    assert sizes(parts) == (72, 8, 20) and parts["test"].tolist() == list(range(20)) and covers(parts, 100)
    with pytest.raises(Mistake, match="test=0.1 was asked for, but 'array' names a test part of its own, of 20 rows"):
        split(data, test=0.1)


@pytest.mark.parametrize("fraction", [1.0, -0.1, 7])
def test_no_fractions(fraction: float) -> None:
    with pytest.raises(Mistake, match=f"valid={fraction} is no fraction"):
        split(rows(10), valid=fraction)


def test_every_part_keeps_a_row() -> None:
    assert sizes(split(rows(3))) == (1, 1, 1)
    with pytest.raises(Mistake, match="2 rows of 'array' cannot be split into train, 1 valid and 1 test"):
        split(rows(2))
    with pytest.raises(Mistake, match="cannot be split"):
        split(rows(10), valid=0.5, test=0.5)


def test_groups_stay_together() -> None:
    groups = np.repeat(np.arange(20), 5)[np.random.default_rng(0).permutation(100)]
    parts = split(rows(100), by=groups, valid=0.2, test=0.1)
    assert covers(parts, 100) and sizes(parts) == (70, 20, 10)
    held = [set(groups[parts[part]]) for part in ("train", "valid", "test")]
    assert not held[0] & held[1] and not held[0] & held[2] and not held[1] & held[2]


def test_uneven_groups_leave_a_row_in_each_part() -> None:
    groups = np.array(["big"] * 97 + ["a", "b", "c"])
    for seed in range(20):
        parts = split(rows(100), by=groups, seed=seed)
        assert covers(parts, 100) and min(sizes(parts)) >= 1


def test_groups_by_name() -> None:
    frame = pd.DataFrame({"x": np.arange(40.0), "site": list("abcd") * 10, "year": [1, 1, 2, 3] * 10})
    data = read(frame, drop="site")
    site = split(data, by="site", valid=0.25, test=0.25)
    assert sizes(site) == (20, 10, 10) and len(set(frame["site"].iloc[site["test"]])) == 1
    assert len(set(frame["year"].iloc[split(data, by="year", valid=0, test=0.25)["test"]])) == 1
    with pytest.raises(Mistake, match=r"no column 'sites' to split by: did you mean 'site'\?"):
        split(data, by="sites")


def test_bad_groups() -> None:
    with pytest.raises(Mistake, match="by has 3 values for 10 rows"):
        split(rows(10), by=np.arange(3))
    with pytest.raises(Mistake, match="a group for each of train, valid, test, but there are 2"):
        split(rows(10), by=np.arange(10) % 2)


def test_join() -> None:
    train, test = read(np.zeros((4, 2)), labels=[1, 2, 3, 4]), read(np.ones((2, 2)))
    data = join(train, test=test)
    assert data.x[:, 0].tolist() == [0, 0, 0, 0, 1, 1] and data.index == range(6)
    assert data.labels is not None and data.labels.tolist() == [1, 2, 3, 4, -1, -1]
    parts = split(data, valid=0.25)
    assert sizes(parts) == (3, 1, 2) and parts["test"].tolist() == [4, 5]
    frames = [read(pd.DataFrame({"a": [1.0]}, index=[name])) for name in "xyz"]
    both = join(frames[0], valid=frames[1], test=frames[2])
    assert list(both.index) == ["x", "y", "z"] and both.parts["valid"].tolist() == [1]


def test_bad_joins() -> None:
    with pytest.raises(Mistake, match=r"the test data hold items of \(3,\), the training data items of \(2,\)"):
        join(rows(4), test=read(np.zeros((2, 3))))
    with pytest.raises(Mistake, match="the columns b, the training data the columns a"):
        join(read(pd.DataFrame({"a": [1.0]})), valid=read(pd.DataFrame({"b": [1.0]})))
    with pytest.raises(Mistake, match=r"the valid data have the context \[\], the training data \['y'\]"):
        join(read(np.zeros((2, 2)), condition=[1, 2]), valid=rows(4))
    with pytest.raises(Mistake, match="names a test part of its own"):
        join(rows(4, test=np.array([0])), test=rows(4))


def test_joined_tables_have_the_same_columns() -> None:
    train, valid = (read(pd.DataFrame(np.ones((2, 2)), columns=names)) for names in (["a", "b"], ["a", "c"]))
    with pytest.raises(Mistake, match="valid data hold the columns a, c, the training data the columns a, b: give the"):
        join(train, valid=valid)
