r"""Joint: a likelihood of several modalities, each with a network and a family of its own.

.. math:: p(x|z) = \prod_m p_m(x_m|z)
"""

from __future__ import annotations

__all__ = ["Blocks", "Joint"]

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vaekit import distributions
from vaekit.data import Modalities
from vaekit.likelihoods.base import Likelihood
from vaekit.messages import Mistake


class Blocks(distributions.Factorised):
    """Independent distributions of the modalities of an item, side by side.

    Args:
        parts: name -> distribution, batch (*leading).
        modalities: how an item is cut.
    """

    def __init__(self, parts: Mapping[str, Any], modalities: Modalities) -> None:
        self.parts, self.modalities = dict(parts), modalities
        self.event_dims = len(modalities.shape)
        batch = next(iter(self.parts.values())).batch_shape
        torch.distributions.Distribution.__init__(self, batch, torch.Size(modalities.shape), validate_args=False)

    def _joined(self, pick: Callable[[Any], Any]) -> Tensor:
        return self.modalities.join({name: pick(part) for name, part in self.parts.items()})

    @property
    def mean(self) -> Tensor:
        return self._joined(lambda p: p.mean.expand(*self.batch_shape, *p.event_shape))

    @property
    def mode(self) -> Tensor:
        return self._joined(lambda p: p.mode.expand(*self.batch_shape, *p.event_shape))

    @property
    def variance(self) -> Tensor:
        return self._joined(lambda p: p.variance.expand(*self.batch_shape, *p.event_shape))

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        return self._joined(lambda p: p.sample(torch.Size(sample_shape)))

    def log_prob_each(self, value: Tensor) -> Tensor:
        pieces = self.modalities.split(value)
        return self.modalities.join({name: part.log_prob_each(pieces[name]) for name, part in self.parts.items()})

    def log_prob(self, value: Tensor) -> Tensor:
        pieces = self.modalities.split(value)
        return torch.stack([part.log_prob(pieces[name]) for name, part in self.parts.items()]).sum(0)

    def log_prob_observed(self, value: Tensor) -> Tensor:
        return torch.stack(list(self.observed(value).values())).sum(0)

    def observed(self, value: Tensor) -> dict[str, Tensor]:
        """name -> the log-density of the elements of that modality that are there, (*batch)."""
        pieces = self.modalities.split(value)
        return {name: part.log_prob_observed(pieces[name]) for name, part in self.parts.items()}

    def supports(self, value: Tensor) -> Tensor:
        pieces = self.modalities.split(value)
        return self.modalities.join({name: part.supports(pieces[name]) for name, part in self.parts.items()})


class Joint(Likelihood):
    """p(x|z) of modalities that are independent given z.

    Args:
        parts: name -> a likelihood with its network, for a piece of that shape.
        modalities: how an item is cut.

    Raises:
        Mistake: where a modality has no likelihood, or one of another shape.

    Example:
        >>> from vaekit.likelihoods import Bernoulli, Gaussian
        >>> from vaekit.networks import MLP
        >>> modalities = Modalities((66,), {"digit": (8, 8), "place": (2,)})
        >>> digit, place = Bernoulli(MLP(3, [16]), (8, 8)), Gaussian(MLP(3, [16]), (2,))
        >>> p = Joint({"digit": digit, "place": place}, modalities)
        >>> p.describe(), p(torch.zeros(10, 4, 3)).sample().shape
        ('digit Bernoulli; place Gaussian, one learned scale', torch.Size([10, 4, 66]))
    """

    cites: ClassVar[tuple[str, ...]] = ("suzuki2016",)
    leads = ("before_fit",)
    label = "joint"
    wants = "what the likelihood of each modality wants"

    def __init__(self, parts: Mapping[str, Likelihood], modalities: Modalities) -> None:
        super().__init__()
        found = {name: tuple(part.shape) for name, part in parts.items()}
        if found != modalities.shapes:
            raise Mistake(f"got likelihoods of {found} and wanted one for each of {modalities.shapes}, in that order.")
        self.modalities = modalities
        self.parts: Any = nn.ModuleList(parts.values())
        self.shape = modalities.shape

    @property
    def discrete(self) -> bool:  # type: ignore[override]
        """Whether all modalities have probabilities, not densities."""
        return all(part.discrete for part in self.parts)

    @property
    def net(self) -> nn.ModuleList:  # type: ignore[override]
        """The networks of all modalities, for those who count or draw them."""
        return nn.ModuleList(part.net for part in self.parts)

    @property
    def entrance(self) -> None:
        """z enters several networks."""
        return None

    def before_fit(self, x: Tensor, y: Mapping[str, Tensor], n: int) -> None:
        """Let the likelihood of each modality begin at those items that have it."""
        self.modalities.begin(self.parts, x, y, n)

    def scored(self, x: Tensor) -> Tensor:
        """How many numbers of all modalities of each item are scored, (B,)."""
        pieces = self.modalities.split(x)
        found = [part.scored(pieces[name]) for name, part in zip(self.modalities.names, self.parts, strict=True)]
        return torch.stack(found).sum(0)

    def forward(self, *given: Tensor | None) -> Blocks:
        return Blocks({n: p(*given) for n, p in zip(self.modalities.names, self.parts, strict=True)}, self.modalities)

    def describe(self) -> str:
        return "; ".join(f"{n} {p.describe()}" for n, p in zip(self.modalities.names, self.parts, strict=True))
