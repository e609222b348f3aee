"""Any data in, the same kind out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

import vaekit as vk

TABLE = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32) * [1.0, 10.0, 100.0] + 5
TABLE = TABLE.astype(np.float32)
QUICK: dict[str, Any] = {"epochs": 2, "verbose": False, "device": "cpu"}


def fit(data: Any, **given: Any) -> vk.Run:
    return vk.fit(vk.recipe("vae", data, latent_dim=2, hidden=[8]), data, **{**QUICK, **given})


def test_arrays() -> None:
    run = fit(TABLE)
    z = run.encode(TABLE)
    assert isinstance(z, np.ndarray) and z.shape == (40, 2) and z.dtype == np.float32
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(z), run.model.encode(TABLE).mean)
    assert np.array_equal(run.encode(), z)  # its own data
    moments = run.encode(TABLE, what="moments")
    assert moments.shape == (40, 4) and np.array_equal(moments[:, :2], z)
    x = run.decode(z, mean=True)
    assert isinstance(x, np.ndarray)
    with torch.no_grad():
        assert np.allclose(x, run.model.decode(torch.from_numpy(z)).mean.numpy(), rtol=1e-5)
    assert np.allclose(run.reconstruct(TABLE, mean=True), x, rtol=1e-5)
    score = run.score(TABLE, samples=8)
    assert score.shape == (40,) and np.array_equal(score, run.score(TABLE, samples=8))
    far = run.score(np.full((1, 3), 1e4, dtype=np.float32), samples=8)
    assert far[0] > score.max() + 100
    assert run.sample(7).shape == (7, 3) and np.array_equal(run.sample(7, seed=1), run.sample(7, seed=1))
    with pytest.raises(vk.Mistake, match="got what='mode' and wanted 'mean', 'sample', 'moments' or 'indices'"):
        run.encode(TABLE, what="mode")
    with pytest.raises(vk.Mistake, match=r"got items of shape \(4,\) and the model wants \(3,\)"):
        run.encode(np.zeros((2, 4)))
    with pytest.raises(vk.Mistake, match=r"got latents of shape \(2,\) and wanted \(items, latents\)"):
        run.decode(z[0])


def test_tensors() -> None:
    run = fit(torch.from_numpy(TABLE))
    z = run.encode(torch.from_numpy(TABLE))
    assert all(isinstance(value, torch.Tensor) for value in (z, run.decode(z), run.sample(2)))
    assert np.array_equal(fit(TABLE).encode(TABLE), z.numpy())  # the kind changes nothing
    assert isinstance(run.encode(TABLE), np.ndarray) and isinstance(run.score(torch.from_numpy(TABLE)), torch.Tensor)


def test_frames_keep_their_index_and_columns() -> None:
    numbers = pd.DataFrame(TABLE, columns=["a", "b", "c"], index=[f"row {i}" for i in range(40)])
    frame, run = numbers.assign(name="text"), fit(numbers)
    z = run.encode(frame)  # columns that are not modelled are left out
    assert list(z.columns) == ["z1", "z2"] and z.index.equals(frame.index)
    assert np.array_equal(z.to_numpy(), fit(TABLE).encode(TABLE))
    turned = frame[["c", "name", "a", "b"]].iloc[::-1]
    assert np.array_equal(run.encode(turned).to_numpy(), z.to_numpy()[::-1])  # by name, not by place
    x = run.decode(z.iloc[5:9])
    assert list(x.columns) == ["a", "b", "c"] and x.index.tolist() == ["row 5", "row 6", "row 7", "row 8"]
    assert list(run.sample(3).columns) == ["a", "b", "c"] and run.reconstruct(frame).index.equals(frame.index)
    score = run.score(frame)
    assert isinstance(score, pd.Series) and score.index.equals(frame.index)
    moments = run.encode(frame, what="moments")
    assert list(moments.columns) == ["z1", "z2", "z1_sd", "z2_sd"]
    assert bool((moments[["z1_sd", "z2_sd"]] > 0).all(axis=None))


def test_pictures_keep_their_layout() -> None:
    x = np.random.default_rng(0).integers(0, 256, (30, 6, 5, 3), dtype=np.uint8)
    run = fit(x)
    assert run.model.shape == (3, 6, 5) and run.reconstruct(x).shape == x.shape and run.sample(4).shape == (4, 6, 5, 3)
    assert run.decode(run.encode(x)).shape == x.shape
    first = torch.from_numpy(x).movedim(-1, 1)
    with torch.no_grad():
        assert np.allclose(run.encode(x), run.model.encode(first).mean.numpy(), atol=1e-6)
    means = run.reconstruct(x)
    assert means.min() >= 0 and means.max() <= 255 and means.mean() == pytest.approx(127, abs=40)  # the user's units
    nchw = fit(first)
    assert nchw.sample(2).shape == (2, 3, 6, 5) and torch.equal(nchw.encode(first), torch.from_numpy(run.encode(x)))


def test_an_open_layout_is_said_once() -> None:
    x = np.random.default_rng(0).integers(0, 256, (20, 4, 5, 3), dtype=np.uint8)
    how = {"layout": "NHWC"}
    data = vk.data.read(x, **how)
    run = vk.fit(vk.recipe("vae", data, latent_dim=2, hidden=[8]), x, reading=how, **QUICK)
    assert run.model.shape == (3, 4, 5) and run.reconstruct(x).shape == x.shape


def test_folders_and_paths(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(10):
            picture = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
            picture.save(tmp_path / f"pictures/{name}/{i}.png")
    run = fit(str(tmp_path / "pictures"))
    assert run.encode().shape == (20, 2) and run.data is not None and run.data.index[0] == "a/0.png"
    assert run.reconstruct().shape == (20, 6, 6, 3) and run.record["data"]["source"] == str(tmp_path / "pictures")
    np.save(tmp_path / "x.npy", TABLE)
    pd.DataFrame(TABLE, columns=["a", "b", "c"]).to_csv(tmp_path / "x.csv", index=False)
    from_file, from_csv = fit(tmp_path / "x.npy"), fit(tmp_path / "x.csv")
    assert np.array_equal(from_file.encode(str(tmp_path / "x.npy")), from_file.encode(TABLE))
    assert list(from_csv.sample(2).columns) == ["a", "b", "c"]
    assert np.allclose(from_csv.encode(tmp_path / "x.csv").to_numpy(), from_file.encode(TABLE), atol=1e-5)


def test_dataloaders() -> None:
    x = torch.from_numpy(TABLE)
    loaders = [DataLoader(TensorDataset(x), 8, shuffle=True) for _ in range(2)]
    recipe = vk.recipe("vae", x, latent_dim=2, hidden=[8])
    runs = [vk.fit(recipe, loader, **QUICK) for loader in loaders]
    assert torch.equal(runs[0].encode(x), runs[1].encode(x)) and runs[0].metrics["steps"] == 10
    assert runs[0].metrics["split"] == "train" and runs[0].metrics["items"] == 40
    assert runs[0].record["data"]["items"] == 40 and runs[0].record["split"]["items"] == {"train": 40}
    few = DataLoader(TensorDataset(x[:12]), 8)
    held = vk.fit(recipe, loaders[0], valid=few, **QUICK)
    m, again = held.metrics, held.evaluate(x[:12], samples=10)
    assert m["split"] == "valid" and m["items"] == m["nll_items"] == 12
    assert held.record["split"]["items"] == {"train": 40, "valid": 12}
    assert m["elbo"] == pytest.approx(again["elbo"], abs=1.0) and m["nll"] == pytest.approx(again["nll"], abs=1.0)
    assert torch.allclose(held.encode(few), held.encode(x[:12]), atol=1e-6)
    for use in (held.encode, lambda data: vk.fit(recipe, data, **QUICK)):
        with pytest.raises(vk.Mistake, match="got a TensorDataset of torch: wrap it"):
            use(TensorDataset(x))
    with pytest.raises(vk.Mistake, match="the DataLoader gives no batches"):
        vk.fit(recipe, DataLoader(TensorDataset(x), 50, drop_last=True), **QUICK)
    assert len(held.rows) == 2 and np.isfinite(held.rows[-1]["valid_loss"])
    with pytest.raises(vk.Mistake, match="got labels= with a DataLoader"):
        vk.fit(recipe, loaders[0], labels=[1] * 40, **QUICK)
    for wrong in (0.1, x):
        with pytest.raises(vk.Mistake, match="a DataLoader to train on goes with a DataLoader as valid="):
            vk.fit(recipe, loaders[0], valid=wrong, **QUICK)
    with pytest.raises(vk.Mistake, match="this run's data is not at hand: give data"):
        runs[0].encode()


def test_a_conditional_model_on_a_dataloader() -> None:
    x, y = torch.from_numpy(TABLE), torch.arange(40) % 2
    recipe = vk.recipe("conditional_vae", x, y=y, latent_dim=2, hidden=[8])
    run = vk.fit(recipe, DataLoader(TensorDataset(x, y), 8), **QUICK)
    assert run.encode(x, y).shape == (40, 2) and not torch.equal(run.encode(x, y), run.encode(x, 1 - y))
