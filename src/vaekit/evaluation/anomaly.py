r"""How strange an item is to a model: one function for each score, high is strange.

.. math:: -\text{ELBO}, \quad -E_q \log p(x|z), \quad |{-\log p(x)} - \bar H|, \quad
          \max_{q'} \text{ELBO}(q') - \text{ELBO}(q), \quad \operatorname{Var}_\theta - E_\theta \log p_\theta(x)
"""

from __future__ import annotations

__all__ = ["likelihood_regret", "negative_elbo", "reconstruction_probability", "typicality", "waic"]

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from vaekit.conditional import rows_of
from vaekit.distributions import DiagonalGaussian, FullGaussian
from vaekit.evaluation.shared import _traces, shared_log_likelihoods
from vaekit.messages import Mistake
from vaekit.models import HierarchicalVAE, Model
from vaekit.models.model import require_support
from vaekit.models.trace import Trace
from vaekit.noise import forked

NUMBERS = 2_000_000  # of decoded data held at a time
DECODED = 2**14  # items decoded at a time: hidden layers may be wider than the data
LR = 0.1  # of the first step of likelihood regret, in units of the latents; it falls to 0

Context = Mapping[str, Tensor] | None


@torch.no_grad()
def negative_elbo(model: Model, x: Tensor, y: Context = None, *, samples: int = 32, seed: int = 0) -> Tensor:
    """-ELBO of each item in nats and the user's units, (B,) float64, all items sharing their noise.

    Args:
        model: in evaluation mode.
        x: (B, *X) in the model's units.
        y: the encoded context, (B, width) each.
        samples: draws of z for each item.
        seed: of the draws.

    Raises:
        Mistake: for a Point posterior.

    Example:
        >>> from vaekit.recipes import vae
        >>> model, x = vae(shape=(4,), latent_dim=2).model.eval(), torch.randn(6, 4)
        >>> far = negative_elbo(model, torch.cat([x, 100 * x]))
        >>> bool(far[6:].min() > far[:6].max())
        True
    """
    _require_density(model, "ELBO")
    return _over_pieces(model, x, y, samples, seed, lambda t: t.kl.double() - t.log_px.double().mean(0))


@torch.no_grad()
def reconstruction_probability(
    model: Model, x: Tensor, y: Context = None, *, samples: int = 32, seed: int = 0
) -> Tensor:
    """-E_q log p(x|z) of each item in nats and the user's units, (B,) float64 (An and Cho 2015, SNU tech. report).

    Args:
        model, x, y, samples, seed: as for `negative_elbo`; a Point posterior has one z for each item.

    Example:
        >>> from vaekit.recipes import autoencoder
        >>> reconstruction_probability(autoencoder(shape=(4,), latent_dim=2).model.eval(), torch.randn(6, 4)).shape
        torch.Size([6])
    """
    return _over_pieces(model, x, y, samples, seed, lambda t: -t.log_px.double().mean(0))


def typicality(
    model: Model, x: Tensor, y: Context = None, *, reference: float, samples: int = 64, seed: int = 0
) -> Tensor:
    """How far each item's NLL is from the training items' mean, either way, (B,) float64, in nats.

    An item far more likely than the training items is strange too: it lies outside the typical set (Nalisnick,
    Matsukawa, Teh and Lakshminarayanan 2019, arXiv:1906.02994).

    Args:
        model, x, y, seed: as for `negative_elbo`.
        reference: the mean NLL of training items, by as many samples.
        samples: K of the importance-sampled NLL.

    Raises:
        Mistake: for a Point posterior, and a reference that is no finite number.

    Example:
        >>> from vaekit.recipes import vae
        >>> model, x = vae(shape=(4,), latent_dim=2).model.eval(), torch.randn(6, 4)
        >>> nll = -shared_log_likelihoods(model, x, 64)
        >>> bool(typicality(model, x, reference=float(nll[0]))[0] < 1e-6)
        True
    """
    _require_density(model, "NLL")
    if not math.isfinite(reference):
        raise Mistake(f"got reference={reference} and wanted the mean NLL of the training items, a finite number.")
    return (-shared_log_likelihoods(model, x, samples, y=y, seed=seed) - reference).abs()


