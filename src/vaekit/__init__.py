"""vaekit: variational autoencoders, composed from a prior, a posterior and a likelihood.

Everything is loaded when it is first used, so that `vaekit --help` needs no torch.
"""

from __future__ import annotations

__all__ = [
    "VAE",
    "Autoencoder",
    "Callback",
    "HierarchicalVAE",
    "Mistake",
    "Model",
    "Part",
    "Recipe",
    "Run",
    "Step",
    "__version__",
    "data",
    "datasets",
    "distributions",
    "evaluate",
    "evaluation",
    "fit",
    "fit_many",
    "fit_prior",
    "likelihoods",
    "load",
    "load_run",
    "maps",
    "networks",
    "objectives",
    "posteriors",
    "priors",
    "recipe",
    "recipes",
]

import importlib
from typing import TYPE_CHECKING, Any

from vaekit.messages import Mistake
from vaekit.version import VERSION as __version__

if TYPE_CHECKING:
    from vaekit import (
        data,
        datasets,
        distributions,
        evaluation,
        likelihoods,
        maps,
        networks,
        objectives,
        posteriors,
        priors,
        recipes,
    )
    from vaekit.estimator import Autoencoder
    from vaekit.ex_post import fit_prior
    from vaekit.models import VAE, HierarchicalVAE, Model
    from vaekit.objectives import Recipe
    from vaekit.part import Part
    from vaekit.recipes.choose import recipe
    from vaekit.run import Run, fit, load, load_run
    from vaekit.run.evaluating import evaluate
    from vaekit.run.many import fit_many
    from vaekit.training import Callback, Step

PLACES = {
    "VAE": "models",
    "HierarchicalVAE": "models",
    "Model": "models",
    "Recipe": "objectives",
    "Part": "part",
    "Step": "training",
    "Callback": "training",
    "recipe": "recipes.choose",
    "Run": "run",
    "fit": "run",
    "fit_many": "run.many",
    "fit_prior": "ex_post",
    "evaluate": "run.evaluating",
    "load": "run",
    "load_run": "run",
    "Autoencoder": "estimator",
}


def __getattr__(name: str) -> Any:
    if name in PLACES:
        return getattr(importlib.import_module(f"vaekit.{PLACES[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"vaekit.{name}")
    raise AttributeError(f"vaekit has no {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
