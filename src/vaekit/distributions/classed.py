r"""A class, and a Gaussian of its own for each class.

.. math:: \log p(y, z) = \log \pi_y + \log N(z; \mu_y, \sigma_y^2), \qquad
          KL = \sum_y q(y) \left[\log \tfrac{q(y)}{p(y)} + KL(q(z|y) \| p(z|y))\right]
"""

from __future__ import annotations

__all__ = ["ClassedGaussian", "known_class"]

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints, register_kl

from vaekit.distributions.gaussian import DiagonalGaussian

IMPOSSIBLE = -1e4  # log of the smallest share in a KL: its exponential is 0, its product with 0 too


class ClassedGaussian(Distribution):
    """One of C classes, and given it a diagonal Gaussian of D numbers.

    Args:
        logits: (*batch, C), of the classes; -inf for those that cannot be.
        loc: (*batch, C, D).
        log_scale: broadcastable to loc.
        judged: (*batch, C), the log-probabilities of the classes before one was given, where they are known.

    A value is the class, one-hot, and z behind it, (*batch, C + D). `rsample` passes a gradient through z alone.

    Example:
        >>> q = ClassedGaussian(torch.zeros(5, 3), torch.zeros(5, 3, 2), torch.zeros(()))
        >>> q.rsample((4,)).shape, q.log_prob(torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0]))[0]
        (torch.Size([4, 5, 5]), tensor(-2.9365))
    """

    arg_constraints = {}
    has_rsample = False  # of the class, whose probabilities a draw's gradient would miss

    def __init__(self, logits: Tensor, loc: Tensor, log_scale: Tensor, judged: Tensor | None = None) -> None:
        self.log_share = logits.log_softmax(-1)
        self.judged = judged
        self.each = DiagonalGaussian(loc, log_scale)
        self.classes, self.width = loc.shape[-2:]
        super().__init__(loc.shape[:-2], torch.Size((self.classes + self.width,)), validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        each = [constraints.one_hot, constraints.independent(constraints.real, 1)]
        return constraints.cat(each, -1, [self.classes, self.width])

    @property
    def probs(self) -> Tensor:
        """The probability of each class, (*batch, C)."""
        return self.log_share.exp()

    @property
    def mean(self) -> Tensor:
        """The probabilities of the classes and the mean of z, (*batch, C + D)."""
        share = self.probs.expand(*self.batch_shape, -1)
        return torch.cat([share, (share.unsqueeze(-1) * self.each.loc).sum(-2)], -1)

    @property
    def mode(self) -> Tensor:
        """The most probable class and its mean of z."""
        return self._with(self.log_share.expand(*self.batch_shape, -1).argmax(-1), self.each.loc)

    @property
    def variance(self) -> Tensor:
        share = self.probs.expand(*self.batch_shape, -1)
        spread = self.each.variance + (self.each.loc - self.mean[..., None, self.classes :]).square()
        return torch.cat([share * (1 - share), (share.unsqueeze(-1) * spread).sum(-2)], -1)

    def _with(self, chosen: Tensor, z: Tensor) -> Tensor:
        """The classes (*shape, *batch) one-hot and their rows of z (*batch, C, D), or (*shape, *batch, C, D)."""
        z = z.expand(*chosen.shape, self.classes, self.width)
        own = z.gather(-2, chosen[..., None, None].expand(*chosen.shape, 1, self.width)).squeeze(-2)
        return torch.cat([torch.zeros_like(z[..., 0]).scatter(-1, chosen.unsqueeze(-1), 1.0), own], -1)

    def from_noise(self, noise: Tensor) -> Tensor:
        """The sample that standard normal noise (*shape, *batch or 1s, C + D) makes: the class by Gumbel's trick."""
        luck, noise = noise.split([self.classes, self.width], -1)
        gumbel = -(-torch.special.log_ndtr(luck)).log()
        chosen = (self.log_share.detach() + gumbel).argmax(-1)  # (*shape, *batch)
        return self._with(chosen, self.each.from_noise(noise.unsqueeze(-2)))

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        loc = self.each.loc
        shape = (*sample_shape, *self.batch_shape, *self.event_shape)
        return self.from_noise(torch.randn(shape, dtype=loc.dtype, device=loc.device))

    def every(self, samples: int = 1) -> Tensor:
        """Draws under every class in turn, (C * samples, *batch, C + D), class after class."""
        loc = self.each.loc
        chosen = torch.arange(self.classes, device=loc.device).repeat_interleave(samples)
        chosen = chosen.view(-1, *[1] * len(self.batch_shape)).expand(-1, *self.batch_shape)
        noise = torch.randn((*chosen.shape, 1, self.width), dtype=loc.dtype, device=loc.device)
        return self._with(chosen, self.each.from_noise(noise))

    def log_prob(self, value: Tensor) -> Tensor:
        """-inf where the first numbers are not one-hot."""
        which, z = value.split([self.classes, self.width], -1)
        chosen = which.argmax(-1, keepdim=True)
        scores = self.log_share + self.each.log_prob(z.unsqueeze(-2))  # (*batch, C)
        other = (which != torch.zeros_like(which).scatter(-1, chosen, 1.0)).any(-1)
        return scores.gather(-1, chosen.expand(*scores.shape[:-1], 1)).squeeze(-1).masked_fill(other, -torch.inf)

    def unfolded(self, leading: tuple[int, ...]) -> ClassedGaussian:
        """The same with its first axis as several."""
        each = self.each.unfolded(leading)
        judged = None if self.judged is None else self.judged.unflatten(0, leading)
        return ClassedGaussian(self.log_share.unflatten(0, leading), each.loc, each.log_scale, judged)

    def tempered(self, temperature: float) -> ClassedGaussian:
        """The same with each Gaussian's scale multiplied by the temperature; the classes stay as they are."""
        parts = self.each.tempered(temperature)
        return ClassedGaussian(self.log_share, parts.loc, parts.log_scale)


def known_class(logits: Tensor, given: Tensor | None) -> Tensor:
    """The logits (*batch, C) of the classes, with all probability on those that are given.

    Args:
        given: (B, C), one-hot, or zeros where the class is missing.

    Example:
        >>> known_class(torch.zeros(2), torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
        tensor([[-inf, 0.],
                [0., 0.]])
    """
    if given is None:
        return logits
    told = given.sum(-1, keepdim=True) > 0
    return torch.where(told, given.to(logits.dtype).log(), logits)


@register_kl(ClassedGaussian, ClassedGaussian)
def _kl_classed(q: ClassedGaussian, p: ClassedGaussian) -> Tensor:
    ratio = q.log_share.clamp_min(IMPOSSIBLE) - p.log_share.clamp_min(IMPOSSIBLE)
    return (q.probs * (ratio + q.each.kl_each(p.each).sum(-1))).sum(-1)
