r"""MIWAE: Mattei and Frellsen 2019, https://arxiv.org/abs/1812.02633; missing values, at random, as NaN.

.. math:: E \log \tfrac1K \sum_k \frac{p(x_{obs}|z_k)\, p(z_k)}{q(z_k|x_{obs})}
"""

from __future__ import annotations

__all__ = ["miwae"]

from collections.abc import Sequence

from torch import nn

from vaekit.networks import Dense, ZeroFill
from vaekit.objectives import Recipe
from vaekit.recipes.burda2016 import iwae
from vaekit.recipes.compose import output_shape
from vaekit.recipes.declare import extends


@extends(iwae, without=("networks", "activation"))
def miwae(
    *,
    shape: Sequence[int],
    samples: int = 20,
    hidden: Sequence[int] = (128, 128),
    encoder: nn.Module | None = None,
    **iwae_arguments: object,
) -> Recipe:
    """An importance-weighted autoencoder that scores the observed values only and reads missing ones as 0.

    Args:
        shape: of one item.
        samples: K, the draws of z for each item.
        hidden: widths of the encoder's layers, the decoder's in reverse.
        encoder: your own module; it is given data with zeros where values are missing.
        iwae_arguments: as for `iwae`.

    Example:
        >>> import torch
        >>> model, objective = miwae(shape=(4,), latent_dim=2, hidden=[16])
        >>> bool(objective.loss(model, torch.tensor([[1.0, float("nan"), 0.0, 2.0]])).isfinite())
        True
    """
    net = encoder if encoder is not None else Dense(hidden).encoder(shape, _width(iwae_arguments))
    filled = ZeroFill(net, features=output_shape(net, shape, ()))
    return iwae(shape=shape, samples=samples, hidden=hidden, encoder=filled, **iwae_arguments)


def _width(arguments: dict[str, object]) -> int:
    context = arguments.get("context")
    return 0 if context is None else sum(context.widths.values())  # type: ignore[attr-defined]
