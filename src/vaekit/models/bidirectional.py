r"""BidirectionalVAE: latents that are inferred from the bottom up, and beside them some from the top down.

.. math:: q(z|x) = q(z_L|x, z^{BU}) \prod_l q(z_l^{BU}|x, z_{<l}^{BU})\, q(z_l^{TD}|x, z_{<l}^{BU}, z_{>l}), \qquad
          p(z) = p(z_L) \prod_l p(z_l^{BU}|z_{>l})\, p(z_l^{TD}|z_{>l})

BIVA: A Very Deep Hierarchy of Latent Variables for Generative Modeling: Maaløe, Fraccaro, Liévin and Winther 2019,
arXiv:1902.02102.
"""

from __future__ import annotations

__all__ = ["BidirectionalVAE", "Downward", "Upward"]

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from vaekit.conditional import pick
from vaekit.distributions import DiagonalGaussian, Drawn
from vaekit.models.hierarchical import HierarchicalVAE, Level
from vaekit.models.levels import bounded
from vaekit.networks import MLP, Head


class Downward(Level):
    """z^TD of a level: its posterior reads the state from above and what the encoder saw.

    Args:
        latent_dim: latents.
        above: the width of the state from above.
        seen: the width of the encoder's features for this level.
    """

    cites: ClassVar[tuple[str, ...]] = ("maaloe2019",)

    def __init__(self, latent_dim: int, *, above: int, seen: int) -> None:
        super().__init__()
        self.latent_dim, self.above, self.features = latent_dim, above, (above + latent_dim,)
        self.prior = Head((above,), (latent_dim,), 2)
        self.evidence = Head((above + seen,), (latent_dim,), 2)

    def p(self, state: Tensor | None, like: Tensor) -> DiagonalGaussian:
        assert state is not None
        return _gaussian(self.prior, state[..., : self.above])

    def q(self, p: Any, seen: Tensor, state: Tensor | None = None) -> DiagonalGaussian:
        return _gaussian(self.evidence, _beside(state, seen))

    def state(self, z: Tensor, state: Tensor | None) -> Tensor:
        """The state from above with z behind it."""
        return _beside(z, state, turned=True)


class Upward(Downward):
    """z^BU of a level: its posterior reads what is below it alone, and its prior what is above the level alone.

    Args:
        latent_dim, above, seen: as for Downward.
        beside: z^TD's latents, which the state from above carries behind it.
        hidden: the width of the state that goes down.
    """

    def __init__(self, latent_dim: int, *, above: int, seen: int, beside: int, hidden: int) -> None:
        super().__init__(latent_dim, above=above, seen=seen)
        self.evidence = Head((seen,), (latent_dim,), 2)
        self.down = MLP(above + beside + latent_dim, [hidden])
        self.features = (hidden,)

    def rise(self, seen: Tensor) -> DiagonalGaussian:
        """q(z^BU | x, z^BU below)."""
        return _gaussian(self.evidence, seen)

    def q(self, p: Any, seen: Any, state: Tensor | None = None) -> Any:
        """What was drawn on the way up."""
        return seen

    def state(self, z: Tensor, state: Tensor | None) -> Tensor:
        out: Tensor = self.down(super().state(z, state))
        return out


class BidirectionalVAE(HierarchicalVAE):
    """A hierarchy whose encoder draws latents on its way up, which the encoder further up and the levels beside read.

    Args:
        encoder: the networks from x up; each but the first reads the features below and what was drawn there.
        levels: from the top down: the top one, and for each network further down a Downward and an Upward.
        likelihood, transform, context, reads: as for HierarchicalVAE.

    The rate of an Upward is log q - log p at the draw: what its prior reads was inferred from it.
    """

    cites: ClassVar[tuple[str, ...]] = ("kingma2014", "maaloe2019")

    @staticmethod
    def levels_for(nets: int) -> int:
        return 2 * nets - 1

    def _seen(self, x: Tensor, y: Mapping[str, Tensor] | None) -> list[Tensor]:
        """What the first network makes of x; the others read draws."""
        return [self.encoder[0](x, *pick(self, y))]  # type: ignore[arg-type]

    def _risen(self, x: Tensor, pick_z: Any) -> list[Any]:
        """What each level's posterior reads, from the top down."""
        seen: list[Any] = []
        for i, level in enumerate(self.levels[:0:-2]):  # the Upwards from the bottom
            x = self.encoder[i](x) if i else x
            q = level.rise(x)
            z = pick_z(q)
            seen += [Drawn(q, z), x]
            x = _beside(z, x, turned=True)
        seen.append(self.encoder[-1](x) if len(self.encoder) > 1 else x)
        return seen[::-1]

    def descend(self, seen: list[Tensor], pick_z: Any) -> Any:
        return super().descend(self._risen(seen[0], pick_z), pick_z)

    def at(self, seen: list[Tensor], z: Sequence[Tensor]) -> Any:
        up, down = iter(z[:0:-2]), iter(z)
        return super().descend(self._risen(seen[0], lambda q: next(up)), lambda q: next(down))[0]


def _beside(first: Tensor | None, second: Tensor | None, *, turned: bool = False) -> Tensor:
    """Two tensors side by side, the second in as many draws as the first; turned: the second one in front."""
    assert first is not None and second is not None
    second = second.expand(*first.shape[:-1], second.shape[-1])
    return torch.cat([second, first] if turned else [first, second], -1)


def _gaussian(head: Head, x: Tensor) -> DiagonalGaussian:
    loc, log_scale = head(x)
    return DiagonalGaussian(loc, bounded(log_scale))
