"""Studies of a model that is the distribution of its data: samples cannot be told from items, codes hold labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import vaekit as vk
from vaekit.messages import Mistake
from vaekit.studies import Material, study

N, D = 2400, 5


@pytest.fixture(scope="module")
def material() -> Material:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((N, 2))
    x = (z @ rng.standard_normal((2, D)) + 0.2 * rng.standard_normal((N, D)) + 3).astype(np.float32)
    run = vk.fit(vk.recipe("ppca", x, latent_dim=2), x, labels=z[:, 0] > 0, valid=0.2, test=0.2, seed=0, verbose=False)
    return Material(run.model, run.part("test"), run.part("train"), limit=400)


def test_samples_are_the_data(material: Material) -> None:
    found = study(["samples"], material)
    fit: Any = found["samples.frechet_corrected"]
    assert abs(fit.value) < 4 * fit.se
    assert found["samples.c2st_p"].value > 1e-3  # type: ignore[operator]
    assert abs(found["samples.memorisation_z"].value) < 4  # type: ignore[operator]
    assert found["samples.ks_worst"].value < 1.95 * (2 / 400) ** 0.5  # type: ignore[operator]  # p = 0.001 of a column


def test_codes_hold_the_labels(material: Material) -> None:
    found = study(["representation"], material)
    accuracy: Any = found["representation.linear_accuracy"]
    # z is known to about 0.1 of its spread, so that it is on the wrong side of 0 for some 4 % of the items
    assert accuracy.value > 0.96 - 4 * max(accuracy.se, (0.04 * 0.96 / accuracy.items) ** 0.5)


def test_annealing_agrees_with_the_closed_form(material: Material) -> None:
    found = study(["annealed", "bdmc"], material)
    want = found["annealed.importance_nll"]  # the posterior of a ppca is exact, so that every weight is p(x)
    assert want.items == 16 and found["annealed.importance_nll_mc_se"].value < 1e-3  # type: ignore[operator]
    for name in ("annealed.ais", "annealed.his"):
        error: Any = found[f"{name}_nll_mc_se"].value
        assert abs(found[f"{name}_nll"].value - want.value) < 4 * error + 0.01  # type: ignore[operator]
    gap: Any = found["bdmc.bdmc_gap"]
    assert -3 * gap.se < gap.value < 0.1


def test_axes_that_are_the_factors(material: Material) -> None:
    bars = vk.datasets.Bars(noise=0.1).dataset(3000)
    run = vk.fit(vk.recipe("ppca", bars, latent_dim=8), bars, valid=0.1, test=0.5, seed=0, verbose=False)
    found = vk.evaluate(run, samples=10, metrics=["disentanglement"])
    value = {name.partition(".")[2]: number.value for name, number in found.items()}
    assert value["factors"] == 8 and found["disentanglement.mig"].items == 1500
    assert value["factor_vae"] > 0.95 and value["dci_disentanglement"] > 0.6 and value["irs"] > 0.5
    assert value["mig"] > 0.5 > 0.05 > value["mig_chance"]  # bins of equal width cut ten levels of as many items


def test_a_linear_decoder_is_flat(material: Material) -> None:
    found = study(["regularity", "reconstruction"], material)
    assert found["regularity.geodesic_ratio"].value == pytest.approx(1, abs=1e-3)
    assert found["regularity.detour"].value == pytest.approx(1, abs=1e-4)
    # what two latents leave of D columns with noise of variance 0.04
    assert found["reconstruction.mse"].value == pytest.approx(0.04 * (D - 2) / D, rel=0.15)


def test_what_is_unknown_or_lacks_labels_is_refused(material: Material) -> None:
    with pytest.raises(Mistake, match="did you mean 'samples'"):
        study(["sample"], material)
    bare = vk.data.read(np.zeros((20, D), dtype=np.float32) + np.arange(20, dtype=np.float32)[:, None])
    with pytest.raises(Mistake, match="has none"):
        study(["representation"], Material(material.model, bare))
