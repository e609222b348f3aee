"""Compiled steps: kept where they are faster, left where they are not or the compiler fails, replayed by resume."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import vaekit as vk
from vaekit.messages import Mistake
from vaekit.training import Fitter, Loader, Settings, compiling

X = torch.rand(40, 6, generator=torch.Generator().manual_seed(0))


def fitter(how: str, steps: int = 60, folder: Path | None = None, **more: Any) -> Fitter:
    torch.manual_seed(0)
    recipe = vk.recipes.vae(shape=(6,), latent_dim=2, hidden=[8])
    train = Loader(X, None, recipe.model, batch_size=20, seed=0, device=torch.device("cpu"))
    settings = Settings(steps=steps, batch_size=20, device="cpu", compile=how, save_every=10, **more)
    return Fitter(recipe, train, None, settings, folder=folder, show=False)


class Clock:
    """Time that passes only when a step says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, eager: float, compiled: float) -> None:
        self.now, self.asked = 0.0, 0
        monkeypatch.setattr(compiling.time, "perf_counter", lambda: self.now)
        original = compiling.Step.losses

        def slow(step: Any, batch: Any) -> Any:
            self.now += eager
            return original(step, batch)

        def compile(function: Callable[[Any], Any], **_: Any) -> Callable[[Any], Any]:
            self.asked += 1

            def fast(batch: Any) -> Any:
                self.now += compiled
                return original(function.__self__, batch)  # type: ignore[attr-defined]

            return fast

        monkeypatch.setattr(compiling.Step, "losses", slow)
        monkeypatch.setattr(torch, "compile", compile)


def weights(run: Fitter) -> list[torch.Tensor]:
    return list(run.model.state_dict().values())


@pytest.mark.parametrize(("eager", "compiled", "kept"), [(10.0, 6.0, True), (10.0, 9.8, False), (10.0, 30.0, False)])
def test_what_is_faster_is_kept(monkeypatch: pytest.MonkeyPatch, eager: float, compiled: float, kept: bool) -> None:
    clock = Clock(monkeypatch, eager, compiled)
    run = fitter("measure")
    run.run()
    assert clock.asked == 1 and run.compiling.choice is not None
    assert run.compiling.choice == {
        "kept": kept, "eager_ms": 1e3 * eager, "compiled_ms": 1e3 * compiled, "seconds": 5 * compiled,
    }  # fmt: skip
    times = 20 * eager + 20 * compiled + 20 * (compiled if kept else eager)
    assert clock.now == pytest.approx(times)  # the steps after the trial run as was chosen


def test_a_short_run_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, 0.1, 0.01)
    run = fitter("measure")
    run.run()
    assert clock.asked == 0
    assert run.compiling.choice == {"kept": False, "why": "4 s were left: too few to pay for compiling"}


@pytest.mark.parametrize("good", [0, 3])  # calls before the error: batches of another size are compiled later
@pytest.mark.parametrize("how", ["measure", "on"])
def test_an_error_of_the_compiler_changes_nothing(monkeypatch: pytest.MonkeyPatch, how: str, good: int) -> None:
    plain = fitter("off")
    plain.run()
    Clock(monkeypatch, 10.0, 1.0)

    def broken(function: Any, **_: Any) -> Any:
        calls = iter(range(100))

        def fails(batch: Any) -> Any:
            if next(calls) < good:
                return function(batch)
            torch.randn(3)  # what it drew before it failed does not count
            raise RuntimeError("no C++ compiler\nand more lines")

        return fails

    monkeypatch.setattr(torch, "compile", broken)
    run = fitter(how)
    run.run()
    assert run.compiling.choice == {"kept": False, "why": "RuntimeError: no C++ compiler"}
    assert all(torch.equal(a, b) for a, b in zip(weights(plain), weights(run), strict=True))


def test_resume_replays_the_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = Clock(monkeypatch, 10.0, 6.0)

    class Break(vk.Callback):
        def on_step_end(self, run: Any, metrics: Any) -> None:
            if run.at == 55:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitter("measure", folder=tmp_path, callbacks=[Break()]).run()
    again = fitter("measure", folder=tmp_path)
    again.run(resume=True)
    assert clock.asked == 2 and again.compiling.choice is not None and again.compiling.choice["eager_ms"] == 1e4
    assert clock.now == pytest.approx(20 * 10 + (20 + 15) * 6 + 10 * 6)  # from step 50 on compiled at once


def test_other_words_are_refused() -> None:
    with pytest.raises(Mistake, match="wanted 'measure' or 'on' or 'off'"):
        Settings(compile="always")


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_compiled_and_eager_steps_agree() -> None:
    """The same noise, so that weights differ by rounding alone after 30 steps."""
    plain, compiled = fitter("off", 30), fitter("on", 30)
    plain.run()
    compiled.run()
    assert compiled.compiling.choice == {"kept": True}, compiled.compiling.choice
    for a, b in zip(weights(plain), weights(compiled), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
