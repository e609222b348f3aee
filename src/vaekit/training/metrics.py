"""What a step reports, worked out only where it is read: adding a step to the means of an epoch is a list's append."""

from __future__ import annotations

__all__ = ["Metrics", "Tally"]

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from vaekit.models import Trace

TOGETHER = 64  # steps that are summed up at once


class Metrics(Mapping[str, Tensor]):
    """loss, elbo (beta = 1), rate, distortion and every term, in nats, and what a posterior has to say of
    itself (`perplexity` of codes): means over a batch, 0-dimensional tensors.

    Without a density there is the distortion alone; with several levels of latents there is `rate_1`, from the top, ...
    elbo and distortion are in the user's units, loss and terms in the model's.

    Args:
        scores: log_px (K, B), rates (B,) or (L, B) where there is a density; scalars: the loss, the terms.
        items: B.
        jacobian: what log-densities gain on the way to the user's units.
    """

    def __init__(self, scores: Mapping[str, Tensor], items: int, jacobian: float) -> None:
        self.scores, self.items_, self.jacobian = scores, items, jacobian
        self._made: dict[str, Tensor] | None = None

    @classmethod
    def of(
        cls, trace: Trace, loss: Tensor, terms: Mapping[str, Tensor], jacobian: float | Tensor, items: int
    ) -> Metrics:
        """What there is to say of a scored trace."""
        scores = {"loss": loss.detach(), "log_px": _cached(trace, "log_px")}
        if trace.has_density:
            scores["rates"] = _cached(trace, "kl" if len(trace.levels) == 1 else "rates")
        if isinstance(jacobian, Tensor):  # data with gaps
            scores["jacobian"], jacobian = jacobian, 0.0
        said = [pair for q, _, _ in trace.levels if hasattr(q, "diagnostics") for pair in q.diagnostics().items()]
        for name, value in [*terms.items(), *said]:
            scores[f"term/{name}"] = value.detach()
        return cls(scores, items, jacobian)

    def _means(self) -> dict[str, Tensor]:
        if self._made is None:
            means = {name: score.mean(-1) if score.ndim else score for name, score in self.scores.items()}
            self._made = _report(means, self.jacobian)
        return self._made

    def __getitem__(self, name: str) -> Tensor:
        return self._means()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._means())

    def __len__(self) -> int:
        return len(self._means())

    def __repr__(self) -> str:
        return f"Metrics({', '.join(f'{name}={float(value):.6g}' for name, value in self.items())})"


class Tally:
    """Means over the items of many batches.

    Example:
        >>> tally = Tally()
        >>> tally.add(Metrics({"loss": torch.tensor(1.0), "log_px": torch.zeros(1, 3)}, 3, 0.0))
        >>> tally.add(Metrics({"loss": torch.tensor(5.0), "log_px": torch.ones(1, 1)}, 1, 0.0))
        >>> tally.means()
        {'loss': 2.0, 'distortion': -0.25}
    """

    def __init__(self) -> None:
        self.sums: dict[str, Any] = {}
        self.seen, self.jacobian = 0, 0.0
        self._held: list[Metrics] = []

    def add(self, metrics: Metrics) -> None:
        """Take a batch in."""
        self._held.append(metrics)

    @property
    def full(self) -> bool:
        """Whether it is time to fold."""
        return len(self._held) >= TOGETHER

    def drop_last(self, n: int) -> None:
        """Forget the last n batches, which were not folded yet."""
        del self._held[len(self._held) - n :]

    def fold(self) -> None:
        """Sum up what was taken in, so that memory stays flat."""
        if self._held:
            for name, value in total(self._held).items():
                self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.seen += sum(metrics.items_ for metrics in self._held)
            self.jacobian = self._held[-1].jacobian
            self._held = []

    def means(self) -> dict[str, float]:
        """name -> mean over the items, to 8 digits: how they were summed up does not show."""
        self.fold()
        if not self.seen:
            return {}
        report = _report({name: value / self.seen for name, value in self.sums.items()}, self.jacobian)
        return {name: float(f"{float(value):.8g}") for name, value in report.items()}

    def state(self) -> dict[str, Any]:
        """As JSON."""
        self.fold()
        sums = {name: value.tolist() for name, value in self.sums.items()}
        return {"sums": sums, "seen": self.seen, "jacobian": self.jacobian}

    def restore(self, state: Mapping[str, Any], device: torch.device) -> None:
        """What `state` gave, taken back."""
        self.sums = {k: torch.tensor(v, dtype=_wide(device), device=device) for k, v in state["sums"].items()}
        self.seen, self.jacobian, self._held = state["seen"], state["jacobian"], []


def total(steps: Sequence[Metrics]) -> dict[str, Tensor]:
    """The sums of scores over the items of batches, () or (L,) each; scalars count once an item, draws are averaged."""
    first = steps[0].scores
    sizes = [float(step.items_) for step in steps]
    found = {}
    for name, like in first.items():
        wide = _wide(like.device)
        if like.ndim:
            scores = torch.cat([step.scores[name] for step in steps], -1)
            scores = scores.mean(0) if name == "log_px" else scores
            found[name] = scores.sum(-1, dtype=wide)
        else:
            values = torch.stack([step.scores[name] for step in steps]).to(wide)
            found[name] = values @ torch.tensor(sizes, dtype=wide, device=like.device)
    return found


def joined(chunks: Sequence[Metrics]) -> Metrics:
    """The metrics of a batch that was worked through in parts."""
    if len(chunks) == 1:
        return chunks[0]
    items = sum(chunk.items_ for chunk in chunks)
    scores: dict[str, Tensor] = {}
    for name, like in chunks[0].scores.items():
        parts = [chunk.scores[name] for chunk in chunks]
        shares = [chunk.items_ / items for chunk in chunks]
        scores[name] = torch.cat(parts, -1) if like.ndim else sum(p * s for p, s in zip(parts, shares, strict=True))  # type: ignore[assignment]
    return Metrics(scores, items, chunks[0].jacobian)


def _report(means: Mapping[str, Tensor], jacobian: float) -> dict[str, Tensor]:
    """The numbers that have a name, from the means of the scores; log_px may still have its draws."""
    gain = means.get("jacobian", jacobian)
    distortion = -means["log_px"].mean() - gain
    found = {"loss": means["loss"]}
    if "rates" in means:
        rate = means["rates"].sum()
        found |= {"elbo": -(distortion + rate), "rate": rate}
    found["distortion"] = distortion
    if "rates" in means and means["rates"].ndim:
        found |= {f"rate_{i + 1}": level for i, level in enumerate(means["rates"])}
    return found | {name.removeprefix("term/"): value for name, value in means.items() if name.startswith("term/")}


def _cached(trace: Trace, name: str) -> Tensor:
    """A score that the objective has taken already, with gradients, or taken now without."""
    held = trace._cache.get((name, True))
    if held is not None:
        return held.detach()
    with torch.no_grad():
        value: Tensor = getattr(trace, name)
    return value


def _wide(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
