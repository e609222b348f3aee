r"""Terms of models of several modalities: bounds of some of them, distances of their experts, weights.

.. math:: \textstyle\sum_s \mathrm{ELBO}(x_s), \qquad \sum_m KL(q(z|x) \| q_m(z|x_m)), \qquad -\log p(x_m|z)
"""

from __future__ import annotations

__all__ = ["CrossELBO", "Distortion", "ExpertKL", "OfSubsets", "RandomSubsets", "WeighedMIWAE"]

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from vaekit.distributions import DiagonalGaussian, PooledGaussian
from vaekit.likelihoods.joint import Blocks
from vaekit.messages import Mistake, require_count
from vaekit.models import Model, Trace
from vaekit.objectives.multisample import MIWAE
from vaekit.objectives.term import Term
from vaekit.posteriors import Experts, SharedAndPrivate


class OfSubsets(Term):
    """The sum of a term over items of which some modalities alone are left (Wu and Goodman 2018, arXiv:1802.05335).

    Args:
        term: such as ELBO(), which is then a bound on log p of what is left.
        subsets: the names that are left, each; every modality alone where nothing is given.

    Example:
        >>> from vaekit.objectives import ELBO
        >>> OfSubsets(ELBO(), [["first"], ["second"]]).name
        'ELBO of subsets'
    """

    cites: ClassVar[tuple[str, ...]] = ("wu2018",)

    def __init__(self, term: Term, subsets: Sequence[Sequence[str]] | None = None) -> None:
        super().__init__()
        self.term = term
        self.subsets = None if subsets is None else [list(subset) for subset in subsets]

    @property
    def name(self) -> str:
        return f"{self.term.name} of subsets"

    def forward(self, model: Model, trace: Trace) -> Tensor:
        modalities = experts_of(model).modalities
        subsets = self.subsets if self.subsets is not None else [[name] for name in modalities.names]
        left = (modalities.only(trace.x, subset) for subset in subsets)
        terms = [self.term(model, model.trace(x, trace.y, samples=self.term.samples)) for x in left]
        return torch.stack(terms).sum(0)


class RandomSubsets(Term):
    """The sum of a term over items of which subsets of the modalities are left, drawn anew for each item and step.

    Each draw is one of the 2^M - 1 subsets that are not empty, all equally likely (Wu and Goodman 2018, section 2.2).

    Args:
        term: such as ELBO().
        count: how many draws for each item.
    """

    cites: ClassVar[tuple[str, ...]] = ("wu2018",)

    def __init__(self, term: Term, count: int = 1) -> None:
        super().__init__()
        self.term, self.count = term, require_count("count", count)

    @property
    def name(self) -> str:
        return f"{self.term.name} of random subsets"

    def forward(self, model: Model, trace: Trace) -> Tensor:
        modalities, x = experts_of(model).modalities, trace.x
        every = torch.stack([modalities.mask([name]) for name in modalities.names]).to(x.device)  # (M, *X)
        bits = 2 ** torch.arange(len(every), device=x.device)
        terms = []
        for _ in range(self.count):
            chosen = (torch.rand(1, len(x), device=x.device)[0] * (2 ** len(every) - 1)).long() + 1  # (B,)
            kept = (chosen.unsqueeze(1) & bits) > 0  # (B, M)
            left = (kept.view(*kept.shape, *[1] * (x.ndim - 1)) & every).any(1)
            some = model.trace(x.masked_fill(~left, torch.nan), trace.y, samples=self.term.samples)
            terms.append(self.term(model, some))
        return torch.stack(terms).sum(0)


class ExpertKL(Term):
    """The sum over the modalities of an item of KL(q(z|x) || q_m(z|x_m)), which draws each expert to the whole.

    Source: Suzuki, Nakayama and Matsuo 2016, arXiv:1611.01891; Hwang et al. 2021 (NeurIPS).
    """

    cites: ClassVar[tuple[str, ...]] = ("suzuki2016", "hwang2021")

    def forward(self, model: Model, trace: Trace) -> Tensor:
        q: Any = trace.q
        if not isinstance(q, PooledGaussian):
            raise Mistake(
                f"ExpertKL compares a posterior with its experts and got {type(q).__name__}: give the model a "
                "vk.posteriors.ProductOfExperts or JointOrExperts."
            )
        whole = DiagonalGaussian(q.loc.unsqueeze(1), q.log_scale.unsqueeze(1))
        kl = whole.kl_each(q.each).sum(-1)  # (B, M)
        return torch.where(q.seen, kl, 0.0).sum(-1)


