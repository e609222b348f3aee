r"""Where the rate goes: what the latents say about the item, and how far their mixture is from the prior.

.. math:: E_x KL(q(z|x) \| p(z)) = I_q(x; z) + KL(q(z) \| p(z)), \quad q(z) = \tfrac1N \sum_n q(z|x_n)

.. math:: KL(q(z) \| p(z)) = KL(q(z) \| \textstyle\prod_d q(z_d)) + \sum_d KL(q(z_d) \| p(z_d))

ELBO Surgery: Hoffman and Johnson 2016 (NIPS workshop). PixelGAN Autoencoders: Makhzani and Frey 2017,
arXiv:1706.00531. The second line: Chen, Li, Grosse and Duvenaud 2018, arXiv:1802.04942.
"""

from __future__ import annotations

__all__ = ["flat_means", "gap_numbers", "surgery_numbers", "top_level"]

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.conditional import rows_of
from vaekit.distributions import Chained, DiagonalGaussian, FullGaussian, OwnDraws
from vaekit.distributions.base import Factorised
from vaekit.evaluation.likelihood import ACTIVE
from vaekit.evaluation.number import Number, mean_number
from vaekit.messages import Mistake
from vaekit.models import BidirectionalVAE, HierarchicalVAE, Model
from vaekit.models.model import latent_mean
from vaekit.noise import forked

NUMBERS = 4_000_000  # of densities held at a time
ROWS = 1024  # items encoded at a time
POINT = "undefined: a Point posterior has no density"
Pairs = list[tuple[Any, Any]]  # (q, p) of consecutive items


@torch.no_grad()
def surgery_numbers(
    model: Model, x: Tensor, y: Mapping[str, Tensor] | None = None, *, samples: int = 1, seed: int = 0
) -> dict[str, Number]:
    """The rate's parts in nats an item, of all latents and of each; of a hierarchy, of its top level.

    q(z) is the exact mixture of the posteriors of the N items given, so that the time grows with N^2 and the memory
    does not. The mutual information is that of these N items: it cannot exceed log N, and for fewer items than a
    population's own information needs, it is less than the population's.

    Args:
        model: in evaluation mode.
        x: (N, *X) in the model's units.
        y: the encoded context, (N, width) each.
        samples: draws of z for each item; all parts are taken at the same draws.
        seed: of the draws.

    Returns:
        rate = mutual_information + marginal_kl, marginal_kl = total_correlation + dimension_kl, exactly;
        active_units (variance of the posterior means above 0.01, Burda et al. 2016), active_units_kl (mean KL above
        0.01 nats); and for each latent kl_z1, ... (an item's) and marginal_kl_z1, ... (the mixture's).
        The value is None where it does not exist, as most are for a Point posterior.

    Example:
        >>> from vaekit.recipes import vae
        >>> model, x = vae(shape=(4,), latent_dim=2).model.eval(), torch.randn(50, 4)
        >>> found = surgery_numbers(model, x)
        >>> parts = found["mutual_information"].value + found["marginal_kl"].value
        >>> abs(found["rate"].value - parts) < 1e-9
        True
    """
    pairs = top_level(model, x, y)
    n = len(x)
    variance = flat_means([q for q, _ in pairs]).var(0, correction=1 if n > 1 else 0)
    found = {"active_units": Number(int((variance > ACTIVE).sum()), "", f"variance of means > {ACTIVE}", items=n)}
    if not model.has_density:
        names = ("rate", "mutual_information", "marginal_kl", "total_correlation", "dimension_kl", "active_units_kl")
        return {name: Number(None, "nats", POINT, items=n) for name in names} | found
    with forked(seed, x.device):
        draws = [q.sample((samples,)) for q, _ in pairs]  # (K, piece, *Z) each
    log_q, log_p = (
        torch.cat([level[i].log_prob(z).double() for level, z in zip(pairs, draws, strict=True)], 1) for i in (0, 1)
    )  # (K, N)
    joint, each = _mixture([q for q, _ in pairs], torch.cat(draws, 1).flatten(0, 1))
    joint = joint.view_as(log_q)
    how = f"{samples} draw(s) an item, q(z) the exact mixture of {n:,} posteriors"
    found["rate"] = mean_number((log_q - log_p).mean(0), "nats", f"log q(z|x) - log p(z), {samples} draw(s) an item")
    found["mutual_information"] = mean_number(
        (log_q - joint).mean(0), "nats", f"{how}, so at most log N = {math.log(n):.3g}"
    )
    found["marginal_kl"] = mean_number((joint - log_p).mean(0), "nats", how)
    prior_each = _prior_each(pairs, draws)
    if each is not None:
        each = each.view(samples, n, -1)
        found["total_correlation"] = mean_number((joint - each.sum(-1)).mean(0), "nats", how)
        if prior_each is not None:
            apart = (each - prior_each).mean(0)  # (N, D)
            found["dimension_kl"] = mean_number(apart.sum(-1), "nats", f"{how}; the sum over latents")
            found |= {f"marginal_kl_z{d + 1}": mean_number(apart[:, d], "nats", how) for d in range(apart.shape[1])}
    for name in ("total_correlation", "dimension_kl"):
        found.setdefault(name, Number(None, "nats", "undefined: the latents have no densities of their own", items=n))
    return found | _item_kl(pairs, n)


