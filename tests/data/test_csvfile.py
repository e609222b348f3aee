from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vaekit.data import read
from vaekit.messages import Mistake


def table(folder: Path, content: str | bytes) -> Path:
    path = folder / "t.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,2.5\n3,\n",
        "a;b\n1;2.5\n3;\n",
        "a\tb\n1\t2.5\n3\t\n",
        "\n a, b\n1, 2.5\n\n3, \n",
        '"a";"b"\n"1";"2.5"\n3;\n',
        "a,b\r\n1,2.5\r\n3,\r\n",
        "a;b\n1;2.5\n3;\n".encode("utf-16"),
        "a,b\n1,2.5\n3,\n".encode("utf-8-sig"),
    ],
)
def test_separators_and_encodings(tmp_path: Path, content: str | bytes) -> None:
    data = read(table(tmp_path, content))
    assert data.columns == ("a", "b") and list(data.index) == [0, 1]
    assert np.array_equal(data.x.numpy(), [[1, 2.5], [3, np.nan]], equal_nan=True)


def test_a_separator_in_a_name_is_no_separator(tmp_path: Path) -> None:
    assert read(table(tmp_path, "income; in EUR\n1\n2\n")).columns == ("income; in EUR",)
    assert read(table(tmp_path, '"a,b";c\n1;2\n')).columns == ("a,b", "c")
    assert read(table(tmp_path, "a;b,c\n1,2\n")).columns == ("a;b", "c")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\nr1,1,2\nr2,3,4\n", r"first row of .*t.csv has 3 values, and there are 2 column names: give each column"),
        ("a,b\n7,1,2\n8,3,4\n", "has 3 values, and there are 2 column names"),
        ("a,b\n1,2,\n3,4,\n", "has 3 values, the last one blank, and there are 2 column names.*end no row with a sep"),
        ("a,b,a\n1,2,3\n", "two columns of the name 'a': rename one"),
        ("5.1,3.5,1.4\n4.9,3.0,1.4\n", r"looks like data, not column names \(5.1, 3.5, 1.4\): add a line of names"),
        ("a;b\n1,5;2\n2,5;3\n", "'a' of 't' holds no numbers.*These look like numbers with decimal commas: write them"),
        ('a,b\n"1,234",2\n"12,345.5",3\n', "These look like numbers with thousands separators: write them without"),
    ],
)
def test_what_would_be_read_wrong_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(Mistake, match=message):
        read(table(tmp_path, content))


def test_a_count_is_a_line_of_names(tmp_path: Path) -> None:
    x = np.arange(6.0).reshape(2, 3)
    pd.DataFrame(x).to_csv(tmp_path / "t.csv", index=False)
    assert read(tmp_path / "t.csv").x.tolist() == x.tolist()


def test_ids_are_text(tmp_path: Path) -> None:
    data = read(table(tmp_path, "who,a\n007,1\n010,2\nNA,3\n"), id="who")
    assert list(data.index) == ["007", "010", "NA"] and data.index.name == "who" and data.columns == ("a",)
