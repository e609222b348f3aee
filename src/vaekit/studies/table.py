"""The studies by name."""

from __future__ import annotations

__all__ = ["STUDIES", "study"]

from collections.abc import Callable, Iterable

from vaekit.evaluation.number import Number
from vaekit.messages import reject_unknown
from vaekit.studies.annealing import annealed, sandwich
from vaekit.studies.factors import disentanglement
from vaekit.studies.material import Material
from vaekit.studies.quality import latents, reconstruction, regularity, representation, samples

STUDIES: dict[str, Callable[[Material], dict[str, Number]]] = {
    "samples": samples,
    "reconstruction": reconstruction,
    "latents": latents,
    "regularity": regularity,
    "representation": representation,
    "disentanglement": disentanglement,
    "annealed": annealed,
    "bdmc": sandwich,
}


def study(names: Iterable[str], material: Material) -> dict[str, Number]:
    """The numbers of these studies, as study.number: one name may mean other things in two studies.

    Raises:
        Mistake: for a name that is none of STUDIES.
    """
    found: dict[str, Number] = {}
    for name in names:
        reject_unknown("the list of metrics", [name], STUDIES)
        found |= {f"{name}.{number}": value for number, value in STUDIES[name](material).items()}
    return found
