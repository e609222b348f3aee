"""Tiny runs that the tests of the report share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import vaekit as vk
from vaekit.data import Dataset, read
from vaekit.report import Subject, render

NASTY = "pay </text><script>alert(1)</script> ($)"


def subject_of(run: Any, *, data: bool = True) -> Subject:
    return Subject(run.model, run.record, run.rows, run.data if data else None)


def fit(name: str, data: Any, *, y: Any = None, labels: Any = None, epochs: int | None = 2, **arguments: Any) -> Any:
    plan = vk.recipe(name, data, y=y, **arguments)
    how = {} if epochs is None else {"epochs": epochs}
    return vk.fit(plan, data, y=y, labels=labels, device="cpu", verbose=False, **how)


@pytest.fixture(scope="session")
def few() -> Dataset:
    """300 digits, so that the closing evaluation takes no time."""
    return read("digits").take(np.arange(300))


@pytest.fixture(scope="session")
def pages() -> Callable[[Subject], str]:
    """Renders each page once."""
    made: dict[int, tuple[Subject, str]] = {}

    def page(subject: Subject) -> str:
        if id(subject) not in made:
            made[id(subject)] = (subject, render(subject))
        return made[id(subject)][1]

    return page


@pytest.fixture(scope="session")
def digits(few: Dataset) -> Subject:
    return subject_of(fit("vae", few, labels="digit", latent_dim=2, hidden=[32]))


@pytest.fixture(scope="session")
def hidden_digits(digits: Subject) -> Subject:
    return replace(digits, data=None)


@pytest.fixture(scope="session")
def wide(few: Dataset) -> Subject:
    return subject_of(fit("vae", few, labels="digit", latent_dim=5, hidden=[32]))


@pytest.fixture(scope="session")
def conditional() -> Subject:
    """Pictures under a context whose levels have names that stand nowhere else."""
    rng = np.random.default_rng(0)
    images = (rng.random((120, 6, 6)) < 0.5).astype(np.float32)
    names = np.array(["quokka", "wombat<b>", "numbat"])[np.arange(120) % 3]
    subject = subject_of(fit("conditional_vae", images, y={"animal": names}, latent_dim=2, hidden=[16]))
    assert subject.data is not None
    return replace(subject, data=replace(subject.data, labels=names))


@pytest.fixture(scope="session")
def points(few: Dataset) -> Subject:
    return subject_of(fit("autoencoder", few, labels="digit", latent_dim=2, hidden=[32]))


@pytest.fixture(scope="session")
def ladder(few: Dataset) -> Subject:
    return subject_of(fit("ladder_vae", few, labels="digit", latent_dims=[2, 3], hidden=[16, 32]))


@pytest.fixture(scope="session")
def table() -> Subject:
    """A table with gaps and with a column that would be a script."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(40, 10, 200), NASTY: rng.gamma(2, 9, 200), "_n": rng.poisson(2, 200) * 1.0})
    frame = frame.mask(rng.random(frame.shape) < 0.1)
    return subject_of(fit("miwae", frame, latent_dim=2, hidden=[16]))


@pytest.fixture(scope="session")
def closed(few: Dataset) -> Subject:
    return subject_of(fit("ppca", few, labels="digit", latent_dim=3, epochs=None))
