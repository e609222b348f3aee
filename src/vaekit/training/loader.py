"""Batches: from arrays in memory by index, or from a DataLoader of the user's."""

from __future__ import annotations

__all__ = ["Augmentation", "Batch", "ForeignLoader", "Loader", "augment", "binarize_tensor"]

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vaekit.messages import Mistake
from vaekit.models import Model
from vaekit.networks import parameter_dtype
from vaekit.noise import derive
from vaekit.training.order import Order

NO_BATCHES = "the DataLoader gives no batches: it is empty, or drop_last drops its only batch."
ON_DEVICE = 2 * 2**30  # bytes of data that are kept on the accelerator


@dataclass(frozen=True)
class Batch:
    """Items in the model's units, their encoded context, and their row numbers."""

    x: Tensor
    y: Mapping[str, Tensor] | None = None
    index: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def chunks(self, n: int) -> list[Batch]:
        """n parts of nearly equal size; fewer where there are fewer items."""
        if n == 1:
            return [self]
        parts = torch.arange(len(self.x)).tensor_split(min(n, len(self.x)))
        return [self._cut(slice(int(p[0]), int(p[-1]) + 1)) for p in parts]

    def first(self, n: int) -> Batch:
        """The first n items, or all."""
        return self if n >= len(self) else self._cut(slice(0, n))

    def _cut(self, rows: slice) -> Batch:
        y = None if self.y is None else {k: v[rows] for k, v in self.y.items()}
        return Batch(self.x[rows], y, None if self.index is None else self.index[rows])


def binarize_tensor(x: Tensor, how: str | None) -> Tensor:
    """Grey values as the two ends of their range: drawn ("dynamic"), cut at the middle ("threshold"), or as they are.

    Args:
        x: uint8 values 0..255, or floats in [0, 1].
        how: "dynamic", "threshold" or None.

    Example:
        >>> binarize_tensor(torch.tensor([0, 100, 200], dtype=torch.uint8), "threshold")
        tensor([  0,   0, 255], dtype=torch.uint8)
    """
    if how is None:
        return x
    if x.dtype == torch.uint8:
        on = x > 127 if how == "threshold" else _draw(x)
        return on.view(torch.uint8).neg_()  # 1 becomes 255
    level: Tensor | float = torch.rand_like(x) if how == "dynamic" else 0.5
    return (level < x).to(x.dtype)


