"""Runs of one structure trained as one: their models are stacked, so that small networks share every operation."""

from __future__ import annotations

__all__ = ["apart", "fit_together"]

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import stack_module_state, vmap

from vaekit.memory import denormals_flushed
from vaekit.messages import Mistake
from vaekit.noise import derive, seed_step
from vaekit.objectives import Schedule
from vaekit.training.begin import begin
from vaekit.training.fit import REFRESH_SECONDS, Fitter
from vaekit.training.loader import Batch, Loader
from vaekit.training.metrics import Metrics
from vaekit.training.optim import learning_rate, make_optimizers
from vaekit.training.progress import Progress
from vaekit.training.replay import Losses, Replayed, called
from vaekit.training.step import Step

FEW = 8  # items that stacking is tried on
ALONE = {  # settings that look at one run, and their values that ask for nothing
    "accumulate": 1, "clip": None, "early_stopping": None, "optimizer": None, "compile": "off",
}  # fmt: skip


def apart(fitters: Sequence[Fitter]) -> str | None:
    """Why these runs have to be trained one after the other, in words, or None.

    Args:
        fitters: new ones, none of which has begun.
    """
    first = fitters[0]
    asked = next((name for name, idle in ALONE.items() if getattr(first.settings, name) != idle), None)
    if asked is not None or first.settings.callbacks:
        return f"{asked or 'callbacks'} looks at one run"
    if any(replace(fitter.settings, seed=0) != replace(first.settings, seed=0) for fitter in fitters):
        return "their settings differ"
    if not all(isinstance(fitter.train, Loader) for fitter in fitters):
        return "a DataLoader gives batches to one run"
    if len(first.game.roles) > 1:
        return "the objective has several players"
    moving = [*first.model.walk("after_step"), *first.game.walk("after_step")]
    other = next((part for part in moving if not isinstance(part, Schedule)), None)
    if other is not None:
        return f"{type(other).__name__} moves without a gradient"
    inside = next(
        (part for part in [*first.model.modules(), *first.game.modules()] if not getattr(part, "compiles", True)), None
    )
    if inside is not None:
        return f"{type(inside).__name__} differentiates inside its own pass"
    if any(_structure(fitter) != _structure(first) for fitter in fitters[1:]):
        return "the models or objectives differ in more than their weights"
    if any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in first.model.modules()):
        return "batch normalisation keeps statistics of one run"
    return _fails(fitters)


def fit_together(fitters: Sequence[Fitter]) -> None:
    """Train all to the end, as `Fitter.run` does each, but for its guards and checkpoints.

    Each run has its own order of the items, its own weights at the start and its own noise, but not the noise that it
    would have alone: it differs from a run alone as another seed does. A run's seconds are its share of all.

    Args:
        fitters: runs that `apart` has nothing against, of equal settings but for the seed.

    Raises:
        Mistake: where a loss is not finite.
    """
    stack = _Stack(fitters)
    first, n = fitters[0], len(fitters)
    progress = Progress(first.total, 0, show=first.show)
    began = shown = time.monotonic()
    with denormals_flushed(), first.threads:
        while first.at < first.total:
            stack.step(first.at)
            now = time.monotonic()
            whole = first.at % first.train.batches == 0 or first.at == first.total
            for fitter in fitters:
                fitter.seconds = (now - began) / n
            if whole or now - shown > REFRESH_SECONDS:
                stack.check()
                progress.update(first.at, f"{n} runs together, {first._progress()} each")
                shown = now
            if whole:
                for fitter in fitters:
                    fitter._end_epoch()
    progress.close(f"{n} runs together, {first._progress()} each")
    for fitter in fitters:
        fitter._finish()


def _fails(fitters: Sequence[Fitter]) -> str | None:
    """Why the losses of stacked copies cannot be taken, tried on a few items; the models stay as they are."""
    noise = torch.get_rng_state()
    bodies = [Losses(Step(fitter.model, fitter.game)) for fitter in fitters]
    weights, buffers = stack_module_state(bodies)
    train = fitters[0].train
    assert isinstance(train, Loader)
    few = train.rows(torch.arange(min(FEW, train.items)).repeat(len(fitters)))
    batch = _unfolded(few, len(fitters))
    moved = [name for name, weight in weights.items() if weight.requires_grad]
    try:
        losses = _all_losses(bodies[0], weights, buffers, batch, randomness="same")[0]
        stacked = torch.autograd.grad(losses.sum(), [weights[name] for name in moved], allow_unused=True)
        torch.set_rng_state(noise)
        own = dict(bodies[0].named_parameters())
        loss = bodies[0](batch.x[0], None if batch.y is None else {name: v[0] for name, v in batch.y.items()})[0]
        alone = torch.autograd.grad(loss, [own[name] for name in moved], allow_unused=True)
    except RuntimeError as error:
        return str(error).splitlines()[0]
    finally:
        torch.set_rng_state(noise)
    # code that asks a stacked tensor whether it carries a gradient is told no, and may take another way
    agree = all(_alike(None if a is None else a[0], b) for a, b in zip(stacked, alone, strict=True))
    return None if agree else "gradients of stacked models are not those of each"


