r"""Hamiltonian trajectories on the latents of a model, many at once: Monte Carlo, and importance sampling by one path.

.. math:: H(z, v) = -\log f(z) + \tfrac12 |v|^2

MCMC using Hamiltonian dynamics: Neal 2011, arXiv:1206.1901. Hamiltonian importance sampling: Caterini, Doucet and
Sejdinovic 2018, arXiv:1805.11328.
"""

from __future__ import annotations

__all__ = [
    "Density", "Latents", "differentiated", "hamiltonian_log_likelihoods", "latents_of", "leapfrog",
    "transition",
]  # fmt: skip

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from vaekit.conditional import pick
from vaekit.distributions import Bernoulli, Categorical, StandardGaussian
from vaekit.evaluation.likelihood import CHUNK, DECODED, HELD, Estimates, pieces, summary
from vaekit.messages import Mistake, require_count
from vaekit.models import VAE, HierarchicalVAE, Model
from vaekit.models.model import require_support
from vaekit.noise import forked

STEP, PILOT = 0.1, 64  # a step in standard deviations of q, and the draws that they are measured on
JITTER = 0.2  # of the step size, against trajectories that come back to where they began (Neal 2011)
Density = Callable[[Tensor], tuple[Tensor, Tensor]]  # z (C, B, D) -> log f (C, B) and its gradient (C, B, D)


