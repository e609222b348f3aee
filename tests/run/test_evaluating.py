"""vk.evaluate: one call for a run, its folder or a bare model; what it says of what cannot be measured."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import vaekit as vk
from vaekit.messages import Mistake

pytestmark = pytest.mark.filterwarnings("ignore:of .* draws an item")  # a few are enough to compare
SMALL = {"latent_dim": 2, "hidden": [16]}
GREY = np.random.default_rng(0).random((80, 6, 6)).astype(np.float32)
TABLE = np.random.default_rng(1).normal(size=(80, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("evaluating") / "run"
    recipe = vk.recipe("vae", TABLE, **SMALL)
    return vk.fit(recipe, TABLE, epochs=2, seed=0, labels=TABLE[:, 0] > 0, out=out, verbose=False)


def test_a_run_its_folder_and_its_own_method_agree(run: Any) -> None:
    plain = run.evaluate(samples=50)
    found = vk.evaluate(run, samples=50)
    for name in ("elbo", "rate", "distortion", "nll", "nll_mc_se", "ess", "active_units"):
        assert found[name].value == plain[name], name
        assert found[name].unit and "test" in found[name].how or name == "nll_mc_se"
    assert found["nll"].se == plain["nll_se"] and found["elbo"].se == plain["elbo_se"]
    assert "K = 50 draws" in found["nll"].how and "Gaussian" in found["nll"].how
    assert found["bits_per_dim"].value is None and "density" in found["bits_per_dim"].how
    assert [found[f"nll_at.{k}"].value for k in (1, 2, 5, 10, 20, 50)] == [v for _, v, _ in plain["nll_curve"]]
    given = vk.evaluate(run.dir, TABLE[run.data.parts["test"]], samples=50)
    assert given["elbo"].value == found["elbo"].value and given["nll"].value == found["nll"].value
    bare = vk.evaluate(run.dir / "model", TABLE[run.data.parts["test"]], samples=50)
    assert bare["nll"].value == found["nll"].value
    assert vk.evaluate(run, split="valid", samples=5)["elbo"].value != found["elbo"].value


def test_studies_are_added_under_their_names(run: Any) -> None:
    found = vk.evaluate(run, samples=5, metrics=["reconstruction", "representation"])
    assert found["reconstruction.mse"].value > 0 and "representation.linear_accuracy" in found
    labelled = vk.evaluate(run, TABLE, labels=TABLE[:, 0] > 0, samples=5, metrics="representation")
    assert labelled["representation.linear_accuracy"].value > 0.5
    with pytest.raises(Mistake, match="did you mean 'annealed'"):
        vk.evaluate(run, metrics=["anealed"])
    with pytest.raises(Mistake, match="has none.*vk.datasets"):
        vk.evaluate(run, metrics=["disentanglement"])


def test_a_model_in_training_goes_on_training(run: Any) -> None:
    model, _ = vk.recipes.vae(shape=(6, 6), likelihood=vk.likelihoods.Bernoulli(), **SMALL)
    model.train()
    model.posterior.eval()
    found = vk.evaluate(model, GREY, samples=300)
    assert model.training and not model.posterior.training and model.likelihood.training
    assert "binarised (dynamic, once by seed" in found["nll"].how  # as vk.fit would have chosen
    assert found["bits_per_dim"].value == pytest.approx(found["nll"].value / (36 * math.log(2)))
    assert found["bits_per_dim"].se == pytest.approx(found["nll"].se / (36 * math.log(2)))
    # untrained, and so with a posterior near the prior: the NLL is that of fair coins to within a few nats
    assert found["nll"].value == pytest.approx(36 * math.log(2), abs=6)


def test_too_few_draws_are_said(run: Any) -> None:
    with pytest.warns(UserWarning, match="of 2 draws an item.*more draws.*annealed"):
        found = vk.evaluate(run, samples=2)
    assert "too low" in found["ess"].how


def test_what_is_undefined_says_why() -> None:
    model, _ = vk.recipes.autoencoder(shape=(4,), **SMALL)
    found = vk.evaluate(model, TABLE, samples=5)
    for name in ("elbo", "rate", "nll", "ess"):
        assert found[name].value is None and "Point posterior" in found[name].how
    assert found["distortion"].value is not None
    with pytest.raises(Mistake, match="Point posterior.*train"):
        vk.evaluate(model, TABLE, metrics=["annealed"])


def test_what_cannot_be_measured_is_refused(run: Any, tmp_path: Path) -> None:
    model: Any = torch.nn.Linear(2, 2)
    with pytest.raises(TypeError, match="got a Linear and wanted a Run"):
        vk.evaluate(model, TABLE)
    with pytest.raises(Mistake, match="does not exist"):
        vk.evaluate(tmp_path / "nowhere")
    with pytest.raises(Mistake, match="not at hand: give data"):
        vk.evaluate(run.model)
    with pytest.raises(Mistake, match="names no part 'test'"):
        vk.evaluate(run, TABLE, split="test")
    for wrong in ("samples", "limit"):
        with pytest.raises(Mistake, match=wrong):
            vk.evaluate(run, **{wrong: 0})
