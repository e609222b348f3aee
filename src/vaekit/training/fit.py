"""Fitter: the loop over steps, with validation, checkpoints, history, progress and the guard."""

from __future__ import annotations

__all__ = ["Fitter", "Interrupted"]

import sys
import time
from pathlib import Path
from typing import Any

from vaekit.memory import denormals_flushed, keep_freed_memory
from vaekit.noise import derive, forked, seed_step
from vaekit.objectives import Recipe, Schedule, as_game
from vaekit.objectives.schedules import Constant
from vaekit.training.begin import begin
from vaekit.training.compiling import Compiling
from vaekit.training.finish import settle
from vaekit.training.guards import explain
from vaekit.training.history import History
from vaekit.training.loader import ForeignLoader, Loader
from vaekit.training.metrics import Metrics, Tally
from vaekit.training.optim import Average, learning_rate, make_optimizers
from vaekit.training.progress import Progress, say_risen
from vaekit.training.replay import WORTH, Replay
from vaekit.training.settings import Settings
from vaekit.training.signals import Signals
from vaekit.training.snapshot import packed, unpack
from vaekit.training.state import load_checkpoint, save_checkpoint
from vaekit.training.step import Step
from vaekit.training.stopper import Stopper
from vaekit.training.threads import Threads

SAVE_SECONDS = 30.0
REFRESH_SECONDS = 0.5
VALIDATION_BATCH = 512


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, SIGTERM or SIGUSR1: the step was finished and the state saved."""


class Fitter:
    """One training run.

    Args:
        recipe: model, objective and what it starts from; the model is on its device.
        train: batches to train on.
        valid: batches to validate on, or None.
        settings: how.
        folder: where `history.jsonl` and `checkpoint/` go; None writes nothing.
        show: whether to show progress on stderr.
    """

    def __init__(
        self,
        recipe: Recipe,
        train: Loader | ForeignLoader,
        valid: Loader | ForeignLoader | None,
        settings: Settings,
        *,
        folder: Path | None = None,
        show: bool = True,
    ) -> None:
        self.recipe, self.train, self.valid, self.settings, self.folder, self.show = (
            recipe, train, valid, settings, folder, show,
        )  # fmt: skip
        self.model, self.game = recipe.model, as_game(recipe.objective)
        self.device = train.device
        self.game.to(self.device)
        self.total = settings.total_steps(train.batches)
        self.at, self.seconds = 0, 0.0
        self.threads = Threads(self.device)
        self._saved = -1  # the step of the last checkpoint written
        moving = [p for p in self.game.modules() if isinstance(p, Schedule) and not isinstance(p, Constant)]
        self.stopper = Stopper(settings.monitor, settings.early_stopping, moving)
        self.stopping = False
        self.history = History(None if folder is None else folder / "history.jsonl")
        self.first: float | None = None  # the loss of the first step
        self.tally = Tally()  # of the epoch so far

    @property
    def epoch(self) -> int:
        """Epochs done, as a whole number."""
        return self.at // self.train.batches

    def stop(self) -> None:
        """Stop after this step, as if it were the last."""
        self.stopping = True

    def _call(self, name: str, *arguments: Any) -> None:
        for callback in self.settings.callbacks:
            getattr(callback, name)(self, *arguments)

    def run(self, *, resume: bool = False) -> None:
        """Train to the end, from the start or from the last checkpoint."""
        held = load_checkpoint(self.folder / "checkpoint") if resume and self.folder is not None else None
        if held is None:
            begin(self.recipe, self.game, self.train, self.settings)
        self._prepare()
        if held is not None:
            unpack(self, *held)
            if isinstance(self.train, ForeignLoader) and self.show:
                said = f"resuming at the start of epoch {self.epoch}: no DataLoader is entered midway"
                print(said, file=sys.stderr)
        else:
            self.history.truncate(0)
        with Signals() as signals, denormals_flushed(), self.threads:
            self._call("on_train_begin")
            self._loop(signals)
            if signals.received:
                self.save()
                raise Interrupted(f"stopped by {signals.received} at step {self.at}; {self._where()}: use --resume")
        if self.at == self.total:
            self.save()
        self._finish()
        if self.show:
            say_risen(self.first, self.history.rows)
        self._call("on_train_end")

    def _prepare(self) -> None:
        s = self.settings
        keep_freed_memory()
        self.optimizers = make_optimizers(self.game.players(self.model), optimizer=s.optimizer, lr=s.lr)
        self.base_lrs = {k: [g["lr"] for g in o.param_groups] for k, o in self.optimizers.items()}
        self.step = Step(
            self.model, self.game, self.optimizers,
            clip=s.clip, skip=s.skip, accumulate=s.accumulate, precision=s.precision,
        )  # fmt: skip
        self.compiling = Compiling(self.step, s.compile, self.total)
        if s.compile == "off" and not s.callbacks and self.total >= WORTH:
            self.step.replay = Replay(self.step)
        moved = [p for p in self.model.parameters() if p.requires_grad]
        self.average = None if s.ema is None else Average(moved, s.ema)

    def _loop(self, signals: Signals) -> None:
        progress = Progress(self.total, self.at, show=self.show)
        began, saved, shown = time.monotonic(), time.monotonic(), time.monotonic()
        before = self.seconds
        self.model.train()
        while self.at < self.total and not self.stopping and not signals.received:
            metrics = self._one_step()
            now = time.monotonic()
            self.seconds = before + now - began
            self._call("on_step_end", metrics)
            whole = self.at % self.train.batches == 0 or self.at == self.total or self.stopping
            if isinstance(self.train, ForeignLoader) or whole or now - shown > REFRESH_SECONDS:
                self._guard()
                progress.update(self.at, self._progress())
                shown = now
            if whole:
                self._end_epoch()
            due = self.at % self.settings.save_every == 0 if self.settings.save_every else now - saved > SAVE_SECONDS
            if isinstance(self.train, ForeignLoader):  # it can go on from the start of an epoch only
                due = self.at % self.train.batches == 0
            if due and self.folder is not None:
                self._guard()
                self.save()
                saved = time.monotonic()
        self._guard()
        progress.close(self._progress())
        self.seconds = before + time.monotonic() - began

    def _one_step(self) -> Metrics:
        factor = learning_rate(self.settings, self.at, self.total)
        for name, optimizer in self.optimizers.items():
            for group, lr in zip(optimizer.param_groups, self.base_lrs[name], strict=True):
                group["lr"] = lr * factor
        seed_step(derive(self.settings.seed, self.at), self.device)
        batch = self._batch = self.train.batch(self.at)
        metrics = self.compiling(batch, self.at)
        if self.average is not None:
            self.average.update(self.at)
        self.at += 1
        if self.first is None:
            self.first = float(metrics["loss"])
        self.tally.add(metrics)
        if self.tally.full:
            self._guard()  # no number that is not finite enters the means
            self.tally.fold()
        return metrics

    def _progress(self) -> str:
        # where an epoch has just ended, its own row is what there is to say
        means = self.tally.means() or (self.history.rows[-1] if self.history.rows else {})
        words = [f"{name} {means[name]:.4g}" for name in ("rate", "distortion") if name in means]
        done = self.at * self.train.items / self.train.batches
        return f"epoch {self.epoch}, {', '.join(words)} nats, {done / max(self.seconds, 1e-9):,.0f} items/s"

    def _guard(self) -> None:
        """Read the flag of a bad step; where it is set, say what happened, with the last good state saved."""
        bad = int(self.step.bad)
        if bad < 0:
            return
        seed_step(derive(self.settings.seed, bad), self.device)
        batch = self._batch if isinstance(self.train, ForeignLoader) else self.train.batch(bad)
        self.tally.drop_last(self.at - bad)
        self.at = bad
        for part in self.step.after:
            if isinstance(part, Schedule):
                part.after_step(bad)
        self.save()
        raise explain(self.step, batch, bad, self._where())

    def _where(self) -> str:
        """What a run that ends early leaves behind, in words."""
        if self.folder is None or not (self.folder / "checkpoint" / "latest.json").exists():
            return "nothing was saved"
        since = f" of step {self.at - self.at % self.train.batches}" if isinstance(self.train, ForeignLoader) else ""
        return f"the last good state{since} is in {self.folder / 'checkpoint'}"

    def _end_epoch(self) -> None:
        row: dict[str, Any] = {
            "epoch": self.at / self.train.batches,
            "step": self.at,
            "seconds": round(self.seconds, 3),
            "items_per_second": round(self.at * self.train.items / self.train.batches / max(self.seconds, 1e-9), 1),
            "lr": next(iter(self.optimizers.values())).param_groups[0]["lr"] if self.optimizers else None,
            "skipped": int(self.step.skipped),
            **self.tally.means(),
        }
        row["epoch"] = int(row["epoch"]) if row["epoch"] == int(row["epoch"]) else round(row["epoch"], 3)
        self.tally = Tally()
        last = self.at == self.total or self.stopping
        if self.valid is not None and (last or self.epoch % self.settings.valid_every == 0):
            row |= self._validate()
            self._call("on_evaluate", row)
            self.stopping |= self.stopper.judge(row, self.at, self._remember)
        self.history.add(row)
        self.threads.share()
        self._call("on_epoch_end", row)

    def _validate(self) -> dict[str, float]:
        """The held-out metrics, always with the same noise, with the averaged weights where there are some."""
        assert self.valid is not None
        if self.average is not None:
            self.average.swap()
        self.model.eval()
        self.game.eval()
        with forked(derive(self.settings.seed, 5), self.device):
            means = self.step.mean_metrics(self.valid.in_order(max(VALIDATION_BATCH, self.game.company)))
        self._remember = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        if self.average is not None:
            self.average.swap()
        self.model.train()
        self.game.train()
        return {f"valid_{name}": value for name, value in means.items()}

    def _finish(self) -> None:
        """The weights that the run is judged by: the best validation's, or the last."""
        if self.settings.keep == "best" and self.stopper.state:
            self.model.load_state_dict(self.stopper.state)
        elif self.average is not None:
            self.average.swap()
        self.model.eval()
        if isinstance(self.train, Loader) and self.at:
            settle(self.model, self.game, self.train, seed=derive(self.settings.seed, 7))

    def save(self) -> None:
        """Write a checkpoint; the order of a foreign DataLoader is known only where its epochs begin."""
        midway = isinstance(self.train, ForeignLoader) and self.at % self.train.batches
        if self.folder is None or midway or self.at == self._saved:
            return
        self._saved = self.at
        self._call("on_save", save_checkpoint(self.folder / "checkpoint", self.at, *packed(self)))