@torch.no_grad()
def gap_numbers(
    model: Model,
    x: Tensor,
    y: Mapping[str, Tensor] | None = None,
    *,
    limit: int = 1000,
    permutations: int = 500,
    seed: int = 0,
) -> dict[str, Number]:
    """Whether posterior draws, one an item, differ from as many prior draws: two tests by permutation.

    MMD with the kernel exp(-d^2 / 2 m^2), m the median distance (Gretton et al. 2012, JMLR 13), and the energy
    distance 2 E|z - p| - E|z - z'| - E|p - p'| (Székely and Rizzo 2013), both without bias: about 0, and so sometimes
    below it, where the two are alike.

    Args:
        model, x, y: as for `surgery_numbers`; a Point posterior draws its codes.
        limit: items used at most, chosen by the seed.
        permutations: of the pooled draws.
        seed: of the choice, the draws and the permutations.

    Returns:
        mmd2, mmd_p, energy_distance, energy_p; a p of 1 / (permutations + 1) is the least there can be.

    Example:
        >>> from vaekit.recipes import autoencoder
        >>> model, x = autoencoder(shape=(4,), latent_dim=2).model.eval(), torch.randn(50, 4)
        >>> sorted(gap_numbers(model, x))
        ['energy_distance', 'energy_p', 'mmd2', 'mmd_p']
    """
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(x), generator=generator)[:limit].to(x.device)
    pairs = top_level(model, x[rows], rows_of(y, rows))
    with forked(seed, x.device):
        seen = torch.cat([q.sample().flatten(1) for q, _ in pairs]).double()
        drawn = torch.cat([p.sample(() if p.batch_shape else q.batch_shape).flatten(1) for q, p in pairs]).double()
    pooled = torch.cat([seen, drawn])
    distance = torch.cdist(pooled, pooled)
    upper = distance[tuple(torch.triu_indices(len(pooled), len(pooled), 1, device=x.device))]
    n, median = len(seen), upper.median().clamp_min(1e-12)
    order = torch.rand(permutations + 1, 2 * n, generator=generator).argsort(1).to(x.device)
    order[0] = torch.arange(2 * n)  # the first is as drawn
    signs = 1 - 2 * (order >= n).double()
    how = f"{n:,} posterior draws against {n:,} prior draws"
    found: dict[str, Number] = {}
    for name, test, kernel, unit, words in (
        ("mmd2", "mmd_p", (-0.5 * (distance / median).square()).exp(), "", f"RBF kernel of width {float(median):.3g}"),
        ("energy_distance", "energy_p", -distance, "distance in latents", "Euclidean distance"),
    ):
        gaps = _gaps(kernel, signs)
        p = (gaps >= gaps[0] - 1e-12).double().mean()  # the order given is one of the permutations
        found[name] = Number(float(gaps[0]), unit, f"{how}, {words}, unbiased", items=n)
        found[test] = Number(float(p), "share", f"{how}, {words}, {permutations} permutations", items=n)
    return found


