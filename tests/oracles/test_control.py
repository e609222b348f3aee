"""Controllers against their formulas written out, and against the goals that they are to meet."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from vaekit import recipes
from vaekit.objectives import GECO, ControlledRate
from vaekit.training import Batch, Step


def walked(term: Any, gaps: list[float]) -> None:
    for step, gap in enumerate(gaps):
        term.note(torch.tensor([gap, gap]))
        term.after_step(step)


def test_the_weight_of_geco_follows_the_average_gap() -> None:
    term = GECO(50.0, speed=0.1, decay=0.9)
    gaps = [30.0, 10.0, -20.0, -60.0]
    walked(term, gaps)
    average, log_weight = gaps[0], 0.0
    for i, gap in enumerate(gaps):
        average = gap if i == 0 else 0.9 * average + 0.1 * gap
        log_weight += max(-0.1, min(0.1, 0.1 * average / 50.0))
    assert float(term.average) == pytest.approx(average, rel=1e-5)
    assert float(term.log_weight) == pytest.approx(log_weight, rel=1e-4)


def test_the_controller_is_its_formula() -> None:
    term = ControlledRate(5.0, proportional=0.01, integral=0.001)
    gaps = [5.0, 1.0, -3.0, -20.0]
    walked(term, gaps)
    total = 0.0
    for gap in gaps:
        total = total - 0.001 * gap
        beta = min(max(0.01 / (1 + math.exp(gap)) + total, 0.0), 100.0)
        total = max(total, 0.0)
    assert float(term.beta) == pytest.approx(beta, rel=1e-5)


@pytest.mark.parametrize("term", [GECO(50.0), ControlledRate(5.0)], ids=["GECO", "ControlledRate"])
def test_validation_and_bad_numbers_move_nothing(term: Any) -> None:
    state = {k: v.clone() for k, v in term.state_dict().items()}
    term.eval()
    walked(term, [9.0])
    term.train()
    with torch.no_grad():
        walked(term, [9.0])
    assert all(torch.equal(v, state[k]) or bool(v.isnan()) for k, v in term.state_dict().items())
    walked(term, [math.nan, math.inf])
    assert bool(term.state_dict()["log_weight" if isinstance(term, GECO) else "beta"].isfinite())


def digits() -> Tensor:
    from sklearn.datasets import load_digits

    return torch.from_numpy(load_digits().data > 7).float()


def trained(recipe: Any, steps: int = 2500) -> dict[str, float]:
    x, step = digits(), Step(recipe.model, recipe.objective)
    for optimizer in step.optimizers.values():
        optimizer.param_groups[0]["lr"] = 2e-3
    last: list[dict[str, float]] = []
    for i in range(steps):
        rows = torch.randint(len(x), (128,), generator=torch.Generator().manual_seed(i))
        metrics = step(Batch(x[rows]))
        if i >= steps - 100:
            last.append({k: float(metrics[k]) for k in ("rate", "distortion")})
    return {k: sum(row[k] for row in last) / len(last) for k in last[0]}


SMALL: dict[str, Any] = {"shape": (64,), "latent_dim": 8, "hidden": [64]}


@pytest.mark.parametrize("goal", [6.0, 12.0])
def test_the_rate_becomes_the_one_asked_for(goal: float) -> None:
    torch.manual_seed(0)
    recipe = recipes.control_vae(**SMALL, rate=goal)
    assert abs(trained(recipe)["rate"] - goal) < 0.1 * goal


def test_the_distortion_becomes_the_one_asked_for() -> None:
    torch.manual_seed(0)
    found = trained(recipes.geco_vae(**SMALL, distortion=25.0))
    assert abs(found["distortion"] - 25.0) < 0.1 * 25.0
    assert found["rate"] > 1
