"""The verbs that write: sample, encode, decode, reconstruct, interpolate, score."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import vaekit as vk


def test_sample(vaekit: Callable[..., Any], images_run: Path, table_run: Path) -> None:
    done = vaekit("sample", images_run, "-n", 5, "--seed", 1, "--out", "x.npy")
    assert (done.code, done.out) == (0, "") and "wrote 5 items to x.npy" in done.err
    x = np.load("x.npy")
    assert x.shape == (5, 6, 6) and np.isfinite(x).all() and x.max() <= 16
    assert vaekit("sample", images_run, "-n", 5, "--seed", 1, "--out", "again.npy").code == 0
    assert Path("x.npy").read_bytes() == Path("again.npy").read_bytes()
    assert vaekit("sample", images_run, "-n", 5, "--seed", 1, "--temperature", 0.1, "--out", "cold.npy").code == 0
    assert np.load("cold.npy").std(0).mean() < x.std(0).mean()
    assert vaekit("sample", images_run, "-n", 4, "--out", "x.png").code == 0
    with Image.open("x.png") as picture:
        assert picture.size == (13, 13) and np.asarray(picture).max() > 50
    assert vaekit("sample", images_run, "-n", 3, "--out", "folder/").code == 0
    assert sorted(p.name for p in Path("folder").iterdir()) == ["0.png", "1.png", "2.png"]
    assert vaekit("sample", table_run, "-n", 7, "--out", "x.csv").code == 0
    frame = pd.read_csv("x.csv")
    assert list(frame.columns) == ["a", "b", "c"] and len(frame) == 7


def test_given(
    vaekit: Callable[..., Any], refused: Callable[..., str], conditional_run: Path, images_run: Path
) -> None:
    words = ("sample", conditional_run, "-n", 4, "--out", "x.npy")
    assert "'Bohn'" in refused(*words, "--given", "site=Bohn")
    assert "site" in refused(*words)
    assert "did you mean 'site'?" in refused(*words, "--given", "sit=Ulm")
    assert "conditioned on nothing" in refused("sample", images_run, "--given", "site=Ulm", "--out", "x.npy")
    assert not Path("x.npy").exists()
    for site in ("Bonn", "Ulm"):
        assert vaekit(*words[:-1], f"{site}.npy", "--given", f"site={site}").code == 0
    bonn, ulm = np.load("Bonn.npy"), np.load("Ulm.npy")
    assert bonn.shape == (4, 3) and not np.allclose(bonn, ulm)


def test_encode_carries_the_ids(vaekit: Callable[..., Any], home: Path, table_run: Path, images_run: Path) -> None:
    assert vaekit("encode", table_run, home / "table.csv", "--out", "z.csv").code == 0
    frame = pd.read_csv("z.csv")
    assert list(frame.columns) == ["sample", "z1", "z2"] and list(frame["sample"][:2]) == ["s000", "s001"]
    run = vk.load_run(table_run)
    np.testing.assert_allclose(frame[["z1", "z2"]], run.encode(), rtol=1e-5)
    assert vaekit("encode", table_run, home / "table.csv", "--what", "moments", "--out", "m.npz").code == 0
    with np.load("m.npz") as moments:
        assert set(moments.files) == {"index", "z1", "z2", "z1_sd", "z2_sd"} and (moments["z1_sd"] > 0).all()
        assert list(moments["index"][:2]) == ["s000", "s001"]
    assert vaekit("encode", images_run, home / "images.npy", "--what", "moments", "--out", "m.csv").code == 0
    assert list(pd.read_csv("m.csv").columns) == ["index", "z1", "z2", "z1_sd", "z2_sd"]
    for name in ("s1.npy", "s2.npy"):
        assert vaekit("encode", images_run, home / "images.npy", "--what", "sample", "--out", name).code == 0
    assert Path("s1.npy").read_bytes() == Path("s2.npy").read_bytes()  # the same seed
    assert not np.array_equal(np.load("s1.npy"), vk.load_run(images_run).encode(np.load(home / "images.npy")))


def test_decode(
    vaekit: Callable[..., Any], refused: Callable[..., str], home: Path, table_run: Path, images_run: Path
) -> None:
    assert vaekit("encode", images_run, home / "images.npy", "--out", "z.npy").code == 0
    assert vaekit("decode", images_run, "z.npy", "--out", "x.npz").code == 0
    run = vk.load_run(images_run)
    with np.load("x.npz") as found:
        np.testing.assert_allclose(found["x"], run.decode(np.load("z.npy")), rtol=1e-6)
    assert vaekit("encode", table_run, home / "table.csv", "--out", "z.csv").code == 0
    assert vaekit("decode", table_run, "z.csv", "--out", "x.csv").code == 0
    frame = pd.read_csv("x.csv")
    assert list(frame.columns) == ["sample", "a", "b", "c"] and frame["sample"][3] == "s003"
    pd.DataFrame({"file": ["k/one.png", "two.png"], "z1": [0.0, 1.0], "z2": [0.0, 1.0]}).to_csv(
        "named.csv", index=False
    )
    assert vaekit("decode", images_run, "named.csv", "--out", "named/").code == 0
    assert Path("named/k/one.png").exists() and Path("named/two.png").exists()
    assert "does not exist" in refused("decode", images_run, "none.npy", "--out", "y.npy")
    assert "wanted z1" in refused("decode", images_run, home / "table.csv", "--out", "y.npy")
    np.save("narrow.npy", np.zeros((3, 5), dtype=np.float32))
    assert "(3, 5) and the model wants (items, 2)" in refused("decode", images_run, "narrow.npy", "--out", "y.npy")
    Path("short.npy").write_bytes(Path("z.npy").read_bytes()[:50])
    assert "short.npy" in refused("decode", images_run, "short.npy", "--out", "y.npy")


def test_reconstruct(vaekit: Callable[..., Any], home: Path, images_run: Path, table_run: Path) -> None:
    assert vaekit("reconstruct", images_run, home / "images.npy", "--out", "x.npy").code == 0
    np.testing.assert_allclose(
        np.load("x.npy"), vk.load_run(images_run).reconstruct(np.load(home / "images.npy")), rtol=1e-5
    )
    assert vaekit("reconstruct", images_run, home / "images.npy", "--out", "x.png").code == 0
    assert vaekit("reconstruct", table_run, home / "table.csv", "--out", "x.csv").code == 0
    assert list(pd.read_csv("x.csv").columns) == ["sample", "a", "b", "c"]


def test_interpolate(
    vaekit: Callable[..., Any], refused: Callable[..., str], home: Path, images_run: Path, conditional_run: Path
) -> None:
    words = ("interpolate", images_run, home / "images.npy", "--from", 3, "--to", 8)
    assert vaekit(*words, "--steps", 5, "--out", "x.npy").code == 0
    x, run = np.load("x.npy"), vk.load_run(images_run)
    z = run.encode(np.load(home / "images.npy")[[3, 8]])
    assert x.shape == (5, 6, 6)
    np.testing.assert_allclose(x[[0, 4]], run.decode(z), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(x[2], run.decode(z.mean(0, keepdims=True))[0], rtol=1e-4, atol=1e-5)
    assert "from 0 to 59" in refused(
        "interpolate", images_run, home / "images.npy", "--from", 60, "--to", 1, "--out", "y.npy"
    )
    assert "2 or more" in refused(*words, "--steps", 1, "--out", "y.npy")
    by_id = ("interpolate", conditional_run, home / "table.csv", "--from", "s001", "--to")
    assert vaekit(*by_id, "s005", "--steps", 3, "--out", "t.csv").code == 0
    assert len(pd.read_csv("t.csv")) == 3
    assert "--given site=" in refused(*by_id, "s002", "--out", "u.csv")
    assert vaekit(*by_id, "s002", "--given", "site=Ulm", "--out", "u.csv").code == 0


def test_score(
    vaekit: Callable[..., Any], refused: Callable[..., str], home: Path, table_run: Path, tmp_path: Path
) -> None:
    lines = (home / "table.csv").read_text().splitlines()
    lines[10] = "odd,40.0,-70.0,30.0,Ulm,text"
    Path("odd.csv").write_text("\n".join(lines) + "\n")
    done = vaekit("score", table_run, "odd.csv", "--contamination", 0.1, "--out", "s.csv")
    assert done.code == 0 and "8 items are called strange" in done.err
    frame = pd.read_csv("s.csv", index_col="sample")
    assert list(frame.columns) == ["nll", "anomaly", "is_anomaly"] and len(frame) == 80
    assert frame["nll"].idxmax() == "odd" and bool(frame["is_anomaly"]["odd"]) and frame["is_anomaly"].sum() == 8
    np.testing.assert_allclose(frame["anomaly"], frame["nll"] - frame["nll"].median(), atol=1e-9)
    assert frame.loc[frame["is_anomaly"], "nll"].min() >= frame.loc[~frame["is_anomaly"], "nll"].max()
    assert vaekit("score", table_run, "odd.csv", "--contamination", 0.1, "--out", "t.csv").code == 0
    assert Path("s.csv").read_bytes() == Path("t.csv").read_bytes()
    assert "wanted a share" in refused("score", table_run, "odd.csv", "--contamination", 2, "--out", "u.csv")


def test_nothing_is_overwritten(vaekit: Callable[..., Any], refused: Callable[..., str], images_run: Path) -> None:
    Path("x.npy").write_text("mine")
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine")
    words = ("sample", images_run, "-n", 2, "--out")
    assert "x.npy exists already: add --overwrite" in refused(*words, "x.npy")
    assert "exists already" in refused(*words, "full/")
    assert "suffix '.doc'" in refused(*words, "x.doc")
    assert "x.npy/y.npy" in refused(*words, "x.npy/y.npy")
    assert Path("x.npy").read_text() == "mine"
    assert vaekit(*words, "x.npy", "--overwrite").code == 0 and np.load("x.npy").shape == (2, 6, 6)


@pytest.mark.parametrize("verb", ["encode", "reconstruct", "score"])
def test_wrong_shape(refused: Callable[..., str], home: Path, images_run: Path, table_run: Path, verb: str) -> None:
    sentence = refused(verb, images_run, home / "wide.npy", "--out", "z.csv")
    assert "(7, 7)" in sentence and "(6, 6)" in sentence
    assert refused(verb, table_run, home / "images.npy", "--out", "z.csv")
    Path("few.csv").write_text("sample,a,b\ns0,1.0,2.0\n")
    assert "'c'" in refused(verb, table_run, "few.csv", "--out", "z.csv")
    Path("gap.csv").write_text("sample,a,b,c\ns0,1.0,,2.0\n")
    sentence = refused(verb, table_run, "gap.csv", "--out", "z.csv")
    assert "missing" in sentence or "NaN" in sentence
    assert not Path("z.csv").exists()


def test_impute(vaekit: Callable[..., Any], refused: Callable[..., str], table_run: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=["a", "b", "c"]).round(4)
    frame.loc[::4, "b"] = np.nan
    frame.to_csv("gaps.csv", index=False)
    assert vaekit("train", "gaps.csv", "--epochs", 1, "--out", "gapped").code == 0
    assert vaekit("impute", "gapped", "gaps.csv", "--importance-samples", 20, "--out", "full.csv").code == 0
    full = pd.read_csv("full.csv")
    assert not full[["a", "b", "c"]].isna().any().any()
    np.testing.assert_allclose(full[["a", "c"]], frame[["a", "c"]], atol=1e-5)  # what is there stays
    assert vaekit("impute", "gapped", "gaps.csv", "--draws", 2, "--importance-samples", 20, "--out", "m.csv").code == 0
    assert not pd.read_csv("m-1.csv")["b"].equals(pd.read_csv("m-2.csv")["b"])
    assert "exists already" in refused("impute", "gapped", "gaps.csv", "--draws", 2, "--out", "m.csv")
    assert "wanted 1 or more" in refused("impute", "gapped", "gaps.csv", "--importance-samples", 0, "--out", "n.csv")
