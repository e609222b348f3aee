"""Whether the latent space is regular: decodes change smoothly, prior draws decode to typical items, no holes.

Three illnesses show: a jump (an interpolation spends its whole way in one step), nonsense (a prior draw decodes to
what is far from all data), and a hole (prior mass where no item's posterior is). Latents are taken at the top level of
a hierarchy, the levels below at their prior means, unless prior draws are decoded.
"""

from __future__ import annotations

__all__ = ["completeness_numbers", "hole_numbers", "regularity_numbers"]

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from vaekit.conditional import rows_of
from vaekit.evaluation.geodesic import real_levels, smoothness_numbers
from vaekit.evaluation.number import Number, mean_number
from vaekit.models import HierarchicalVAE, Model
from vaekit.models.model import latent_mean
from vaekit.networks import parameter_dtype
from vaekit.noise import forked

NUMBERS = 2_000_000  # of distances held at a time
DECODES = 1000  # of prior draws
DRAWS = 2000  # of prior and posterior, compared in latent space
NEAR = 5  # neighbours
ROWS = 256  # items encoded or decoded at a time

Context = Mapping[str, Tensor] | None


def regularity_numbers(
    model: Model,
    x: Tensor,
    y: Context = None,
    *,
    reference: Tensor | None = None,
    features: Callable[[Tensor], Tensor] | None = None,
    seed: int = 0,
) -> dict[str, Number]:
    """All numbers of `smoothness_numbers`, `completeness_numbers` and `hole_numbers`.

    Args:
        model: in evaluation mode, with real-valued latents.
        x: (N, *X) held-out items in the model's units.
        y: the encoded context, (N, width) each.
        reference: items that decodes are compared with, such as the training items; half of x where nothing is given.
        features: from items (B, *X) in the model's units to (B, F), in which distances are taken; the values
            themselves where nothing is given.
        seed: of all choices and draws.

    Raises:
        Mistake: for latents that are bits, between which there is nothing to be smooth.

    Example:
        >>> from vaekit.recipes import vae
        >>> model, x = vae(shape=(4,), latent_dim=2).model.eval(), torch.randn(50, 4)
        >>> sorted(regularity_numbers(model, x))  # doctest: +NORMALIZE_WHITESPACE
        ['complete_share', 'complete_share_fitted', 'coverage', 'coverage_fitted', 'detour', 'geodesic_ratio',
         'largest_step', 'step_mean', 'step_q95']
    """
    return {
        **smoothness_numbers(model, x, y, seed=seed),
        **completeness_numbers(model, x, y, reference=reference, features=features, seed=seed),
        **hole_numbers(model, x, y, seed=seed),
    }


