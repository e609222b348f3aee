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
