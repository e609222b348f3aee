r"""Holes in the prior: whether what the prior makes is what the items' own latents make.

.. math:: \frac{2 E|f(z) - f(z')| - E|f(z) - f(\tilde z)| - E|f(z') - f(\tilde z')|}{E|f(z') - f(\tilde z')|},
    \quad z, \tilde z \sim p(z), \quad z', \tilde z' \sim q(z)

f is the decoder, q(z) the posteriors of held-out items together. This is the energy distance (Székely and Rizzo 2013,
doi:10.1016/j.jspi.2013.03.018) over the spread of the decodes. It is taken of decodes and not of latents because q(z)
never is the prior to the last nat: what matters is whether samples show it.
"""

from __future__ import annotations

__all__ = ["prior_holes"]

import torch
from torch import Tensor

from vaekit.distributions import StandardGaussian
from vaekit.doctor.case import SEED, Case
from vaekit.doctor.finding import Finding
from vaekit.noise import forked

HOLE = 0.05  # of the spread of the decodes: the energy distance between decodes of the prior and of the posteriors
FEWEST, EACH = 50, 5  # items, and items for each latent, below which chance alone makes such distances


def prior_holes(case: Case) -> Finding | None:
    """Samples of the prior decode to something else than posteriors of held-out items do."""
    found = _draws(case)
    if found is None:
        return None
    z, own, made = found
    n, d = z.shape
    if n < max(FEWEST, EACH * d):
        return None
    far = _energy(made, own)
    if far < HOLE:
        return None
    mean, deviation = z.mean(0), z.std(0)
    worst = int((deviation.square() + mean.square() - 2 * deviation.log()).argmax())
    return Finding(
        "holes in the prior",
        f"what the prior's samples decode to is another distribution than what the items' latents decode to (energy "
        f"distance {far:.2f} of the items' own spread, 0 where they are alike): z{worst + 1}, the worst, has mean "
        f"{float(mean[worst]):.2g} and standard deviation {float(deviation[worst]):.2g} in place of 0 and 1",
        "train a VAE in place of an autoencoder, train longer or with smaller batches, raise beta, or draw latents "
        "from a Gaussian fitted to the items' own",
    )


def _draws(case: Case) -> tuple[Tensor, Tensor, Tensor] | None:
    """A latent of each item's posterior (N, D), its decode, and the decode of a draw of the prior, (N, X) each."""
    latents, own, made = [], [], []
    with forked(SEED, case.device), torch.no_grad():
        for batch, q in case.posteriors(case.held):
            p = case.model._prior(batch.y)
            if not isinstance(p, StandardGaussian) or not hasattr(q, "rsample"):
                return None
            z = q.rsample()
            latents.append(z.flatten(1))
            own.append(case.model._likelihood(z, batch.y).mean.flatten(1))
            made.append(case.model._likelihood(torch.randn_like(z), batch.y).mean.flatten(1))
    return (torch.cat(latents).double(), torch.cat(own).double(), torch.cat(made).double()) if latents else None


def _energy(a: Tensor, b: Tensor) -> float:
    """The energy distance of two samples of equal size over the spread of b, without bias."""
    n = len(b)
    between, left, right = (torch.cdist(x, y).sum() for x, y in ((a, b), (a, a), (b, b)))
    pairs = n * (n - 1)
    return float((2 * between / n**2 - left / pairs - right / pairs) / (right / pairs).clamp_min(1e-12))