def waic(models: Sequence[Model], x: Tensor, y: Context = None, *, samples: int = 64, seed: int = 0) -> Tensor:
    """Var log p(x) - E log p(x) over an ensemble, (B,) float64: strange is what is unlikely or disputed.

    Choi, Jang and Alemi 2018, arXiv:1810.01392, with the sign turned; the variance divides by one less than there are
    models.

    Args:
        models: two or more, trained alike from different seeds, in evaluation mode.
        x, y, samples, seed: as for `typicality`, the same units for all.

    Raises:
        Mistake: for fewer than two models, and for a Point posterior.

    Example:
        >>> from vaekit.recipes import vae
        >>> models = [vae(shape=(4,), latent_dim=2).model.eval() for _ in range(3)]
        >>> waic(models, torch.randn(6, 4)).shape
        torch.Size([6])
    """
    if len(models) < 2:
        raise Mistake(f"got {len(models)} model(s) and wanted an ensemble of two or more: train with several seeds.")
    for model in models:
        _require_density(model, "NLL")
    log_p = torch.stack([shared_log_likelihoods(model, x, samples, y=y, seed=seed) for model in models])
    return log_p.var(0) - log_p.mean(0)


def likelihood_regret(
    model: Model, x: Tensor, y: Context = None, *, steps: int = 200, samples: int = 32, seed: int = 0
) -> Tensor:
    """What each item's ELBO gains when its own Gaussian posterior is optimised, (B,) float64, in nats, 0 or more.

    Xiao, Yan and Amit 2020, arXiv:2003.02977. Location and scale are moved by Adam on noise that is fixed, symmetric
    and, where samples are at least twice the latents, of exactly unit covariance, so that the expectation is exact
    where log p(x|z) is quadratic in z. Items do not influence each other.

    Args:
        model: in evaluation mode, with one level of latents and a Gaussian posterior.
        x, y: as for `negative_elbo`.
        steps: of Adam, from the encoder's posterior.
        samples: an even number of draws of z.
        seed: of the noise.

    Raises:
        Mistake: for another posterior.

    Example:
        >>> from vaekit.recipes import vae
        >>> model, x = vae(shape=(4,), latent_dim=2).model.eval(), torch.randn(6, 4)
        >>> bool((likelihood_regret(model, x, steps=5) >= 0).all())
        True
    """
    _require_density(model, "ELBO")
    if isinstance(model, HierarchicalVAE):
        raise Mistake("likelihood regret moves the posterior of one level of latents and got a hierarchy: use a VAE.")
    found = []
    for some, given in _pieces(x, y, samples):
        with torch.no_grad():
            q, p = model._posterior(some, given), model._prior(given)
        if not isinstance(q, DiagonalGaussian | FullGaussian):
            raise Mistake(
                f"likelihood regret moves a Gaussian posterior and got {type(q).__name__}: "
                "use another score, or a model with vk.posteriors.Gaussian."
            )
        noise = _even_noise(samples, q.loc, seed)
        found.append(_regret(model, (some, given), q, p, noise, steps))
    return torch.cat(found)


def _regret(
    model: Model, items: tuple[Tensor, Context], q: DiagonalGaussian | FullGaussian, p: Any, noise: Tensor, steps: int
) -> Tensor:
    x, y = items
    free, build = _free(q)
    adam = torch.optim.Adam(free, lr=LR)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    first = best = torch.empty(0)
    for step in range(steps + 1):
        with torch.enable_grad():
            moved = build(free)
            z = moved.from_noise(noise)
            trace = Trace(x, y, ((moved, p, z),), model._likelihood(z, y), missing=model.takes_missing)
            if step == 0:
                require_support(trace.px, x)
            elbo = trace.log_px.mean(0) - trace.kl
            # not into the model's own gradients
            gradients = torch.autograd.grad(-elbo.sum(), free) if step < steps else ()
        value = elbo.detach().double()
        first, best = (value, value) if step == 0 else (first, torch.maximum(best, value))
        for parameter, gradient in zip(free, gradients, strict=False):
            parameter.grad = gradient
        if step < steps:
            adam.step()
            fall.step()
    return best - first


