r"""What ties an encoder to its codebook.

.. math:: \|\mathrm{sg}(e) - f(x)\|^2 \beta + \|e - \mathrm{sg}(f(x))\|^2
"""

from __future__ import annotations

__all__ = ["Commitment"]

from typing import ClassVar

from torch import Tensor

from vaekit.distributions import Codes
from vaekit.messages import Mistake
from vaekit.models import Model, Trace
from vaekit.objectives.term import Term


class Commitment(Term):
    """The squared distance of the encoder's output to its codes, summed over places and numbers, each item by itself.

    It moves the encoder with `weight`, and a codebook that learns by gradient with 1 (van den Oord et al. 2017,
    arXiv:1711.00937).

    Args:
        weight: beta.
    """

    cites: ClassVar[tuple[str, ...]] = ("oord2017",)

    def __init__(self, weight: float = 0.25) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, model: Model, trace: Trace) -> Tensor:
        q = trace.q
        if not isinstance(q, Codes):
            raise Mistake(f"Commitment needs a Quantized posterior and got a {type(q).__name__}: leave it out.")
        loss = self.weight * (q.encoded - q.quantized.detach()).square().flatten(1).sum(1)
        if q.quantized.requires_grad:
            loss = loss + (q.quantized - q.encoded.detach()).square().flatten(1).sum(1)
        return loss
