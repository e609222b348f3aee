r"""What is done with a map of latents after training: pictures larger than the model's, and latents of the scale 1.

.. math:: z \mapsto z / s, \quad s^2 = \mathrm{Var}_{x, q(z|x)}[z]
"""

from __future__ import annotations

__all__ = ["decode", "encode", "scaled"]

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vaekit.measure import prepared
from vaekit.messages import Mistake
from vaekit.models import VAE, Model
from vaekit.networks import as_map, as_vector, parameter_dtype
from vaekit.networks.tiled import tiled
from vaekit.posteriors import AnyQuantized, Gaussian, GaussianMap, Point, PointMap
from vaekit.priors import StandardNormal
from vaekit.recipes.choose import binarization
from vaekit.run.loading import run_of
from vaekit.run.run import Run

CHUNK = 512
SCALED = (Gaussian, GaussianMap, Point, PointMap)  # whose latents are what their head makes
FEW, NEAR = 32, 1e-3  # items that a scaling is checked on, and how well, for rounding


@torch.no_grad()
def encode(subject: Run | Model | str | Path, x: Any, y: Any = None, *, overlap: int | None = None) -> Tensor:
    """The posterior's mean of pictures of the model's size or larger, as a map (B, C, h, w).

    Larger pictures are encoded a tile of the model's size at a time, and the tiles are blended; codes are not blended,
    each is the one of the tile that has it farther from its edge.

    Args:
        subject: a Run, the folder of a run or of a saved model, or a Model, with a map of latents.
        x: pictures in the user's units, (B, *X), of the model's channels and of sides that are whole numbers of places.
        y: their context, for a conditional model.
        overlap: places that tiles share; a quarter of a tile where nothing is given.

    Raises:
        Mistake: for a model without a map, and for pictures of other channels, or smaller than the model's.

    Example:
        >>> import vaekit as vk
        >>> model = vk.recipes.kl_autoencoder(shape=(3, 16, 16), latents=2, channels=[4, 8], judge_width=4).model
        >>> z = encode(model, torch.zeros(1, 3, 40, 24))
        >>> z.shape, decode(model, z).shape
        (torch.Size([1, 2, 10, 6]), torch.Size([1, 3, 40, 24]))
    """
    model = run_of(subject).model
    (c, h, w), factor = _map_of(model)
    x = torch.as_tensor(x)
    if tuple(x.shape[1:-2]) != tuple(model.shape[:-2]) or x.ndim != len(model.shape) + 1:
        raise Mistake(f"got pictures of shape {tuple(x.shape[1:])} and wanted {tuple(model.shape)}, or larger ones.")

    def one(piece: Tensor) -> Tensor:
        q: Any = model.encode(piece, y)
        return as_map(q.mean, (c, h, w))

    codes = isinstance(model.posterior, AnyQuantized)
    return tiled(one, x, (h, w), overlap=_shared(overlap, h, w), shrink=factor, sharp=codes)


@torch.no_grad()
def decode(subject: Run | Model | str | Path, z: Any, y: Any = None, *, overlap: int | None = None) -> Tensor:
    """The likelihood's mean for maps of latents of the model's size or larger, pictures (B, *X) in the user's units.

    Args:
        subject: as for `encode`.
        z: (B, C, h, w), as `encode` gives it.
        y: the context, for a conditional model.
        overlap: places that tiles share; a quarter of a tile where nothing is given.

    Raises:
        Mistake: for a model without a map, and for latents of another form, or fewer places than the model's.
    """
    model = run_of(subject).model
    (c, h, w), _ = _map_of(model)
    z = torch.as_tensor(z, dtype=parameter_dtype(model), device=next(model.parameters()).device)
    if z.ndim != 4 or z.shape[1] != c or z.shape[2] < h or z.shape[3] < w:
        raise Mistake(f"got latents of shape {tuple(z.shape)} and wanted (items, {c}, {h} or more, {w} or more).")

    def one(piece: Tensor) -> Tensor:
        px: Any = model.decode(as_vector(piece), y)
        return px.mean

    return tiled(one, z, (h, w), overlap=_shared(overlap, h, w))


