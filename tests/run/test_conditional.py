"""Conditional models: what is given reaches the sample, a row for all or a row each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import vaekit as vk

KIND = np.array(["low", "high"] * 60)
AGE = np.linspace(20.0, 70.0, 120)
X = (np.where(KIND == "low", -5.0, 5.0)[:, None] + np.random.default_rng(0).normal(size=(120, 3))).astype(np.float32)
QUICK: dict[str, Any] = {"steps": 150, "verbose": False, "device": "cpu", "batch_size": 60, "lr": 0.02}


@pytest.fixture(scope="module")
def one() -> vk.Run:
    return vk.fit(vk.recipe("conditional_vae", X, y=KIND, latent_dim=1, hidden=[8]), X, y=KIND, **QUICK)


@pytest.fixture(scope="module")
def several() -> vk.Run:
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "kind": KIND, "age": AGE})
    names = ["kind", "age"]
    return vk.fit(vk.recipe("conditional_vae", frame, y=names, latent_dim=1, hidden=[8]), frame, y=names, **QUICK)


def test_a_class(one: vk.Run) -> None:
    for level, mean in (("low", -5.0), ("high", 5.0)):
        drawn = one.sample(200, given=level, mean=True, seed=0)
        assert drawn.mean() == pytest.approx(mean, abs=1.0)  # 10 apart in the data
        assert np.array_equal(drawn, one.sample(200, given={"y": [level]}, mean=True, seed=0))
    each = one.sample(120, given=KIND, mean=True, seed=0)
    assert bool((np.sign(each.mean(1)) == np.where(KIND == "low", -1, 1)).all())
    z = one.encode(X, KIND)
    assert z.shape == (120, 1) and not np.array_equal(z, one.encode(X, KIND[::-1]))
    assert np.array_equal(one.decode(z, KIND, mean=True), one.reconstruct(X, KIND, mean=True))
    right, wrong = one.score(X, KIND, samples=8), one.score(X, KIND[::-1], samples=8)
    assert right.mean() < wrong.mean() - 1


def test_several_covariates(several: vk.Run) -> None:
    assert several.model.context.widths == {"kind": 2, "age": 1}  # type: ignore[union-attr]
    assert several.record["data"]["condition"] == ["kind", "age"] and several.record["data"]["columns"] == ["a", "b"]
    drawn = several.sample(50, given={"kind": "high", "age": 40}, mean=True, seed=0)
    assert list(drawn.columns) == ["a", "b"] and drawn.to_numpy().mean() == pytest.approx(5.0, abs=1.0)
    rows = pd.DataFrame({"kind": ["low", "high"], "age": [30.0, 60.0]})
    two = several.sample(2, given=rows, mean=True, seed=0).to_numpy().mean(1)
    assert two[0] < 0 < two[1]
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "kind": KIND, "age": AGE}, index=range(500, 620))
    z = several.encode(frame)  # the columns of the context are found by name
    assert z.index[0] == 500 and len(several.score(frame, samples=4)) == 120


def test_what_is_refused(one: vk.Run, several: vk.Run) -> None:
    for run, given, message in [
        (one, "lwo", "context 'y' has no level 'lwo': did you mean 'low'"),
        (one, None, r"this model is conditional on y and got nothing: give y= in Python \(given= for sampling\)"),
        (one, ["low", "high", "low"], "context 'y' has 3 rows for 5 items: give one row for all, or 5"),
        (several, {"kind": "low"}, "the context lacks age: this model is conditioned on kind, age"),
        (several, {"kind": "low", "age": 3, "colour": 1}, "the context of this model takes no 'colour'"),
        (several, "low", "one column of context was given to a model conditioned on kind, age: give a dict"),
        (several, {"kind": "low", "age": "old"}, "context 'age' is a number, but the text 'old' was given"),
    ]:
        with pytest.raises(vk.Mistake, match=message):
            run.sample(5, given=given)
    with pytest.raises(vk.Mistake, match="this model is conditional on y and got nothing"):
        one.encode(X)
    with pytest.raises(vk.Mistake, match="recipe 'pca' takes no context"):
        vk.recipe("pca", X, y=KIND)
