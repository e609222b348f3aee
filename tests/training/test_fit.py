"""The loop: seeds, validation that leaves no trace, averages, schedules, early stopping, callbacks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import vaekit as vk
from vaekit.objectives import ELBO, IWAE, Recipe, schedules
from vaekit.training import Callback, Fitter, Loader, Settings
from vaekit.training.optim import learning_rate

CPU = torch.device("cpu")


AS_THEY_ARE = IWAE(samples=1)  # with an ELBO the latents are given the prior's mean and scale at the end


def data(n: int = 40, seed: int = 1) -> Tensor:
    return torch.bernoulli(torch.full((n, 6), 0.4), generator=torch.Generator().manual_seed(seed))


def recipe(seed: int = 0, objective: Any = None) -> Recipe:
    torch.manual_seed(seed)
    made = vk.recipes.vae(shape=(6,), latent_dim=2, hidden=[8], likelihood=vk.likelihoods.Bernoulli())
    return Recipe(made.model, ELBO() if objective is None else objective)


def trained(plan: Recipe, *, valid: bool = True, folder: Path | None = None, **given: Any) -> Fitter:
    settings = Settings(**{"epochs": 4, "batch_size": 16, "device": "cpu", "keep": "last", **given})
    train = Loader(data(), None, plan.model, batch_size=settings.batch_size, seed=settings.seed, device=CPU)
    held = Loader(data(20, 2), None, plan.model, batch_size=20, seed=0, device=CPU) if valid else None
    fitter = Fitter(plan, train, held, settings, folder=folder, show=False)
    fitter.run()
    return fitter


def same(a: Any, b: Any) -> bool:
    return all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())


def test_the_seed_decides() -> None:
    one, two, other = recipe(), recipe(), recipe()
    trained(one), trained(two), trained(other, seed=1)
    assert same(one.model, two.model) and not same(one.model, other.model)


def test_validation_leaves_no_trace() -> None:
    with_one, without = recipe(), recipe()
    trained(with_one), trained(without, valid=False)
    assert same(with_one.model, without.model)
    annealed = [recipe(objective=ELBO(beta=schedules.Linear(0.0, 1.0, steps=10))) for _ in range(2)]
    trained(annealed[0]), trained(annealed[1], valid=False)
    assert same(annealed[0].model, annealed[1].model) and not same(annealed[0].model, without.model)


class Record(Callback):
    """Notes every call, the schedule's value and the learning rate."""

    def __init__(self, beta: Any = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.beta, self.betas, self.lrs, self.weights = beta, [], [], []
        self.rows: list[dict[str, Any]] = []

    def on_train_begin(self, run: Any) -> None:
        self.calls.append(("begin", run.at))

    def on_step_end(self, run: Any, metrics: dict[str, Any]) -> None:
        self.calls.append(("step", run.at))
        self.lrs.append(run.optimizers["model"].param_groups[0]["lr"])
        self.weights.append([p.detach().clone() for p in run.model.parameters()])
        if self.beta is not None:
            self.betas.append(float(self.beta.value()))

    def on_epoch_end(self, run: Any, row: dict[str, Any]) -> None:
        self.calls.append(("epoch", run.at, row["epoch"], row["step"]))
        self.rows.append(dict(row))

    def on_evaluate(self, run: Any, row: dict[str, Any]) -> None:
        self.calls.append(("evaluate", run.at, math.isfinite(row["valid_loss"])))

    def on_save(self, run: Any, folder: Path) -> None:
        self.calls.append(("save", run.at, folder.name))

    def on_train_end(self, run: Any) -> None:
        self.calls.append(("end", run.at))


def test_a_schedule_moves_with_the_steps_and_nothing_else() -> None:
    beta = schedules.Linear(0.0, 1.0, steps=8)
    seen = Record(beta)
    trained(recipe(objective=ELBO(beta=beta)), callbacks=[seen])  # 3 steps and one validation an epoch
    assert seen.betas == [min(1.0, (i + 1) / 8) for i in range(12)]


def test_callbacks_are_called_in_order(tmp_path: Path) -> None:
    seen = Record()
    trained(recipe(), epochs=2, callbacks=[seen], save_every=2, folder=tmp_path)
    assert seen.calls == [
        ("begin", 0),
        ("step", 1),
        ("step", 2),
        ("save", 2, "000000002"),
        ("step", 3),
        ("evaluate", 3, True),
        ("epoch", 3, 1, 3),
        ("step", 4),
        ("save", 4, "000000004"),
        ("step", 5),
        ("step", 6),
        ("evaluate", 6, True),
        ("epoch", 6, 2, 6),
        ("save", 6, "000000006"),
        ("end", 6),
    ]


def test_a_row_is_the_mean_over_the_items() -> None:
    losses: list[tuple[float, int]] = []

    class Losses(Callback):
        def on_step_end(self, run: Any, metrics: dict[str, Any]) -> None:
            losses.append((float(metrics["loss"]), len(run._batch)))

    fitter = trained(recipe(), epochs=1, callbacks=[Losses()])
    assert [n for _, n in losses] == [13, 13, 14]
    row = fitter.history.rows[0]
    assert row["loss"] == pytest.approx(sum(v * n for v, n in losses) / 40, rel=1e-6)
    assert row["elbo"] == pytest.approx(-row["loss"], rel=1e-6) and row["skipped"] == 0


def test_learning_rates_follow_warmup_and_schedule() -> None:
    seen = Record()
    trained(recipe(), lr=0.1, warmup=3, callbacks=[seen])
    rise = [1 / 3, 2 / 3] + [1.0] * 10
    wanted = [0.1 * r * 0.5 * (1 + math.cos(math.pi * i / 12)) for i, r in enumerate(rise)]
    assert seen.lrs == pytest.approx(wanted, rel=1e-9)
    for given, values in [
        ({"lr_schedule": "constant", "warmup": 0.5}, [1 / 50, 50 / 50, 1.0]),  # a fraction of 100 steps
        ({"lr_schedule": lambda done: 1 - done, "warmup": 0}, [1.0, 0.51, 0.01]),
    ]:
        settings = Settings(**given)  # type: ignore[arg-type]
        assert [learning_rate(settings, i, 100) for i in (0, 49, 99)] == pytest.approx(values)


def test_the_average_of_the_weights_is_validated_and_kept() -> None:
    seen, plan = Record(), recipe(objective=AS_THEY_ARE)
    start = [p.detach().clone() for p in plan.model.parameters()]

    class Begin(Callback):
        def on_train_begin(self, run: Any) -> None:  # before_fit has set the output's bias
            start[:] = [p.detach().clone() for p in run.model.parameters()]

    fitter = trained(plan, ema=0.7, callbacks=[seen, Begin()])
    average = start
    for i, weights in enumerate(seen.weights):
        share = max(1 - 0.7, 1 / (i + 2))  # early steps are averaged plainly
        average = [a + share * (w - a) for a, w in zip(average, weights, strict=True)]
    for a, p in zip(average, plan.model.parameters(), strict=True):
        torch.testing.assert_close(p.detach(), a, rtol=1e-5, atol=1e-6)
    held = data(20, 2)
    row = fitter.history.rows[-1]
    with torch.no_grad():  # the rate has no noise, so it tells which weights were validated
        rate = float(plan.model.trace(held).kl.mean())
        assert row["valid_rate"] == pytest.approx(rate, rel=1e-5)
        for p, last in zip(plan.model.parameters(), seen.weights[-1], strict=True):
            p.copy_(last)
        assert row["valid_rate"] != pytest.approx(float(plan.model.trace(held).kl.mean()), rel=1e-5)


def test_early_stopping_waits_as_long_as_said_and_restores_the_best() -> None:
    wanted: dict[int, dict[str, Tensor]] = {}

    class Script(Callback):
        """Validation losses by script: the best at epoch 3."""

        losses = [5.0, 4.0, 3.0, 3.5, 3.0, 9.0, 1.0]

        def on_evaluate(self, run: Any, row: dict[str, Any]) -> None:
            row["valid_loss"] = self.losses[run.epoch - 1]
            wanted[run.epoch] = {k: v.clone() for k, v in run.model.state_dict().items()}

    plan = recipe(objective=AS_THEY_ARE)
    fitter = trained(plan, epochs=20, early_stopping=3, keep="best", callbacks=[Script()])
    assert [row["epoch"] for row in fitter.history.rows] == [1, 2, 3, 4, 5, 6]  # 3 waits: epochs 4, 5, 6
    assert fitter.stopper.best == {"value": 3.0, "step": 9, "waits": 3, "weights": []} and not plan.model.training
    assert all(torch.equal(v, wanted[3][k]) for k, v in plan.model.state_dict().items())


def test_nan_validations_never_count_as_the_best() -> None:
    class Script(Callback):
        def on_evaluate(self, run: Any, row: dict[str, Any]) -> None:
            row["valid_loss"] = [math.nan, 5.0, math.nan, 4.0][run.epoch - 1]

    fitter = trained(recipe(), callbacks=[Script()])
    assert fitter.stopper.best == {"value": 4.0, "step": 12, "waits": 0, "weights": []}


def test_a_monitor_that_is_not_there_and_one_to_be_raised() -> None:
    with pytest.raises(vk.Mistake, match=r"got monitor='valid_los' and the history has .*valid_loss"):
        trained(recipe(), monitor="valid_los")
    fitter = trained(recipe(), monitor="valid_elbo")
    assert fitter.stopper.best["value"] == min(-row["valid_elbo"] for row in fitter.history.rows)


def test_valid_every() -> None:
    rows = trained(recipe(), epochs=5, valid_every=2).history.rows
    assert [row["epoch"] for row in rows if "valid_loss" in row] == [2, 4, 5]


def test_stop_ends_the_run_as_if_the_step_were_the_last() -> None:
    class Stop(Callback):
        def on_step_end(self, run: Any, metrics: dict[str, Any]) -> None:
            if run.at == 5:
                run.stop()

    fitter = trained(recipe(), callbacks=[Stop()])
    rows = fitter.history.rows
    assert fitter.at == 5 and [row["step"] for row in rows] == [3, 5]
    assert rows[1]["epoch"] == pytest.approx(5 / 3, abs=1e-3) and "valid_loss" in rows[1]


def test_bf16_keeps_scores_in_float32_and_ends_close_to_fp32() -> None:
    seen: list[torch.dtype] = []

    class Types(Callback):
        def on_step_end(self, run: Any, metrics: dict[str, Any]) -> None:
            seen.extend(metrics[name].dtype for name in ("loss", "elbo", "rate", "distortion"))

    ends = {p: trained(recipe(), epochs=20, precision=p, callbacks=[Types()]) for p in ("fp32", "bf16")}
    a, b = (ends[p].history.rows[-1] for p in ("fp32", "bf16"))
    assert set(seen) == {torch.float32} and abs(a["valid_elbo"] - b["valid_elbo"]) < 0.05 < a["valid_distortion"]
    assert a["valid_elbo"] != b["valid_elbo"]  # the networks did run in bfloat16


def test_bf16_multiplies_logits_in_bfloat16_and_other_heads_in_float32() -> None:
    torch.manual_seed(0)
    z = torch.randn(4, 2)
    for kind, narrow in ((vk.likelihoods.Bernoulli, True), (vk.likelihoods.Gaussian, False)):
        p = kind(vk.networks.MLP(2, [8]), (6,))
        torch.nn.init.normal_(p.head.bias(0))
        wide = p.parameters_of(z)[0]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            h = p.net(z)
            out = p.parameters_of(z)[0]
        rounded = p.head.layer.weight.bfloat16().float() if narrow else p.head.layer.weight
        want = h.float() @ rounded.T
        want = (want.bfloat16().float() if narrow else want) + p.head.bias(0)
        assert out.dtype == torch.float32
        torch.testing.assert_close(out, want, rtol=0, atol=0.02 if narrow else 1e-6)  # one unit of the last place
        assert 0 < (out - wide).abs().max() < 0.1


def test_tensorboard_holds_the_history(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from vaekit.training.callbacks import TensorBoard

    fitter = trained(recipe(), callbacks=[TensorBoard(tmp_path)])
    events = EventAccumulator(str(tmp_path)).Reload()
    rows = fitter.history.rows
    assert set(events.Tags()["scalars"]) == set(rows[0]) - {"epoch", "step"}
    for name in ("loss", "valid_elbo", "lr"):
        read = [(e.step, e.value) for e in events.Scalars(name)]
        assert read == [(row["step"], pytest.approx(row[name], rel=1e-6)) for row in rows]


def test_the_best_is_chosen_among_validations_under_the_same_weights() -> None:
    """While beta rises the loss rises with it: the early, lower losses must not win."""
    rows = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    beta = vk.objectives.schedules.Linear(0.0, 1.0, steps=0.5)
    model, _ = vk.recipes.vae(shape=(4,), latent_dim=2, hidden=[8])
    run = vk.fit(
        (model, vk.objectives.ELBO(beta=beta)), rows, epochs=8, batch_size=16, valid=0.25, test=0, verbose=False
    )
    losses = [row["valid_loss"] for row in run.rows]
    assert min(losses[:4]) < min(losses[4:])  # the trap is there
    assert run.metrics["best_step"] > run.metrics["steps"] / 2
