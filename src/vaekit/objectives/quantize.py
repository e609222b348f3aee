r"""What ties an encoder to its codebook, and what keeps codes in use.

.. math:: \|\mathrm{sg}(e) - f(x)\|^2 \beta + \|e - \mathrm{sg}(f(x))\|^2, \quad
          E_q \|f(x) - e\|^2 / 2 \sigma^2, \quad E_x[H(q(e|x))] - H(E_x[q(e|x)])
"""

from __future__ import annotations

__all__ = ["CodeEntropy", "Commitment", "Dequantization"]

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import softplus

from vaekit.distributions import Codes, SoftCodes
from vaekit.messages import Mistake, require_count
from vaekit.models import Trace
from vaekit.networks import LookupFree
from vaekit.objectives.term import Term


class Commitment(Term):
    """The squared distance of the encoder's output to its codes, summed over places and numbers, each item by itself.

    It moves the encoder with `weight`, and a codebook that learns by gradient with 1 (van den Oord et al. 2017,
    arXiv:1711.00937). Of several codes a place, the distance after each counts (Lee et al. 2022, arXiv:2203.01941).

    Args:
        weight: beta.
    """

    cites: ClassVar[tuple[str, ...]] = ("oord2017",)

    def __init__(self, weight: float = 0.25) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, model: Any, trace: Trace) -> Tensor:
        q = trace.q
        if not isinstance(q, Codes):
            raise Mistake(f"Commitment needs a Quantized posterior and got a {type(q).__name__}: leave it out.")
        loss = q.encoded.new_zeros(len(q.encoded))
        for vectors in q.stages:
            loss = loss + self.weight * (q.encoded - vectors.detach()).square().flatten(1).sum(1)
            if vectors.requires_grad:
                loss = loss + (vectors - q.encoded.detach()).square().flatten(1).sum(1)
        return loss


class Dequantization(Term):
    """The expected squared distance of the encoder's output to the vector drawn, over twice the variance, (B,).

    Added to the ELBO it is the objective of SQ-VAE, whose second latent is a Gaussian around the vector; it is no part
    of the bound of the discrete model, and keeps the draws near the encoder's output. Takida et al. 2022,
    arXiv:2205.07547.
    """

    cites: ClassVar[tuple[str, ...]] = ("takida2022",)

    def forward(self, model: Any, trace: Trace) -> Tensor:
        if not isinstance(trace.q, SoftCodes):
            name = type(trace.q).__name__
            raise Mistake(f"Dequantization needs a StochasticallyQuantized posterior and got a {name}: leave it out.")
        return trace.q.strain


class CodeEntropy(Term):
    """Certain for an item, spread over all: the entropy of its codes less that of their mean over the batch, (B,).

    It is minus the information that codes of bits carry about the input, summed over places, in nats, where the
    probability of a code falls with its squared distance over `temperature`. Yu et al. 2023 (arXiv:2310.05737); in
    groups, whose entropies add up, Zhao, Xiong and Krähenbühl 2024 (arXiv:2406.07548).

    Args:
        temperature: towards 0 a code is certain wherever the encoder's output is.
        diversity: the weight of the second entropy.
        group: how many bits' joint entropy is taken; with groups the second entropy is an upper bound.
    """

    cites: ClassVar[tuple[str, ...]] = ("yu2023",)

    def __init__(self, *, temperature: float = 1.0, diversity: float = 1.0, group: int = 10) -> None:
        super().__init__()
        if not temperature > 0:
            raise Mistake(f"got temperature={temperature!r} and wanted a number above 0.")
        self.temperature, self.diversity, self.group = temperature, diversity, require_count("group", group)

    def forward(self, model: Any, trace: Trace) -> Tensor:
        book = getattr(getattr(model, "posterior", None), "codebook", None)
        if not isinstance(book, LookupFree):
            raise Mistake(
                f"CodeEntropy is of codes made of bits and got {type(book).__name__}: leave it out, "
                "or give Quantized a vk.networks.LookupFree or BinarySpherical."
            )
        logits = book.logits(trace.q.encoded, self.temperature)  # type: ignore[attr-defined]  # (B, N, D)
        p = logits.sigmoid()
        own = (softplus(logits) - p * logits).sum((1, 2))
        parts = p.flatten(0, 1).split(self.group, -1)
        means = [joint(part).mean(0).clamp_min(torch.finfo(p.dtype).tiny) for part in parts]  # entr has no slope at 0
        spread = torch.stack([torch.special.entr(mean).sum() for mean in means]).sum()
        return own - self.diversity * p.shape[1] * spread


def joint(p: Tensor) -> Tensor:
    """The probabilities of all 2^g rows of independent bits, (M, 2^g), from those of each being 1, (M, g).

    Example:
        >>> joint(torch.tensor([[0.5, 0.25]]))
        tensor([[0.3750, 0.3750, 0.1250, 0.1250]])
    """
    found = torch.ones_like(p[:, :1])
    for bit in p.unbind(-1):
        found = torch.cat([found * (1 - bit).unsqueeze(1), found * bit.unsqueeze(1)], 1)
    return found