@torch.no_grad()
def completeness_numbers(
    model: Any,
    x: Tensor,
    y: Context = None,
    *,
    reference: Tensor | None = None,
    features: Callable[[Tensor], Tensor] | None = None,
    seed: int = 0,
) -> dict[str, Number]:
    """The share of prior draws that decode to something as near to real items as held-out items are.

    Near is the mean distance to the 5 nearest reference items; as near is within the 95 % quantile both of held-out
    items, which do not depend on the model, and of their reconstructions, which are as smooth as its decodes are: about
    0.95 is what a good model has whose prior draws are like its posterior draws. A prior much narrower than the latents
    stays in a small part of them, which may be typical: read the share beside `hole_numbers`.

    Args:
        model, x, y, reference, features, seed: as for `regularity_numbers`.

    Returns:
        complete_share: of draws from the model's prior, as `model.sample` takes them (N(0, I) for an autoencoder);
        complete_share_fitted: of draws from a Gaussian fitted to the latents of x. None where items have gaps.

    Example:
        >>> from vaekit.recipes import vae
        >>> model, x = vae(shape=(4,), latent_dim=2).model.eval(), torch.randn(50, 4)
        >>> 0 <= completeness_numbers(model, x)["complete_share"].value <= 1
        True
    """
    pairs = real_levels(model, x, y)
    generator = torch.Generator().manual_seed(seed)
    held = torch.arange(len(x))
    if reference is None:
        order = torch.randperm(len(x), generator=generator)
        held, reference = order[len(x) // 2 :], x[order[: len(x) // 2].to(x.device)]
    held = held.to(x.device)
    look = features if features is not None else lambda items: items.flatten(1)
    known, real = look(reference).double(), look(x[held]).double()
    names = ("complete_share", "complete_share_fitted")
    if not bool(known.isfinite().all() and real.isfinite().all()):
        return {name: Number(None, "share", "undefined: items have missing values: give features") for name in names}
    again = torch.cat([
        look(model._likelihood(latent_mean(model._posterior(x[rows], given)), given).mean)
        for rows in held.split(ROWS) for given in [rows_of(y, rows)]
    ])  # fmt: skip
    bar = min(_nearest(items, known, NEAR).mean(1).quantile(0.95) for items in (real, again))

    def inside(draw: Callable[[int, Context], Any]) -> Tensor:
        found = []
        for rows in held[torch.arange(DECODES, device=x.device) % len(held)].split(ROWS):
            given = rows_of(y, rows)
            items = look(model._likelihood(draw(len(rows), given), given).mean)
            found.append(_nearest(items, known, NEAR).mean(1) <= bar)
        return torch.cat(found).double()

    def fitted(n: int, given: Context) -> Any:
        z = _fitted(latents, n).to(parameter_dtype(model))
        return (z,) if isinstance(model, HierarchicalVAE) else z

    with forked(seed, x.device):
        latents = torch.cat([q.sample().flatten(1) for q, _ in pairs])
        shares = [inside(draw) for draw in (lambda n, given: model.prior_sample(n, given, 1.0), fitted)]
    how = (
        f"within the 95 % quantile of {len(held):,} held-out items and of their reconstructions, by the distance in "
        f"{'values' if features is None else 'features'} to the {NEAR} nearest of {len(known):,} items"
    )
    sources = ("the model's prior", "a Gaussian fitted to the latents")
    return {
        name: mean_number(share, "share", f"{DECODES:,} draws of {source}, {how}")
        for name, share, source in zip(names, shares, sources, strict=True)
    }


@torch.no_grad()
def hole_numbers(model: Any, x: Tensor, y: Context = None, *, seed: int = 0) -> dict[str, Number]:
    """The share of the prior's regions that some item's posterior occupies; the rest are holes.

    A prior draw's region is the ball that reaches its 5th nearest fellow; it is occupied where it holds a draw of an
    item's posterior (the coverage of Naeem et al. 2020, arXiv:2002.09797, in latent space), of which there are as
    many. Where the two distributions are equal and there are many items, 1 - 2^-5 = 0.97 are.

    Args:
        model, x, y, seed: as for `regularity_numbers`.

    Returns:
        coverage: of the model's prior (N(0, I) for an autoencoder); coverage_fitted: of a Gaussian fitted to the
        latents of x.

    Example:
        >>> from vaekit.recipes import vae
        >>> model, x = vae(shape=(4,), latent_dim=2).model.eval(), torch.randn(50, 4)
        >>> 0 <= hole_numbers(model, x)["coverage"].value <= 1
        True
    """
    pairs = real_levels(model, x, y)
    each = math.ceil(DRAWS / len(x))
    with forked(seed, x.device):
        order = torch.randperm(len(x) * each, device=x.device)[:DRAWS]
        seen = torch.cat([q.sample((each,)).flatten(2) for q, _ in pairs], 1).flatten(0, 1)[order]
        rows = order % len(x)
        drawn = model.prior_sample(DRAWS, rows_of(y, rows), 1.0)
        top = (drawn[0] if isinstance(drawn, tuple) else drawn).double()
        fitted = _fitted(seen, DRAWS)
    how = f"{DRAWS:,} draws of {{}} and as many of {len(x):,} posteriors; {1 - 0.5**NEAR:.3g} where they are equal"
    found = {}
    for name, z, source in (
        ("coverage", top, "the model's prior"),
        ("coverage_fitted", fitted, "a Gaussian fitted to them"),
    ):
        radius = _nearest(z, z, NEAR + 1)[:, -1]  # the nearest is the draw itself
        found[name] = mean_number((_nearest(z, seen, 1)[:, 0] <= radius).double(), "share", how.format(source))
    return found


def _fitted(z: Tensor, n: int) -> Tensor:
    """n draws of the Gaussian with the mean and the covariance of z (N, D): mixtures of its deviations."""
    centred = z - z.mean(0)
    noise = torch.randn(n, len(z), dtype=z.dtype, device=z.device)
    return z.mean(0) + noise @ centred / math.sqrt(max(1, len(z) - 1))


def _nearest(a: Tensor, b: Tensor, k: int) -> Tensor:
    """The distances from a (n, F) to its k nearest of b, (n, k), float64, from near to far."""
    a, b = a.double(), b.double()
    k = min(k, len(b))
    parts = [torch.cdist(some, b).topk(k, largest=False).values for some in a.split(max(1, NUMBERS // len(b)))]
    return torch.cat(parts)
