r"""HierarchicalVAE: several levels of latents, generated and inferred from the top down.

.. math:: p(z) = \prod_l p(z_l | z_{<l}), \quad q(z|x) = \prod_l q(z_l | z_{<l}, x)

Ladder Variational Autoencoders: Sønderby, Raiko, Maaløe, Sønderby and Winther 2016, arXiv:1602.02282.
"""

from __future__ import annotations

__all__ = ["AncestralPosterior", "HierarchicalVAE", "Level", "TopDownBlock"]

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaekit.conditional import pick
from vaekit.data import Context
from vaekit.data.transforms import Transform
from vaekit.distributions import DiagonalGaussian
from vaekit.likelihoods import Likelihood
from vaekit.messages import Mistake
from vaekit.models.model import Model
from vaekit.models.trace import Trace
from vaekit.networks import MLP, Head
from vaekit.part import Part

LOG_SCALE = 5.0  # bounds of a level's log-scale: the precision-weighted mean divides by its square


class Level(Part):
    """The base of one level of latents; states and latents are vectors, whatever they are inside."""

    latent_dim: int

    def p(self, state: Tensor | None, like: Tensor) -> Any:
        """p(z | above): batch () at the top, where the state is None; like tells the type and the device."""
        raise NotImplementedError

    def q(self, p: Any, seen: Tensor, state: Tensor | None = None) -> DiagonalGaussian:
        """q(z | above, x), batch (*leading of the state, or B)."""
        raise NotImplementedError

    def state(self, z: Tensor, state: Tensor | None) -> Tensor:
        """What the levels below and the likelihood see, (*leading, width)."""
        raise NotImplementedError


class TopDownBlock(Level):
    """One level: a prior from the levels above, and a posterior that weighs it with what the encoder saw.

    Args:
        latent_dim: latents of this level.
        above: the width of the state that comes from above (0 at the top).
        seen: the width of the encoder's features for this level.
        hidden: the width of the state that goes down.
    """

    cites: ClassVar[tuple[str, ...]] = ("sonderby2016",)

    def __init__(self, latent_dim: int, *, above: int, seen: int, hidden: int) -> None:
        super().__init__()
        self.latent_dim, self.above = latent_dim, above
        self.prior = Head((above,), (latent_dim,), 2) if above else None
        self.evidence = Head((seen,), (latent_dim,), 2)
        self.down = MLP(latent_dim + above, [hidden])
        self.features = (hidden,)

    def p(self, state: Tensor | None, like: Tensor) -> DiagonalGaussian:
        """N(0, I) at the top."""
        if self.prior is None or state is None:
            zeros = like.new_zeros(self.latent_dim)
            return DiagonalGaussian(zeros, zeros)
        loc, log_scale = self.prior(state)
        return DiagonalGaussian(loc, log_scale.clamp(-LOG_SCALE, LOG_SCALE))

    def q(self, p: DiagonalGaussian, seen: Tensor, state: Tensor | None = None) -> DiagonalGaussian:
        """The precision-weighted product of p and the evidence N(loc, scale^2)."""
        loc, log_scale = self.evidence(seen)
        log_scale = log_scale.clamp(-LOG_SCALE, LOG_SCALE)
        precision, prior_precision = (-2 * log_scale).exp(), (-2 * p.log_scale).exp()
        total = precision + prior_precision
        return DiagonalGaussian((loc * precision + p.loc * prior_precision) / total, -0.5 * total.log())

    def state(self, z: Tensor, state: Tensor | None) -> Tensor:
        if state is not None and state.ndim < z.ndim:
            state = state.expand(*z.shape[:-1], state.shape[-1])
        out: Tensor = self.down(z if state is None else torch.cat([z, state], -1))
        return out


class AncestralPosterior(Distribution):
    """q(z|x) of a hierarchy: sampled from the top down; its mean follows the means of the levels."""

    arg_constraints = {}
    has_rsample = True

    def __init__(self, model: HierarchicalVAE, seen: list[Tensor]) -> None:
        self.model, self.seen = model, seen
        super().__init__(seen[0].shape[:1], torch.Size((sum(b.latent_dim for b in model.levels),)), validate_args=False)

    def _levels(self, pick_z: Any) -> tuple[Tensor, ...]:
        return tuple(z for _, _, z in self.model.descend(self.seen, pick_z)[0])

    @property
    def mean(self) -> Any:
        return self._levels(lambda q: q.loc)

    @property
    def mode(self) -> Any:
        return self.mean

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Any:  # type: ignore[override]
        def draw(q: DiagonalGaussian) -> Tensor:
            return q.rsample(() if len(q.batch_shape) == 1 + len(sample_shape) else tuple(sample_shape))

        return self._levels(draw)


