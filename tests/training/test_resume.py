"""A run that is interrupted and goes on ends as one that was not, bit for bit."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import vaekit as vk
from vaekit.objectives import ELBO, Recipe, schedules
from vaekit.storage import read_json
from vaekit.training import Callback, Fitter, ForeignLoader, Loader, Settings, binarize_tensor
from vaekit.training.fit import Interrupted

CPU = torch.device("cpu")
X = torch.randint(0, 256, (45, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
TIMES = ("seconds", "items_per_second")


def plan(kind: str) -> Recipe:
    torch.manual_seed(0)
    given: dict[str, Any] = {"shape": (6,), "likelihood": vk.likelihoods.Bernoulli()}
    given["transform"] = vk.data.transforms.Levels(255.0)
    if kind == "ladder_vae":
        made = vk.recipes.ladder_vae(latent_dims=[1, 2], hidden=[4, 6], **given)
        return Recipe(made.model, ELBO(beta=schedules.Linear(0.0, 1.0, steps=4)))
    if kind == "vae_conv":  # its weights are not laid out as files are
        made = vk.recipes.vae_conv(latent_dim=2, channels=[2, 4], width=4, **given | {"shape": (3, 2)})
        return Recipe(made.model, made.objective)
    discriminator = {"discriminator": torch.nn.Linear(2, 1)} if kind == "factor_vae" else {}
    made = getattr(vk.recipes, kind)(latent_dim=2, hidden=[8], **discriminator, **given)
    return Recipe(made.model, made.objective)


class Break(Callback):
    """Interrupts at a step; validation losses by a script, so that early stopping has something to decide."""

    def __init__(self, at: int | None, how: str = "raise") -> None:
        self.at, self.how = at, how

    def on_step_end(self, run: Any, metrics: dict[str, Any]) -> None:
        if run.at == self.at:
            if self.how == "raise":
                raise KeyboardInterrupt
            if self.how == "signal":
                os.kill(os.getpid(), signal.SIGTERM)
            if self.how == "stop":
                run.stop()

    def on_evaluate(self, run: Any, row: dict[str, Any]) -> None:
        row["script"] = [5.0, 3.0, 4.0, 3.5, 9.0, 1.0][run.epoch - 1]


def fitter(kind: str, folder: Path | None, breaks: Break, **given: Any) -> Fitter:
    recipe = plan(kind)
    settings = Settings(**{
        "epochs": 6, "batch_size": 12, "device": "cpu", "save_every": 3, "ema": 0.8, "early_stopping": 3,
        "monitor": "script", "callbacks": [breaks], **given,
    })  # fmt: skip
    x = X.view(-1, *recipe.model.shape)
    train = Loader(
        x, None, recipe.model, batch_size=12, seed=0, device=CPU, change=lambda x: binarize_tensor(x, "dynamic")
    )
    valid = Loader(binarize_tensor(x[:20], "threshold"), None, recipe.model, batch_size=20, seed=0, device=CPU)
    return Fitter(recipe, train, valid, settings, folder=folder, show=False)


def assert_same(a: Fitter, b: Fitter) -> None:
    for one, two in ((a.model, b.model), (a.game, b.game)):
        assert all(torch.equal(v, two.state_dict()[k]) for k, v in one.state_dict().items())
    rows = [[{k: v for k, v in row.items() if k not in TIMES} for row in f.history.rows] for f in (a, b)]
    assert rows[0] == rows[1] and a.stopper.best == b.stopper.best and a.at == b.at
    for name, optimizer in a.optimizers.items():
        for p, q in zip(a.step.players[name], b.step.players[name], strict=True):
            for key, value in optimizer.state[p].items():
                assert torch.equal(value, b.optimizers[name].state[q][key])


@pytest.fixture(scope="module")
def whole() -> dict[str, Fitter]:
    runs = {kind: fitter(kind, None, Break(None)) for kind in ("vae", "factor_vae", "ladder_vae", "vae_conv")}
    for run in runs.values():
        run.run()
        best = {name: run.stopper.best[name] for name in ("value", "step", "waits")}
        assert run.at == 20 and best == {"value": 3.0, "step": 8, "waits": 3}  # 4 steps an epoch, stopped after 5
    return runs


@pytest.mark.parametrize("kind", ["vae", "factor_vae", "ladder_vae", "vae_conv"])
@pytest.mark.parametrize("at", [2, 4, 7, 12, 19])  # before the first checkpoint, at an epoch's end, in the middle
def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path: Path, whole: dict[str, Fitter], kind: str, at: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        fitter(kind, tmp_path, Break(at)).run()
    again = fitter(kind, tmp_path, Break(None))
    torch.manual_seed(999)  # what the generators are at does not matter
    again.run(resume=True)
    assert_same(again, whole[kind])


def test_a_signal_finishes_the_step_and_saves(tmp_path: Path, whole: dict[str, Fitter]) -> None:
    with pytest.raises(Interrupted, match=r"stopped by SIGTERM at step 7; the last good state is in .*: use --resume"):
        fitter("vae", tmp_path, Break(7, "signal")).run()
    assert read_json(tmp_path / "checkpoint" / "latest.json")["step"] == 7
    again = fitter("vae", tmp_path, Break(None))
    again.run(resume=True)
    assert_same(again, whole["vae"])


def test_a_stopped_run_can_go_on_from_its_checkpoint(tmp_path: Path, whole: dict[str, Fitter]) -> None:
    first = fitter("vae", tmp_path, Break(7, "stop"))
    first.run()
    assert first.at == 7
    again = fitter("vae", tmp_path, Break(None))
    again.run(resume=True)  # from step 6
    assert_same(again, whole["vae"])


def test_early_stopping_is_remembered(tmp_path: Path, whole: dict[str, Fitter]) -> None:
    first = fitter("vae", tmp_path, Break(None), save_every=4)
    first.run()
    again = fitter("vae", tmp_path, Break(None), save_every=4)
    again.run(resume=True)
    assert_same(again, whole["vae"])


def test_half_a_checkpoint_is_not_read(tmp_path: Path, whole: dict[str, Fitter]) -> None:
    with pytest.raises(KeyboardInterrupt):
        fitter("vae", tmp_path, Break(8)).run()
    place = tmp_path / "checkpoint"
    good = (place / "000000006" / "tensors.safetensors").read_bytes()
    (place / "000000009").mkdir()
    (place / "000000009" / "tensors.safetensors").write_bytes(good[: len(good) // 2])
    (tmp_path / "history.jsonl").write_text((tmp_path / "history.jsonl").read_text() + '{"epoch": 2, "st')
    again = fitter("vae", tmp_path, Break(None))
    again.run(resume=True)
    assert_same(again, whole["vae"])


def test_a_damaged_checkpoint_or_one_of_another_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fitter("vae", tmp_path / "a", Break(8)).run()
    with pytest.raises(vk.Mistake, match="has another recipe's checkpoint: resume with that one"):
        fitter("ladder_vae", tmp_path / "a", Break(None)).run(resume=True)
    for name, content, message in [
        ("latest.json", b'{"schema": 1, "pla', r"latest.json is no complete JSON"),
        ("latest.json", b'{"schema": 99}', r"latest.json, field 'schema': got .* and this vaekit reads 1"),
        ("latest.json", b'{"schema": 1, "place": "../x"}', r"'place': got '../x' and wanted the number of a step"),
        ("000000006/tensors.safetensors", b"\x08", r"tensors.safetensors is no complete safetensors file"),
    ]:
        shutil.copytree(tmp_path / "a", tmp_path / "b", dirs_exist_ok=True)
        (tmp_path / "b" / "checkpoint" / name).write_bytes(content)
        with pytest.raises(vk.Mistake, match=message):
            fitter("vae", tmp_path / "b", Break(None)).run(resume=True)


def test_a_dataloader_goes_on_at_the_start_of_its_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def foreign(folder: Path | None, at: int | None) -> Fitter:
        made = fitter("vae", folder, Break(at), save_every=None)
        x = binarize_tensor(X, "threshold")
        made.train = ForeignLoader(DataLoader(TensorDataset(x), 12, shuffle=True), made.model, seed=0, device=CPU)
        made.show = folder is not None and at is None
        return made

    straight = foreign(None, None)
    straight.run()
    for at, start in ((7, 1), (2, 0)):
        folder = tmp_path / str(at)
        folder.mkdir()
        with pytest.raises(KeyboardInterrupt):
            foreign(folder, at).run()
        again = foreign(folder, None)
        again.run(resume=True)
        assert_same(again, straight)
        said = f"resuming at the start of epoch {start}: no DataLoader is entered midway"
        assert (said in capsys.readouterr().err) == (start > 0)  # before the first checkpoint it simply starts


SERVER = """
import os, sys
import vaekit as vk
from vaekit.run import Run, fitting
Run.report = lambda self, *arguments, **more: None
fitting.NLL_SAMPLES = 5

