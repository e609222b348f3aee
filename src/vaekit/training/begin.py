"""What happens once before the first step: closed forms, first values, and a look for mistakes."""

from __future__ import annotations

__all__ = ["begin"]

from collections.abc import Mapping

import torch
from torch import Tensor

from vaekit.messages import Mistake
from vaekit.noise import derive, forked
from vaekit.objectives import Game, Recipe, Schedule, check
from vaekit.training.loader import ForeignLoader, Loader
from vaekit.training.settings import Settings

BEFORE_FIT = 50_000_000  # numbers of training data that closed forms and first values are taken from


def begin(recipe: Recipe, game: Game, train: Loader | ForeignLoader, settings: Settings) -> None:
    """Give model and objective what they take from the training data, and check that they can be trained on it.

    Args:
        recipe: holds the model, on its device.
        game: the recipe's objective.
        train: what is trained on.
        settings: gives seed and batch size.
    """
    model = recipe.model
    with forked(derive(settings.seed, 4), train.device):
        raw, y = _first_items(train)
    with torch.no_grad(), forked(derive(settings.seed, 8), train.device):
        if model.transform is not None and not model.transform.settled:
            model.transform.before_fit(raw, {}, train.items)
        x = model.transformed(raw)
        whole = bool(x.sum().isfinite())  # a sum is not finite where an element is not: one pass tells of all
        if not whole and bool((infinite := x.isinf().flatten(1).any(1)).any()):
            rows = ", ".join(map(str, infinite.nonzero().flatten()[:5].tolist()))
            raise Mistake(f"the data holds infinite values, at items {rows}: clean or drop those items.")
        for part in [*model.walk("before_fit"), *game.walk("before_fit")]:
            if part is not model.transform:
                part.before_fit(x, y or {}, train.items)
        if recipe.start is not None:
            recipe.start(model, x)
    for module in [*model.modules(), *game.modules()]:
        if isinstance(module, Schedule):
            module.over(settings.total_steps(train.batches))
    if settings.total_steps(train.batches):
        with forked(derive(settings.seed, 3), train.device):
            few = None if y is None else {k: v[:8] for k, v in y.items()}
            check(model, game, x[:8], few, batch_size=_smallest(train, settings))
            if not whole and not model.takes_missing and not bool(torch.isfinite(x).all()):
                check(model, game, x[~x.flatten(1).isfinite().all(1)][:8], few, batch_size=2**31)


def _smallest(train: Loader | ForeignLoader, settings: Settings) -> int:
    """The items of the smallest batch, or of a part of one; of a DataLoader the setting, as it may do as it likes."""
    least = train.items // train.batches if isinstance(train, Loader) else settings.batch_size
    return max(1, least // settings.accumulate)


def _first_items(train: Loader | ForeignLoader) -> tuple[Tensor, Mapping[str, Tensor] | None]:
    """Training items in the user's units and their encoded context, all or as many as there is room for."""
    if isinstance(train, ForeignLoader):
        x, y = train.open(next(iter(train.loader)))
        return torch.as_tensor(x, device=train.device), y
    rows = max(2, BEFORE_FIT // max(1, train.x[0].numel()))
    n = min(rows, train.items)
    return train.raw(torch.arange(n, device=train.x.device) * train.items // n)  # evenly spaced: data may be sorted
