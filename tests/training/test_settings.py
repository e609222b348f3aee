"""Settings: each bad value is one sentence, each near miss names the right word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from vaekit.messages import ArgumentMistake, Mistake
from vaekit.training import Callback, Settings

BAD: list[tuple[dict[str, Any], str]] = [
    ({"epochs": -1}, "got epochs=-1 and wanted a whole number, 0 or more."),
    ({"epochs": 1.5}, "got epochs=1.5 and wanted a whole number, 0 or more."),
    ({"epochs": True}, "got epochs=True and wanted a whole number, 0 or more."),
    ({"steps": "ten"}, "got steps='ten' and wanted a whole number, 0 or more."),
    ({"epochs": 1, "steps": 1}, "got epochs=1 and steps=1: give one of them."),
    ({"batch_size": 0}, "got batch_size=0 and wanted a whole number, 1 or more."),
    ({"accumulate": 0}, "got accumulate=0 and wanted a whole number, 1 or more."),
    ({"early_stopping": 0}, "got early_stopping=0 and wanted a whole number, 1 or more."),
    ({"valid_every": 0}, "got valid_every=0 and wanted a whole number, 1 or more."),
    ({"save_every": 0}, "got save_every=0 and wanted a whole number, 1 or more."),
    ({"workers": 0}, "got workers=0 and wanted a whole number, 1 or more."),
    ({"seed": 1.5}, "got seed=1.5 and wanted a whole number, 0 or more."),
    ({"seed": -1}, "got seed=-1 and wanted a whole number, 0 or more."),
    ({"callbacks": 5}, "got callbacks=5 and wanted a list of vk.Callback objects."),
    ({"lr": 0}, "got lr=0 and wanted a number above 0, such as 1e-3."),
    ({"lr": float("nan")}, "got lr=nan and wanted a number above 0, such as 1e-3."),
    ({"lr": float("inf")}, "got lr=inf and wanted a number above 0, such as 1e-3."),
    ({"lr": "fast"}, "got lr='fast' and wanted a number above 0, such as 1e-3."),
    ({"clip": 0}, "got clip=0 and wanted a number above 0, such as 1.0."),
    ({"skip": 1}, "got skip=1 and wanted a number above 1, such as 100."),
    ({"warmup": -1}, "got warmup=-1 and wanted steps, or a fraction of all steps below 1."),
    ({"lr_schedule": "linear"}, "got lr_schedule='linear' and wanted 'cosine', 'constant' or a function."),
    ({"lr_schedule": 3}, "got lr_schedule=3 and wanted 'cosine', 'constant' or a function."),
    ({"ema": 1.0}, "got ema=1.0 and wanted a decay between 0 and 1, such as 0.999."),
    ({"ema": "yes"}, "got ema='yes' and wanted a decay between 0 and 1, such as 0.999."),
    ({"keep": "all"}, "got keep='all' and wanted 'best' or 'last'."),
    ({"precision": "fp16"}, "got precision='fp16' and wanted 'fp32' or 'bf16'."),
    ({"optimizer": "adam"}, "got optimizer='adam' and wanted a factory, such as torch.optim.AdamW."),
]


@pytest.mark.parametrize(("given", "sentence"), BAD, ids=lambda v: str(v)[:30])
def test_a_bad_value_is_one_sentence(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Mistake) as error:
        Settings.of({}, given)
    assert str(error.value) == sentence


def test_callbacks_are_checked_before_the_first_step() -> None:
    with pytest.raises(Mistake, match=r"wanted a list of vk.Callback objects"):
        Settings(callbacks=[print])
    assert Settings(callbacks=[Callback()]).record().get("callbacks") is None


@pytest.mark.parametrize(("given", "meant"), [
    ("learning_rate", "lr"), ("num_epochs", "epochs"), ("n_epochs", "epochs"), ("max_epochs", "epochs"),
    ("batch", "batch_size"), ("bs", "batch_size"), ("random_state", "seed"), ("grad_clip", "clip"),
    ("gradient_clip", "clip"), ("patience", "early_stopping"), ("num_workers", "workers"), ("max_steps", "steps"),
    ("epoch", "epochs"), ("batchsize", "batch_size"), ("lr_scheduler", "lr_schedule"), ("warm_up", "warmup"),
])  # fmt: skip
def test_a_near_miss_names_the_right_word(given: str, meant: str) -> None:
    with pytest.raises(ArgumentMistake, match=f"training takes no '{given}': did you mean '{meant}'\\?"):
        Settings.of({}, {given: 1})


def test_what_the_user_gives_wins_over_the_recipe() -> None:
    defaults = {"steps": 5, "lr": 0.1}
    assert Settings.of(defaults, {}).steps == 5
    assert Settings.of(defaults, {"steps": None, "lr": None}) == Settings(steps=5, lr=0.1)
    given = Settings.of(defaults, {"epochs": 2})
    assert (given.epochs, given.steps, given.lr) == (2, None, 0.1)
    assert Settings.of({"epochs": 9}, {"steps": np.int64(7)}).steps == 7


@pytest.mark.parametrize(("given", "per_epoch", "steps"), [
    ({"steps": 0}, 10, 0), ({"steps": 7}, 10, 7), ({"epochs": 0}, 10, 0), ({"epochs": 3}, 10, 30),
    ({}, 10_000, 300_000),  # never below 30 epochs
    ({}, 1, 500),  # never above 500
    ({}, 100, 10_000), ({}, 300, 33 * 300),
])  # fmt: skip
def test_total_steps(given: dict[str, int], per_epoch: int, steps: int) -> None:
    assert Settings.of({}, given).total_steps(per_epoch) == steps


def test_devices_and_record() -> None:
    assert Settings(device="cpu").chosen_device() == torch.device("cpu")
    for wrong in ("gpu", "cpu:x", "tpu"):
        with pytest.raises(Mistake, match=f"device '{wrong}' is not to be had here: give 'auto' or 'cpu'."):
            Settings(device=wrong).chosen_device()

    class Locked(Callback):
        """Holds what cannot be copied, as loggers do."""

        def __init__(self) -> None:
            self.generator = (i for i in range(3))

    record = Settings(optimizer=torch.optim.AdamW, lr_schedule=abs, callbacks=[Locked()]).record()
    assert record["optimizer"] == "AdamW" and record["lr_schedule"] == "abs" and record["lr"] == 2e-3
