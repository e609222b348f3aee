"""`vaekit train`: runs, refusals, and what a record keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vaekit as vk
from vaekit.cli.runs import FIELDS

TINY = ("--set", "hidden=[16]", "--set", "latent_dim=2", "--epochs", "1")
TABLE = ("--id", "sample", "--drop", "remark", "site")


def record(folder: Path) -> Any:
    return json.loads((folder / "run.json").read_text())


def test_json_and_default_folder(vaekit: Callable[..., Any], home: Path) -> None:
    done = vaekit("train", home / "images.npy", "--recipe", "vae", *TINY, "--json", "--seed", 3)
    numbers = json.loads(done.out.splitlines()[-1])
    assert done.code == 0 and set(FIELDS) <= numbers.keys()
    assert (numbers["run"], numbers["recipe"], numbers["seed"]) == ("runs/images-vae-1", "vae", 3)
    assert (numbers["epochs"], numbers["split"], numbers["items"], numbers["nll_samples"]) == (1.0, "test", 6, 500)
    assert numbers["elbo"] == pytest.approx(-numbers["rate"] - numbers["distortion"])
    assert numbers["bits_per_dim"] is None and "runs/images-vae-1/report.html" in done.err
    folder = Path("runs/images-vae-1")
    assert {"run.json", "history.jsonl", "report.html", "model"} <= {p.name for p in folder.iterdir()}
    assert record(folder)["recipe_arguments"]["hidden"] == [16] and record(folder)["settings"]["epochs"] == 1
    assert vk.load_run(folder).metrics["elbo"] == numbers["elbo"]
    assert vaekit("train", home / "images.npy", "--recipe", "pca").code == 0
    second = vaekit("train", home / "images.npy", "--recipe", "vae", *TINY)
    assert "runs/images-vae-2" in second.err and second.out.startswith("vae on images: ")


def test_training_arguments_reach_the_run(vaekit: Callable[..., Any], home: Path) -> None:
    given = {
        "steps": 3, "batch_size": 10, "accumulate": 2, "lr": 0.01, "lr_schedule": "constant", "warmup": 0.0,
        "clip": 1.0, "skip": 50.0, "ema": 0.9, "early_stopping": 2, "monitor": "valid_elbo", "valid_every": 1,
        "save_every": 2, "keep": "last", "precision": "fp32", "device": "cpu", "workers": 1, "seed": 5,
    }  # fmt: skip
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", value)]
    assert (
        vaekit("train", home / "images.npy", "--recipe", "vae", "--set", "hidden=[16]", *words, "--out", "a").code == 0
    )
    assert {name: record(Path("a"))["settings"][name] for name in given} == given
    # its record as the defaults of another run
    done = vaekit("train", home / "images.npy", "--config", "a/run.json", "--seed", 6, "--epochs", 1, "--out", "b")
    assert done.code == 0
    second = record(Path("b"))
    wanted = {**given, "seed": 6, "epochs": 1, "steps": None}
    assert {name: second["settings"][name] for name in wanted} == wanted
    assert second["recipe_arguments"] == record(Path("a"))["recipe_arguments"] and second["recipe"] == "vae"


def test_table_with_labels_and_held_out_file(
    vaekit: Callable[..., Any], home: Path, make_table: Callable[..., Path], tmp_path: Path
) -> None:
    held = make_table(tmp_path / "held.csv", rows=20)
    words = ("--id", "sample", "--labels", "site", "--drop", "remark", "--valid", 0.25, "--test", held)
    assert vaekit("train", home / "table.csv", "--recipe", "vae", *words, *TINY, "--out", "a").code == 0
    assert record(tmp_path / "a")["split"]["items"] == {"train": 60, "valid": 20, "test": 20}
    run = vk.load_run(tmp_path / "a")
    assert run.data is not None and run.data.columns == ("a", "b", "c")
    assert set(run.data.labels) == {"Bonn", "Ulm"} and run.metrics["items"] == 20
    again = run.evaluate(samples=500)
    assert again["elbo"] == run.metrics["elbo"] and again["nll"] == run.metrics["nll"]


def test_split_by_column(vaekit: Callable[..., Any], home: Path, tmp_path: Path) -> None:
    words = ("--id", "sample", "--drop", "remark", "site", "--split-by", "site", "--test", 0)
    assert vaekit("train", home / "table.csv", "--recipe", "vae", *words, *TINY, "--out", "a").code == 0
    data = vk.load_run(tmp_path / "a").data
    assert data is not None
    sites = {part: set(data.extras["site"][rows]) for part, rows in data.parts.items() if len(rows)}
    assert sites["train"] | sites["valid"] == {"Bonn", "Ulm"} and not sites["train"] & sites["valid"]


def test_photos_cropped_and_flipped(vaekit: Callable[..., Any], home: Path, tmp_path: Path) -> None:
    words = ("--recipe", "vae", "--size", 16, "--crop", "random", "--flip", "--likelihood", "gaussian")
    done = vaekit("train", home / "photos", *words, *TINY, "--out", "a", "--json")
    numbers, kept = json.loads(done.out), record(tmp_path / "a")
    assert (kept["data"]["shape"], kept["data"]["read"]["size"], kept["data"]["crop"]) == ([16, 16], [18, 18], [16, 16])
    run = vk.load_run(tmp_path / "a")
    assert run.data is not None and run.data.shape == (16, 16)
    assert run.evaluate(samples=500)["nll"] == numbers["nll"]  # the centre of the same picture
    assert vaekit("encode", "a", home / "photos", "--out", "z.csv").code == 0
    assert Path("z.csv").read_text().splitlines()[1].startswith("cat/00.png,")
    plain = vk.data.read(home / "photos", size=18).x[:, 1:17, 1:17]
    assert run.read(home / "photos").x.equal(plain)


def test_binarize_and_likelihood(vaekit: Callable[..., Any], home: Path) -> None:
    words = ("--recipe", "vae", "--size", 8, "--binarize", "threshold", *TINY, "--json", "--out", "a")
    numbers = json.loads(vaekit("train", home / "photos", *words).out)
    assert numbers["binarization"] == "threshold" and numbers["likelihood"].startswith("Bernoulli")
    assert numbers["bits_per_dim"] == pytest.approx(numbers["nll"] / (64 * np.log(2)))


def test_own_recipe_and_import(
    vaekit: Callable[..., Any], refused: Callable[..., str], home: Path, tmp_path: Path
) -> None:
    (tmp_path / "own_recipe.py").write_text(
        "import vaekit as vk\n"
        "class MyNormal(vk.priors.StandardNormal):\n    pass\n"
        "def mine(*, shape, latent_dim=3, transform=None, likelihood=None):\n"
        "    plan = vk.recipes.vae(shape=shape, hidden=[8], latent_dim=latent_dim, likelihood=likelihood)\n"
        "    m = plan.model\n"
        "    model = vk.VAE(MyNormal(latent_dim), m.posterior, m.likelihood, transform=transform)\n"
        "    return vk.Recipe(model, plan.objective)\n"
    )
    words = ("train", home / "images.npy", "--recipe", "own_recipe:mine", "--set", "latent_dim=4", "--epochs", 1)
    done = vaekit(*words, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["run"] == "runs/images-mine-1"
    first, second = (vk.load(f"runs/images-mine-{k}") for k in (1, 1 if vaekit(*words).code else 2))
    assert all(a.equal(b) for a, b in zip(first.parameters(), second.parameters(), strict=True))  # the seed decides
    assert vaekit("sample", "runs/images-mine-1", "--import", "own_recipe", "--out", "x.npy").code == 0
    assert "did you mean 'mine'?" in refused(*words[:3], "own_recipe:mime")
    assert "no_such_module" in refused(*words[:3], "no_such_module:mine")
    assert "no_such_module" in refused("sample", "runs/images-mine-1", "--import", "no_such_module", "--out", "y.npy")


def test_init_from(vaekit: Callable[..., Any], refused: Callable[..., str], home: Path, images_run: Path) -> None:
    words = ("train", home / "images.npy", "--recipe", "vae", "--init-from", images_run)
    assert vaekit(*words, "--set", "hidden=[16]", "--set", "latent_dim=2", "--steps", 0, "--out", "a").code == 0
    start, end = vk.load(images_run), vk.load("a")
    assert all(a.equal(b) for a, b in zip(start.parameters(), end.parameters(), strict=True))
    assert "other shapes" in refused(*words, "--set", "hidden=[8]", "--epochs", 1, "--out", "b")


def test_tensorboard(vaekit: Callable[..., Any], refused: Callable[..., str], home: Path) -> None:
    assert (
        vaekit("train", home / "images.npy", "--recipe", "vae", *TINY, "--log", "tensorboard", "--out", "a").code == 0
    )
    assert list(Path("a/tensorboard").glob("events*"))
    assert "wanted tensorboard" in refused("train", "digits", "--log", "paper")


def test_gaps_go_to_a_recipe_that_takes_them(
    vaekit: Callable[..., Any], refused: Callable[..., str], home: Path
) -> None:
    text = (home / "table.csv").read_text().splitlines()
    text[3] = "s002,,1.0,,Bonn,text"
    Path("gaps.csv").write_text("\n".join(text) + "\n")
    sentence = refused("train", "gaps.csv", "--recipe", "vae", *TABLE, *TINY, "--out", "a")
    assert "missing" in sentence or "NaN" in sentence
    done = vaekit("train", "gaps.csv", *TABLE, "--set", "hidden=[16]", "--set", "samples=2", "--epochs", 1, "--json")
    assert json.loads(done.out)["recipe"] == "miwae"


@pytest.mark.usefixtures("reports")
def test_demo(vaekit: Callable[..., Any], refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vaekit.cli.demo.EPOCHS", 1)
    monkeypatch.setattr("vaekit.cli.demo.HIDDEN", (16,))
    done = vaekit("demo")
    assert done.code == 0 and done.out.startswith("vae on digits: ") and "runs/demo/report.html" in done.err
    assert Path("runs/demo/report.html").stat().st_size > 1000
    before = Path("runs/demo/run.json").read_bytes()
    assert "runs/demo exists already: add --overwrite" in refused("demo")
    assert Path("runs/demo/run.json").read_bytes() == before
    assert vaekit("demo", "--overwrite").code == 0
    assert vk.load_run("runs/demo").data is not None


def test_open_shows_the_report(vaekit: Callable[..., Any], images_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: bool(shown.append(url)) or True)
    done = vaekit("report", images_run, "--open", "--out", "page.html")
    assert done.code == 0 and done.out == "page.html\n"
    assert shown == [Path("page.html").resolve().as_uri()]


# -- what is refused -------------------------------------------------------------------------------------


def test_no_such_data(refused: Callable[..., str], images_run: Path) -> None:
    assert "did you mean 'digits'?" in refused("train", "digit")
    assert "no file, no folder" in refused("train", "nowhere.csv")
    assert "'nowhere.npy'" in refused("encode", images_run, "nowhere.npy", "--out", "z.csv")
    assert "'held.csv'" in refused("train", "digits", "--test", "held.csv")
    assert not Path("runs").exists()


def test_data_that_cannot_be_learned(refused: Callable[..., str], tmp_path: Path) -> None:
    np.save("constant.npy", np.ones((20, 4)))
    np.save("one.npy", np.random.default_rng(0).random((1, 4)))
    assert "constant" in refused("train", "constant.npy", "--recipe", "vae", "--out", "a")
    assert "one item" in refused("train", "one.npy", "--recipe", "vae", "--out", "a")
    assert not Path("a").exists()


def test_missing_columns(refused: Callable[..., str], home: Path) -> None:
    words = ("train", home / "table.csv", "--out", "a")
    assert "did you mean 'site'?" in refused(*words, "--labels", "sit")
    assert "no column 'nothing'" in refused(*words, "--drop", "nothing")
    assert "no column 'nothing'" in refused(*words, "--condition", "nothing")
    assert "no column 'nothing'" in refused(*words, "--id", "nothing")
    assert "hold no numbers" in refused(*words)
    assert "to split by" in refused(*words, *TABLE, "--split-by", "nothing")


def test_damaged_data(refused: Callable[..., str], home: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "photos" / name).write_bytes((home / "photos" / "cat" / "00.png").read_bytes())
    (tmp_path / "photos" / "c.png").write_bytes(b"\x89PNG no more")
    assert "c.png cannot be read as an image" in refused("train", "photos", "--size", 8)
    np.save("pickled.npy", np.array([{"a": 1}, None]), allow_pickle=True)
    whole = (home / "images.npy").read_bytes()
    Path("short.npy").write_bytes(whole[: len(whole) // 2])
    np.savez("whole.npz", x=np.random.default_rng(0).random((20, 4)))
    Path("short.npz").write_bytes(Path("whole.npz").read_bytes()[:200])
    for name in ("pickled.npy", "short.npy", "short.npz"):
        assert name in refused("train", name)


def test_unknown_names(refused: Callable[..., str], home: Path) -> None:
    words = ("train", home / "images.npy", "--out", "a")
    assert "did you mean 'vae'?" in refused(*words, "--recipe", "vea")
    assert "did you mean 'latent_dim'?" in refused(*words, "--recipe", "vae", "--set", "latent=3")
    assert "give it as --epochs 5" in refused(*words, "--recipe", "vae", "--set", "epochs=5")
    assert "did you mean 'gaussian'?" in refused(*words, "--recipe", "vae", "--likelihood", "gausian")
    assert "wanted 'dynamic'" in refused(*words, "--recipe", "vae", "--binarize", "always")
    assert "wanted center or random" in refused(*words, "--crop", "left")
    assert "give --size" in refused("train", home / "photos", "--crop", "random")
    assert "--flip" in refused("train", home / "table.csv", *TABLE, "--flip")
    assert "'lightspeed'" in refused(*words, "--recipe", "vae", "--device", "lightspeed")
    assert "lr=-1" in refused(*words, "--recipe", "vae", "--lr", -1)
    assert not Path("a").exists()


def test_folders_that_are_taken(vaekit: Callable[..., Any], refused: Callable[..., str], home: Path) -> None:
    words = ("train", home / "images.npy", "--recipe", "vae", *TINY)
    Path("notes").mkdir()
    Path("notes/diary.txt").write_text("dear diary")
    Path("file").write_text("")
    assert "exists already" in refused(*words, "--out", "notes")
    assert "no run" in refused(*words, "--out", "notes", "--overwrite")
    assert "no run" in refused(*words, "--out", "notes", "--resume")
    assert Path("notes/diary.txt").read_text() == "dear diary"
    assert "file" in refused(*words, "--out", "file")
    assert "file/below" in refused(*words, "--out", "file/below")
    assert vaekit(*words, "--out", "a").code == 0
    before = Path("a/run.json").read_bytes()
    assert "--overwrite" in refused(*words, "--out", "a")
    assert Path("a/run.json").read_bytes() == before
    assert vaekit(*words, "--out", "a", "--overwrite", "--seed", 1).code == 0
    assert record(Path("a"))["settings"]["seed"] == 1


def test_auto_says_what_it_takes_and_why(vaekit: Callable[..., Any], tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(40, 4))
    x[::5, 1] = np.nan
    np.save("gaps.npy", x)
    words = ("--set", "latent_dim=2", "--epochs", 1)
    done = vaekit("train", "gaps.npy", *words, "--out", "a")
    assert done.code == 0 and "recipe auto takes miwae: the data has missing values" in done.err
    named = vaekit("train", "gaps.npy", "--recipe", "miwae", *words, "--out", "b")
    assert named.code == 0 and "recipe auto" not in named.err
