"""What `vk.recipe` makes of data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from vaekit.data import read
from vaekit.data.transforms import Levels, Standardize
from vaekit.likelihoods import Bernoulli, ContinuousBernoulli, DiscretizedLogistic, Gaussian
from vaekit.recipes.choose import binarization, default_likelihood_for, transform_for

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
