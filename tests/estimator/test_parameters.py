"""Parameters by name, in clones, searches and pipelines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import vaekit as vk
from vaekit.estimator import Autoencoder
from vaekit.messages import Mistake
from vaekit.networks import MLP

X, Y = load_digits(return_X_y=True)
X, Y = X[:200], Y[:200]
FAST: dict[str, Any] = {"latent_dim": 4, "epochs": 2, "random_state": 0, "recipe__hidden": [16]}


def test_the_face_of_the_package_is_the_class() -> None:
    assert vk.Autoencoder is Autoencoder


def test_clone_and_set_params_keep_what_belongs_to_the_recipe() -> None:
    vae = Autoencoder("vae", latent_dim=3, recipe__beta=4.0, training__clip=1.0)
    other = clone(vae)
    assert other is not vae and other.get_params() == vae.get_params()
    assert other.get_params()["recipe__beta"] == 4.0
    other.set_params(recipe__beta=2.0, latent_dim=5, training__device="cpu")
    assert (other.get_params()["recipe__beta"], other.latent_dim) == (2.0, 5)
    assert vae.get_params()["recipe__beta"] == 4.0 and "training__device" not in vae.get_params()
    assert "recipe__beta=4.0" in repr(vae) and "training__clip=1.0" in repr(vae)
    assert "recipe__beta" in vae._repr_html_()


def test_recipe_arguments_reach_the_objective() -> None:
    fixed = Autoencoder("vae", **FAST, recipe__likelihood="gaussian_fixed").fit(X)
    assert isinstance(fixed.model_.likelihood.scale, vk.likelihoods.FixedScale)
    rates = [np.square(Autoencoder("vae", **FAST, recipe__beta=b).fit(X).transform(X)).mean() for b in (0.0, 50.0)]
    assert rates[1] < rates[0]  # a dearer rate draws the means to 0


def test_training_arguments_reach_the_settings() -> None:
    steps = clone(Autoencoder("vae", **FAST)).set_params(epochs=None, training__steps=7, training__valid=0.2).fit(X)
    assert steps.history_["step"].iloc[-1] == 7
    assert np.isfinite(steps.history_["valid_loss"].iloc[-1])


def test_a_module_of_the_user_s_stays_as_it_is() -> None:
    net = MLP((64,), [8])
    before = {name: value.clone() for name, value in net.state_dict().items()}
    vae = Autoencoder("vae", latent_dim=2, epochs=2, recipe__encoder=net).fit(X)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert vae.model_.posterior.net is not net


def test_grid_search_picks_by_the_number() -> None:
    grid = {"recipe__beta": [1.0, 30.0], "latent_dim": np.array([2])}
    search = GridSearchCV(Autoencoder("vae", **{**FAST, "epochs": 60}, lr=5e-3), grid, cv=2).fit(X)
    results = search.cv_results_
    assert search.best_params_ == {"latent_dim": 2, "recipe__beta": 1.0}
    assert search.best_score_ == results["mean_test_score"].max() > results["mean_test_score"].min()
    again = clone(search.estimator).set_params(**search.best_params_).fit(X[100:])
    assert again.score(X[:100]) == pytest.approx(results["split0_test_score"][search.best_index_], abs=1e-6)


def test_a_pipeline_classifies() -> None:
    pipeline = make_pipeline(StandardScaler(), Autoencoder("pca", latent_dim=20), LogisticRegression(max_iter=1000))
    assert pipeline.fit(X, Y).score(X, Y) > 0.9
    search = GridSearchCV(pipeline, {"autoencoder__latent_dim": [1, 20]}, cv=2).fit(X, Y)
    assert search.best_params_ == {"autoencoder__latent_dim": 20}
    nested = make_pipeline(StandardScaler(), Autoencoder("vae", **FAST)).set_params(autoencoder__recipe__beta=2.0)
    assert nested[-1].get_params()["recipe__beta"] == 2.0


def test_data_frames_go_in_and_come_out() -> None:
    frame = pd.DataFrame(X[:, 20:30], columns=[f"pixel{i}" for i in range(10)], index=np.arange(200)[::-1])
    vae = Autoencoder("vae", **FAST).set_output(transform="pandas").fit(frame)
    z = vae.transform(frame)
    assert list(z.columns) == list(vae.get_feature_names_out()) == [f"autoencoder{i}" for i in range(4)]
    assert z.index.equals(frame.index)
    assert list(vae.feature_names_in_) == list(frame.columns) and vae.n_features_in_ == 10
    np.testing.assert_array_equal(z, clone(vae).set_output(transform="default").fit_transform(frame))
    with pytest.raises(ValueError, match="feature names"):
        vae.transform(frame[frame.columns[::-1]])


def test_a_column_transformer_takes_it() -> None:
    frame = pd.DataFrame(X[:, 20:30], columns=[f"pixel{i}" for i in range(10)])
    both = ColumnTransformer(
        [("ae", Autoencoder("pca", latent_dim=2), list(frame.columns[:6]))], remainder="passthrough"
    )
    out = both.set_output(transform="pandas").fit_transform(frame)
    assert list(out.columns[:3]) == ["ae__autoencoder0", "ae__autoencoder1", "remainder__pixel6"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"recipe__betta": 1.0}, "recipe 'vae' takes no 'betta': did you mean 'beta'"),
        ({"training__learning_rate": 1.0}, "training takes no 'learning_rate': did you mean 'lr'"),
        ({"latnt_dim": 2}, "Autoencoder takes no 'latnt_dim': did you mean 'latent_dim'"),
        ({"recipe": "vea"}, "unknown recipe 'vea': did you mean 'vae'"),
        ({"recipe": 3}, "got recipe=3"),
        ({"latent_dim": 2, "recipe__latent_dim": 3}, "got latent_dim=2 and recipe__latent_dim=3: give one"),
        ({"lr": 1e-3, "training__lr": 1e-2}, "got lr=0.001 and training__lr=0.01: give one"),
        ({"training__seed": 1}, "give random_state instead"),
        ({"latent_dim": 0}, "latent_dim=0"),
        ({"samples": 0}, "samples=0"),
        ({"epochs": -1}, "epochs=-1"),
    ],
)
def test_mistakes_are_said_in_fit(arguments: dict[str, Any], words: str) -> None:
    estimator = Autoencoder(**{"epochs": 1, **arguments})  # the constructor only stores
    with pytest.raises(Mistake, match=words):
        estimator.fit(X)


def test_set_params_refuses_unknown_names() -> None:
    with pytest.raises(ValueError, match="Invalid parameter 'latnt_dim'"):
        Autoencoder().set_params(latnt_dim=3)


def test_data_that_cannot_be_learned_are_a_mistake() -> None:
    with pytest.raises(Mistake, match="constant"):
        Autoencoder().fit(np.ones((10, 3)))
    with pytest.raises(Mistake, match="context"):
        Autoencoder("conditional_vae").fit(X)
