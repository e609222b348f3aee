"""Callback: the moments of a run at which the user's code may look in."""

from __future__ import annotations

__all__ = ["Callback", "TensorBoard"]

from pathlib import Path
from typing import Any

from vaekit.messages import optional


class Callback:
    """The base; every method may stay as it is. `run` is the Fitter, with `model`, `at`, `history` and `stop()`."""

    def on_train_begin(self, run: Any) -> None: ...

    def on_step_end(self, run: Any, metrics: dict[str, Any]) -> None: ...

    def on_epoch_end(self, run: Any, row: dict[str, Any]) -> None: ...

    def on_evaluate(self, run: Any, row: dict[str, Any]) -> None: ...

    def on_save(self, run: Any, folder: Path) -> None: ...

    def on_train_end(self, run: Any) -> None: ...


class TensorBoard(Callback):
    """Writes every number of the history for TensorBoard (the extra `tensorboard`).

    Args:
        folder: where the event files go.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder, self.make = str(folder), optional("torch.utils.tensorboard", "tensorboard").SummaryWriter

    def on_train_begin(self, run: Any) -> None:
        self.writer = self.make(self.folder)

    def on_epoch_end(self, run: Any, row: dict[str, Any]) -> None:
        for name, value in row.items():
            if isinstance(value, (int, float)) and name not in ("epoch", "step"):
                self.writer.add_scalar(name, value, row["step"])

    def on_train_end(self, run: Any) -> None:
        self.writer.close()