@torch.no_grad()
def scaled(subject: Run | Model | str | Path, data: Any = None, y: Any = None) -> VAE:
    """The same model with latents of standard deviation 1 over the data: latent diffusion's 1 / s, in the weights.

    One factor for all latents, about the mean of all, as a diffusion model wants it (Rombach et al. 2022,
    arXiv:2112.10752); the spread of the posteriors counts. What items decode to stays as it is, and so does the share
    of noise in the latents. A VAE that is trained on the ELBO alone is given latents of mean 0 and deviation 1, each by
    itself, when its training ends.

    Args:
        subject: a Run, the folder of a run or of a saved model, or a Model; it is left as it is.
        data: training items as for `vk.fit`; the run's own training part where it is None.
        y: their context, for a conditional model.

    Raises:
        Mistake: for latents that are codes, flows or of several levels, for a decoder that does not tell its first
            layer, or reads the latents elsewhere too, and for a prior that is not N(0, I): it is fitted afterwards.

    Example:
        >>> import vaekit as vk
        >>> model = vk.recipes.kl_autoencoder(shape=(1, 8, 8), latents=2, channels=[4], judge_width=4).model
        >>> x = torch.rand(50, 1, 8, 8)
        >>> with torch.no_grad():
        ...     q = scaled(model, x).encode(x)
        >>> round(float((q.mean.var(correction=0) + q.variance.mean()).sqrt()), 4)
        1.0
    """
    run = run_of(subject)
    model: Any = copy.deepcopy(run.model).eval()
    q: Any = getattr(model, "posterior", None)
    enter = getattr(getattr(getattr(model, "likelihood", None), "net", None), "entrance", None)
    if type(q) not in SCALED or not isinstance(enter, (nn.Linear, nn.Conv2d)):
        raise Mistake(
            "only latents of a Gaussian or Point posterior, before a decoder that tells the layer they enter, can be "
            "given another scale: train a recipe such as 'kl_autoencoder'."
        )
    if type(model.prior) is not StandardNormal:
        raise Mistake(f"the prior {type(model.prior).__name__} belongs to the latents as they are: fit it afterwards.")
    dataset = run.part("train") if data is None else run.read(data, y)
    how = run.record["binarization"] if run.record["settings"] else binarization(dataset, model.likelihood, None)
    first, second, count = 0.0, 0.0, 0
    few: Any = None
    for batch in prepared(model, dataset, how, batch_size=CHUNK, device=next(model.parameters()).device):
        few = batch if few is None else few
        seen: Any = model._posterior(batch.x, batch.y)
        mean = seen.mean.double()
        first += float(mean.sum())
        second += float((mean.square() + (seen.variance.double() if model.has_density else 0.0)).sum())
        count += mean.numel()
    s = torch.tensor((second / count - (first / count) ** 2) ** 0.5).to(enter.weight)
    if not bool(s > 0):
        raise Mistake("the latents are the same for all items, or not finite: train the model again.")
    before = _decoded(model, few)
    like = torch.ones(q.head.shape[0]).to(s)
    q.head.rescale(0, 0 * like, like / s)
    if isinstance(q, Gaussian):
        q.head.rescale(1, s.log() * like, like)
    enter.weight[:, : len(like)].mul_(s)
    if not torch.allclose(_decoded(model, few), before, rtol=NEAR, atol=NEAR):
        raise Mistake("the decoder reads the latents in other places than the layer it names: it cannot be scaled.")
    made: VAE = model
    return made


def _decoded(model: Any, batch: Any) -> Tensor:
    """What some items' means decode to."""
    y = None if batch.y is None else {name: value[:FEW] for name, value in batch.y.items()}
    px: Any = model._likelihood(model._posterior(batch.x[:FEW], y).mean, y)
    found: Tensor = px.mean
    return found


def _map_of(model: Any) -> tuple[tuple[int, int, int], int]:
    """(C, h, w) of a model's latents, and how many pixels a place is high and wide."""
    q = getattr(model, "posterior", None)
    places: tuple[int, ...] = getattr(q, "places", ())
    shape = model.shape
    if len(places) != 2 or len(shape) < 2 or q is None:
        raise Mistake("this model's latents are no map: train a recipe such as 'kl_autoencoder' or 'vqgan'.")
    h, w = places
    factor = shape[-2] // h
    if (h * factor, w * factor) != tuple(shape[-2:]):
        raise Mistake(
            f"the model's pictures of {shape[-2]} x {shape[-1]} are no whole number of its {h} x {w} places, so that "
            "larger ones cannot be tiled: train it on sides that every halving divides."
        )
    return (q.latent_shape[0] // (h * w), h, w), factor


def _shared(overlap: int | None, h: int, w: int) -> int:
    return min(h, w) // 4 if overlap is None else overlap
