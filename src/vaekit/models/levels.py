r"""Levels of hierarchies whose posterior reads the state from above and what the encoder saw, side by side.

.. math:: q(z_l | z_{<l}, x) = N(\mu_q, \sigma_q^2), \quad \text{or, as a residual,} \quad
          N(\mu_p + \Delta\mu, (\sigma_p \Delta\sigma)^2)
"""

from __future__ import annotations

__all__ = ["JoinedBlock", "PictureBlock", "ResidualPictureBlock", "VampTop"]

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from vaekit.distributions import DiagonalGaussian, GaussianMixture
from vaekit.messages import require_count
from vaekit.models.hierarchical import LOG_SCALE, Level, TopDownBlock
from vaekit.networks import Cell, as_map, as_vector
from vaekit.networks.initial import keep_variance

QUIET = 0.1  # of a layer's usual first weights
NARROW = -1.5  # the posteriors' first log-scales


class JoinedBlock(TopDownBlock):
    """A level whose posterior is a layer on the state and the encoder's features (Tomczak and Welling 2018,
    arXiv:1705.07120, section 4.1).

    Args:
        latent_dim, above, seen, hidden: as for TopDownBlock.
    """

    cites: ClassVar[tuple[str, ...]] = ("tomczak2018",)

    def __init__(self, latent_dim: int, *, above: int, seen: int, hidden: int) -> None:
        super().__init__(latent_dim, above=above, seen=seen + above, hidden=hidden)

    def q(self, p: Any, seen: Tensor, state: Tensor | None = None) -> DiagonalGaussian:
        if state is not None:
            seen = torch.cat([state, seen.expand(*state.shape[:-1], seen.shape[-1])], -1)
        loc, log_scale = self.evidence(seen)
        return DiagonalGaussian(loc, bounded(log_scale))


