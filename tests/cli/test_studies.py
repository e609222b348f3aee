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
