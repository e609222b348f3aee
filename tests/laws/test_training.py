"""Every recipe trains on digits: the loss falls, runs resume to the bit, bf16 and traced steps agree with eager."""

from __future__ import annotations

import dataclasses
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from vaekit import likelihoods
from vaekit.noise import seed_step
from vaekit.training import Batch, Callback, Fitter, Loader, Settings, Step
from vaekit.training.compiling import Compiling
from vaekit.training.fit import Interrupted
from vaekit.training.replay import Losses

from .tables import RECIPES, RecipeRow, linked

CPU = torch.device("cpu")
ROWS = [row for row in RECIPES if row.of is None]


def on_digits(row: RecipeRow, items: int = 1797) -> tuple[Any, Tensor, Any]:
    """The recipe for digits, as vectors or as pictures as its row has them; items in the model's units; classes."""
    shape = row.digits or ((64,) if len(row.shape) == 1 else (1, 8, 8))
    flat = dataclasses.replace(row, shape=shape)
    plan = flat.make()
    images, classes = load_digits(return_X_y=True)
    x = torch.from_numpy(images[:items]).float().view(items, *((64,), (8, 8), (1, 8, 8))[len(shape) - 1]) / 16
    x = x[:, : shape[0]] if len(shape) == 1 else x.expand(items, *shape)
    # binary for the likelihoods that want it; a few grey levels' worth of spread for the Gaussian ones
    x = (x > 0.5).float() if isinstance(plan.model.likelihood.family, likelihoods.Bernoulli) else (x - 0.3) * 2.5
    x = linked(x) if isinstance(plan.model.likelihood, likelihoods.Links) else x
    if row.gaps:
        x = x.masked_fill(torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < 0.2, float("nan"))
    y = plan.model.to_context((classes[:items] % 3).tolist(), items) if plan.model.context is not None else None
    return plan, x, y


def fitter(row: RecipeRow, folder: Path | None, callbacks: list[Callback], *, items: int, **more: Any) -> Fitter:
    plan, x, y = on_digits(row, items)
    settings = Settings(batch_size=64, device="cpu", seed=1, callbacks=callbacks, **{"lr": 2e-3, **more})
    loader = Loader(x, y, plan.model, batch_size=64, seed=1, device=CPU)
    return Fitter(plan, loader, None, settings, folder=folder, show=False)


@pytest.mark.parametrize("row", ROWS, ids=repr)
def test_the_loss_falls_in_200_steps(row: RecipeRow) -> None:
    """By what its row states, from the first epoch to the last; where a weight rises meanwhile, the distortion."""
    run = fitter(row, None, [], items=1797, epochs=7)
    run.run()
    assert run.at == 203
    name = "loss" if row.steady else "distortion"
    first, last = (run.history.rows[i][name] for i in (0, -1))
    assert last < first - row.fall, (first, last)
    assert all(torch.isfinite(p).all() for p in run.model.parameters())


class Break(Callback):
    def on_step_end(self, run: Any, metrics: Any) -> None:
        if run.at == 5:
            raise KeyboardInterrupt


@pytest.mark.parametrize("row", ROWS, ids=repr)
def test_an_interrupted_run_goes_on_to_the_bit(row: RecipeRow, tmp_path: Path) -> None:
    common: dict[str, Any] = {"items": 256, "epochs": 3, "save_every": 3}
    whole = fitter(row, None, [Callback()], **common)
    torch.seed()  # the run's own seed says all
    whole.run()
    broken = fitter(row, tmp_path, [Break()], **common)
    torch.seed()
    with pytest.raises((Interrupted, KeyboardInterrupt)):
        broken.run()
    again = fitter(row, tmp_path, [Callback()], **common)
    again.run(resume=True)
    for one, other in ((whole.model, again.model), (whole.game, again.game)):
        assert all(torch.equal(v, other.state_dict()[k]) for k, v in one.state_dict().items())


def scores(row: RecipeRow, **more: Any) -> dict[str, float]:
    plan, x, y = on_digits(row, 64)
    step = Step(plan.model.train(), plan.objective, **more)
    seed_step(3, CPU)
    losses, _ = step.losses(Batch(x, y))
    return {player: float(loss) for player, loss in losses.items()}


@pytest.mark.parametrize("row", ROWS, ids=repr)
def test_bf16_agrees_with_float32(row: RecipeRow) -> None:
    """To 2 %: eight bits of mantissa in the products, scores in float32."""
    wide, narrow = scores(row), scores(row, precision="bf16")
    for player, loss in wide.items():
        assert narrow[player] == pytest.approx(loss, rel=row.narrow, abs=0.3), player


@pytest.mark.parametrize("row", [row for row in ROWS if not row.gaps], ids=repr)
def test_a_traced_step_agrees_with_the_eager_one(row: RecipeRow) -> None:
    """What a compiler sees (aot_eager: traced by dynamo and autograd, run by eager kernels) is the same loss."""
    plan, x, y = on_digits(row, 64)
    step = Step(plan.model.train(), plan.objective)
    if any(not getattr(part, "compiles", True) for part in step.modules()):  # it differentiates inside its own pass
        choice = Compiling(step, "on", 100).choice
        assert choice is not None and not choice["kept"] and "inside its own pass" in choice["why"]
        return
    agree(step, x, y, backend="aot_eager")


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("name", ["iwae", "ladder_vae", "gumbel_vae", "vampprior", "beta_tc_vae"])
def test_a_compiled_step_agrees_with_the_eager_one(name: str) -> None:
    """Compiled to machine code by inductor, with the eager step's noise."""
    plan, x, y = on_digits(next(row for row in ROWS if repr(row) == name), 64)
    agree(Step(plan.model.train(), plan.objective), x, y, options={"fallback_random": True})


def agree(step: Step, x: Tensor, y: Any, **compiler: Any) -> None:
    """The loss and the gradients of a compiled step are the eager ones, to rounding."""
    torch._dynamo.reset()
    losses = Losses(step)
    traced = torch.compile(losses, dynamic=False, **compiler)
    found = []
    for call in (losses, traced):
        for parameter in step.model.parameters():
            parameter.grad = None
        seed_step(3, CPU)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loss = call(x, y)[0]
            loss.backward()
        found.append((float(loss), [p.grad for p in step.model.parameters()]))
    (eager, gradients), (compiled, its) = found
    assert compiled == pytest.approx(eager, rel=1e-4, abs=1e-4)
    for mine, other in zip(its, gradients, strict=True):
        assert (mine is None) == (other is None)
        if mine is not None and other is not None:
            torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-4 * float(other.abs().max() + 1))
