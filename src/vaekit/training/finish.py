"""What happens once after the last step: the optimal scale, over the whole training set."""

from __future__ import annotations

__all__ = ["settle"]

import torch

from vaekit.likelihoods import OptimalScale
from vaekit.models import Model
from vaekit.noise import forked
from vaekit.training.loader import Loader

BATCH = 512


@torch.no_grad()
def settle(model: Model, train: Loader, *, seed: int) -> None:
    """Freeze an optimal scale at the root mean square error over the training items, one draw of z each.

    Args:
        model: in evaluation mode, with the weights that the run keeps.
        train: the training items.
        seed: of the draws.
    """
    scale = getattr(getattr(model, "likelihood", None), "scale", None)
    if not isinstance(scale, OptimalScale):
        return
    total = torch.zeros((), dtype=torch.float64)
    count = 0
    with forked(seed, train.device):
        for batch in train.in_order(BATCH):
            error = batch.x - model.trace(batch.x, batch.y).px.mean
            total += error.square().nansum().double().cpu()
            count += int((~error.isnan()).sum())
    scale.mean_square.fill_(float(total) / max(count, 1))
