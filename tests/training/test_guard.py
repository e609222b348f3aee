"""The guard: numbers that are not finite stop a run with its last good state saved and the cause named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import vaekit as vk
from vaekit.messages import Mistake
from vaekit.models import Model, Trace
from vaekit.objectives import ELBO, Recipe, Reconstruction, Term
from vaekit.training import Callback, Fitter, ForeignLoader, Loader, Settings
from vaekit.training.guards import Diverged
from vaekit.training.state import load_checkpoint

CPU = torch.device("cpu")
X = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))


class Trap(Term):
    """The reconstruction, and from some call on NaN for the items whose first value is above 1."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls, self.done = calls, 0

    def forward(self, model: Model, trace: Trace) -> Tensor:
        self.done += torch.is_grad_enabled()
        wrong = (trace.x[:, 0] > 1) & (self.done > self.calls)
        return torch.where(wrong, torch.nan, -trace.log_px.mean(0))


class Sqrt(nn.Module):
    """Finite forward at 0, infinite backward."""

    features = (8,)

    def __init__(self) -> None:
        super().__init__()
        self.before, self.root = nn.Linear(6, 8), Root()

    def forward(self, x: Tensor) -> Tensor:
        return self.root(self.before(x))


class Root(nn.Module):
    on = False

    def forward(self, x: Tensor) -> Tensor:
        return (x * 0.0).sqrt() + x if Root.on else x


class Watch(Callback):
    """Keeps the weights after every step."""

    def __init__(self) -> None:
        self.weights: list[dict[str, Tensor]] = []

    def on_train_begin(self, run: Any) -> None:
        self.note(run)

    def on_step_end(self, run: Any, metrics: dict[str, Any]) -> None:
        self.note(run)

    def note(self, run: Any) -> None:
        self.weights.append({k: v.clone() for k, v in run.model.state_dict().items()})


def recipe(objective: Term, encoder: nn.Module | None = None) -> Recipe:
    torch.manual_seed(0)
    likelihood = vk.likelihoods.Gaussian()
    return Recipe(vk.recipes.vae(
        shape=(6,), latent_dim=2, likelihood=likelihood, encoder=encoder, networks=vk.networks.Dense((8,)),
    ).model, objective)  # fmt: skip


def fitter(plan: Recipe, folder: Path | None, *, x: Tensor = X, foreign: bool = False, **given: Any) -> Fitter:
    settings = Settings(**{"epochs": 5, "batch_size": 8, "device": "cpu", **given})
    train: Any = Loader(x, None, plan.model, batch_size=8, seed=0, device=CPU)
    if foreign:
        train = ForeignLoader(DataLoader(TensorDataset(x), 8, shuffle=True), plan.model, seed=0, device=CPU)
    return Fitter(plan, train, None, settings, folder=folder, show=False)


def finite(tensors: dict[str, Tensor]) -> bool:
    return all(bool(v.isfinite().all()) for v in tensors.values())


def test_the_last_good_state_is_kept_and_the_cause_named(tmp_path: Path) -> None:
    watch = Watch()
    plan = recipe(ELBO() + Trap(8))  # one call is the check before the first step, so 7 steps are good
    with pytest.raises(Diverged) as error:
        fitter(plan, tmp_path, callbacks=[watch]).run()
    message = str(error.value)
    order = Loader(X, None, plan.model, batch_size=8, seed=0, device=CPU)
    first = next(i for i in range(7, 40) if bool((order.batch(i).x[:, 0] > 1).any()))
    batch = order.batch(first)
    assert batch.index is not None
    items = batch.index[batch.x[:, 0] > 1].tolist()
    listed = ", ".join(map(str, items[:5]))
    assert message.startswith(f"training stopped at step {first}: term 'Trap' is not finite at items {listed}")
    assert "first in layer roles.model.parts.1; " in message
    assert f"the last good state is in {tmp_path / 'checkpoint'}" in message
    assert message.endswith("To go on: lower lr, set clip=1.0, or bound the likelihood's scale.")
    held = load_checkpoint(tmp_path / "checkpoint")
    assert held is not None and held[1]["step"] == first and finite(held[0])
    good = watch.weights[first]
    assert finite(good) and all(torch.equal(v, good[k]) for k, v in plan.model.state_dict().items())
    assert all(torch.equal(held[0][f"model/{k}"], v) for k, v in good.items())
    assert not torch.equal(good["likelihood.head.layer.weight"], watch.weights[0]["likelihood.head.layer.weight"])


