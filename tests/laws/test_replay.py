"""A replayed step is the eager step to the bit, or it is not taken and says why."""

from __future__ import annotations

import pytest
import torch

from vaekit.noise import seed_step
from vaekit.objectives import Schedule
from vaekit.training import Batch, Step, replay
from vaekit.training.replay import Replay

from .tables import RECIPES, RecipeRow, recipe_data

CPU = torch.device("cpu")


@pytest.mark.parametrize("row", RECIPES, ids=repr)
def test_it_is_the_eager_step_to_the_bit(row: RecipeRow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "SLOW", float("inf"))
    plans = [row.make(), row.make()]
    eager, replayed = (Step(plan.model.train(), plan.objective) for plan in plans)
    replayed.replay = Replay(replayed)
    x, y = recipe_data(row, plans[0].model, 24)
    # recorded at the third step, and anew for another size, which is asked of one row of each recipe
    for i, size in enumerate([8, 8, 8, 7, 8, 7] if row.of is None else [8, 8, 8, 8]):
        rows = slice(2 * i, 2 * i + size)
        batch = Batch(x[rows], None if y is None else {k: v[rows] for k, v in y.items()})
        said = []
        for step in (eager, replayed):
            seed_step(i, CPU)
            said.append(step(batch))
        assert {k: float(v) for k, v in said[0].items()} == {k: float(v) for k, v in said[1].items()}
    for mine, its in zip(replayed.parameters(), eager.parameters(), strict=True):
        assert torch.equal(mine, its)
    for (name, mine), its in zip(replayed.named_buffers(), eager.buffers(), strict=True):
        assert torch.equal(mine, its), name
    why = replayed.replay.why
    moved = [part for part in replayed.after if not isinstance(part, Schedule) and part.moves_by_hand]
    assert (why is None) == (len(replayed.players) == 1 and not moved), why
