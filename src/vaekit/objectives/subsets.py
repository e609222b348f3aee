r"""Terms of some modalities of several: of what is left of an item, and of all of it as some of it is encoded.

.. math:: \textstyle\sum_s \mathrm{ELBO}(x_s), \qquad
          \tfrac{1}{|S|} \sum_s E_{q(z|x_s)}[\log p(x, z) - \log q(z|x_s)]
"""

from __future__ import annotations

__all__ = ["FromSubsets", "OfSubsets", "RandomSubsets"]

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from vaekit.data import Modalities
from vaekit.messages import Mistake, require_count
from vaekit.models import Model, Trace
from vaekit.objectives.term import Term
from vaekit.posteriors import MixtureOfExperts


class OfSubsets(Term):
    """The sum of a term over items of which some modalities alone are left (Wu and Goodman 2018, arXiv:1802.05335).

    Args:
        term: such as ELBO(), which is then a bound on log p of what is left.
        subsets: the names that are left, each; every modality alone where nothing is given. An item that has none of
            them counts what the term is of nothing: 0 of a bound whose posterior is then the prior.

    Example:
        >>> from vaekit.objectives import ELBO
        >>> OfSubsets(ELBO(), [["first"], ["second"]]).name
        'ELBO of subsets'
    """

    cites: ClassVar[tuple[str, ...]] = ("wu2018",)

    def __init__(self, term: Term, subsets: Sequence[Sequence[str]] | None = None) -> None:
        super().__init__()
        self.term = term
        self.subsets = None if subsets is None else [list(subset) for subset in subsets]

    @property
    def name(self) -> str:
        return f"{self.term.name} of subsets"

    def forward(self, model: Model, trace: Trace) -> Tensor:
        modalities = modalities_of(model)
        subsets = self.subsets if self.subsets is not None else [[name] for name in modalities.names]
        left = (modalities.only(trace.x, subset) for subset in subsets)
        terms = [self.term(model, model.trace(x, trace.y, samples=self.term.samples)) for x in left]
        return torch.stack(terms).sum(0)


class FromSubsets(Term):
    """The mean of a term over subsets that alone are encoded, while all of an item is scored.

    Of a bound it is a bound on log p(x) whose posterior is the one of some modalities in turn, so that the latents that
    these give have to tell of the others (Dorent et al. 2023, arXiv:2309.08747). Where modalities are missing each
    different subset of those that an item has counts once, and the empty one only where there is no other.

    Args:
        term: such as ELBO().
        subsets: the names that are encoded, each; all 2^M - 1 that are not empty where nothing is given.

    Example:
        >>> from vaekit.objectives import ELBO
        >>> FromSubsets(ELBO()).name
        'ELBO from subsets'
    """

    cites: ClassVar[tuple[str, ...]] = ("dorent2023",)

    def __init__(self, term: Term, subsets: Sequence[Sequence[str]] | None = None) -> None:
        super().__init__()
        self.term, self.samples = term, term.samples
        self.subsets = None if subsets is None else [list(subset) for subset in subsets]

    @property
    def name(self) -> str:
        return f"{self.term.name} from subsets"

    def forward(self, model: Model, trace: Trace) -> Tensor:
        modalities, terms = modalities_of(model), []
        subsets = self.subsets if self.subsets is not None else MixtureOfExperts.all_subsets(modalities)
        for subset in subsets:
            part = trace
            if set(subset) != set(modalities.names):  # of all the trace is there already
                part = model.trace(modalities.only(trace.x, subset), trace.y, samples=self.samples)
            terms.append(self.term(model, Trace(trace.x, trace.y, part.levels, part.px, missing=trace.missing)))
        counted = different(subsets, modalities, trace.x)
        return torch.where(counted, torch.stack(terms, -1), 0.0).sum(-1) / counted.sum(-1)


class RandomSubsets(Term):
    """The sum of a term over items of which subsets of the modalities are left, drawn anew for each item and step.

    Each draw is one of the 2^M - 1 subsets, of the M modalities that an item has, that are not empty, all equally
    likely (Wu and Goodman 2018, section 2.2).

    Args:
        term: such as ELBO().
        count: how many draws for each item.
    """

    cites: ClassVar[tuple[str, ...]] = ("wu2018",)

    def __init__(self, term: Term, count: int = 1) -> None:
        super().__init__()
        self.term, self.count = term, require_count("count", count)

    @property
    def name(self) -> str:
        return f"{self.term.name} of random subsets"

    def forward(self, model: Model, trace: Trace) -> Tensor:
        modalities, x = modalities_of(model), trace.x
        every = torch.stack([modalities.mask([name]) for name in modalities.names]).to(x.device)  # (M, *X)
        seen = modalities.seen(x)  # (B, M)
        bits = torch.where(seen, 2 ** seen.cumsum(1) // 2, 0)  # one for each modality that is there
        terms = []
        for _ in range(self.count):
            chosen = (torch.rand(1, len(x), device=x.device)[0] * bits.sum(1)).long() + 1  # (B,)
            kept = (chosen.unsqueeze(1) & bits) > 0
            left = (kept.view(*kept.shape, *[1] * (x.ndim - 1)) & every).any(1)
            some = model.trace(x.masked_fill(~left, torch.nan), trace.y, samples=self.term.samples)
            terms.append(self.term(model, some))
        return torch.stack(terms).sum(0)


def different(subsets: Sequence[Sequence[str]], modalities: Modalities, x: Tensor) -> Tensor:
    """Which subsets count for an item, (B, S): the first of those that leave the same of what it has.

    Those that leave nothing count only where all do, the first of them then.

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [0.0, torch.nan]])
        >>> different([["first"], ["second"], ["first", "second"]], Modalities((2,)), x).tolist()
        [[True, True, True], [True, False, False]]
    """
    members = torch.tensor([[name in subset for name in modalities.names] for subset in subsets], device=x.device)
    left = members & modalities.seen(x).unsqueeze(1)  # (B, S, M)
    code = (left * 2 ** torch.arange(left.shape[-1], device=x.device)).sum(-1)  # (B, S)
    again = (code.unsqueeze(1) == code.unsqueeze(2)).tril(-1).any(-1)
    return ~again & ((code > 0) | (code == 0).all(-1, keepdim=True))


def modalities_of(model: Model) -> Modalities:
    """How the items of a model of several modalities are cut."""
    found = getattr(getattr(model, "likelihood", None), "modalities", None)
    if not isinstance(found, Modalities):
        raise Mistake(
            f"this needs a model of several modalities and got a {type(model).__name__} of one: use a recipe such as "
            "'mvae'."
        )
    return found
