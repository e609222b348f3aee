"""The prior that is made of the training items' own codes (Norouzi, Fleet and Norouzi 2020, arXiv:2004.04795)."""

from __future__ import annotations

__all__ = ["Exemplars"]

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaekit import distributions
from vaekit.distributions.exemplars import squared_distances
from vaekit.messages import require_count
from vaekit.priors.base import Prior

KEPT = 20_000  # latents that a density is made of where the prior is fitted to many more
ROUNDS, PAIRS = 60, 2**23  # of the fit of its scale, and the pairs of latents that this looks at
MOST = 64  # batches that are kept for the next step, where a loop of the user's own never makes one
LEAST = 1e-6  # of the latents' own spread: a scale below which a density is a spike


class Exemplars(Prior):
    """p(z) = the mean over training items of N(z; mean of q(z|item), scale^2 I), with one learned scale.

    While training, an item's exemplars are the other items of its batch and not the item itself, with codes as they
    are at the step, through which the gradient flows: the paper's leave-one-out over a random subset. By Jensen's
    inequality a bound with this prior lies, in the mean over batches, below that with all other items.
    In evaluation the exemplars are all N training items. Their codes are kept, not the items: (N, D) numbers. They are
    those of each item's last step, and after `vk.fit` those of the final encoder. A training item that is scored in
    evaluation has its own code among the exemplars, so that only the NLL of held-out items compares with other priors'.

    Args:
        latent_dim: D, the number of latents.
        exemplars: N; `vk.fit` sets it to the number of training items. In a loop of your own the last N codes are kept.

    Example:
        >>> prior = Exemplars(2, 5)
        >>> prior.hold(torch.zeros(5, 2))
        >>> prior().log_prob(torch.zeros(2))
        tensor(-1.8379, grad_fn=<SubBackward0>)
    """

    made_of_items: ClassVar[bool] = True
    cites: ClassVar[tuple[str, ...]] = ("norouzi2020",)

    def __init__(self, latent_dim: int, exemplars: int = 1000) -> None:
        super().__init__()
        self.latent_shape = (latent_dim,)
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.register_buffer("codes", torch.zeros(require_count("exemplars", exemplars), latent_dim))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))  # codes written so far; one at 0 before
        self.codes: Tensor
        self.seen: Tensor
        self._new: list[Tensor] = []

    def forward(self, *given: Tensor | None) -> distributions.Exemplars:
        return distributions.Exemplars(self.codes, self.log_scale, self.seen.clamp_min(1))

    def among(self, q: Distribution, *given: Tensor | None) -> Distribution:
        """The other items of the batch; all that is kept where there are none."""
        codes = q.mean  # (B, D)
        if torch.is_grad_enabled():
            del self._new[:-MOST]
            self._new.append(codes.detach())
        return distributions.OtherExemplars(codes, self.log_scale) if len(codes) > 1 else self(*given)

    @torch.no_grad()
    def hold(self, codes: Tensor) -> None:
        """Let these be the exemplars' codes, (N, D)."""
        self._make_room(len(codes))
        self.codes.copy_(codes)
        self.seen.fill_(len(codes))

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Make room for a code of every training item."""
        self._make_room(n)

    def forget(self) -> None:
        self._new = []

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Keep the codes of the step in place of the oldest ones: after an epoch there is one of every item."""
        for new in self._new:
            new = new[-len(self.codes) :]
            rows = (self.seen + torch.arange(len(new), device=new.device)) % len(self.codes)
            # a step that is not finite changes nothing
            self.codes[rows] = torch.where(new.isfinite(), new.to(self.codes.dtype), self.codes[rows])
            self.seen.add_(len(new))
        self._new = []

    @torch.no_grad()
    def at_best(self, z: Tensor) -> bool:
        """A kernel density of the latents, its scale that of the greatest leave-one-out likelihood, found by EM."""
        self.hold(z[:: -(-len(z) // KEPT)])
        z = self.codes.double()
        own = torch.arange(0, len(z), max(1, len(z) ** 2 // PAIRS), device=z.device)
        if len(z) > 1:
            squares = squared_distances(z[own], z)  # (R, N); 0 where an item meets itself
            itself = torch.arange(len(z), device=z.device) == own.unsqueeze(1)
            spread = squares.mean() / z.shape[1]
            square = spread
            for _ in range(ROUNDS):
                share = (-0.5 * squares / square).masked_fill(itself, -torch.inf).softmax(1)
                square = torch.maximum((share * squares).sum(1).mean() / z.shape[1], LEAST**2 * spread + 1e-30)
            self.log_scale.copy_(0.5 * square.log())
        return True

    def _make_room(self, n: int) -> None:
        """Hold n codes, none of them known yet; the constructor's arguments say so, for the file."""
        self.codes = self.codes.new_zeros(n, *self.latent_shape)
        self.seen = torch.zeros_like(self.seen)
        self.arguments["exemplars"] = n

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *more: Any) -> None:
        """A file has as many codes as there were training items."""
        codes = state_dict.get(f"{prefix}codes")
        if codes is not None and codes.ndim == 2 and codes.shape != self.codes.shape:
            self._make_room(len(codes))
        super()._load_from_state_dict(state_dict, prefix, *more)
