from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from vaekit.data import Context
from vaekit.messages import Mistake


def fields() -> Context:
    columns = {
        "digit": np.array([3, 1, 2, -1, 3]),
        "town": np.array(["Ulm", "Bonn", "", "Ulm", "Ulm"]),
        "age": np.array([1.0, 3.0, 5.0, np.nan, 3.0]),
        "ill": np.array([True, False, True, True, False]),
        "place": np.arange(10.0).reshape(5, 2),
    }
    return Context.fit(columns)


def test_fit_finds_levels_and_numbers() -> None:
    found = fields().fields
    assert found["digit"] == {"levels": [1, 2, 3]} and found["town"] == {"levels": ["Bonn", "Ulm"]}
    assert found["age"] == {"mean": 3.0, "scale": pytest.approx(2**0.5)} and found["ill"] == {"levels": [False, True]}
    assert found["place"]["mean"] == [4.0, 5.0]
    assert fields().widths == {"digit": 3, "town": 2, "age": 1, "ill": 2, "place": 2}


def test_whole_numbers_of_many_values_are_numbers() -> None:
    assert Context.fit({"y": np.arange(50)}).widths == {"y": 50}
    many = Context.fit({"y": np.append(np.arange(51), -1)})
    assert many.fields["y"]["mean"] == 25.0 and many.widths == {"y": 1}
    assert many.encode([-1, 25], 2)["y"].tolist() == [[0.0], [0.0]]
    assert many.encode([50], 1)["y"].item() == pytest.approx(25 / np.arange(51).std())


def test_what_is_nearly_always_off_does_not_shout() -> None:
    pixels = np.zeros((10_000, 3))
    pixels[0, 0], pixels[::2, 1] = 1.0, 1.0  # on once, on half of the time, never on
    encoded = Context.fit({"y": pixels}).encode([1.0, 1.0, 1.0], 1)["y"]
    assert encoded[0].tolist() == [pytest.approx(5.0), pytest.approx(1.0), pytest.approx(1.0)]  # not 100


def test_minus_one_is_a_level_among_negative_numbers() -> None:
    assert Context.fit({"y": np.array([-2, -1, 0])}).fields["y"] == {"levels": [-2, -1, 0]}


def test_json_round_trip_encodes_the_same() -> None:
    context = fields()
    again = Context(**json.loads(json.dumps(context.arguments)))
    given = {"digit": 2, "town": "Ulm", "age": 5.0, "ill": True, "place": [4.0, 5.0]}
    one, two = context.encode(given, 3), again.encode(given, 3)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert one["digit"].tolist() == [[0, 1, 0]] * 3 and one["ill"].tolist() == [[0, 1]] * 3
    assert one["place"].tolist() == [[0, 0]] * 3 and one["age"][0].item() == pytest.approx(2**0.5)
    assert {value.dtype for value in one.values()} == {torch.float32}


def test_missing_values_are_zeros() -> None:
    context = Context({"digit": {"levels": [0, 1]}, "town": {"levels": ["a", "b"]}, "age": {"mean": 2.0, "scale": 1.0}})
    frame = pd.DataFrame({"digit": [-1, 1], "town": [None, "b"], "age": [np.nan, 5], "more": [0, 0]})
    encoded = context.encode(frame, 2)
    assert encoded["digit"].tolist() == [[0, 0], [0, 1]] and encoded["town"].tolist() == [[0, 0], [0, 1]]
    assert encoded["age"].tolist() == [[0], [3]]
    assert context.encode({"digit": [np.nan, 1.0], "town": ["a"], "age": [2]}, 2)["digit"].tolist() == [[0, 0], [0, 1]]


def test_strings_stand_for_numbers_and_numbers_for_strings() -> None:
    truths = {"levels": [False, True]}
    context = Context({"digit": {"levels": [0, 3]}, "age": {"mean": 2.0, "scale": 2.0}, "ill": truths})
    encoded = context.encode({"digit": "3", "age": "5", "ill": "true"}, 1)
    assert encoded["digit"].tolist() == [[0, 1]] and encoded["age"].tolist() == [[1.5]]
    assert encoded["ill"].tolist() == [[0, 1]]
    assert Context({"y": {"levels": ["1", "3"]}}).encode([3.0, 1.0], 2)["y"].tolist() == [[0, 1], [1, 0]]


def test_bare_values_go_to_y_or_the_only_field() -> None:
    assert Context({"digit": {"levels": [0, 3]}}).encode(np.array([3, 0]), 2)["digit"].tolist() == [[0, 1], [1, 0]]
    both = Context({"y": {"levels": [0, 3]}, "a": {"levels": [0, 3]}})
    with pytest.raises(Mistake, match="lacks a"):
        both.encode([3], 1)
    with pytest.raises(Mistake, match="one column of context was given to a model conditioned on u, v"):
        Context({"u": {"levels": [0]}, "v": {"levels": [0]}}).encode([0], 1)
    assert Context({}).encode(None, 4) == {}
    assert Context({"y": {"levels": [0, 3]}}).encode(torch.tensor(3), 2)["y"].tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"town": "Ulm", "age": 1}, "lacks digit: this model is conditioned on digit, town, age"),
        (None, "lacks digit, town, age"),
        ({"digit": 5, "town": "Ulm", "age": 1}, r"'digit' has no level 5: Its levels are 1, 2, 3\."),
        ({"digit": 1.5, "town": "Ulm", "age": 1}, r"'digit' has no level 1.5"),
        ({"digit": "x", "town": "Ulm", "age": 1}, r"'digit' has no level 'x'"),
        ({"digit": 1, "town": "ulm", "age": 1}, r"'town' has no level 'ulm': did you mean 'Ulm'\?"),
        ({"digit": 1, "town": "Ulm", "age": "old"}, "'age' is a number, but the text 'old'"),
        ({"digit": 1, "town": "Ulm", "age": np.inf}, "'age' holds infinite"),
        ({"digit": 1, "town": "Ulm", "age": [[1, 2]]}, "'age' has 2 columns: this model takes 1"),
        ({"digit": [1, 2], "town": "Ulm", "age": 1}, "'digit' has 2 rows for 4 items: give one row for all, or 4"),
        ({"digit": np.eye(4), "town": "Ulm", "age": 1}, "one-hot rows array.argmax"),
        ({"digit": 1, "town": "Ulm", "age": 1, "aeg": 2}, r"no 'aeg': did you mean 'age'\?"),
    ],
)
def test_bad_context(given: object, message: str) -> None:
    context = Context(
        {"digit": {"levels": [1, 2, 3]}, "town": {"levels": ["Bonn", "Ulm"]}, "age": {"mean": 0.0, "scale": 1.0}}
    )
    with pytest.raises(Mistake, match=message):
        context.encode(given, 4)


def test_bad_columns_to_fit() -> None:
    for values in (np.array([-1, -1]), np.array(["", ""]), np.array([np.nan, np.nan])):
        with pytest.raises(Mistake, match="holds no value"):
            Context.fit({"y": values})
    with pytest.raises(Mistake, match="infinite"):
        Context.fit({"y": np.array([1.0, np.inf])})
    assert Context.fit({"y": np.array([2.0, 2.0])}).encode([2.0], 1)["y"].item() == 0.0
