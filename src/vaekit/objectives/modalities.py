r"""Terms of models of several modalities: distances of their experts, weights, bounds by one modality.

.. math:: \textstyle\sum_m KL(q(z|x) \| q_m(z|x_m)), \qquad -\log p(x_m|z)
"""

from __future__ import annotations

__all__ = ["CrossELBO", "Distortion", "ExpertFit", "ExpertKL", "WeighedMIWAE"]

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from vaekit.distributions import DiagonalGaussian, PooledGaussian, PooledMixture
from vaekit.likelihoods.joint import Blocks
from vaekit.messages import Mistake
from vaekit.models import Model, Trace
from vaekit.objectives.multisample import MIWAE
from vaekit.objectives.term import Term
from vaekit.posteriors import SharedAndPrivate


class ExpertKL(Term):
    """The sum over the modalities of an item of KL(q(z|x) || q_m(z|x_m)), which draws each expert to the whole.

    Source: Suzuki, Nakayama and Matsuo 2016, arXiv:1611.01891; Hwang et al. 2021 (NeurIPS).
    """

    cites: ClassVar[tuple[str, ...]] = ("suzuki2016", "hwang2021")

    def forward(self, model: Model, trace: Trace) -> Tensor:
        q: Any = trace.q
        if not isinstance(q, PooledGaussian) or not isinstance(q.each, DiagonalGaussian):
            raise Mistake(
                f"ExpertKL compares a posterior with its experts and got {type(q).__name__}: give the model a "
                "vk.posteriors.ProductOfExperts or JointOrExperts."
            )
        whole = DiagonalGaussian(q.loc.unsqueeze(1), q.log_scale.unsqueeze(1))
        kl = whole.kl_each(q.each).sum(-1)  # (B, M)
        return torch.where(q.seen, kl, 0.0).sum(-1)


class ExpertFit(Term):
    """The sum over the modalities of an item of KL(q(z|x) || q_m(z|x_m)) by the draws of z, which moves experts alone.

    The draws and their density carry no gradient here, so that q(z|x) and the likelihood follow the other terms as if
    there were no experts: where those two have settled, the experts settle where they would if they were trained
    afterwards, as in the source. Not so with clip= and skip=, which go by one norm of all gradients; and keep="best"
    and early stopping go by valid_loss, of which this is a part.

    Source: Senellart, Chadebec and Allassonnière 2023, arXiv:2305.11832.
    """

    cites: ClassVar[tuple[str, ...]] = ("senellart2023",)

    def forward(self, model: Model, trace: Trace) -> Tensor:
        q: Any = trace.q
        if not isinstance(q, (PooledGaussian, PooledMixture)) or not isinstance(q.each, tuple):
            raise Mistake(
                f"ExpertFit draws flows to a posterior and got {type(q).__name__} without any: give the model a "
                "vk.posteriors.JointOrFlows."
            )
        z = trace.z.detach()
        scores = torch.stack([expert.log_prob(z) for expert in q.each], -1)  # (K, B, M)
        gap = (trace.log_q.detach().unsqueeze(-1) - scores).mean(0)
        return torch.where(q.seen, gap, 0.0).sum(-1)


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
        q, posterior = trace.q, getattr(model, "posterior", None)
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