def _alike(a: Tensor | None, b: Tensor | None) -> bool:
    if a is None or b is None:
        return a is b
    return torch.allclose(a, b, rtol=1e-2, atol=1e-3 * float(b.abs().max()) + 1e-6)


def _unfolded(flat: Batch, runs: int) -> Batch:
    """The batches of all runs side by side, x (runs, B, *X), of one that holds one after the other."""
    y = None if flat.y is None else {name: values.unflatten(0, (runs, -1)) for name, values in flat.y.items()}
    return Batch(flat.x.unflatten(0, (runs, -1)), y)


def _all_losses(
    body: Losses, weights: Any, buffers: Any, batch: Batch, *, randomness: str = "different"
) -> tuple[Tensor, dict[str, Tensor]]:
    """The losses (runs,) and the scores (runs, ...) of a batch for each run."""

    def call(weights: Any, buffers: Any, x: Tensor, y: Any) -> Any:
        return called(body, {**weights, **buffers}, (x, y))

    axes = (0, 0, 0, None if batch.y is None else 0)
    stacked = vmap(call, in_dims=axes, randomness=randomness)
    found: tuple[Tensor, dict[str, Tensor]] = stacked(weights, buffers, batch.x, batch.y)
    return found


class _Stack:
    """The weights of all runs side by side; each model's own are views of them."""

    def __init__(self, fitters: Sequence[Fitter]) -> None:
        self.fitters, self.settings, self.total = fitters, fitters[0].settings, fitters[0].total
        for fitter in fitters:
            begin(fitter.recipe, fitter.game, fitter.train, fitter.settings)
            fitter._prepare()
            fitter.history.truncate(0)
            fitter.model.train()
        bodies = [Losses(fitter.step) for fitter in fitters]
        self.body = bodies[0]
        self.weights, self.buffers = stack_module_state(bodies)
        for i, body in enumerate(bodies):
            for own, all_of_them in ((body.named_parameters(), self.weights), (body.named_buffers(), self.buffers)):
                for name, tensor in own:
                    tensor.data = all_of_them[name].detach()[i]
        moved = [weight for weight in self.weights.values() if weight.requires_grad]
        self.optimizer = make_optimizers({"all": moved}, lr=self.settings.lr)["all"]
        self.loaders = [fitter.train for fitter in fitters if isinstance(fitter.train, Loader)]
        self.names = list(self.loaders[0].y or {})
        self.replay = Replayed(self._scored, {**self.weights, **self.buffers})
        self.bad = torch.zeros(len(fitters), dtype=torch.bool, device=fitters[0].device)

    def _scored(self, tensors: Mapping[str, Tensor], x: Tensor, *y: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        weights, buffers = ({name: tensors[name] for name in part} for part in (self.weights, self.buffers))
        batch = Batch(x, dict(zip(self.names, y, strict=True)) or None)
        losses, scores = _all_losses(self.body, weights, buffers, batch)
        return losses.sum(), scores

    def step(self, at: int) -> None:
        """One step of all."""
        lr = self.settings.lr * learning_rate(self.settings, at, self.total)
        for optimizer in (self.optimizer, *(o for fitter in self.fitters for o in fitter.optimizers.values())):
            optimizer.param_groups[0]["lr"] = lr  # the runs' own take no steps but are what the history reads
        seed_step(derive(self.settings.seed, at), self.fitters[0].device)
        chosen = torch.cat([loader.chosen(at) for loader in self.loaders])  # of the same data and split
        batch = _unfolded(self.loaders[0].rows(chosen), len(self.fitters))
        scores = self.replay(batch.x, *(batch.y or {}).values())[1]
        self.optimizer.step()
        self.bad |= ~scores["loss"].isfinite()
        parts = {name: values.unbind() for name, values in scores.items()}
        for i, fitter in enumerate(self.fitters):
            fitter.tally.add(Metrics({name: part[i] for name, part in parts.items()}, batch.x.shape[1], self.body.gain))
            if fitter.tally.full:
                fitter.tally.fold()
            if fitter.average is not None:
                fitter.average.update(at)
            for part in fitter.step.after:
                part.after_step(at + 1)
            fitter.at += 1

    def check(self) -> None:
        """Refuse to go on where a loss was not finite."""
        if bool(self.bad.any()):
            seed = self.fitters[int(self.bad.nonzero()[0])].settings.seed
            raise Mistake(
                f"the loss of the run with seed {seed} is not finite before step {self.fitters[0].at}: train it alone "
                "with vk.fit, which names the term and the layer, or lower lr."
            )


_OWN = set(vars(nn.Module()))


def _structure(fitter: Fitter) -> list[Any]:
    """What has to be equal for one run's code to compute another's losses: all but tensors and schedules' values."""
    found: list[Any] = []
    for name, part in [*fitter.model.named_modules(), *fitter.game.named_modules()]:
        plain = {} if isinstance(part, Schedule) else {k: v for k, v in vars(part).items() if k not in _OWN}
        tensors = [(k, v.shape, v.dtype, v.requires_grad) for k, v in part.named_parameters(recurse=False)]
        tensors += [(k, v.shape, v.dtype, False) for k, v in part.named_buffers(recurse=False)]
        said = {k: repr(v) for k, v in plain.items() if k != "arguments"}  # the constructor's, with inner parts
        found.append((name, type(part), said, tensors))
    return found
