"""What is replayed and what is not: tests/laws/test_replay.py compares every recipe's steps."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import vaekit as vk
from vaekit.noise import seed_step
from vaekit.objectives import ELBO, Term
from vaekit.training import Batch, Callback, Step, replay
from vaekit.training.graph import recorded
from vaekit.training.replay import Replay, called

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However short the run and slow the step."""
    monkeypatch.setattr(replay, "WORTH", 0)
    monkeypatch.setattr("vaekit.training.fit.WORTH", 0)
    monkeypatch.setattr(replay, "SLOW", float("inf"))


def small(**arguments: Any) -> Any:
    torch.manual_seed(0)
    return vk.recipes.vae(shape=(6,), latent_dim=2, hidden=[8], **arguments)


def three_steps(step: Step) -> str | None:
    step.replay = Replay(step)
    for i in range(3):
        seed_step(i, CPU)
        step(Batch(torch.ones(8, 6)))
    why: str | None = step.replay.why
    return why


class Turning(nn.Module):
    """A net that decides in Python."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self.count = nn.Linear(6, 8), 0

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return self.line(x) * self.count


def test_a_users_own_modules_stay_eager() -> None:
    assert three_steps(Step(small(encoder=Turning()).model, ELBO())) == "Turning may decide in Python"


class Reading(Term):
    """A loss that reads a number off a tensor."""

    def forward(self, model: Any, trace: Any) -> Tensor:
        return trace.kl * (2.0 if float(trace.kl.mean()) > 0 else 1.0)


def test_a_step_that_reads_a_number_stays_eager() -> None:
    Reading.__module__ = "vaekit.tests"
    why = three_steps(Step(small().model, Reading()))
    assert why is not None and why.startswith("RuntimeError")


def test_a_replay_that_is_not_the_step_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(function: Any, inputs: Any) -> Any:
        made = recorded(function, inputs)
        return lambda *given: [2 * value for value in made(*given)]

    monkeypatch.setattr(replay, "recorded", wrong)
    step, eager = Step(small().model, ELBO()), Step(small().model, ELBO())
    assert three_steps(step) == "it is not the eager step"
    for i in range(3):
        seed_step(i, CPU)
        eager(Batch(torch.ones(8, 6)))
    for mine, its in zip(step.parameters(), eager.parameters(), strict=True):
        assert torch.equal(mine, its)  # the trial left no gradients


def test_slow_steps_and_short_runs_are_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "SLOW", 0.0)
    why = three_steps(Step(small().model, ELBO()))
    assert why is not None and "next to which nothing is saved" in why


@pytest.mark.parametrize("more", [{}, {"precision": "bf16"}, {"ema": 0.9}, {"clip": 0.5}], ids=str)
def test_a_run_is_the_same_with_and_without(more: dict[str, Any], tmp_path: Path) -> None:
    x = torch.rand(60, 6).numpy()
    common = {"epochs": 4, "batch_size": 16, "verbose": False, "seed": 3, **more}
    replayed = vk.fit(small(), x, **common)
    eager = vk.fit(small(), x, callbacks=[Callback()], **common)  # a callback may change anything
    for mine, its in zip(replayed.model.parameters(), eager.model.parameters(), strict=True):
        assert torch.equal(mine, its)
    assert [row["loss"] for row in replayed.rows] == [row["loss"] for row in eager.rows]
    assert replayed.metrics["replayed"] and not eager.metrics["replayed"]


def test_recorded_operations_do_what_the_function_does() -> None:
    """Every rewriting: stacked layers with a bias, their gradients' layout, arithmetic in place."""
    a, w, c = torch.randn(3, 5, 4), torch.randn(3, 2, 4), torch.randn(3, 1, 2)

    def function(a: Tensor, w: Tensor, c: Tensor) -> list[Tensor]:
        h = c + torch.bmm(a, w.mT)
        s = h.sigmoid() - 0.5 * h
        e = (2 * h).exp()
        return [h, s * s, e * h + e, torch.bmm(a.mT, s).mT, (s - 1.0) * s.exp()]

    given = [a, w, c]
    held = copy.deepcopy(given)
    made = recorded(function, given)
    for mine, its in zip(made(*given), function(*given), strict=True):
        torch.testing.assert_close(mine, its)
    assert all(torch.equal(mine, its) for mine, its in zip(given, held, strict=True))  # inputs are left alone


def test_parts_that_stand_in_two_places_have_their_own_weights_again() -> None:
    """A prior made of the posterior, and a weight that two layers share."""
    torch.manual_seed(0)
    model = vk.recipes.vampprior(shape=(6,), latent_dim=2, hidden=[8], pseudo=3).model
    model.likelihood.net.layers[0].bias = model.posterior.net.layers[0].bias
    own = {name: id(p) for name, p in model.named_parameters(remove_duplicate=False)}
    x = torch.ones(4, 6)

    def scored(tensors: dict[str, Tensor]) -> Tensor:
        torch.manual_seed(1)
        out: Tensor = called(model, tensors, (x,)).log_w
        return out

    torch.manual_seed(1)
    wanted = model(x).log_w
    weights = dict(model.named_parameters())
    assert torch.equal(scored(weights), wanted)
    stacked = {name: torch.stack([w, w + 1]).detach() for name, w in weights.items()}
    both = torch.func.vmap(scored, randomness="same")(stacked)
    torch.testing.assert_close(both[0], wanted)
    assert not torch.allclose(both[1], wanted)
    assert own == {name: id(p) for name, p in model.named_parameters(remove_duplicate=False)}