def _draw(x: Tensor) -> Tensor:
    """True with probability x / 255, to 2e-5 and exactly at 0 and 255; 16 random bits a pixel, drawn 64 at a time."""
    words = torch.empty(x.numel() // 4 + 1, dtype=torch.int64, device=x.device).random_(-(2**63), None)
    r = words.view(torch.int16)[: x.numel()].view(x.shape).clamp_(max=32766)  # uniform on -32768..32767, nearly
    return r < x.to(torch.int16).sub_(128).mul_(257).add_(128)


def augment(x: Tensor, *, crop: int | None, flip: bool) -> Tensor:
    """Random crops of crop x crop and random left-right flips of a batch of pictures, (B, ..., H, W)."""
    if crop is not None and x.shape[-2:] != (crop, crop):
        b, h, w = len(x), x.shape[-2], x.shape[-1]
        top = torch.randint(0, h - crop + 1, (b, 1, 1), device=x.device)
        left = torch.randint(0, w - crop + 1, (b, 1, 1), device=x.device)
        rows = (top + torch.arange(crop, device=x.device)[:, None]) * w
        index = (rows + left + torch.arange(crop, device=x.device)).flatten(1)  # (B, crop * crop)
        flat = x.flatten(-2).reshape(b, -1, h * w)  # (B, C, H * W)
        x = flat.gather(2, index[:, None].expand(-1, flat.shape[1], -1)).reshape(*x.shape[:-2], crop, crop)
    if flip:
        turn = torch.rand(len(x), device=x.device) < 0.5
        x = torch.where(turn.view(-1, *[1] * (x.ndim - 1)), x.flip(-1), x)
    return x


@dataclass(frozen=True)
class Augmentation:
    """Random crops and flips of training pictures.

    Attributes:
        flip: whether to mirror half of them.
        crop: the side of the square to cut out, or None.
        wide: the pictures in the larger size that crops are taken from, (N, ...), in the data's order.
    """

    flip: bool = False
    crop: int | None = None
    wide: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        return augment(x, crop=self.crop, flip=self.flip)


class Loader:
    """Batches of arrays in memory, by (seed, step) alone: no item is ever touched one by one.

    An epoch is cut into batches of nearly equal size, so that the last one has company too.

    Args:
        x: (N, *X) in storage type; it may be a file that is mapped to memory.
        y: the encoded context, (N, width) each, or None.
        rows: which of the N are the loader's; None for all. They are not copied.
        model: gives the transform.
        batch_size: the largest batch.
        seed: of the order.
        change: applied to a raw batch, such as binarisation; draws from the default generator.
    """

    def __init__(
        self,
        x: Tensor,
        y: Mapping[str, Tensor] | None,
        model: Model,
        *,
        batch_size: int,
        seed: int,
        device: torch.device,
        rows: Tensor | None = None,
        change: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.device, self.model, self.seed, self.change = device, model, seed, change
        if device.type != "cpu" and rows is not None:  # what is copied there is what is needed
            x, y, rows = x[rows], None if y is None else {k: v[rows.to(v.device)] for k, v in y.items()}, None
        fits = device.type != "cpu" and x.numel() * x.element_size() < ON_DEVICE
        self.x = x.to(device) if fits else x
        self.y = None if y is None else {k: v.to(self.x.device) for k, v in y.items()}
        self.kept = rows
        self.items = len(x) if rows is None else len(rows)
        self.batches = math.ceil(self.items / batch_size)
        self._dtype = parameter_dtype(model)  # looked for once, not at every batch
        self._epoch, self._order = -1, Order(0, 0)

    def order(self, epoch: int) -> Order:
        """The order of the items in an epoch."""
        if epoch != self._epoch:
            self._epoch, self._order = epoch, Order(self.items, derive(self.seed, epoch, 1), self.x.device)
        return self._order

    def chosen(self, step: int) -> Tensor:
        """Which of the loader's items are the batch of an optimiser step, counted from 0."""
        epoch, i = divmod(step, self.batches)
        low, high = i * self.items // self.batches, (i + 1) * self.items // self.batches
        return self.order(epoch)(low, high)

    def batch(self, step: int) -> Batch:
        """The batch of an optimiser step, counted from 0."""
        return self.rows(self.chosen(step))

    def rows(self, index: Tensor) -> Batch:
        """The batch of these of the loader's items."""
        x, y = self.raw(index)
        x = x.to(self._dtype) if self.model.transform is None else self.model.transform(x)
        return Batch(x, y, index)

    def raw(self, index: Tensor) -> tuple[Tensor, dict[str, Tensor] | None]:
        """These items in storage type, changed where the loader changes them, and their context."""
        index = index if self.kept is None else self.kept[index]
        x = self.x.index_select(0, index).to(self.device, non_blocking=True)
        y = None if self.y is None else {k: v.index_select(0, index).to(self.device) for k, v in self.y.items()}
        return x if self.change is None else self.change(x), y

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        """All items once, in order."""
        for rows in torch.arange(self.items, device=self.x.device).split(batch_size):
            yield self.rows(rows)


def loader_items(loader: Any) -> int:
    """How many items an epoch of a DataLoader gives; where it does not tell, full batches are counted."""
    size = getattr(loader, "batch_size", None) or 1
    known = len(loader.dataset) if hasattr(getattr(loader, "dataset", None), "__len__") else 0
    return known if known and not getattr(loader, "drop_last", False) else len(loader) * size


class ForeignLoader:
    """A DataLoader of the user's, giving x or (x, y) in the user's units; it resumes at an epoch's start."""

    def __init__(self, loader: Any, model: Model, *, seed: int, device: torch.device) -> None:
        try:
            self.batches = len(loader)
        except TypeError as error:
            raise Mistake(
                "the DataLoader has no length, so that epochs have no end: give one with a length, or arrays."
            ) from error
        if self.batches == 0:
            raise Mistake(NO_BATCHES)
        self.loader, self.model, self.seed, self.device = loader, model, seed, device
        self.items = loader_items(loader)
        self._epoch, self._iterator = -1, iter(())

    def batch(self, step: int) -> Batch:
        """The next batch; a step that begins an epoch begins the loader anew."""
        epoch = step // self.batches
        if epoch != self._epoch or step % self.batches == 0:
            torch.manual_seed(derive(self.seed, epoch, 2))  # what the loader's own shuffling draws from
            self._epoch, self._iterator = epoch, iter(self.loader)
        return self.convert(next(self._iterator))

    def convert(self, given: Any) -> Batch:
        """What a loader gives as a Batch."""
        x, y = self.open(given)
        return Batch(self.model.to_model(x), y)

    def open(self, given: Any) -> tuple[Any, dict[str, Tensor] | None]:
        """What a loader gives as x in the user's units and the encoded context."""
        x, y = given if isinstance(given, (tuple, list)) and len(given) == 2 else (given, None)
        x = x[0] if isinstance(x, (tuple, list)) else x
        return x, self.model.to_context(y, len(x)) if self.model.context is not None else None

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        for given in self.loader:
            yield self.convert(given)