def top_level(model: Any, x: Tensor, y: Mapping[str, Tensor] | None) -> Pairs:
    """(q, p) of the top level in float64, of pieces of the items: ROWS of them are encoded at a time."""
    if isinstance(model, BidirectionalVAE) and len(model.levels) > 1:
        raise Mistake("the top level's q(z|x) is a mixture over the latents drawn on the way up: give another model.")
    found: Pairs = []
    for start in range(0, len(x), ROWS):
        some, given = x[start : start + ROWS], rows_of(y, slice(start, start + ROWS))
        if isinstance(model, HierarchicalVAE):
            q, p, _ = model.descend(model._seen(some, given), lambda q: q.loc)[0][0]
        else:
            q, p = model._posterior(some, given), model._prior(given)
        found.append((_double(q), _double(p)))
    return found


def flat_means(posteriors: list[Any]) -> Tensor:
    """The posteriors' means, (N, D)."""
    return torch.cat([latent_mean(q).flatten(1) for q in posteriors])


def _double(q: Distribution) -> Any:
    """The same distribution with its tensors in float64; one that asks its model stays in the model's type."""
    if isinstance(q, Chained | OwnDraws):
        return q
    found = copy.copy(q)
    for name, value in vars(q).items():
        if isinstance(value, Tensor) and value.is_floating_point():
            setattr(found, name, value.double())
        elif name == "maps":  # of a flow
            setattr(found, name, tuple(f.double() for f in value))
        elif isinstance(value, Distribution):
            setattr(found, name, _double(value))
    return found


def _marginals(q: Any) -> Factorised | None:
    """The distribution of each latent by itself, where it is at hand."""
    if isinstance(q, FullGaussian):
        return DiagonalGaussian(q.loc, 0.5 * q.variance.log())
    return q if isinstance(q, Factorised) else None


def _mixture(posteriors: list[Any], z: Tensor) -> tuple[Tensor, Tensor | None]:
    """log q(z), (M,), and of each latent by itself, (M, D); N x M densities, NUMBERS of them at a time."""
    n, d = sum(q.batch_shape[0] for q in posteriors), z[0].numel()
    marginals = [_marginals(q) for q in posteriors]
    joints, eaches = [], []
    for some in z.split(max(1, NUMBERS // (max(q.batch_shape[0] for q in posteriors) * d))):
        some = some.unsqueeze(1)  # (m, 1, *Z)
        joint, each = [], []
        for q, marginal in zip(posteriors, marginals, strict=True):
            parts = None if marginal is None else marginal.log_prob_each(some).double().flatten(2)  # (m, piece, D)
            score = parts.sum(-1) if parts is not None and marginal is q else q.log_prob(some).double()
            joint.append(score.logsumexp(1))
            if parts is not None:
                each.append(parts.logsumexp(1))
        joints.append(torch.stack(joint).logsumexp(0))
        if each:
            eaches.append(torch.stack(each).logsumexp(0))
    return torch.cat(joints) - math.log(n), torch.cat(eaches) - math.log(n) if eaches else None


def _prior_each(pairs: Pairs, draws: list[Tensor]) -> Tensor | None:
    """log p of each latent, (K, N, D), where the prior factorises."""
    if not all(isinstance(p, Factorised) for _, p in pairs):
        return None
    return torch.cat([p.log_prob_each(z).flatten(2) for (_, p), z in zip(pairs, draws, strict=True)], 1)


def _item_kl(pairs: Pairs, n: int) -> dict[str, Number]:
    """The mean over items of each latent's KL in closed form, and how many latents it makes active."""
    if not all(hasattr(_marginals(q), "kl_each") and isinstance(p, Factorised) for q, p in pairs):
        return {"active_units_kl": Number(None, "", "undefined: the latents have no KL of their own", items=n)}
    each = torch.cat([_marginals(q).kl_each(p).flatten(1) for q, p in pairs])  # type: ignore[union-attr]
    active = int((each.mean(0) > ACTIVE).sum())
    return {"active_units_kl": Number(active, "", f"mean KL > {ACTIVE} nats", items=n)} | {
        f"kl_z{d + 1}": mean_number(each[:, d], "nats", "mean over items of the closed form")
        for d in range(each.shape[1])
    }


def _gaps(kernel: Tensor, signs: Tensor) -> Tensor:
    """Within-group less between-group similarity, one unbiased estimate for each row of signs, (P,)."""
    n = len(kernel) // 2
    bare = kernel - kernel.diagonal().diag()
    total, signed = bare.sum(), (signs @ bare * signs).sum(1)  # within + between, within - between
    return (total + signed) / (2 * n * (n - 1)) - (total - signed) / (2 * n * n)
