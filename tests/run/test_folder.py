"""A run's folder: one run at a time, nothing foreign deleted, and a record that is gone on with as it is."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import vaekit as vk
from vaekit.run.folder import claim

TABLE = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
QUICK: dict[str, Any] = {"epochs": 2, "verbose": False, "device": "cpu"}


def recipe(data: Any = TABLE, name: str = "vae", **given: Any) -> Any:
    return vk.recipe(name, data, **{"latent_dim": 2, "hidden": [8], **given})


@pytest.mark.parametrize("how", [{}, {"resume": True}, {"overwrite": True}])
def test_one_run_at_a_time(tmp_path: Path, how: dict[str, Any]) -> None:
    folder = tmp_path / "a"
    with claim(folder):
        with pytest.raises(vk.Mistake, match="a run is going on in .*a: wait for its end"):
            vk.fit(recipe(), TABLE, out=folder, **how, **QUICK)
        assert [p.name for p in folder.iterdir()] == ["run.lock"]
    assert not any(folder.iterdir())
    vk.fit(recipe(), TABLE, out=folder, **QUICK)
    assert not (folder / "run.lock").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_killed_run_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from vaekit.run.folder import claim\n"
        "with claim(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    source = str(Path(vk.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "a")], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": source}
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    with pytest.raises(vk.Mistake, match="a run is going on in"), claim(tmp_path / "a", resume=True):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (tmp_path / "a" / "run.lock").exists()  # the file, and nobody who holds it
    assert vk.fit(recipe(), TABLE, out=tmp_path / "a", **QUICK).metrics["steps"] == 2


def test_overwriting_deletes_the_run_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    vk.fit(recipe(), TABLE, out=folder, **QUICK)
    (folder / "notes.txt").write_text("mine")
    (folder / "tensorboard").mkdir()
    (folder / "model" / "old").write_text("")
    vk.fit(recipe(), TABLE, out=folder, overwrite=True, seed=1, **QUICK)
    assert (folder / "notes.txt").read_text() == "mine" and not (folder / "tensorboard").exists()
    assert not (folder / "model" / "old").exists() and vk.load_run(folder).record["settings"]["seed"] == 1


def test_save_keeps_what_is_there(tmp_path: Path) -> None:
    run = vk.fit(recipe(), TABLE, **QUICK)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text").write_text("years")
    for how in ({}, {"overwrite": True}):
        with pytest.raises(vk.Mistake, match="holds files that are no run: they are kept"):
            run.save(tmp_path / "thesis", **how)
    assert [p.name for p in (tmp_path / "thesis").iterdir()] == ["text"]
    assert run.save(tmp_path / "a") == tmp_path / "a"
    with pytest.raises(vk.Mistake, match="a exists already"):
        run.save(tmp_path / "a")
    run.save(tmp_path / "a", overwrite=True)
    assert vk.load_run(tmp_path / "a").metrics == run.metrics


def test_a_resumed_run_is_the_recorded_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "a"
    run = vk.fit(recipe(), TABLE, out=out, lr=1e-3, **QUICK)
    before = (out / "run.json").read_bytes()
    for plan, data, given, said in [
        (recipe(), TABLE, {"epochs": 9}, "epochs was 2 .* and is 9 now"),
        (recipe(), TABLE, {"lr": 1e-2}, "lr was 0.001 .* and is 0.01 now"),
        (recipe(name="beta_vae"), TABLE, {}, "the recipe was vae .* and is beta_vae now"),
        (recipe(hidden=[9]), TABLE, {}, r"the recipe's hidden was \[8\] .* and is \[9\] now"),
        (recipe(), TABLE[:50], {}, "the number of items was 60 .* and is 50 now"),
        (recipe(TABLE[:, :2]), TABLE[:, :2], {}, r"the shape of an item was \[3\] .* and is \[2\] now"),
    ]:
        with pytest.raises(vk.Mistake, match=said):
            vk.fit(plan, data, out=out, resume=True, **{**QUICK, **given})
    done = vk.fit(recipe(), TABLE, out=out, resume=True, verbose=False)  # what is not given is not compared
    assert done.metrics == run.metrics and (out / "run.json").read_bytes() == before
    # a run that goes on has to be told all
    (out / "run.json").write_text(before.decode().replace('"status": "finished"', '"status": "running"'))
    with pytest.raises(vk.Mistake, match="lr was 0.001 .* and is 0.002 now"):
        vk.fit(recipe(), TABLE, out=out, resume=True, **QUICK)
    # what an older version did not record was at its default
    older = (out / "run.json").read_text().replace('"compile": "off",', "")
    (out / "run.json").write_text(older)
    assert '"compile"' not in older
    again = vk.fit(recipe(), TABLE, out=out, resume=True, lr=1e-3, **QUICK)
    assert again.metrics["elbo"] == run.metrics["elbo"]


def test_a_record_that_is_none(tmp_path: Path) -> None:
    for text in ("[]", "{}"):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(vk.Mistake, match="is no record of a run") as caught:
            vk.load_run(tmp_path)
        assert "--resume" not in str(caught.value)


def test_weights_of_other_meaning_are_refused(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(TABLE, columns=["a", "b", "c"])
    vk.fit(recipe(frame), frame, out=tmp_path / "columns", **QUICK)
    other = frame.rename(columns={"c": "d"})
    with pytest.raises(
        vk.Mistake, match=r"trained on the columns \['a', 'b', 'c'\] and the data has \['a', 'b', 'd'\]"
    ):
        vk.fit(recipe(other), other, init_from=tmp_path / "columns", **QUICK)
    y, z = np.array(["Bonn", "Ulm"] * 30), np.array(["Bonn", "Rom"] * 30)
    vk.fit(recipe(name="conditional_vae", y=y), TABLE, y=y, out=tmp_path / "levels", **QUICK)
    with pytest.raises(vk.Mistake, match=r"conditioned on \{'y': \['Bonn', 'Ulm'\]\} and this recipe on .*'Rom'"):
        vk.fit(recipe(name="conditional_vae", y=z), TABLE, y=z, init_from=tmp_path / "levels", **QUICK)
    again = vk.fit(recipe(frame), frame, init_from=tmp_path / "columns", seed=3, **{**QUICK, "epochs": 0})
    kept = vk.load_run(tmp_path / "columns").model
    assert all(torch.equal(v, kept.state_dict()[k]) for k, v in again.model.state_dict().items())


def test_too_little_is_left_after_the_split() -> None:
    with pytest.raises(vk.Mistake, match="after the split, 1 items are left to train on: .* holds one item"):
        vk.fit(recipe(TABLE[:3]), TABLE[:3], **QUICK)
    flat = np.ones((20, 3), dtype=np.float32)
    flat[-1] = 2.0
    with pytest.raises(vk.Mistake, match="after the split, 18 items are left to train on: every column .* is constant"):
        vk.fit(recipe(flat), flat, valid=0.05, split_by="time", **{**QUICK, "test": 0.05})