def differentiated(log_density: Callable[[Tensor], Tensor]) -> Density:
    """A log-density of (C, B, D) together with its gradient.

    Example:
        >>> value, gradient = differentiated(lambda z: -z.square().sum(-1))(torch.ones(1, 1, 2))
        >>> value, gradient
        (tensor([[-2.]]), tensor([[[-2., -2.]]]))
    """

    def density(z: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            value = log_density(z)
            (gradient,) = torch.autograd.grad(value.sum(), z)
        return value.detach(), gradient

    return density


def leapfrog(
    density: Density, z: Tensor, v: Tensor, step: Tensor | float, steps: int, *, cooling: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Follow Hamilton's equations; from (z', -v') the same call leads back to (z, -v).

    Args:
        density: log f and its gradient.
        z, v: positions and momenta, (C, B, D).
        step: the step size, broadcastable to z.
        steps: how many.
        cooling: (steps,), what the momenta are multiplied by after each step; not at all where nothing is given.

    Returns:
        positions, momenta, and log f before and after, (C, B) each.
    """
    before, gradient = density(z)
    after = before
    for i in range(steps):
        v = v + 0.5 * step * gradient
        z = z + step * v
        after, gradient = density(z)
        v = v + 0.5 * step * gradient
        if cooling is not None:
            v = v * cooling[i]
    return z, v, before, after


def transition(density: Density, z: Tensor, step: Tensor | float, steps: int) -> tuple[Tensor, Tensor]:
    """One trajectory with fresh momenta, taken or refused by the Metropolis test: leaves f invariant.

    Args:
        density, z, step, steps: as for `leapfrog`; each chain's step is drawn from within 20 % of the given one.

    Returns:
        the positions, (C, B, D), and the probability with which each chain's end was taken, (C, B).
    """
    v = torch.randn_like(z)
    step = step * (1 + JITTER * (2 * torch.rand_like(z[..., :1]) - 1))
    end, w, before, after = leapfrog(density, z, v, step, steps)
    gain = after - before + 0.5 * (v.square().sum(-1) - w.square().sum(-1))
    taken = gain.nan_to_num(-math.inf).clamp(max=0).exp()  # an end without a density is refused
    moved = torch.rand_like(taken) < taken
    return torch.where(moved.unsqueeze(-1), end, z), taken


@torch.no_grad()
def hamiltonian_log_likelihoods(
    model: Model,
    x: Tensor,
    y: Mapping[str, Tensor] | None = None,
    *,
    samples: int = 1000,
    leapfrog: int = 10,
    seed: int = 0,
    heat: float = 1.1,
) -> Estimates:
    r"""log p(x|y) by draws of q(z|x) that follow the posterior's gradient, hot at first: exp(log_p) is unbiased.

    .. math:: w = \frac{p(x, z_L) N(v_L)}{q(z_0|x) N(v_0)}

    The leapfrog keeps volumes, and the momenta are cooled by as much in all as v_0 was heated before the first step.

    Args:
        model, x, y, seed: as for `annealed_log_likelihoods`.
        samples: K, exactly.
        leapfrog: L, the steps of each path.
        heat: what the momenta are multiplied by at the start, 1 / sqrt(beta_0) of the source; cooled quadratically.

    Raises:
        Mistake: for a Point posterior, discrete latents, and values that the likelihood cannot produce.

    Example:
        >>> from vaekit.recipes import vae
        >>> model, x = vae(shape=(4,), latent_dim=2).model.eval(), torch.randn(6, 4)
        >>> sorted(hamiltonian_log_likelihoods(model, x, samples=9).numbers())
        ['his_ess', 'his_nll', 'his_nll_mc_se']
    """
    require_count("samples", samples)
    require_count("leapfrog", leapfrog)
    falls = 1 - (torch.arange(leapfrog + 1, dtype=torch.float64) / leapfrog).square()
    levels = 1 + (heat - 1) * falls  # from heat down to 1
    cooling = (levels[1:] / levels[:-1]).to(x)
    parts = []
    with forked(seed, x.device):
        for part, given in pieces(x, y, max(1, min(CHUNK // max(1, x[0].numel()), DECODED, HELD // samples))):
            latents = latents_of(model, part, given)
            chunk = max(1, min(CHUNK // max(1, part.numel()), DECODED // len(part)))
            width = latents.q.rsample((PILOT,)).std(0)  # (B, D), of draws of its own: the weights stay unbiased
            require_support(latents.decode(width), part)
            draws = [min(chunk, samples - start) for start in range(0, samples, chunk)]
            log_w = [_path_weights(latents, part, k, STEP * width, heat, cooling) for k in draws]
            parts.append(summary(torch.cat(log_w)))
    log_p, error, ess = (torch.cat(column) for column in zip(*parts, strict=True))
    how = (
        f"Hamiltonian importance sampling, {samples} draws, {leapfrog} leapfrog steps of {STEP:g} of "
        f"the posterior's deviations, momenta {heat:g} times as large at first; log p from below in expectation"
    )
    return Estimates("his", how, log_p + model.log_jacobian(x), error, ess)


def _path_weights(latents: Latents, x: Tensor, k: int, step: Tensor, heat: float, cooling: Tensor) -> Tensor:
    """(k, B) log weights, float64."""
    z = latents.q.rsample((k,))  # (k, B, D)
    v = torch.randn_like(z)
    density = differentiated(lambda z: torch.stack(latents.log_joint(z, x)).sum(0))
    _, w, _, after = leapfrog(density, z, heat * v, step, len(cooling), cooling=cooling)
    momenta = 0.5 * (v.square().sum(-1) - w.square().sum(-1))
    log_w: Tensor = (after - latents.q.log_prob(z) + momenta).double()
    return log_w.masked_fill(log_w.isnan(), -math.inf)  # a path that left the range of numbers weighs nothing


# -- the latents of a model ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Latents:
    """The latents of a batch as one vector each: z itself, or the noise that a hierarchy's prior makes its levels of.

    Attributes:
        p: the prior, batch () or (B,).
        q: the posterior, anything with `rsample` and `log_prob`; None where no x was given.
        decode: z (C, B, D) -> p(x|z).
        missing: whether x may hold NaN.
    """

    p: Distribution
    q: Any
    decode: Callable[[Tensor], Distribution]
    missing: bool = False

    def prior(self, chains: int, items: int) -> Tensor:
        """(C, B, D) draws of the prior."""
        return self.p.sample(torch.Size((chains,) if self.p.batch_shape else (chains, items)))

    def log_joint(self, z: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """log p(z) and log p(x|z), (C, B) each."""
        px: Any = self.decode(z)
        return self.p.log_prob(z), px.log_prob_observed(x) if self.missing else px.log_prob(x)


def latents_of(model: Model, x: Tensor | None, y: Mapping[str, Tensor] | None) -> Latents:
    """What gradients can follow of a model.

    Args:
        x: (B, *X) in the model's units, encoded once; or None.
        y: the encoded context.

    Raises:
        Mistake: for a Point posterior, latents that are not real vectors (bits, classes, shares, points of a sphere)
            and models that are neither VAE nor HierarchicalVAE.
    """
    if not model.has_density:
        raise Mistake(
            "a Point posterior has no density, so there is no log p(x) to anneal towards: "
            "train a model with a density, such as the recipe 'vae'."
        )
    if isinstance(model, HierarchicalVAE):
        sizes = [block.latent_dim for block in model.levels]
        like = next(model.parameters())
        given = pick(model.likelihood, y)
        q: Any = None if x is None else _NoisePosterior(model, model._seen(x, y))
        p = StandardGaussian(like.new_zeros(sum(sizes)))
        missing = model.takes_missing
        return Latents(p, q, lambda noise: model.likelihood(_levels(model, noise)[1], *given), missing)
    if not isinstance(model, VAE):
        raise Mistake(f"got a {type(model).__name__} and wanted a VAE or a HierarchicalVAE: use log_likelihoods.")
    q = None if x is None else model._posterior(x, y)
    found = Latents(model._prior(y), q, lambda z: model._likelihood(z, y), model.takes_missing)
    for part in (found.p, found.q):
        _require_real_vectors(part)
    return found


def _require_real_vectors(distribution: Any) -> None:
    """Refuse latents that no trajectory can move through: what is not real, and what is no vector."""
    remedy = "use importance sampling, vk.evaluate or log_likelihoods with more draws."
    if isinstance(distribution, (Bernoulli, Categorical)):
        raise Mistake(f"discrete latents have no gradient to follow: {remedy}")
    if getattr(distribution, "estimated", False):
        raise Mistake(f"{type(distribution).__name__} estimates its density, anew in each call: {remedy}")
    try:
        support: Any = distribution.support
    except (AttributeError, NotImplementedError):  # our own say nothing
        support = constraints.real
    while hasattr(support, "base_constraint"):  # of a vector, of a mixture
        support = support.base_constraint
    if support is not constraints.real:
        raise Mistake(
            f"latents of {type(distribution).__name__} are not all of the real numbers ({support}), which a trajectory "
            f"would leave: {remedy}"
        )
    if distribution is not None and len(distribution.event_shape) != 1:
        raise Mistake(f"got latents of shape {tuple(distribution.event_shape)} and wanted vectors: {remedy}")


def _levels(model: HierarchicalVAE, noise: Tensor) -> tuple[list[Tensor], Tensor]:
    """The levels that the prior makes of noise (*leading, sum of Z), and the last state."""
    state: Tensor | None = None
    levels = []
    for block, part in zip(model.levels, noise.split([block.latent_dim for block in model.levels], -1), strict=True):
        levels.append(block.p(state, noise).from_noise(part))
        state = block.state(levels[-1], state)
    assert state is not None
    return levels, state


class _NoisePosterior:
    """q of a hierarchy as a distribution of the prior's noise, (z - loc) / scale at every level."""

    def __init__(self, model: HierarchicalVAE, seen: list[Tensor]) -> None:
        self.model, self.seen = model, seen

    def rsample(self, shape: tuple[int, ...]) -> Tensor:
        levels, _ = self.model.descend(self.seen, lambda q: q.rsample(shape if len(q.batch_shape) == 1 else ()))
        return torch.cat([(z - p.loc) * (-p.log_scale).exp() for _, p, z in levels], -1)

    def log_prob(self, noise: Tensor) -> Tensor:
        levels = self.model.at(self.seen, _levels(self.model, noise)[0])
        each = [q.log_prob(z) + p.log_scale.expand_as(p.loc).sum(-1) for q, p, z in levels]
        return torch.stack(torch.broadcast_tensors(*each)).sum(0)
