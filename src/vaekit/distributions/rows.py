r"""Rows of codes whose probability is a product over places, each given those before it.

.. math:: \log p(i_1, ..., i_N) = \sum_n \log p(i_n | i_1, ..., i_{n-1})
"""

from __future__ import annotations

__all__ = ["AutoregressiveCodes"]

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, register_kl

from vaekit.distributions.codes import Codes
from vaekit.distributions.soft_codes import SoftCodes
from vaekit.distributions.soft_paths import SoftPaths


class AutoregressiveCodes(Distribution):
    """The vectors of a codebook at N places, one after the other.

    Args:
        net: indices (*leading, M) -> logits (*leading, M, K), causal, M of N places; and `draw(n, temperature)`.
        codebook: has `width`, `shape`, `lookup`, `nearest` and `member`.
        places: N.
        temperature: what the logits are divided by.

    A value is the N vectors one after the other, (*batch, N * D).
    """

    arg_constraints = {}

    def __init__(self, net: Any, codebook: Any, places: int, temperature: float = 1.0) -> None:
        self.net, self.codebook, self.places, self.temperature = net, codebook, places, temperature
        super().__init__(torch.Size(), torch.Size((places * codebook.width,)), validate_args=False)

    def log_prob_indices(self, indices: Tensor) -> Tensor:
        """log p of rows of indices, (*leading, M) -> (*leading), in nats."""
        logits = self.net(indices) / max(self.temperature, 1e-30)
        return logits.log_softmax(-1).gather(-1, indices.unsqueeze(-1)).squeeze(-1).sum(-1)

    def indices_of(self, value: Tensor) -> Tensor:
        """The indices of the vectors that are nearest to a value's, (*leading, M)."""
        return self.row(self.codebook.nearest(value.unflatten(-1, (self.places, self.codebook.width))))

    def row(self, indices: Tensor) -> Tensor:
        """The indices of all places one after the other, (*leading, N, *shape) -> (*leading, M)."""
        return indices.flatten(-1 - len(self.codebook.shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """log p of the vectors' indices, -inf for vectors that are not in the codebook.

        Draws of a quantised posterior repeat one value without copying it; it is scored once.
        """
        leading = value.shape[:-1]
        repeated = tuple(slice(0, 1) if value.stride(a) == 0 else slice(None) for a in range(len(leading)))
        once = value[repeated]
        inside = self.codebook.member(once.unflatten(-1, (self.places, self.codebook.width))).all(-1)
        return self.log_prob_indices(self.indices_of(once)).masked_fill(~inside, -torch.inf).expand(leading)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        shape = torch.Size(sample_shape)
        rows = self.net.draw(max(shape.numel(), 1), self.temperature)
        indices = rows.view(-1, self.places, *self.codebook.shape)
        found: Tensor = self.codebook.lookup(indices).flatten(-2).view(*shape, -1)
        return found

    def tempered(self, temperature: float) -> AutoregressiveCodes:
        """The same with each place's logits divided by the temperature."""
        return AutoregressiveCodes(self.net, self.codebook, self.places, self.temperature * temperature)


@register_kl(SoftPaths, AutoregressiveCodes)
@register_kl(SoftCodes, AutoregressiveCodes)
def _no_closed_form(q: SoftCodes | SoftPaths, p: AutoregressiveCodes) -> Tensor:
    raise NotImplementedError  # of codes that are drawn; it is taken from the draws


@register_kl(Codes, AutoregressiveCodes)
def _kl_codes(q: Codes, p: AutoregressiveCodes) -> Tensor:
    return -p.log_prob_indices(p.row(q.indices))