class Distortion(Term):
    """-log p(x_m|z) of one modality, mean over the draws of z; 0 where it is missing.

    Added to a bound it weighs that modality: ELBO() + 9.0 * Distortion("caption") counts captions ten times.

    Args:
        modality: its name.
    """

    def __init__(self, modality: str) -> None:
        super().__init__()
        self.modality = modality

    @property
    def name(self) -> str:
        return f"distortion of {self.modality}"

    def forward(self, model: Model, trace: Trace) -> Tensor:
        return -observed(trace, self.modality).mean(0)


class WeighedMIWAE(MIWAE):
    """MIWAE of the likelihood with each modality's to the power of its weight: a bound on that one's evidence.

    The powers stand in the weights of the draws. Added to the bound from outside, as `Distortion` is, they would reward
    draws that hardly count for a worse likelihood, without end where a weight is below 1.

    Args:
        outer, inner: as for MIWAE.
        weights: modality -> its weight; 1 for those that are not named.
    """

    def __init__(self, outer: int, inner: int, weights: Mapping[str, float]) -> None:
        super().__init__(outer, inner)
        self.weights = dict(weights)

    def bound(self, model: Model, trace: Trace) -> Tensor:
        log_w = trace.log_w
        for name, weight in self.weights.items():
            log_w = log_w + (weight - 1) * observed(trace, name)
        return self.of(log_w)


def observed(trace: Trace, modality: str) -> Tensor:
    """log p(x_m|z) of one modality, (K, B), 0 where it is missing."""
    px = trace.px
    if not isinstance(px, Blocks):
        raise Mistake(f"the weight of {modality} needs a likelihood of several modalities, vk.likelihoods.Joint.")
    px.modalities.require([modality])
    return px.observed(trace.x)[modality]


class CrossELBO(Term):
    """The sum over modalities of the negative ELBO whose shared latents come from that modality alone.

    The private latents come from each modality itself, so that what one modality tells of another has to be in the
    shared ones. Each summand is a bound on log p(x), with another posterior (Lee and Pavlovic 2021, arXiv:2012.13024).
    """

    cites: ClassVar[tuple[str, ...]] = ("lee2021",)

    def forward(self, model: Model, trace: Trace) -> Tensor:
        q, posterior = trace.q, experts_of(model)
        if not isinstance(posterior, SharedAndPrivate) or not isinstance(q, PooledGaussian):
            raise Mistake("CrossELBO needs shared and private latents: the posterior vk.posteriors.SharedAndPrivate.")
        one = torch.eye(q.seen.shape[1], dtype=torch.bool, device=q.seen.device)
        each = posterior.partly(q.each, one.unsqueeze(0), q.seen.unsqueeze(1), prior=posterior.prior)  # batch (B, M)
        total = torch.zeros_like(each.loc[:, 0, 0])
        for m in range(len(one)):
            qm = DiagonalGaussian(each.loc[:, m], each.log_scale[:, m])
            z = qm.rsample((1,))
            px = model._likelihood(z, trace.y)
            cross = Trace(trace.x, trace.y, ((qm, trace.p, z),), px, missing=trace.missing)
            total = total + torch.where(q.seen[:, m], cross.kl - cross.log_px[0], 0.0)
        return total


def experts_of(model: Model) -> Experts:
    """The posterior of a model of several modalities."""
    posterior = getattr(model, "posterior", None)
    if not isinstance(posterior, Experts):
        raise Mistake(
            f"this needs a model of several modalities and got the posterior {type(posterior).__name__}: "
            "use a recipe such as 'mvae'."
        )
    return posterior
