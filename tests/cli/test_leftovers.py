"""Ids as they are written, data read as a run's own was, and --import on every verb."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import vaekit as vk
from vaekit.cli.entry import VERBS

IDS = ["007", "NA", "1e5", *(f"{i:04d}" for i in range(37))]


def write(path: Path, ids: list[str] | None, *, seed: int = 0) -> Path:
    """Two numbers, a kind and a remark a row."""
    x = np.random.default_rng(seed).normal(size=(len(IDS), 2)).round(6)
    rows = [f"{a},{b},{'ab'[i % 2]},text" for i, (a, b) in enumerate(x)]
    head = "a,b,kind,remark"
    if ids is not None:
        head, rows = f"who,{head}", [f"{name},{row}" for name, row in zip(ids, rows, strict=True)]
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> vk.Run:
    """A run of a table whose ids have leading zeros."""
    folder = tmp_path_factory.mktemp("patients")
    path = write(folder / "t.csv", IDS)
    reading = {"id": "who", "drop": ["remark"]}
    plan = vk.recipe("vae", vk.data.read(path, labels="kind", **reading), latent_dim=1, hidden=[4])
    held = write(folder / "held.csv", [f"9{name}" for name in IDS], seed=1)
    return vk.fit(
        plan, path, labels="kind", reading=reading, valid=held, test=held, epochs=1, verbose=False, out=folder / "run"
    )


def first_column(path: str) -> list[str]:
    return [line.split(",")[0] for line in Path(path).read_text().splitlines()]


def test_ids_stay_as_they_are_written(vaekit: Callable[..., Any], patients: vk.Run) -> None:
    assert patients.dir is not None
    table = patients.dir.parent / "t.csv"
    assert vaekit("encode", patients.dir, table, "--out", "z.csv").code == 0
    assert vaekit("decode", patients.dir, "z.csv", "--mean", "--out", "x.csv").code == 0
    assert first_column("z.csv") == first_column("x.csv") == ["who", *IDS]
    assert list(pd.read_csv("x.csv").columns) == ["who", "a", "b"]
    nameless = Path("z.csv").read_text().removeprefix("who")
    Path("nameless.csv").write_text(nameless)
    assert vaekit("decode", patients.dir, "nameless.csv", "--mean", "--out", "y.csv").code == 0
    assert first_column("y.csv") == ["index", *IDS]
    Path("bare.csv").write_text("\n".join(line.split(",", 1)[1] for line in nameless.splitlines()))
    assert vaekit("decode", patients.dir, "bare.csv", "--mean", "--out", "b.npy").code == 0
    np.testing.assert_array_equal(np.load("b.npy"), pd.read_csv("x.csv")[["a", "b"]])


def test_a_path_is_read_as_the_run_s_own_data_were(patients: vk.Run, tmp_path: Path) -> None:
    assert patients.dir is not None
    for path, ids in ((patients.dir.parent / "t.csv", IDS), (write(tmp_path / "other.csv", IDS[::-1]), IDS[::-1])):
        z = patients.encode(str(path))
        assert (z.index.name, list(z.index)) == ("who", ids)
    assert list(patients.score(tmp_path / "other.csv", samples=2).index) == IDS[::-1]
    anonymous = write(tmp_path / "anonymous.csv", None)
    z = patients.encode(anonymous)  # no such column: the rows are counted
    assert list(z.index) == list(range(len(IDS)))
    np.testing.assert_array_equal(z, patients.encode(str(patients.dir.parent / "t.csv")))
    assert list(patients.read(anonymous, id="remark").index[:1]) == ["text"]  # what is asked for wins
    frame = pd.read_csv(tmp_path / "other.csv", index_col="a").assign(a=0.0)
    assert list(patients.encode(frame).index) == list(frame.index)  # a frame keeps its index
    with pytest.raises(vk.Mistake, match="has no column 'b'"):
        (tmp_path / "less.csv").write_text("who,a\n1,2\n3,4\n")
        patients.read(tmp_path / "less.csv")


def test_held_out_data_are_read_as_the_training_data(patients: vk.Run) -> None:
    data = patients.data
    assert data is not None
    n = len(IDS)
    assert [len(data.parts[name]) for name in ("train", "valid", "test")] == [n, n, n]
    assert list(data.index) == [*IDS, *[f"9{name}" for name in IDS] * 2]
    assert data.labels is not None and data.labels.tolist() == ["a", "b"] * (3 * n // 2)


def test_held_out_arrays_are_read_in_the_layout_of_the_training_data(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((30, 3, 4, 3)).astype(np.float32)  # (N, H, W, C) or (N, C, H, W)
    np.savez(tmp_path / "x.npz", small=x, wide=np.zeros((4, 2)))
    plan = vk.recipe("vae", vk.data.read(x, layout="NHWC"), latent_dim=1, hidden=[4])
    quick: dict[str, Any] = {"epochs": 1, "verbose": False}
    for data in (x, tmp_path / "x.npz"):
        reading = {"layout": "NHWC"} if data is x else {"layout": "NHWC", "key": "small"}
        run = vk.fit(plan, data, valid=data, test=0.2, reading=reading, **quick)
        assert run.data is not None and run.data.shape == (3, 3, 4) and len(run.data.parts["valid"]) == 30
        mixed = vk.fit(plan, data, valid=vk.data.read(x, layout="NHWC"), reading=reading, **quick)
        assert mixed.data is not None and len(mixed.data.parts["valid"]) == 30
        np.testing.assert_array_equal(run.encode(tmp_path / "x.npz" if data is not x else x), run.encode()[:30])


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_takes_import(verb: str, refused: Callable[..., str]) -> None:
    parser, _ = importlib.import_module(f"vaekit.cli.{VERBS[verb][0]}").PARSERS[verb]()
    assert "--import" in parser.format_help()


def test_own_recipes_are_listed_and_can_be_trained(
    vaekit: Callable[..., Any], refused: Callable[..., str], home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("listed_models.py").write_text(
        "import vaekit as vk\n"
        "from vaekit.recipes.kingma2014 import vae\n"
        "def small(*, shape, **given) -> vk.Recipe:\n"
        "    '''A small VAE.\n\n    More.\n    '''\n"
        "    return vae(shape=shape, latent_dim=1, hidden=[4], **given)\n"
        "def bare(shape):\n    return vae(shape=shape)\n"
        "def width(shape) -> int:\n    return 3\n"
        "def _hidden(shape) -> vk.Recipe:\n    return bare(shape)\n"
    )
    plain = vaekit("recipes").out.splitlines()
    listed = vaekit("recipes", "--import", "listed_models").out.splitlines()
    own = {line.split()[0]: line.split("  ")[-1].strip() for line in listed[len(plain) :]}
    assert own == {"listed_models:bare": "-", "listed_models:small": "A small VAE."}
    words = ("--recipe", "listed_models:small", "--epochs", 1, "--out", "run")
    assert vaekit("train", home / "images.npy", *words).code == 0
    for verb in ("recipes", "datasets", "demo"):
        assert "--import nowhere failed" in refused(verb, "--import", "nowhere")
    assert vaekit("datasets", "--import", "listed_models").out == vaekit("datasets").out
