"""Step: one batch in, losses by player, gradients to their own players only, optimisers, after_step."""

from __future__ import annotations

__all__ = ["Step"]

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from vaekit.messages import Mistake
from vaekit.models import Model
from vaekit.objectives import Game, Term, as_game
from vaekit.training.loader import Batch
from vaekit.training.metrics import Metrics, Tally, joined
from vaekit.training.optim import make_optimizers
from vaekit.training.watch import Watch


class Step(nn.Module):
    """A training step, for vaekit's own loop and for yours.

    Args:
        model: what is trained.
        objective: a Term or a Game.
        optimizers: one, or one for each player; fused Adam where nothing is given.
        clip: the largest gradient norm.
        skip: a step whose gradient norm is this many times the usual one is left out. The usual norm follows
            what is seen, skipped steps included, so that training cannot stall behind it.
        accumulate: parts in which a batch is worked through.
        precision: "fp32" or "bf16".

    A step with a loss or a gradient that is not finite changes nothing, nor does any step after it:
    `bad` is then the number of that step (else -1). It is read without waiting for the device.

    Example:
        >>> import vaekit as vk
        >>> model, objective = vk.recipes.vae(shape=(4,), latent_dim=2)
        >>> step = vk.Step(model, objective)
        >>> sorted(step(torch.zeros(8, 4)))
        ['ELBO', 'distortion', 'elbo', 'loss', 'rate']
    """

    def __init__(
        self,
        model: Model,
        objective: Term | Game,
        optimizers: torch.optim.Optimizer | Mapping[str, torch.optim.Optimizer] | None = None,
        *,
        clip: float | None = None,
        skip: float = 100.0,
        accumulate: int = 1,
        precision: str = "fp32",
    ) -> None:
        super().__init__()
        self.model, self.game = model, as_game(objective)
        self.players = self.game.players(model)
        if optimizers is None:
            optimizers = make_optimizers(self.players)
        if isinstance(optimizers, torch.optim.Optimizer):
            optimizers = {next(iter(self.players)): optimizers}
        idle = [player for player, own in self.players.items() if own and player not in optimizers]
        if idle:
            raise Mistake(f"player {idle[0]!r} has parameters and no optimiser: give optimizers={{{idle[0]!r}: ...}}.")
        self.optimizers = dict(optimizers)
        self.moved = [p for o in self.optimizers.values() for group in o.param_groups for p in group["params"]]
        self.clip, self.accumulate, self.precision = clip, accumulate, precision
        self.after = [*model.walk("after_step"), *self.game.walk("after_step")]
        self.device = next((p.device for own in self.players.values() for p in own), torch.device("cpu"))
        # a flag on the device saves waiting for it; on the CPU there is nothing to wait for, and the flag costs time
        on_device = self.device.type != "cpu"
        self.masked = {name: on_device and _takes_mask(optimizer) for name, optimizer in self.optimizers.items()}
        own = {name: self.players[name] for name in self.optimizers}
        self.watch = Watch(own, self.device, skip=skip, all_of_them=clip is not None)
        self.bad, self.usual, self.skipped = self.watch.bad, self.watch.usual, self.watch.skipped
        self.scored: Any = self.losses  # in training; what compiling replaces
        self.replay: Any = None  # batch -> metrics with the gradients at the weights, or None
        self.steps = 0
        self._jacobian: float | None = None

    def losses(self, batch: Batch) -> tuple[dict[str, Tensor], Metrics]:
        """(player -> loss, metrics) of a batch in the model's units; what DDP would wrap and `Compiling` compiles."""
        narrow = self.precision == "bf16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16) if narrow else nullcontext():
            trace = self.game.trace(self.model, batch)
            losses, named = self.game.score(self.model, trace)
            jacobian = self.jacobian(batch.x)
            return losses, Metrics.of(trace, next(iter(losses.values())), named, jacobian, len(batch))

    @torch.no_grad()
    def mean_metrics(self, batches: Iterable[Batch]) -> dict[str, float]:
        """The metrics' means over all items of held-out batches."""
        tally = Tally()
        for batch in batches:
            tally.add(self.losses(batch)[1])
        return tally.means()

    def jacobian(self, x: Tensor) -> Tensor | float:
        """What log-densities gain on the way to the user's units, nats an item; constant but for data with gaps."""
        if self.model.takes_missing:
            gain = self.model.log_jacobian(x)
            return gain.mean() if isinstance(gain, Tensor) else gain
        if self._jacobian is None:
            self._jacobian = float(self.model.log_jacobian(x))
        return self._jacobian

    def forward(self, batch: Any) -> Metrics:
        """One optimiser step; returns loss, elbo, rate, distortion and every term, 0-dimensional tensors by name.

        Args:
            batch: a Batch in the model's units, or x, or (x, y), in the user's.
        """
        batch = self._batch(batch)
        if len(batch) // self.accumulate < self.game.company > 1:
            raise Mistake(
                f"{self.game.first.name} compares the items of a batch and got {len(batch)}, worked through in "
                f"{self.accumulate}: give batches of at least {self.game.company * self.accumulate}."
            )
        turns = self.game.turns(self.steps)
        for parameter in self.moved:
            parameter.grad = None
        parts = []
        for chunk in batch.chunks(self.accumulate):
            metrics = None if self.replay is None else self.replay(chunk)
            if metrics is None:
                losses, metrics = self.scored(chunk)
                share = len(chunk) / len(batch)
                self._backward({k: v * share if share != 1 else v for k, v in losses.items() if k in turns})
            parts.append(metrics)
        total = joined(parts)
        self._update(turns, total.scores["loss"])
        for part in self.after:
            part.after_step(self.steps + 1)
        self.steps += 1
        return total

    def _batch(self, batch: Any) -> Batch:
        if isinstance(batch, Batch):
            return batch
        x, y = batch if isinstance(batch, (tuple, list)) else (batch, None)
        return Batch(self.model.to_model(x), self.model.to_context(y, len(x)))

    def _backward(self, losses: dict[str, Tensor]) -> None:
        if len(self.players) == 1:
            for loss in losses.values():
                torch.autograd.backward(loss)
            return
        last = len(losses) - 1
        for i, (player, loss) in enumerate(losses.items()):
            if self.players[player]:
                torch.autograd.backward(loss, inputs=self.players[player], retain_graph=i < last)

    @torch.no_grad()
    def _update(self, turns: set[str], loss: Tensor) -> None:
        moving = [player for player in self.optimizers if player in turns]
        norms = self.watch.norms(moving)
        for player, stay in self.watch.stay(self.steps, loss, norms).items():
            excess = None if self.clip is None else norms[player] / self.clip
            self._move(player, self.optimizers[player], stay, excess)

    def _move(self, player: str, optimizer: Any, stay: Tensor | bool, excess: Any) -> None:
        """Step, unless it is to stay, with the gradient divided by its excess over the largest norm where above 1."""
        if self.masked[player]:  # fused optimisers mask and scale on the device
            optimizer.found_inf = torch.as_tensor(stay, device=self.device).float()
            if excess is not None:
                optimizer.grad_scale = torch.as_tensor(excess, device=self.device).clamp_min(1.0)
            optimizer.step()
        elif not bool(stay):
            if excess is not None:
                scale = excess.clamp_min(1.0) if isinstance(excess, Tensor) else max(excess, 1.0)
                torch._foreach_div_([p.grad for p in self.players[player] if p.grad is not None], scale)
            optimizer.step()


def _takes_mask(optimizer: torch.optim.Optimizer) -> bool:
    """Whether the optimiser leaves a step out by a flag on the device."""
    return all(group.get("fused") for group in optimizer.param_groups)