def test_a_run_goes_on_from_the_last_good_state(tmp_path: Path) -> None:
    with pytest.raises(Diverged):
        fitter(recipe(ELBO() + Trap(8)), tmp_path).run()
    again, whole = recipe(ELBO() + Trap(10**9)), recipe(ELBO() + Trap(10**9))
    resumed, straight = fitter(again, tmp_path), fitter(whole, None)
    resumed.run(resume=True), straight.run()
    assert all(torch.equal(v, whole.model.state_dict()[k]) for k, v in again.model.state_dict().items())
    for a, b in zip(resumed.history.rows, straight.history.rows, strict=True):
        assert all(a[k] == b[k] for k in ("epoch", "step", "loss", "elbo", "rate", "skipped"))


@pytest.mark.parametrize("foreign", [False, True])
def test_nan_in_the_backward_pass_only(tmp_path: Path, foreign: bool) -> None:
    plan = recipe(Reconstruction(), Sqrt())
    plan.model.prior.requires_grad_(False)

    class Switch(Callback):
        def on_step_end(self, run: Any, metrics: dict[str, Any]) -> None:
            Root.on = run.at >= 7

    try:
        with pytest.raises(Diverged) as error:
            fitter(plan, tmp_path, foreign=foreign, callbacks=[Switch()]).run()
    finally:
        Root.on = False
    message = str(error.value)
    assert message.startswith("training stopped at step 7: the loss is finite but a gradient is not, ")
    assert "first in the gradient of layer posterior.net.root;" in message
    assert finite(plan.model.state_dict())
    held = load_checkpoint(tmp_path / "checkpoint")
    assert held is not None and held[1]["step"] == (5 if foreign else 7) and finite(held[0])  # an epoch has 5 steps
    assert ("the last good state of step 5 is in" if foreign else "the last good state is in") in message


def test_without_a_folder_nothing_is_promised() -> None:
    with pytest.raises(Diverged, match="; nothing was saved. To go on"):
        fitter(recipe(ELBO() + Trap(3)), None).run()


def test_data_that_is_not_finite_is_named_by_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = X.clone()
    x[17, 2] = torch.inf
    with pytest.raises(Mistake, match=r"the data holds infinite values, at items 17: clean or drop those items."):
        fitter(recipe(ELBO()), tmp_path, x=x).run()
    with monkeypatch.context() as patch, pytest.raises(Diverged) as error:
        patch.setattr("vaekit.training.begin.BEFORE_FIT", 60)  # only the first 10 items are looked at before
        fitter(recipe(ELBO()), tmp_path, x=x).run()
    assert "term 'ELBO' is not finite at items 17, first in" in str(error.value)
    assert str(error.value).endswith("To go on: the data itself holds NaN or inf there: clean or drop those items.")
    x[17, 2] = torch.nan
    with pytest.raises(Mistake, match="the data has missing values .NaN. and this model cannot take them"):
        fitter(recipe(ELBO()), tmp_path, x=x).run()


def test_modules_that_work_in_place_are_no_obstacle(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(inplace=True))
    with pytest.raises(Diverged, match="term 'Trap' is not finite"):
        fitter(recipe(ELBO() + Trap(3), net), tmp_path).run()


def test_parameters_that_no_loss_reads_are_named() -> None:
    with pytest.raises(Mistake, match=r"the loss of player 'model' does not read posterior.net.0.weight"):
        net = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 8))
        plan = recipe(ELBO(), net)
        plan.model.posterior.net.forward = lambda x: x.new_zeros(*x.shape[:-1], 8)  # type: ignore[method-assign]
        fitter(plan, None).run()
