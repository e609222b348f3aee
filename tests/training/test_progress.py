"""What is shown of a run: plain lines where stderr is a file, and a loss that rose."""

from __future__ import annotations

from typing import Any

import pytest

import vaekit as vk
from vaekit.training import progress
from vaekit.training.progress import Progress, counted, say_risen


def test_a_file_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    shown = Progress(1000, 0, show=True)
    for at in range(1, 1000):
        now = at * 0.05
        shown.update(at, "rate 1")
    shown.close("rate 2")
    err = capsys.readouterr().err
    assert "\r" not in err
    assert err.splitlines() == [f"step {n} of 1,000: rate 1" for n in (200, 400, 600, 800)] + [
        "step 999 of 1,000: rate 2"
    ]
    silent = Progress(10, 0, show=False)
    silent.update(5, "")
    silent.close("")
    assert capsys.readouterr().err == ""


def test_parts_are_counted_by_their_items(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    seen = []
    for part in counted([[1, 2], [3], [4, 5, 6]], 6, "measuring", show=True):
        seen.append(part)
        now += 8.0
    assert seen == [[1, 2], [3], [4, 5, 6]]
    assert capsys.readouterr().err.splitlines() == ["item 3 of 6: measuring"]


@pytest.mark.parametrize(
    ("first", "last", "said"), [(10.0, 1e25, True), (10.0, 9.0, False), (10.0, 10.5, False), (None, 5.0, False)]
)
def test_a_loss_that_rose(capsys: pytest.CaptureFixture[str], first: Any, last: float, said: bool) -> None:
    say_risen(first, [{"loss": last}])
    err = capsys.readouterr().err
    assert err == (f"the loss rose from {first:.4g} to {last:.4g} in training: lower lr\n" if said else "")


def test_a_run_says_that_its_loss_rose(capsys: pytest.CaptureFixture[str]) -> None:
    x = vk.data.read("digits").x[:64]
    plan = vk.recipe("vae", x, latent_dim=2, hidden=[8])
    vk.fit(plan, x, epochs=3, lr=1e3, device="cpu", warmup=0, keep="last")
    assert "the loss rose from" in capsys.readouterr().err
    vk.fit(plan, x, epochs=3, device="cpu")
    assert "the loss rose" not in capsys.readouterr().err
