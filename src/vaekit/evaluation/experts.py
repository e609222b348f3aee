r"""Draws from the product of what several modalities say of the latents, where no formula gives it.

.. math:: f(z) = p(z) \prod_m \frac{q_m(z|x_m)}{p(z)}

Improving Multimodal Joint Variational Autoencoders through Normalizing Flows and Correlation Analysis: Senellart,
Chadebec and Allassonnière 2023, arXiv:2305.11832.
"""

from __future__ import annotations

__all__ = ["product_draws"]

from typing import Any

import torch
from torch import Tensor

from vaekit.evaluation.hmc import differentiated, transition
from vaekit.messages import Mistake, require_count
from vaekit.models import Model
from vaekit.noise import forked
from vaekit.posteriors import JointOrExperts

STEP = 0.1  # in standard deviations of the draws that the chains begin at


@torch.no_grad()
def product_draws(
    model: Model, x: Tensor, *, draws: int, steps: int = 200, leapfrog: int = 10, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Draws of z from the product of the experts of what is seen over N(0, I) for all but one, by Hamiltonian chains.

    Every expert is a posterior and has the prior in it, which counts once. The product has a density only where it is
    narrower than the prior is wide, as posteriors are.

    Args:
        model: one with the posterior JointOrFlows or JointOrExperts, in evaluation mode.
        x: (B, *X) in the model's units, NaN where missing.
        draws: M, the chains of each item; each begins at a draw of q(z|x) and gives its last position.
        steps: trajectories of each chain.
        leapfrog: steps of each trajectory.
        seed: of all noise.

    Returns:
        the draws, (M, B, D), and the share of trajectories that were taken for each item, (B,): far below 0.5 the
        chains have not moved much, and more, shorter steps are wanted.

    Raises:
        Mistake: for another posterior.

    Example:
        >>> from vaekit.recipes import jnf
        >>> model = jnf(shape=(6,), modalities={"a": (2,), "b": (2,), "c": (2,)}, latent_dim=2, hidden=[4]).model.eval()
        >>> x = model.posterior.modalities.only(torch.zeros(5, 6), ["a", "c"])
        >>> [tuple(t.shape) for t in product_draws(model, x, draws=3, steps=2)]
        [(3, 5, 2), (5,)]
    """
    posterior: Any = getattr(model, "posterior", None)
    if not isinstance(posterior, JointOrExperts):
        raise Mistake(
            f"got the posterior {type(posterior).__name__} and wanted one whose experts are posteriors themselves: "
            "use a recipe such as 'jnf' or 'jmvae'."
        )
    require_count("draws", draws)
    with forked(seed, x.device):
        z = posterior(x).sample((draws,))  # (M, B, D)
        each, seen = posterior.asked(x)
        spare = seen.sum(-1) - 1  # (B,), priors too many; one too few of an item without any

        def log_f(z: Tensor) -> Tensor:
            scores = torch.stack([expert.log_prob(z) for expert in each], -1)
            prior = model._prior(None).log_prob(z)
            return torch.where(seen, scores, 0.0).sum(-1) - spare * prior

        density = differentiated(log_f)
        width = STEP * z.std(0) if draws > 1 else torch.full_like(z[0], STEP)
        share = torch.zeros_like(z[0, :, 0])
        for _ in range(require_count("steps", steps)):
            z, taken = transition(density, z, width, require_count("leapfrog", leapfrog))
            share += taken.mean(0) / steps
    return z, share
