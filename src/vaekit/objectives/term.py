"""Term and Bound: what is minimised, added up and weighed."""

from __future__ import annotations

__all__ = ["Bound", "Sum", "Term", "Weighted"]

from typing import Any

from torch import Tensor, nn

from vaekit.messages import ArgumentMistake
from vaekit.models import Model, Trace
from vaekit.objectives.schedules import Constant, Schedule
from vaekit.part import Part


class Term(Part):
    """A quantity to be minimised, in nats: (B,) an item each, or () where it has none.

    Terms add and weigh: `ELBO() + 5.0 * MMD()`. A weight may be a Schedule. A term only reads the trace.

    Attributes:
        samples: how many draws of z it needs.
        company: the smallest batch that it can work with.
        scores: whether its gradient for the posterior needs no gradient of the draws.
    """

    samples: int = 1
    company: int = 1
    scores: bool = False

    def forward(self, model: Model, trace: Trace) -> Tensor:
        raise NotImplementedError

    def terms(self, model: Model, trace: Trace) -> dict[str, Tensor]:
        """Each term by its name, weighed; their sum is the term."""
        return {self.name: self(model, trace)}

    @property
    def name(self) -> str:
        return type(self).__name__

    def loss(self, model: Model, x: Any, y: Any = None) -> Tensor:
        """The mean over a batch in the user's units, a scalar to be minimised, for any training loop.

        Example:
            >>> import torch
            >>> import vaekit as vk
            >>> model, objective = vk.recipes.vae(shape=(4,), latent_dim=2)
            >>> objective.loss(model, torch.zeros(3, 4)).shape
            torch.Size([])
        """
        x = model.to_model(x)
        return self(model, model.trace(x, model.to_context(y, len(x)), samples=self.samples)).mean()

    def __add__(self, other: Term) -> Sum:
        if not isinstance(other, Term):
            raise ArgumentMistake(f"a term was added to {other!r} and can be added to terms only: 2.0 * KL() + MMD().")
        return Sum([*_parts(self), *_parts(other)])

    def __mul__(self, weight: float | Schedule) -> Weighted:
        if not isinstance(weight, (int, float, Schedule)):
            raise ArgumentMistake(f"a term was multiplied by {weight!r}: give a number or a schedule.")
        return Weighted(self, weight)

    __rmul__ = __mul__


class Bound(Term):
    """A lower bound on log p(x): define `bound(model, trace) -> (B,)` in nats; sign and reporting are inherited."""

    def bound(self, model: Model, trace: Trace) -> Tensor:
        raise NotImplementedError

    def forward(self, model: Model, trace: Trace) -> Tensor:
        value = self.bound(model, trace)
        if not isinstance(value, Tensor) or value.shape != (len(trace.x),):
            got = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"{value!r:.40}"
            raise ArgumentMistake(f"the bound {self.name} gave {got} and wanted one number an item, ({len(trace.x)},).")
        return -value


class Weighted(Term):
    """weight * term."""

    def __init__(self, term: Term, weight: float | Schedule) -> None:
        super().__init__()
        self.term = term
        self.weight = weight if isinstance(weight, Schedule) else Constant(float(weight))
        self.samples, self.company = term.samples, term.company

    @property
    def name(self) -> str:
        return self.term.name

    def forward(self, model: Model, trace: Trace) -> Tensor:
        out: Tensor = self.weight.value() * self.term(model, trace)
        return out


class Sum(Term):
    """Terms added up; one trace with the most samples that any of them needs serves all."""

    def __init__(self, parts: list[Term]) -> None:
        super().__init__()
        self.parts: Any = nn.ModuleList(parts)
        self.samples = max(part.samples for part in parts)
        self.company = max(part.company for part in parts)

    @property
    def name(self) -> str:
        return " + ".join(part.name for part in self.parts)

    def terms(self, model: Model, trace: Trace) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for part in self.parts:
            value = part(model, trace)
            found[part.name] = found[part.name] + value if part.name in found else value
        return found

    def forward(self, model: Model, trace: Trace) -> Tensor:
        first, *rest = (part(model, trace) for part in self.parts)
        for value in rest:
            first = first + value
        return first


def _parts(term: Term) -> list[Term]:
    return list(term.parts) if isinstance(term, Sum) else [term]