class HierarchicalVAE(Model):
    """Levels of latents; z is a tuple from the top down.

    Args:
        encoder: the networks from x up, one for each level from the bottom; each reads the features of the one below.
        levels: from the top down, such as TopDownBlocks.
        likelihood: p(x | state below the last level).
        transform: from the user's units to the model's, or None.
        context: how labels and covariates become tensors, or None; the likelihood and the first network may read it.
        reads: the fields of the context that the first network of the encoder wants.
    """

    cites: ClassVar[tuple[str, ...]] = ("kingma2014", "sonderby2016")

    def __init__(
        self,
        encoder: Sequence[nn.Module],
        levels: Sequence[Level],
        likelihood: Likelihood,
        *,
        transform: Transform | None = None,
        context: Context | None = None,
        reads: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if len(levels) != self.levels_for(len(encoder)):
            wanted = f"{self.levels_for(len(encoder))} for so many"
            raise Mistake(f"got {len(encoder)} encoder networks and {len(levels)} levels and wanted {wanted}.")
        self.transform, self.context = transform, context
        self.encoder = nn.ModuleList(encoder)
        self.levels: Any = nn.ModuleList(levels)
        self.likelihood, self.reads = likelihood, tuple(reads)
        self.shape = likelihood.shape
        self.takes_missing = bool(getattr(self.encoder[0], "takes_missing", False))

    @staticmethod
    def levels_for(nets: int) -> int:
        """How many levels go with so many networks of the encoder."""
        return nets

    def _seen(self, x: Tensor, y: Mapping[str, Tensor] | None) -> list[Tensor]:
        """The encoder's features, from the top down."""
        given = pick(self, y)  # type: ignore[arg-type]
        seen: list[Tensor] = []
        for i, net in enumerate(self.encoder):
            x = net(x, *given) if i == 0 else net(x)
            seen.append(x)
        return seen[::-1]

    def descend(
        self, seen: list[Tensor], pick_z: Any
    ) -> tuple[tuple[tuple[DiagonalGaussian, DiagonalGaussian, Tensor], ...], Tensor]:
        """From the top down: (q, p, z) of each level, z chosen by pick_z(q); and the last state."""
        state: Tensor | None = None
        levels = []
        for block, features in zip(self.levels, seen, strict=True):
            p = block.p(state, features)
            q = block.q(p, features, state)
            z = pick_z(q)
            state = block.state(z, state)
            levels.append((q, p, z))
        assert state is not None
        return tuple(levels), state

    def at(self, seen: list[Tensor], z: Sequence[Tensor]) -> Any:
        """(q, p, z) of each level at these latents, from the top down."""
        made = iter(z)
        return self.descend(seen, lambda q: next(made))[0]

    def traces(self, x: Tensor, y: Mapping[str, Tensor] | None, samples: int, chunk: int) -> Iterator[Trace]:
        seen, given = self._seen(x, y), pick(self.likelihood, y)
        for start in range(0, samples, chunk):
            k = min(chunk, samples - start)
            levels, state = self.descend(seen, lambda q, k=k: q.rsample((k,) if len(q.batch_shape) == 1 else ()))
            yield Trace(x, y, levels, self.likelihood(state, *given), missing=self.takes_missing)

    def _posterior(self, x: Tensor, y: Mapping[str, Tensor] | None) -> Distribution:
        return AncestralPosterior(self, self._seen(x, y))

    def prior_sample(self, n: int, y: Mapping[str, Tensor] | None, temperature: float) -> Any:
        return self._complete((), n, temperature)[0]

    def _complete(self, z: tuple[Tensor, ...], n: int, temperature: float = 1.0) -> tuple[tuple[Tensor, ...], Tensor]:
        """A prefix of levels completed from the prior; all levels and the last state."""
        state: Tensor | None = None
        like = next(self.parameters())
        done = []
        for i, block in enumerate(self.levels):
            if i < len(z):
                value = z[i]
            else:
                p = block.p(state, like).tempered(temperature)
                value = p.sample((n,)) if not p.batch_shape else p.sample()
            state = block.state(value, state)
            done.append(value)
        assert state is not None
        return tuple(done), state

    def _likelihood(self, z: Any, y: Mapping[str, Tensor] | None) -> Distribution:
        if isinstance(z, Tensor):  # the levels side by side, as `encode` writes them; or the top one alone
            sizes = [block.latent_dim for block in self.levels]
            z = tuple(z.split(sizes, -1)) if z.shape[-1] == sum(sizes) else (z,)
        px: Distribution = self.likelihood(self._complete(z, len(z[0]))[1], *pick(self.likelihood, y))
        return px
