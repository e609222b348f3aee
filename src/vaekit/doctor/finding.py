"""Finding: an illness of a model, with the evidence and the remedy, in plain sentences."""

from __future__ import annotations

__all__ = ["Finding"]

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What the doctor found.

    Attributes:
        illness: its name, such as "posterior collapse".
        evidence: what was measured, with units, a clause.
        remedy: what to do, a clause.

    Example:
        >>> print(Finding("overfitting", "training items score 9.0 nats better", "stop earlier"))
        Overfitting: training items score 9.0 nats better. To mend it: stop earlier.
    """

    illness: str
    evidence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.illness[0].upper()}{self.illness[1:]}: {self.evidence}. To mend it: {self.remedy}."
