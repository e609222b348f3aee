"""The indices of codes from the command line and from runs: there and back, in every kind of file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import vaekit as vk
from vaekit.messages import Mistake

CODES = ("--set", "codes=16", "--set", "code_dim=2", "--epochs", "1")


@pytest.fixture(scope="module")
def pictures(home: Path, tmp_path_factory: pytest.TempPathFactory) -> vk.Run:
    recipe = vk.recipe("vq_vae", home / "images.npy", codes=16, code_dim=2, channels=[4])
    return vk.fit(recipe, home / "images.npy", epochs=1, out=tmp_path_factory.mktemp("indices") / "pictures")


def test_pictures_have_maps_of_indices(
    vaekit: Callable[..., Any], refused: Callable[..., str], home: Path, pictures: vk.Run
) -> None:
    assert vaekit("encode", pictures.dir, home / "images.npy", "--what", "indices", "--out", "i.npy").code == 0
    found = np.load("i.npy")
    assert found.shape == (60, 3, 3) and found.dtype.kind == "i" and 0 <= found.min() and found.max() < 16
    images = np.load(home / "images.npy")
    np.testing.assert_array_equal(found, pictures.encode(images, what="indices"))
    z = pictures.model.posterior.codebook.lookup(torch.from_numpy(found)).flatten(1).numpy()
    np.testing.assert_array_equal(z, pictures.encode(images))  # of a code the mean is its vector
    assert vaekit("encode", pictures.dir, home / "images.npy", "--what", "indices", "--out", "i.csv").code == 0
    frame = pd.read_csv("i.csv")
    assert list(frame.columns) == ["index", *(f"i{k}" for k in range(1, 10))]
    np.testing.assert_array_equal(frame.iloc[:, 1:].to_numpy(), found.reshape(60, 9))
    for name in ("i.npy", "i.csv"):
        assert vaekit("decode", pictures.dir, name, "--overwrite", "--out", "x.npy").code == 0
        np.testing.assert_allclose(np.load("x.npy"), pictures.reconstruct(images), rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(pictures.decode_indices(found), pictures.decode(z))
    found[3, 1, 2] = 16
    np.save("wrong.npy", found)
    assert "index 16" in refused("decode", pictures.dir, "wrong.npy", "--out", "y.npy")


def test_rows_of_a_table_keep_their_ids(vaekit: Callable[..., Any], home: Path) -> None:
    data = home / "table.csv"
    words = ("train", data, "--recipe", "rvq_vae", "--id", "sample", "--drop", "site", "--drop", "remark")
    more = ("--set", "depth=2", "--set", "places=3", "--set", "hidden=[8]", "--out", "run")
    assert vaekit(*words, *CODES, *more).code == 0
    assert vaekit("encode", "run", data, "--what", "indices", "--out", "i.csv").code == 0
    frame = pd.read_csv("i.csv")
    assert list(frame.columns) == ["sample", *(f"i{k}" for k in range(1, 7))] and frame["sample"][1] == "s001"
    run = vk.load_run("run")
    wanted = run.encode(what="indices")
    np.testing.assert_array_equal(frame.iloc[:, 1:].to_numpy(), wanted.to_numpy())
    assert vaekit("decode", "run", "i.csv", "--mean", "--out", "x.csv").code == 0
    again = run.decode_indices(wanted, mean=True)
    assert list(again.columns) == ["a", "b", "c"] and list(again.index[:2]) == ["s000", "s001"]
    np.testing.assert_allclose(pd.read_csv("x.csv")[["a", "b", "c"]], again, rtol=1e-5)


def test_a_model_without_codes_says_so(refused: Callable[..., str], home: Path, images_run: Path) -> None:
    words = ("encode", images_run, home / "images.npy", "--out", "x.npy", "--what")
    assert "'vq_vae'" in refused(*words, "indices")
    assert "'indices'" in refused(*words, "codes")
    assert not Path("x.npy").exists()


def test_indices_in_the_models_own_hands() -> None:
    torch.manual_seed(0)
    x = (torch.rand(5, 6, 7) > 0.5).float()
    for name, more, shape in (
        ("vq_vae", {"codes": 9, "code_dim": 2}, (5, 3, 4)),
        ("fsq_vae", {"levels": [4, 3]}, (5, 3, 4)),
        ("rvq_vae", {"depth": 2, "codes": 9, "code_dim": 2}, (5, 3, 4, 2)),
        ("grouped_vq_vae", {"groups": 2, "codes": 9, "code_dim": 4}, (5, 3, 4, 2)),
        ("sq_vae", {"codes": 9, "code_dim": 2}, (5, 3, 4)),
        ("hrq_vae", {"depth": 2, "codes": 9, "code_dim": 2}, (5, 3, 4, 2)),
    ):
        model: Any = getattr(vk.recipes, name)(shape=(6, 7), channels=[4], **more).model.eval()
        indices = model.encode_indices(x)
        assert indices.shape == shape
        wanted = model.decode(model.encode(x).mode).mean
        torch.testing.assert_close(model.decode_indices(indices).mean, wanted, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(
            model.decode_indices(indices.flatten(1, 2).numpy()).mean, wanted, rtol=1e-5, atol=1e-6
        )
        for wrong, words in (
            (indices.float(), "whole numbers"),
            (indices[:, :1], "shape"),
            (indices + model.posterior.codebook.size, "index"),
            (indices - 100, "index -"),
        ):
            with pytest.raises(Mistake, match=words):
                model.decode_indices(wrong)
    with pytest.raises(Mistake, match="no codes"):
        vk.recipes.vae(shape=(4,)).model.encode_indices(torch.zeros(2, 4))
