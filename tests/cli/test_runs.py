"""The verbs on runs that are there: evaluate, report, compare, citation; and folders that are damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vaekit as vk

TINY = ("--set", "hidden=[16]", "--set", "latent_dim=2", "--epochs", "1")


def test_evaluate(vaekit: Callable[..., Any], refused: Callable[..., str], home: Path, images_run: Path) -> None:
    run = vk.load_run(images_run)
    done = vaekit("evaluate", images_run, "--importance-samples", 500, "--json")
    numbers = json.loads(done.out)
    assert {k: numbers[k] for k in ("elbo", "nll", "items")} == {k: run.metrics[k] for k in ("elbo", "nll", "items")}
    assert (numbers["split"], numbers["nll_samples"], numbers["recipe"]) == ("test", 500, "vae")
    assert numbers["run"] == str(images_run) and numbers["steps"] == run.metrics["steps"] == 1
    assert all(numbers[k] == run.metrics[k] is not None for k in ("epochs", "seconds", "items_per_second"))
    few = json.loads(
        vaekit("evaluate", images_run, "--split", "train", "--limit", 5, "--importance-samples", 7, "--json").out
    )
    assert (few["split"], few["items"], few["nll_items"], few["nll_samples"]) == ("train", 48, 5, 7)
    given = json.loads(vaekit("evaluate", images_run, home / "images.npy", "--importance-samples", 7, "--json").out)
    assert given["items"] == 60 and given["split"].endswith("images.npy")
    text = vaekit("evaluate", images_run, "--importance-samples", 7).out
    assert text.startswith("vae on images: ") and "NLL (K = 7)" in text and "6 test items" in text
    assert "wanted a whole number" in refused("evaluate", images_run, "--limit", 0)
    assert "'tset'" in refused("evaluate", images_run, "--split", "tset")
    assert "names no part 'test'" in refused("evaluate", images_run, home / "images.npy", "--split", "test")


def test_saved_model_alone(
    vaekit: Callable[..., Any], refused: Callable[..., str], home: Path, images_run: Path
) -> None:
    shutil.copytree(images_run / "model", "alone")
    assert vaekit("sample", "alone", "-n", 2, "--out", "x.npy").code == 0
    assert vaekit("encode", "alone", home / "images.npy", "--out", "z.csv").code == 0
    assert vaekit("evaluate", "alone", home / "images.npy", "--importance-samples", 3).code == 0
    assert "data is not at hand" in refused("evaluate", "alone")
    assert "without its run" in refused("report", "alone")
    assert vaekit("sample", images_run / "model", "-n", 2, "--out", "y.npy").code == 0
    assert Path("x.npy").read_bytes() == Path("y.npy").read_bytes()


@pytest.mark.usefixtures("reports")
def test_report(vaekit: Callable[..., Any], table_run: Path) -> None:
    shutil.copytree(table_run, "a")
    done = vaekit("report", "a", "--no-data")
    assert (done.code, done.out) == (0, "a/report.html\n")
    page = Path("a/report.html").read_text()
    assert "s000" not in page and "</html>" in page


def test_citation(vaekit: Callable[..., Any], images_run: Path) -> None:
    out = vaekit("citation", images_run).out
    assert "@inproceedings{kingma2014," in out and "Auto-Encoding Variational Bayes" in out


def test_compare_runs(
    vaekit: Callable[..., Any], refused: Callable[..., str], images_run: Path, table_run: Path
) -> None:
    done = vaekit("compare", images_run, table_run)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split()[:3] == ["run", "ELBO", "rate"]
    assert lines[1].startswith("images_run") and lines[2].startswith("table_run")
    assert "different data" in done.out
    page = Path("compare.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "") and "<script" not in page
    assert page.count("data:image/png;base64,") >= 4 and "images_run" in page
    assert "compare.html exists already" in refused("compare", images_run, table_run)
    assert "does not exist" in refused("compare", images_run, "nowhere", "--overwrite")


def test_compare_recipes(vaekit: Callable[..., Any], refused: Callable[..., str], home: Path) -> None:
    words = ("compare", home / "images.npy", "--recipes")
    assert "did you mean 'pca'?" in refused(*words, "pac,vae")
    assert "none of pca takes it" in refused(*words, "pca", "--set", "hidden=[16]")
    assert "different names" in refused(*words, "vae,vae")
    assert "give it as --epochs 3" in refused(*words, "vae", "--set", "epochs=3")
    assert not Path("runs").exists()
    done = vaekit(*words, "pca,autoencoder,vae", *TINY, "--seed", 2, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    pca, autoencoder, vae = found["runs"]
    assert [m["recipe"] for m in found["runs"]] == ["pca", "autoencoder", "vae"]
    assert (pca["steps"], vae["epochs"], vae["seed"], pca["elbo"]) == (0, 1.0, 2, None)
    assert 0 < pca["rmse"] < autoencoder["rmse"] and vae["rmse"] > 0
    base = Path("runs/compare-images-1")
    splits = [json.loads((base / name / "run.json").read_text())["split"] for name in ("pca", "autoencoder", "vae")]
    assert splits[0] == splits[1] == splits[2]
    assert json.loads((base / "vae" / "run.json").read_text())["recipe_arguments"]["hidden"] == [16]
    assert (base / "compare.html").read_text().count("data:image/png;base64,") >= 6
    assert any("RMSE" in note for note in found["notes"]) and not any("different items" in n for n in found["notes"])
    assert "exists already" in refused(*words, "vae", *TINY, "--out", base)
    # each of them is a run like any other
    assert vaekit("train", "--resume", "--out", base / "vae").code == 0


def test_damaged_runs(vaekit: Callable[..., Any], refused: Callable[..., str], images_run: Path) -> None:
    assert "does not exist" in refused("sample", "nowhere", "--out", "x.npy")
    Path("empty").mkdir()
    assert "empty" in refused("sample", "empty", "--out", "x.npy")

    def damaged(name: str, file: str, change: Callable[[bytes], bytes]) -> str:
        shutil.copytree(images_run, name)
        path = Path(name) / file
        path.write_bytes(change(path.read_bytes()))
        return refused("sample", name, "--out", "x.npy")

    assert "model.safetensors" in damaged("a", "model/model.safetensors", lambda b: b[: len(b) // 2])
    assert "spec.json" in damaged("b", "model/spec.json", lambda b: b[:100])
    assert "run.json" in damaged("c", "run.json", lambda b: b[:100])
    assert "run.json" in damaged("d", "run.json", lambda b: b'{"metrics": {}, "data": {}}')
    assert "run.json" in damaged("e", "run.json", lambda b: b"[1, 2]")
    assert "StandardAbnormal" in damaged(
        "f", "model/spec.json", lambda b: b.replace(b"StandardNormal", b"StandardAbnormal")
    )
    assert "run.json" in refused("train", "--resume", "--out", "c")
    assert not Path("x.npy").exists()
