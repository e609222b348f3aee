"""What `vk.recipe` makes of data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from vaekit.data import read
from vaekit.data.transforms import Levels, Standardize
from vaekit.likelihoods import Bernoulli, Categorical, ContinuousBernoulli, DiscretizedLogistic, Gaussian
from vaekit.messages import Mistake
from vaekit.recipes.choose import binarization, default_likelihood_for, recipe, transform_for

AGES = np.random.default_rng(0).integers(18, 91, (40, 3)).astype(np.uint8)


@pytest.mark.parametrize("data", [AGES, pd.DataFrame(AGES)], ids=["array", "frame"])
def test_bytes_in_a_table_are_numbers(data: Any) -> None:
    dataset = read(data)
    likelihood = default_likelihood_for(dataset)
    assert isinstance(likelihood, Gaussian) and binarization(dataset, likelihood, None) is None
    transform = transform_for(dataset, likelihood)
    assert isinstance(transform, Standardize) and transform.per_feature
    transform.before_fit(dataset.x, {}, len(dataset))
    z = transform(dataset.x)
    assert np.allclose(z.mean(0), 0, atol=1e-5) and np.allclose(z.std(0, correction=0), 1, atol=1e-5)
    rescaled = transform_for(dataset, ContinuousBernoulli())
    assert rescaled is not None and float(rescaled(dataset.x).max()) == 1.0


def test_greys_in_a_table_are_greys_where_bernoulli_is_given() -> None:
    dataset = read(AGES)
    transform = transform_for(dataset, Bernoulli())
    assert isinstance(transform, Levels) and transform.arguments["top"] == 255.0
    assert binarization(dataset, Bernoulli(), None) == "dynamic"


def test_pictures_and_0_1_are_as_ever() -> None:
    grey, colour = read(AGES.reshape(5, 4, 6)), read(AGES.reshape(2, 4, 5, 3), layout="NHWC")
    assert isinstance(default_likelihood_for(grey), Bernoulli) and binarization(grey, Bernoulli(), None) == "dynamic"
    assert isinstance(default_likelihood_for(colour), DiscretizedLogistic)
    assert isinstance(default_likelihood_for(read((AGES > 50).astype(np.uint8))), Bernoulli)


def test_values_come_back_in_the_type_of_the_data() -> None:
    for dtype, wide in ((np.float64, True), (np.float32, False)):
        transform = transform_for(read(AGES.astype(dtype) + 0.5), Gaussian())
        assert isinstance(transform, Standardize) and transform.wide is wide


def test_each_modality_has_the_transform_of_its_likelihood() -> None:
    """Digits beside their names: the pictures are standardised, as alone, and the names stay as they are."""
    digits = read("digits")
    x = np.concatenate([digits.x.reshape(-1, 64).numpy(), digits.labels[:, None]], 1).astype(np.float32)
    likelihood = {"picture": "gaussian", "name": Categorical(levels=10)}
    model: Any = recipe("mvae", x, modalities={"picture": [8, 8], "name": [1]}, likelihood=likelihood).model
    assert model.likelihood.describe() == "picture Gaussian, one learned scale; name categorical"
    model.transform.before_fit(torch.from_numpy(x), {}, len(x))
    z = model.transform(torch.from_numpy(x))
    assert np.array_equal(z[:, 64], x[:, 64]) and not model.transform.discrete
    assert float(z[:, :64].std(0, correction=0).max()) == pytest.approx(1, abs=1e-4)
    assert np.allclose(model.transform.inverse(z), x, atol=1e-5)
    plain = Standardize((64,), per_feature=True)
    plain.before_fit(torch.from_numpy(x[:, :64]), {}, len(x))
    assert model.log_jacobian(z[:1]) == pytest.approx(float(plain.factor.log().sum()))  # none of the names


def test_halves_of_grey_pictures_are_binarised() -> None:
    grey = read(np.random.default_rng(0).integers(0, 256, (20, 16, 16)).astype(np.uint8))
    made: Any = recipe("mvae", grey, hidden=[4]).model
    assert made.likelihood.describe() == "first Bernoulli; second Bernoulli"
    assert binarization(grey, made.likelihood, None) == "dynamic"


def test_the_command_lines_words_for_modalities() -> None:
    x = np.stack([np.arange(40) % 4, np.linspace(0, 1, 40), np.arange(40) % 2], 1).astype(np.float32)
    made: Any = recipe(
        "mvae", x, modalities={"kind": [1], "size": [1], "sex": [1]}, hidden=[4],
        likelihood={"kind": "categorical:4", "size": "gaussian:0.1", "sex": "bernoulli"},
    ).model  # fmt: skip
    assert made.likelihood.describe() == "kind categorical; size Gaussian, variance c = 0.1; sex Bernoulli"
    assert made.likelihood.parts[0].levels == 4
    with pytest.raises(Mistake, match="categorical:10"):
        recipe("mvae", x, likelihood="bernoulli:3")
