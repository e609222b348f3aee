"""`evaluate --metrics` and `doctor`: what is printed, in JSON too, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_studies(vaekit: Callable[..., Any], refused: Callable[..., str], home: Path, images_run: Path) -> None:
    wanted = ("evaluate", str(images_run), "--importance-samples", "5", "--limit", "30")
    found = json.loads(vaekit(*wanted, "--metrics", "reconstruction,latents", "--json").out.splitlines()[-1])
    parts = found["latents.mutual_information"] + found["latents.marginal_kl"]
    assert abs(found["latents.rate"] - parts) < 1e-3
    assert found["reconstruction.mse"] > 0 and "items" in found["protocols"]["reconstruction.mse"]
    shown = vaekit(*wanted, "--metrics", "latents").out
    assert "latents.mutual_information" in shown and "nats" in shown
    assert "did you mean 'samples'?" in refused(*wanted, "--metrics", "sample")


def test_studies_of_the_likelihood(vaekit: Callable[..., Any], refused: Callable[..., str], images_run: Path) -> None:
    wanted = ("evaluate", str(images_run), "--importance-samples", "4", "--limit", "3")
    done = vaekit(*wanted, "--metrics", "annealed,bdmc", "--json")
    found = json.loads(done.out.splitlines()[-1])
    assert abs(found["annealed.ais_nll"] - found["annealed.importance_nll"]) < 1  # two latents: both are near it
    assert abs(found["annealed.ais_nll"] - found["annealed.his_nll"]) < 1
    assert found["bdmc.bdmc_lower"] < found["bdmc.bdmc_upper"] + 1
    assert "200 temperatures" in found["protocols"]["annealed.ais_nll"] and "K = 4" in found["protocols"]["nll"]
    assert "of 4 draws an item" in found["ess_warning"]
    assert "Too few: of 4 draws an item" in vaekit(*wanted).out
    assert "has none: give data of vk.datasets" in refused(*wanted, "--metrics", "disentanglement")


def test_factors_beside_the_items(vaekit: Callable[..., Any], home: Path) -> None:
    import numpy as np

    random = np.random.default_rng(0)
    a, b = random.integers(10, size=600), random.integers(5, size=600)
    x = np.stack([3.0 * a, 2.0 * b, random.normal(size=600)], 1) + 0.01 * random.normal(size=(600, 3))
    np.savez("known.npz", x=x.astype(np.float32), a=a, b=b, constant=np.ones(600), number=np.arange(600))
    assert vaekit("train", "known.npz", "--recipe", "pca", "--set", "latent_dim=2", "--out", "pca").code == 0
    done = vaekit("evaluate", "pca", "known.npz", "--metrics", "disentanglement", "--json")
    found = json.loads(done.out.splitlines()[-1])
    assert found["disentanglement.factors"] == 2  # what is constant or names each item is none
    assert found["disentanglement.factor_vae"] > 0.95 > 0.7 > found["disentanglement.factor_vae_chance"]
    assert found["disentanglement.mig"] > 0.75 and found["disentanglement.mig_chance"] < 0.1


def test_doctor(vaekit: Callable[..., Any], refused: Callable[..., str], home: Path) -> None:
    heavy = ("--set", "beta=1000", "--set", "hidden=[16]", "--set", "latent_dim=2")  # no information is worth its price
    assert vaekit("train", home / "images.npy", *heavy, "--epochs", "80", "--lr", "0.01", "--out", "ill").code == 0
    found = json.loads(vaekit("doctor", "ill", "--json").out.splitlines()[-1])["findings"]
    assert "posterior collapse" in {finding["illness"] for finding in found}
    assert all(finding["evidence"] and finding["remedy"] for finding in found)
    said = vaekit("doctor", "ill", "ill").out
    assert said.count("Posterior collapse:") == 2 and "Seeds that disagree" not in said
    assert "does not exist" in refused("doctor", "nowhere")


def test_a_rate_distortion_curve(vaekit: Callable[..., Any], refused: Callable[..., str], home: Path) -> None:
    words = ("compare", home / "images.npy", "--recipes")
    assert "pca takes no beta" in refused(*words, "pca,vae", "--betas", "1,2")
    assert "different numbers" in refused(*words, "vae", "--betas", "1,one")
    small = ("--set", "hidden=[16]", "--set", "latent_dim=2", "--epochs", "2")
    done = vaekit(*words, "vae,beta_vae", "--betas", "0.1,2", *small, "--out", "curve", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    made = sorted(path.name for path in Path("curve").iterdir() if path.is_dir())
    assert made == ["beta_vae-beta-0.1", "beta_vae-beta-2", "vae-beta-0.1", "vae-beta-2"]
    betas = [json.loads((Path("curve") / name / "run.json").read_text())["recipe_arguments"]["beta"] for name in made]
    assert betas == [0.1, 2.0, 0.1, 2.0]
    page = Path("curve/compare.html").read_text()
    assert "Rate and distortion" in page and "Paired, on the same" in page
    # the same recipe, data, beta and seed twice: the pairs of a weight differ by nothing
    pairs = found["paired_nll"]
    assert sorted(pairs) == made and min(value for value, _ in pairs.values()) == 0
    assert pairs["vae-beta-2"][0] == pairs["beta_vae-beta-2"][0]


def test_scores_rank_what_is_strange(vaekit: Callable[..., Any], refused: Callable[..., str], home: Path) -> None:
    import numpy as np
    import pandas as pd
    from sklearn.metrics import average_precision_score, roc_auc_score

    random = np.random.default_rng(3)
    x = (random.random((90, 6, 6)) * 16).astype(np.float32)
    x[60:] = x[60:] * 0.2 + 20  # brighter than anything that was seen
    kinds = np.array(["plain"] * 60 + ["bright"] * 30)
    np.savez("mixed.npz", x=x, y=kinds)
    small = ("--set", "hidden=[16]", "--set", "latent_dim=2", "--epochs", "2", "--out", "run")
    assert vaekit("train", home / "images.npy", *small).code == 0
    done = vaekit("score", "run", "mixed.npz", "--strange", "bright", "--out", "scores.csv")
    assert done.code == 0, done.err
    nll = pd.read_csv("scores.csv")["nll"]
    assert f"AUROC {roc_auc_score(kinds == 'bright', nll):.3f}, 95 %" in done.out
    assert f"AUPRC {average_precision_score(kinds == 'bright', nll):.3f}, 95 %" in done.out
    said = refused("score", "run", "mixed.npz", "--strange", "brigth", "--out", "other.csv")
    assert "none of the items" in said and "bright, plain" in said
    assert "has no labels" in refused("score", "run", home / "images.npy", "--strange", "1", "--out", "other.csv")