class VampTop(JoinedBlock):
    """The top level with a VampPrior: the mean of q(z|u_k) over K learned pseudo-inputs (Tomczak and Welling 2018).

    Args:
        latent_dim, seen, hidden: as for TopDownBlock.
        encoder: the model's own networks from x up to this level.
        shape: of one item.
        pseudo: K; they begin as items of the training data.
    """

    def __init__(
        self, latent_dim: int, *, encoder: Sequence[nn.Module], shape: Sequence[int], seen: int, hidden: int,
        pseudo: int = 500,
    ) -> None:  # fmt: skip
        super().__init__(latent_dim, above=0, seen=seen, hidden=hidden)
        self.encoder = nn.ModuleList(encoder)
        self.inputs = nn.Parameter(0.5 + 0.1 * torch.randn(require_count("pseudo", pseudo), *shape))

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Begin at items of the data, evenly spaced."""
        with torch.no_grad():
            rows = torch.arange(len(self.inputs), device=x.device) * len(x) // len(self.inputs)
            self.inputs.copy_(x[rows]).add_(0.01 * torch.randn_like(self.inputs))

    def p(self, state: Tensor | None, like: Tensor) -> GaussianMixture:  # type: ignore[override]
        u: Tensor = self.inputs
        for net in self.encoder:
            u = net(u)
        q = self.q(None, u)
        return GaussianMixture(q.loc, q.log_scale, q.loc.new_zeros(len(u)))


class PictureBlock(Level):
    """A level whose latents are a map: a very deep VAE has many of them (Child 2021, arXiv:2011.10650).

    The state is a map of the level's own size; what comes from above is doubled to it. The prior reads the state, the
    posterior the state and the encoder's map, and the latents are added to the state, which a residual cell works on.

    Args:
        latents: numbers of each place of the map.
        shape: (C, H, W) of the state, and of the encoder's map.
        above: (C', H', W') of the state from above; None at the top, whose state is learned.
        wide: whether the cells are NVAE's.
    """

    cites: ClassVar[tuple[str, ...]] = ("child2021",)

    def __init__(
        self, latents: int, *, shape: Sequence[int], above: Sequence[int] | None = None, wide: bool = False
    ) -> None:
        super().__init__()
        c, h, w = shape
        self.latents, self.shape, self.above = latents, (c, h, w), None if above is None else tuple(above)
        self.latent_dim = latents * h * w
        self.features = (c * h * w,)
        self.first = nn.Parameter(0.1 * torch.randn(c, h, w)) if above is None else None
        self.widen = nn.Identity() if above is None or above[0] == c else nn.Conv2d(above[0], c, 1)
        self.prior = nn.Sequential(Cell(c, wide=wide), nn.SiLU(), nn.Conv2d(c, 2 * latents, 3, padding=1))
        self.evidence = nn.Sequential(
            nn.Conv2d(2 * c, c, 1), Cell(c, wide=wide), nn.SiLU(), nn.Conv2d(c, 2 * latents, 3, padding=1)
        )
        self.enter, self.cell = nn.Conv2d(latents, c, 1), Cell(c, wide=wide)
        self._begin()

    @torch.no_grad()
    def _begin(self) -> None:
        """Let the prior begin near N(0, I), and the posterior narrow and as wide apart as the prior: latents that are
        noise at first are switched off in every level, and stay so.
        """
        prior: Any = self.prior[-1]
        evidence: Any = self.evidence[-1]
        for net in (prior, evidence, self.evidence[0], self.enter):
            keep_variance(net)
        prior.weight.mul_(QUIET)
        evidence.weight[self.latents :].mul_(QUIET)
        evidence.bias[self.latents :] = NARROW

    def lifted(self, state: Tensor | None, items: int) -> Tensor:
        """The state as a map of this level's size, (items, C, H, W)."""
        if self.above is None or state is None:
            assert self.first is not None
            return self.first.expand(items, -1, -1, -1)
        x = as_map(state.reshape(-1, state.shape[-1]), self.above)
        out: Tensor = self.widen(x if self.above[1:] == self.shape[1:] else interpolate(x, self.shape[1:]))
        return out

    def p(self, state: Tensor | None, like: Tensor) -> DiagonalGaussian:
        loc, log_scale = self._numbers(self.prior, self.lifted(state, 1))
        leading = () if state is None else state.shape[:-1]
        return DiagonalGaussian(loc.reshape(*leading, -1), bounded(log_scale).reshape(*leading, -1))

    def q(self, p: DiagonalGaussian, seen: Tensor, state: Tensor | None = None) -> DiagonalGaussian:
        leading = seen.shape[:1] if state is None else state.shape[:-1]
        x = self.lifted(state, len(seen))
        seen = seen.repeat(len(x) // len(seen), 1, 1, 1)  # draws come first
        loc, log_scale = self._numbers(self.evidence, torch.cat([x, seen], 1))
        return self.posterior(p, loc.reshape(*leading, -1), log_scale.reshape(*leading, -1))

    def posterior(self, p: DiagonalGaussian, loc: Tensor, log_scale: Tensor) -> DiagonalGaussian:
        """q of the evidence's numbers, (*leading, latents) each."""
        return DiagonalGaussian(loc, bounded(log_scale))

    def state(self, z: Tensor, state: Tensor | None) -> Tensor:
        rows = z.reshape(-1, z.shape[-1])
        _, h, w = self.shape
        x = self.lifted(state, len(rows)) + self.enter(as_map(rows, (self.latents, h, w)))
        return as_vector(self.cell(x)).reshape(*z.shape[:-1], -1)

    @staticmethod
    def _numbers(net: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        loc, log_scale = net(x).chunk(2, 1)
        return as_vector(loc), as_vector(log_scale)


class ResidualPictureBlock(PictureBlock):
    """The same with a posterior relative to the prior, which moves with it (Vahdat and Kautz 2020, arXiv:2007.03898).

    Its KL is (Delta mu^2 / sigma_p^2 + Delta sigma^2 - log Delta sigma^2 - 1) / 2: where the residual is nothing, it is
    0 whatever the prior is.

    Args:
        latents, shape, above, wide: as for PictureBlock.
    """

    cites: ClassVar[tuple[str, ...]] = ("vahdat2020",)

    def posterior(self, p: DiagonalGaussian, loc: Tensor, log_scale: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(p.loc + loc, p.log_scale + bounded(log_scale))


def bounded(log_scale: Tensor) -> Tensor:
    """Between -5 and 5, with a slope everywhere, as in NVAE: one exploding scale ends a training."""
    return LOG_SCALE * (log_scale / LOG_SCALE).tanh()
