"""Few labels and none: kinds that lie apart are told apart, by M2, by M1 and M2 on its codes, and as clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

import vaekit as vk
from vaekit.evaluation.clusters import agreement

RNG = np.random.default_rng(0)
CENTRES = 4.0 * np.linalg.qr(RNG.normal(size=(6, 6)))[0][:3]  # 5.7 apart, with noise of 1 in each of 6 columns
KIND = np.arange(300) % 3
X = (CENTRES[KIND] + RNG.normal(size=(300, 6))).astype(np.float32)
Y = np.where(np.arange(300) < 30, KIND, -1)
QUICK: dict[str, Any] = {"steps": 300, "verbose": False, "device": "cpu", "batch_size": 100, "lr": 0.005, "valid": 0.05}
SMALL: dict[str, Any] = {"hidden": [16], "latent_dim": 2}
REST = Y == -1


def classes(run: Any, x: Any) -> Any:
    return run.model.encode(torch.as_tensor(x)).probs.argmax(1).numpy()


def test_m2_tells_kinds_apart_from_a_few_labels() -> None:
    run = vk.fit(vk.recipe("m2", X, y=Y, **SMALL), X, y=Y, **QUICK)
    assert (classes(run, X)[REST] == KIND[REST]).mean() > 0.95
    for kind in range(3):  # and draws what is asked for
        drawn = run.sample(200, given=kind, seed=0).mean(0)
        assert np.linalg.norm(drawn - CENTRES, axis=1).argmin() == kind
    codes = run.encode(X, Y)
    assert codes.shape == (300, 3 + 2) and np.array_equal(codes[:30, :3].argmax(1), KIND[:30])


def test_an_auxiliary_variable_tells_kinds_apart_from_a_few_labels(tmp_path: Path) -> None:
    run = vk.fit(vk.recipe("auxiliary_dgm", X, y=Y, **SMALL), X, y=Y, out=tmp_path / "run", **QUICK)
    assert (classes(run, X)[REST] == KIND[REST]).mean() > 0.95
    for kind in range(3):
        drawn = run.sample(200, given=kind, seed=0).mean(0)
        assert np.linalg.norm(drawn - CENTRES, axis=1).argmin() == kind
    again = vk.load_run(tmp_path / "run")
    assert np.array_equal(again.encode(X, Y), run.encode(X, Y))
    found: Any = vk.evaluate(again, X, Y, samples=200)
    assert np.isfinite(found["nll"].value) and found["elbo"].value < 3 * found["elbo"].se - found["nll"].value


def test_m1_and_m2_on_its_codes() -> None:
    m1 = vk.Autoencoder("vae", latent_dim=3, epochs=60, lr=0.005, random_state=0, recipe__hidden=[16]).fit(X)
    codes = m1.transform(X)
    alone = LogisticRegression().fit(codes[~REST], KIND[~REST])
    assert alone.score(codes[REST], KIND[REST]) > 0.9
    run = vk.fit(vk.recipe("m2", codes, y=Y, latent_dim=1, hidden=[16]), codes, y=Y, **QUICK)
    assert (classes(run, codes)[REST] == KIND[REST]).mean() > 0.9


def test_m1_and_m2_as_one_model() -> None:
    m1 = vk.fit(vk.recipe("vae", X, hidden=[16], latent_dim=3), X, **QUICK)
    plan = vk.recipe("m1_m2", X, y=Y, m1=m1.model, latent_dim=1, hidden=[16])
    run = vk.fit(plan, X, y=Y, **QUICK)
    assert (classes(run, X)[REST] == KIND[REST]).mean() > 0.9
    for kind in range(3):
        drawn = run.sample(200, given=kind, seed=0).mean(0)
        assert np.linalg.norm(drawn - CENTRES, axis=1).argmin() == kind
    assert run.encode(X, Y).shape == (300, 3 + 1 + 3)


def test_components_of_gmvae_hold_one_kind_each() -> None:
    """With more components than kinds: with as many, two may settle on one kind, as in any mixture."""
    run = vk.fit(vk.recipe("gmvae", X, components=6, **SMALL), X, **QUICK)
    held = np.zeros((6, 3))
    np.add.at(held, (classes(run, X), KIND), 1)
    assert held.max(1).sum() / held.sum() > 0.9 and len(set(held.argmax(1)[held.sum(1) > 0])) == 3


def test_components_of_vade_are_the_kinds() -> None:
    run = vk.fit(vk.recipe("vade", X, components=3, **SMALL), X, **QUICK)
    q = run.model.encode(torch.as_tensor(X))
    found = run.model.prior().log_responsibilities(q.mean).argmax(1).numpy()  # type: ignore[operator]
    assert agreement(found, KIND)["cluster_accuracy"].value > 0.9
