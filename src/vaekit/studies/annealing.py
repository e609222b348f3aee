"""The likelihood beyond importance sampling: annealed on held-out items, and from both sides on simulated ones."""

from __future__ import annotations

__all__ = ["annealed", "sandwich"]

from typing import Any

from vaekit.evaluation.annealed import annealed_log_likelihoods, bdmc
from vaekit.evaluation.hmc import hamiltonian_log_likelihoods
from vaekit.evaluation.likelihood import Estimates, log_likelihoods
from vaekit.evaluation.number import Number
from vaekit.noise import forked
from vaekit.studies.material import Material

ITEMS = 16  # a minute or two on two cores for a dense network of MNIST's size
# from q(z|x): on digits with 8 latents as close as ten times as many temperatures from the prior
PATHS: dict[str, Any] = {"temperatures": 200, "chains": 16, "leapfrog": 5, "from_posterior": True}
DRAWS, IMPORTANCE_DRAWS = 500, 5000


def annealed(given: Material) -> dict[str, Number]:
    """The NLL of a few held-out items by AIS, by HIS and, for comparison, by importance sampling.

    Raises:
        Mistake: where latents cannot be followed by gradients, with the remedy.
    """
    x, y = given.in_model_units(given.some_of(given.held, min(ITEMS, given.limit)))
    found = annealed_log_likelihoods(given.model, x, y, seed=given.seed, **PATHS).numbers()
    found |= hamiltonian_log_likelihoods(given.model, x, y, samples=DRAWS, seed=given.seed).numbers()
    with forked(given.seed, given.device):
        plain = log_likelihoods(given.model, x, y, IMPORTANCE_DRAWS)
    how = f"importance sampling, {IMPORTANCE_DRAWS} draws, on the same items"
    return found | Estimates("importance", how, *plain).numbers()


def sandwich(given: Material) -> dict[str, Number]:
    """log p(x) of a few items that the model draws, from below and from above; contexts are those of held-out items.

    Raises:
        Mistake: where latents cannot be followed by gradients, with the remedy.
    """
    n, y = min(ITEMS, given.limit), None
    if given.model.context is not None:
        some = given.some_of(given.held, n)
        n, y = len(some), given.in_model_units(some)[1]
    return bdmc(given.model, n, y, seed=given.seed, **PATHS).numbers()
