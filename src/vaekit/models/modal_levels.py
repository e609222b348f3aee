r"""Levels of latents of several modalities: each posterior a product of the prior from above and an expert of each.

.. math:: q(z_l|z_{<l}, x) \propto p(z_l|z_{<l}) \prod_m q_m(z_l|z_{<l}, x_m)

Unified Brain MR-Ultrasound Synthesis using Multi-Modal Hierarchical Representations: Dorent et al. 2023,
arXiv:2309.08747.
"""

from __future__ import annotations

__all__ = ["EachModality", "ModalBlock"]

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from vaekit.data import Modalities
from vaekit.distributions import DiagonalGaussian
from vaekit.messages import Mistake
from vaekit.models.hierarchical import LOG_SCALE, TopDownBlock
from vaekit.networks import features_of
from vaekit.part import Part


class EachModality(Part):
    """A network for each modality, their outputs side by side, (B, M, F + 1), the last number 1 where it is there.

    All are 0 where a modality is missing throughout, so that NaN is never taken for a missing one.

    Args:
        nets: in the order of the modalities; from its piece of x, or from (B, F'), to (B, F), F alike for all.
        modalities: how x is cut, for the networks that see it; without, the input is another's output, (B, M, F' + 1).

    Raises:
        Mistake: for networks whose outputs are not alike.

    Example:
        >>> from vaekit.networks import MLP
        >>> first = EachModality([MLP(4, [6]), MLP(2, [6])], Modalities((6,), {"a": (4,), "b": (2,)}))
        >>> seen = first(torch.tensor([[1.0, 1.0, 1.0, 1.0, torch.nan, torch.nan]]))
        >>> EachModality([MLP(6, [3]), MLP(6, [3])])(seen)[0, :, -1].tolist()
        [1.0, 0.0]
    """

    takes_missing: ClassVar[bool] = True

    def __init__(self, nets: Sequence[nn.Module], modalities: Modalities | None = None) -> None:
        super().__init__()
        self.nets, self.modalities = nn.ModuleList(nets), modalities
        widths = [math.prod(features_of(net, None)) for net in nets]
        if len(set(widths)) > 1:
            raise Mistake(f"got networks with {', '.join(map(str, widths))} features: give equally many to each.")
        self.features = (len(widths), widths[0] + 1)

    def forward(self, x: Tensor) -> Tensor:
        if self.modalities is None:
            pieces, there = x[..., :-1].unbind(1), x[..., -1] > 0  # (B, M)
        else:
            pieces, there = tuple(self.modalities.split(x).values()), self.modalities.seen(x)
        found = []
        for m, (net, piece) in enumerate(zip(self.nets, pieces, strict=True)):
            gone = ~there[:, m]
            out = net(piece.masked_fill(gone.view(-1, *[1] * (piece.ndim - 1)), 0.0)).flatten(1)
            found.append(out.masked_fill(gone.unsqueeze(-1), 0.0))
        features = torch.stack(found, 1)
        return torch.cat([features, there.unsqueeze(-1).to(features)], -1)


class ModalBlock(TopDownBlock):
    """One level: a prior from the levels above, and a posterior that is its product with an expert of each modality.

    A modality that is missing is no factor, so that the posterior of an item without any is the prior. The experts
    share one layer, which reads the features of a modality and the state from above.

    Args:
        latent_dim, above, hidden: as for TopDownBlock.
        seen: F, the width of the features of one modality, without the number that says that it is there.
    """

    cites: ClassVar[tuple[str, ...]] = ("dorent2023",)

    def __init__(self, latent_dim: int, *, above: int, seen: int, hidden: int) -> None:
        super().__init__(latent_dim, above=above, seen=seen + above, hidden=hidden)

    def q(self, p: DiagonalGaussian, seen: Tensor, state: Tensor | None = None) -> DiagonalGaussian:
        """The product of p and the experts of what is seen.

        Args:
            p: the prior.
            seen: (B, M, F + 1), as EachModality gives it.
            state: (*leading, above), or None at the top.
        """
        features, there = seen[..., :-1], seen[..., -1:] > 0  # (B, M, F), (B, M, 1)
        if state is not None:
            leading = (*state.shape[:-1], features.shape[-2])
            features = torch.cat([features.expand(*leading, -1), state.unsqueeze(-2).expand(*leading, -1)], -1)
        loc, log_scale = self.evidence(features)  # (*leading, M, D)
        precision = torch.where(there, (-2 * log_scale.clamp(-LOG_SCALE, LOG_SCALE)).exp(), 0.0)
        prior = (-2 * p.log_scale).exp()
        total = prior + precision.sum(-2)
        return DiagonalGaussian((prior * p.loc + (precision * loc).sum(-2)) / total, -0.5 * total.log())
