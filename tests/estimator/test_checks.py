"""scikit-learn's own checks, none of them expected to fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from vaekit.estimator import Autoencoder

SMALL = {"epochs": 2, "recipe__hidden": [8], "samples": 4}


@parametrize_with_checks(
    [
        Autoencoder("vae", **SMALL),
        Autoencoder("autoencoder", epochs=2, recipe__hidden=[8]),
        Autoencoder("miwae", **SMALL, recipe__samples=2),
        Autoencoder("ladder_vae", epochs=1, samples=4),
        Autoencoder("pca"),
        Autoencoder("ppca", samples=4),
    ]
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_check(estimator: Autoencoder, check: Callable[[Autoencoder], None]) -> None:
    check(estimator)