def train(**given):
    recipe = vk.recipe("vae", sys.argv[1], latent_dim=2, hidden=[8])
    vk.fit(recipe, sys.argv[1], batch_size=16, seed=3, ema=0.9, verbose=False, device="cpu", **given)

train(epochs=1)  # loads all that a run loads, so that the processes below need not
for name in sys.stdin:
    child = os.fork()  # with one thread, so that torch is whole in the child
    if not child:
        train(out=name.strip(), epochs=30, save_every=7, resume=True)
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_process_goes_on_bit_for_bit(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (100, 6), dtype=np.uint8))
    environment = {**os.environ, "PYTHONPATH": str(Path(vk.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path / "x.npy")],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdin is not None and server.stdout is not None

    def start(name: str) -> int:
        print(tmp_path / name, file=server.stdin, flush=True)
        return int(server.stdout.readline())  # type: ignore[union-attr]

    random, pointer = np.random.default_rng(1), tmp_path / "killed" / "checkpoint" / "latest.json"
    for _ in range(3):
        child = start("killed")
        seen, until = pointer.stat().st_mtime_ns if pointer.exists() else 0, time.monotonic() + 60
        while time.monotonic() < until and not (pointer.exists() and pointer.stat().st_mtime_ns > seen):
            time.sleep(0.001)  # until this process has saved something
        time.sleep(random.uniform(0.0, 0.01))
        os.kill(child, signal.SIGKILL)
        assert int(server.stdout.readline()) == -signal.SIGKILL
    assert 0 < read_json(pointer)["step"] < 30 * 5
    for name in ("killed", "whole"):
        start(name)
        assert int(server.stdout.readline()) == 0
    server.stdin.close()
    server.wait(10)
    one, two = vk.load_run(tmp_path / "whole"), vk.load_run(tmp_path / "killed")
    assert all(torch.equal(v, two.model.state_dict()[k]) for k, v in one.model.state_dict().items())
    rows = [[{k: v for k, v in row.items() if k not in TIMES} for row in run.rows] for run in (one, two)]
    assert rows[0] == rows[1] and len(rows[0]) == 30
    numbers = [{k: v for k, v in run.metrics.items() if k not in (*TIMES, "run")} for run in (one, two)]
    assert numbers[0] == numbers[1]
