"""What the estimator computes: the model's own numbers, the same whatever the company and the order of the rows."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import vaekit as vk
from vaekit.estimator import Autoencoder
from vaekit.messages import Mistake

DIGITS = load_digits().data
X = DIGITS[:200]


def fitted(name: str = "vae", x: Any = X, **arguments: Any) -> Autoencoder:
    if name in ("vae", "miwae"):
        arguments = {"recipe__hidden": [32], "epochs": 3, **arguments}
    if name != "ladder_vae":
        arguments = {"latent_dim": 4, **arguments}
    return Autoencoder(name, **{"random_state": 0, **arguments}).fit(x)


def test_ppca_scores_rows_as_scikit_learn_does() -> None:
    pca = PCA(8, svd_solver="full").fit(DIGITS)
    shrink = (len(DIGITS) - 1) / len(DIGITS)  # scikit-learn's variances are unbiased, ppca's the likeliest
    pca.explained_variance_ *= shrink
    pca.noise_variance_ *= shrink
    ppca = Autoencoder("ppca", latent_dim=8, samples=2).fit(DIGITS)
    np.testing.assert_allclose(ppca.score_samples(DIGITS), pca.score_samples(DIGITS), atol=0.01, rtol=0)
    # the posterior mean of ppca shrinks the projection of PCA, axis by axis, up to a sign
    z, projected = ppca.transform(DIGITS), pca.transform(DIGITS)
    shrunk = projected * np.sqrt(pca.explained_variance_ - pca.noise_variance_) / pca.explained_variance_
    np.testing.assert_allclose(np.abs(z), np.abs(shrunk), atol=2e-3)


def test_pca_is_scikit_learn_s() -> None:
    mine, theirs = fitted("pca", DIGITS), PCA(4, svd_solver="full").fit(DIGITS)
    made = theirs.inverse_transform(theirs.transform(DIGITS))
    np.testing.assert_allclose(mine.inverse_transform(mine.transform(DIGITS)), made, atol=1e-3)


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "vae"},
        {"name": "vae", "recipe__posterior": vk.posteriors.FullGaussian},
        {"name": "vae", "recipe__posterior": "straight_through_bernoulli", "samples": 8},
        {"name": "ladder_vae", "epochs": 1, "samples": 8},
        {"name": "vae", "x": X / 16, "recipe__likelihood": "bernoulli"},
    ],
    ids=["diagonal", "full covariance", "binary latents", "ladder", "binarised"],
)
def test_a_row_s_results_do_not_depend_on_its_companions(arguments: dict[str, Any]) -> None:
    vae, x = fitted(**arguments), arguments.get("x", X)
    scores, z = vae.score_samples(x), vae.transform(x)
    order = np.random.default_rng(0).permutation(len(x))[:40]
    np.testing.assert_allclose(vae.score_samples(x[order]), scores[order], rtol=0, atol=1e-9)
    np.testing.assert_allclose(vae.transform(x[order]), z[order], rtol=0, atol=1e-9)
    for i in (0, 7):
        np.testing.assert_allclose(vae.score_samples(x[i : i + 1]), scores[i : i + 1], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(vae.score_samples(x), scores)


def test_rows_share_their_noise_across_the_pieces_of_a_long_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    vae = fitted()
    whole = vae.score_samples(X)
    monkeypatch.setattr("vaekit.evaluation.shared.DECODED", 640)
    np.testing.assert_allclose(vae.score_samples(X), whole, rtol=0, atol=1e-9)


def test_transform_gives_the_model_s_posterior_means() -> None:
    vae = fitted()
    with torch.no_grad():
        mean = vae.model_.encode(X).mean
        made = vae.model_.decode(mean).mean
    z = vae.transform(X.astype(np.float32))
    np.testing.assert_allclose(z, mean.numpy(), atol=1e-6)
    np.testing.assert_allclose(vae.transform(X), mean.numpy(), atol=1e-5)
    np.testing.assert_allclose(vae.inverse_transform(z), made.numpy(), atol=1e-5)


def test_score_is_the_mean_log_p_that_the_model_estimates() -> None:
    vae = fitted(samples=500)
    scores = vae.score_samples(X)
    assert vae.score(X) == scores.mean()
    torch.manual_seed(1)
    assert abs(scores.mean() - float(vae.model_.log_prob(X, samples=500).mean())) < 0.5
    assert vae.score_samples(np.full((1, 64), 16.0))[0] < scores.min()  # no digit is all white


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_floating_type_stays(dtype: type) -> None:
    vae = fitted(x=X.astype(dtype))
    x = X.astype(dtype)
    z = vae.transform(x)
    assert z.dtype == vae.inverse_transform(z).dtype == vae.score_samples(x).dtype == dtype
    np.testing.assert_allclose(vae.score_samples(X.astype(np.int32)), vae.score_samples(X))


def test_the_model_is_that_of_fit_under_the_same_seed() -> None:
    vae = fitted(random_state=5)
    run = vk.fit(
        vk.recipe("vae", X, latent_dim=4, hidden=[32]),
        X,
        valid=0,
        test=0,
        epochs=3,
        seed=5,
        device="cpu",
        verbose=False,
    )
    mine, theirs = vae.model_.state_dict(), run.model.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    np.testing.assert_allclose(vae.transform(X), run.encode(X), atol=1e-5)
    assert list(vae.history_["epoch"]) == [1, 2, 3]


def test_random_state_decides_everything_and_nothing_else_moves() -> None:
    before = torch.get_rng_state()
    one = fitted().transform(X)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(fitted().transform(X), one)
    assert not np.allclose(fitted(random_state=1).transform(X), one)
    states = [fitted(random_state=np.random.RandomState(3)).transform(X) for _ in range(2)]
    np.testing.assert_array_equal(*states)
    assert not np.allclose(fitted(random_state=None).transform(X), fitted(random_state=None).transform(X))


@pytest.mark.parametrize("name", ["vae", "miwae", "ladder_vae", "pca", "ppca", "factor_vae"])
def test_pickle_and_deepcopy_give_the_same(name: str) -> None:
    vae = fitted(name, **({"epochs": 1} if name not in ("pca", "ppca") else {}))
    for other in (pickle.loads(pickle.dumps(vae)), copy.deepcopy(vae)):
        np.testing.assert_array_equal(other.transform(X), vae.transform(X))
        if name != "pca":
            np.testing.assert_array_equal(other.score_samples(X[:9]), vae.score_samples(X[:9]))
        assert other.get_params() == vae.get_params()


@pytest.mark.parametrize("name", ["pca", "autoencoder", "linear_autoencoder"])
def test_there_is_no_score_without_a_density(name: str) -> None:
    for estimator in (Autoencoder(name), fitted(name, **({} if name == "pca" else {"epochs": 1}))):
        assert not hasattr(estimator, "score") and not hasattr(estimator, "score_samples")
        with pytest.raises(AttributeError, match="score_samples"):
            estimator.score_samples(X)
    assert not hasattr(Autoencoder("vae", recipe__posterior=vk.posteriors.Point), "score")
    assert hasattr(Autoencoder("vae"), "score")


def test_missing_values_are_taken_where_the_recipe_takes_them() -> None:
    x = X[:, 10:30].copy()
    x[::3, ::4] = np.nan
    for name in ("miwae", "auto"):
        miwae = fitted(name, x, epochs=2)
        assert np.isfinite(miwae.transform(x)).all() and np.isfinite(miwae.score_samples(x)).all()
    with pytest.raises(ValueError, match="NaN"):
        fitted("vae", x)
    vae = fitted("auto", X, epochs=1)
    with pytest.raises(ValueError, match="NaN"):
        vae.transform(np.full((1, 64), np.nan))


def test_rows_as_pictures() -> None:
    conv = Autoencoder("vae_conv", latent_dim=3, epochs=1, recipe__shape=(8, 8), recipe__channels=[4, 8]).fit(X)
    assert conv.model_.shape == (8, 8)
    assert conv.transform(X).shape == (200, 3)
    assert conv.inverse_transform(conv.transform(X)).shape == X.shape
    assert conv.score_samples(X[:5]).shape == (5,)
    with pytest.raises(Mistake, match=r"recipe__shape=\(8, 9\) for rows of 64 features"):
        clone(conv).set_params(recipe__shape=(8, 9)).fit(X)


def test_latents_of_another_width_are_refused() -> None:
    with pytest.raises(Mistake, match="got 3 latents a row and wanted 4"):
        fitted("pca").inverse_transform(np.zeros((2, 3)))