def _free(q: DiagonalGaussian | FullGaussian) -> tuple[list[Tensor], Callable[[list[Tensor]], Any]]:
    """The posterior's parameters as leaves, and the posterior that they give."""
    if isinstance(q, DiagonalGaussian):
        free = [q.loc, q.log_scale.expand_as(q.loc)]
        dims = q.event_dims
        return _leaves(free), lambda f: DiagonalGaussian(f[0], f[1], dims)
    diagonal = q.scale_tril.diagonal(dim1=-2, dim2=-1).log()
    free = [q.loc, diagonal, q.scale_tril.tril(-1)]
    return _leaves(free), lambda f: FullGaussian(f[0], f[2].tril(-1) + torch.diag_embed(f[1].exp()))


def _leaves(values: list[Tensor]) -> list[Tensor]:
    return [value.detach().clone().requires_grad_() for value in values]


def _even_noise(samples: int, like: Tensor, seed: int) -> Tensor:
    """(K, 1, *Z) symmetric noise, its covariance exactly I where K / 2 >= Z."""
    if samples < 2 or samples % 2:
        raise Mistake(f"got samples={samples} and wanted an even number, 2 or more: draws come in opposite pairs.")
    half, width = samples // 2, like[0].numel()
    generator = torch.Generator().manual_seed(seed)  # on the CPU: the same noise on every device
    drawn = torch.randn(half, width, generator=generator, dtype=torch.float64)
    if half >= width:
        drawn = torch.linalg.qr(drawn).Q * math.sqrt(half)
    return torch.cat([drawn, -drawn]).to(like).view(samples, 1, *like.shape[1:])


def _require_density(model: Model, what: str) -> None:
    if not model.has_density:
        raise Mistake(
            f"a Point posterior has no density, so there is no {what}: use reconstruction_probability, or train one "
            "with a density, such as the recipe 'vae'."
        )


def _over_pieces(
    model: Model, x: Tensor, y: Context, samples: int, seed: int, score: Callable[[Trace], Tensor]
) -> Tensor:
    """score(trace) of each item less the log-Jacobian; every item sees the same noise."""
    found = []
    for some, given in _pieces(x, y, samples):
        generator = torch.Generator().manual_seed(seed)  # on the CPU: the same noise on every device

        def draw(q: Any, k: int, generator: torch.Generator = generator, like: Tensor = some) -> Tensor:
            noise = torch.randn((k, 1, *q.event_shape), generator=generator, dtype=like.dtype)
            z: Tensor = q.from_noise(noise.to(like.device))  # (K, B, *Z)
            return z

        traces = _traces(model, some, given, [samples], draw) if model.has_density else model.traces(some, given, 1, 1)
        found += [_scored(model, t, score) for t in traces or _alone(model, some, given, samples, seed)]
    return torch.cat(found)


def _alone(model: Model, x: Tensor, y: Context, samples: int, seed: int) -> Iterator[Trace]:
    """A trace of each item by itself from the same seed: for a posterior whose noise cannot be shared."""
    for i in range(len(x)):
        with forked(seed, x.device):
            yield model.trace(x[i : i + 1], rows_of(y, slice(i, i + 1)), samples=samples)


def _scored(model: Model, trace: Trace, score: Callable[[Trace], Tensor]) -> Tensor:
    require_support(trace.px, trace.x)
    return score(trace) - model.log_jacobian(trace.x)


def _pieces(x: Tensor, y: Context, samples: int) -> Iterator[tuple[Tensor, Context]]:
    """Rows of x and of y, of flat memory once decoded."""
    rows = max(1, min(NUMBERS // max(1, x[:1].numel()), DECODED) // samples)
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        yield x[part], rows_of(y, part)
