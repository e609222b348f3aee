"""Runs that are trained together are the runs that each would be alone, but for their noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import vaekit as vk
from vaekit.distributions import DiagonalGaussian
from vaekit.objectives.schedules import Linear
from vaekit.training import Callback, Fitter, Loader, Settings, apart

RISING, LATER = Linear(0.0, 1.0, steps=0.5), Linear(1.0, 3.0, steps=5)
SHORT: dict[str, Any] = {"epochs": 3, "batch_size": 300, "verbose": False}


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Posteriors without noise, so that runs compare to rounding."""
    monkeypatch.setattr(DiagonalGaussian, "noise", lambda self, shape=(): torch.zeros((*shape, *self.loc.shape)))


def weights(run: vk.Run) -> dict[str, torch.Tensor]:
    return {k: v.detach() for k, v in run.model.state_dict().items()}


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize(
    ("recipe", "arguments", "variants"),
    [
        ("vae", {"hidden": [16], "latent_dim": 3}, [{"beta": 0.5}, {"beta": 4.0}]),
        ("vae", {"hidden": [16], "latent_dim": 3}, [{"beta": RISING}, {"beta": LATER}]),
        ("vae_conv", {"channels": [4, 8], "width": 16, "latent_dim": 3}, [{}]),
        ("autoencoder", {"hidden": [16], "latent_dim": 3}, [{}]),
        ("ladder_vae", {"hidden": [16, 16], "latent_dims": [3, 2]}, [{}]),
        ("iwae", {"hidden": [16], "latent_dim": 3, "samples": 3}, [{}]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_without_noise_each_is_what_it_is_alone(
    recipe: str, arguments: dict[str, Any], variants: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    x = load_digits().images.astype(np.float32)
    more = {**SHORT, "ema": 0.9, "valid": x[1200:1500], "test": x[1500:]}  # vk.fit splits by its seed
    together = vk.fit_many(vk.recipe(recipe, x, **arguments), x[:1200], seeds=[3, 5], variants=variants, **more)
    assert "one after the other" not in capsys.readouterr().err
    one_by_one = [
        vk.fit(vk.recipe(recipe, x, **arguments, **variant), x[:1200], seed=seed, **more)
        for variant in variants
        for seed in (3, 5)
    ]
    for stacked, alone in zip(together, one_by_one, strict=True):
        assert stacked.metrics["seed"] == alone.metrics["seed"]
        assert stacked.record["objective"] == alone.record["objective"]
        for name, weight in weights(alone).items():
            torch.testing.assert_close(weights(stacked)[name], weight, rtol=2e-3, atol=2e-4)
        for mine, its in zip(stacked.rows, alone.rows, strict=True):
            assert mine.keys() == its.keys()
            for name in ("loss", "elbo", "rate", "distortion", "valid_loss", "lr"):
                if name in its:
                    assert mine[name] == pytest.approx(its[name], rel=1e-4, abs=1e-5), name


def test_noise_differs_between_the_runs_and_a_repeat_is_the_same() -> None:
    first, again = (vk.fit_many("vae", "digits", seeds=[1, 1, 2], **SHORT) for _ in range(2))
    same = [torch.equal(a, b) for a, b in zip(weights(first[0]).values(), weights(first[1]).values(), strict=True)]
    assert not all(same)  # equal seeds begin and see the items alike, with other noise
    for run, repeat in zip(first, again, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(weights(run).values(), weights(repeat).values(), strict=True))


def test_missing_values_and_context_are_stacked_too(capsys: pytest.CaptureFixture[str]) -> None:
    rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    rows[::7, 1] = np.nan
    vk.fit_many("miwae", rows, seeds=2, epochs=1, verbose=True)
    group = np.arange(300) % 3
    runs = vk.fit_many(
        vk.recipe("conditional_vae", rows[:, [0, 2]], y=group), rows[:, [0, 2]], y=group, seeds=2, epochs=2
    )
    assert "one after the other" not in capsys.readouterr().err
    assert runs[1].sample(5, given={"y": 2}).shape == (5, 2)


@pytest.mark.parametrize(
    ("recipe", "more", "why"),
    [
        ("factor_vae", {}, "the objective has several players"),
        ("dreg", {}, "DReG differentiates inside its own pass"),
        ("vae", {"clip": 1.0}, "clip looks at one run"),
        ("vae", {"early_stopping": 2}, "early_stopping looks at one run"),
        ("vae", {"callbacks": [Callback()]}, "callbacks looks at one run"),
        ("vae", {"variants": [{"latent_dim": 2}, {"latent_dim": 3}]}, "the models or objectives differ"),
    ],
)
def test_what_cannot_be_stacked_is_trained_one_after_the_other(
    recipe: str, more: dict[str, Any], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = vk.fit_many(recipe, "digits", seeds=2, **{**SHORT, "epochs": 1, "verbose": True, **more})
    assert f"{len(runs)} runs, one after the other: {why}" in capsys.readouterr().err
    assert all(np.isfinite(run.metrics["elbo"]) for run in runs)


def test_each_run_has_a_folder_that_opens_again(tmp_path: Path) -> None:
    runs = vk.fit_many(
        "vae", "digits", seeds=2, variants=[{"beta": 2.0}], out=tmp_path, overwrite=False, **{**SHORT, "epochs": 1}
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["beta-2.0-seed-0", "beta-2.0-seed-1"]
    opened = vk.load_run(tmp_path / "beta-2.0-seed-1")
    assert opened.metrics == runs[1].metrics
    assert all(torch.equal(a, b) for a, b in zip(weights(opened).values(), weights(runs[1]).values(), strict=True))
    with pytest.raises(vk.Mistake, match="exists already"):
        vk.fit_many("vae", "digits", seeds=2, variants=[{"beta": 2.0}], out=tmp_path, **SHORT)
    again = vk.fit_many("vae", "digits", seeds=2, variants=[{"beta": 2.0}], out=tmp_path, overwrite=True, **SHORT)
    assert [len(vk.load_run(run.dir).rows) for run in again] == [3, 3]  # the old history is gone


def test_runs_whose_settings_differ_are_trained_one_after_the_other() -> None:
    x = torch.from_numpy(load_digits().images).float()
    fitters = []
    for epochs in (1, 2):
        plan = vk.recipe("vae", "digits", latent_dim=2)
        loader = Loader(x, None, plan.model, batch_size=128, seed=0, device=torch.device("cpu"))
        fitters.append(Fitter(plan, loader, None, Settings(epochs=epochs, callbacks=[]), show=False))
    assert apart(fitters) == "their settings differ" and apart(fitters[:1]) is None


def test_mistakes() -> None:
    with pytest.raises(vk.Mistake, match="wanted seeds="):
        vk.fit_many("vae", "digits", seed=3)
    with pytest.raises(vk.Mistake, match="got seeds=0"):
        vk.fit_many("vae", "digits", seeds=0)
    with pytest.raises(vk.Mistake, match="got 2 seeds and 0 variants"):
        vk.fit_many("vae", "digits", seeds=2, variants=[])
    with pytest.raises(vk.Mistake, match="latent_dims"):
        vk.fit_many("vae", "digits", variants=[{"latent_dims": 2}])
    with pytest.raises(vk.Mistake, match="wanted what can be built anew"):
        vk.fit_many(tuple(vk.recipe("vae", "digits")), "digits")
    with pytest.raises(vk.Mistake, match=r"seed 0 is not finite .* train it alone"):
        vk.fit_many("vae", "digits", seeds=2, lr=1e30, **SHORT)
