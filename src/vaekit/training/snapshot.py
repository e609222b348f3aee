"""A run in the middle as tensors and JSON, and back: what a checkpoint holds."""

from __future__ import annotations

__all__ = ["packed", "unpack"]

from typing import Any

from torch import Tensor

from vaekit.messages import Mistake
from vaekit.training.compiling import Compiling
from vaekit.training.state import grouped, optimizer_tensors, restore_optimizer

PLAIN = ("seconds", "first", "stopping")


def packed(run: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the record of a Fitter: weights, objective, optimisers, averages, the best so far, sums."""
    tensors = {f"model/{k}": v for k, v in run.model.state_dict().items()}
    tensors |= {f"game/{k}": v for k, v in run.game.state_dict().items()}
    tensors |= {f"best/{k}": v for k, v in run.stopper.state.items()}
    for name, optimizer in run.optimizers.items():
        tensors |= {f"optimizer.{name}/{k}": v for k, v in optimizer_tensors(optimizer).items()}
        tensors[f"usual/{name}"] = run.step.usual[name]
    if run.average is not None:
        tensors |= {f"average/{i}": v for i, v in enumerate(run.average.values)}
    tensors["run/skipped"] = run.step.skipped
    plain = {name: getattr(run, name) for name in PLAIN}
    plain |= {"best": run.stopper.best, "compiled": run.compiling.choice}
    return tensors, {**plain, "tally": run.tally.state(), "rows": len(run.history.rows)}


def unpack(run: Any, tensors: dict[str, Tensor], record: dict[str, Any]) -> None:
    """Put a Fitter where `packed` found one.

    Raises:
        Mistake: where the tensors belong to another recipe.
    """
    groups = grouped(tensors, run.device)
    try:
        run.model.load_state_dict(groups["model"])
        run.game.load_state_dict(groups.get("game", {}))
    except RuntimeError as error:
        why = str(error).splitlines()[-1].strip()
        raise Mistake(f"{run.folder} has another recipe's checkpoint: resume with that one ({why})") from error
    for name in PLAIN:
        setattr(run, name, record[name])
    run.compiling = Compiling(run.step, run.settings.compile, run.total, choice=record.get("compiled"))
    run.stopper.best, run.stopper.state = record["best"], groups.get("best", {})
    run.tally.restore(record["tally"], run.device)
    for name, optimizer in run.optimizers.items():
        restore_optimizer(optimizer, groups.get(f"optimizer.{name}", {}))
        run.step.usual[name].copy_(groups["usual"][name])
    if run.average is not None:
        for i, value in enumerate(run.average.values):
            value.copy_(groups["average"][str(i)])
    run.step.skipped.copy_(groups["run"]["skipped"])
    run.at = run.step.steps = record["step"]
    run.history.truncate(record["rows"])
