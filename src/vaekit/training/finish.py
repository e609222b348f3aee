r"""What happens once after the last step: what has a closed form over the whole training set.

The latents' origin and unit: with m and s the mean and standard deviation of a latent over all items' posteriors,
z -> (z - m) / s leaves every reconstruction as it is and takes

.. math:: \tfrac12 (s^2 + m^2 - 1) - \log s

nats off the rate, the most that any shift and scale can. Training comes there slowly, since encoder and decoder have to
change together.

The codes of a prior that is made of the training items: those of the final encoder.
"""

from __future__ import annotations

__all__ = ["settle"]

from typing import Any

import torch
from torch import Tensor

from vaekit.likelihoods import OptimalScale
from vaekit.models import VAE, Model
from vaekit.noise import forked
from vaekit.objectives import ELBO, Game
from vaekit.training.loader import Loader

BATCH = 512
FEW, NEAR = 32, 1e-3  # items that a rescaling is checked on, and how well, for rounding
SMALLEST = 1e-3  # a standard deviation below which a latent is left as it is


@torch.no_grad()
def settle(model: Model, game: Game, train: Loader, *, seed: int) -> None:
    """Give latents the origin and unit, an optimal scale the value and a prior of the items their codes.

    Args:
        model: in evaluation mode, with the weights that the run keeps.
        game: the objective; latents are left as they are where it is more than an ELBO.
        train: the training items.
        seed: of the draws, one of z for each item.
    """
    if isinstance(model, VAE) and model.rescales and [type(term) for term in game.roles.values()] == [ELBO]:
        with forked(seed, train.device):
            _rescale(model, train)
    prior: Any = getattr(model, "prior", None)
    if getattr(prior, "made_of_items", False):
        with forked(seed, train.device):
            prior.hold(torch.cat([model._posterior(b.x, b.y).mean for b in train.in_order(BATCH)]))
    scale = getattr(getattr(model, "likelihood", None), "scale", None)
    if isinstance(scale, OptimalScale):
        with forked(seed, train.device):
            scale.mean_square.fill_(_mean_square(model, train))


def _rescale(model: VAE, train: Loader) -> None:
    """Give the latents their best origin and unit; all stays as it was where that changes what items decode to.

    A network of the user's own may read the latents in other places than the layer it names, or share its weights.
    """
    mean, scale = _moments(model, train)
    held = {name: value.clone() for name, value in model.state_dict().items()}
    batch = next(train.in_order(FEW))

    def seen() -> tuple[Tensor, Tensor]:
        z = model._posterior(batch.x, batch.y).mean
        px: Any = model._likelihood(z, batch.y)
        return z, (px.log_prob_observed if model.takes_missing else px.log_prob)(batch.x)

    z, score = seen()
    model.rescale(mean, scale)
    again, score_again = seen()
    pairs = ((again, (z - mean) / scale), (score_again, score))
    if not all(torch.allclose(new, old, rtol=NEAR, atol=NEAR) for new, old in pairs):
        model.load_state_dict(held)


def _moments(model: VAE, train: Loader) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the latents over the posteriors of all items, (D,) each."""
    first: Tensor | float = 0.0
    second: Tensor | float = 0.0
    for batch in train.in_order(BATCH):
        q = model._posterior(batch.x, batch.y)
        first = first + q.mean.double().sum(0)
        second = second + (q.mean.double().square() + q.variance.double()).sum(0)
    mean = torch.as_tensor(first) / train.items
    scale = (torch.as_tensor(second) / train.items - mean.square()).sqrt()
    usable = scale.isfinite() & (scale > SMALLEST)
    like = next(model.parameters())
    return torch.where(usable, mean, 0.0).to(like.dtype), torch.where(usable, scale, 1.0).to(like.dtype)


def _mean_square(model: Model, train: Loader) -> float:
    total = torch.zeros((), dtype=torch.float64)
    count = 0
    for batch in train.in_order(BATCH):
        error = batch.x - model.trace(batch.x, batch.y).px.mean
        total += error.square().nansum().double().cpu()
        count += int((~error.isnan()).sum())
    return float(total) / max(count, 1)
