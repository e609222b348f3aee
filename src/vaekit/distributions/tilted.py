r"""A Gaussian tilted by an energy, which need not be normalised (Pang et al. 2020, arXiv:2006.08205).

.. math:: p(z) = \frac{e^{f(z)}\, N(z; \mu, \sigma^2)}{Z}, \qquad Z = E_{N(\mu, \sigma^2)}[e^{f(z)}]
"""

from __future__ import annotations

__all__ = ["Tilted", "tilted_noise"]

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.distributions.gaussian import DiagonalGaussian
from vaekit.maths import langevin

TRIES, STEPS, SIZE = 64, 20, 0.4  # draws of the Gaussian for each start, Langevin steps behind it, and their size


class Tilted(Distribution):
    """exp(f) times a Gaussian, over its integral.

    Args:
        base: the Gaussian, without a batch.
        log_weight: f, values (*leading, D) -> (*leading).
        log_z: log Z.

    Example:
        >>> base = DiagonalGaussian(torch.zeros(1), torch.zeros(1))
        >>> p = Tilted(base, lambda z: z.squeeze(-1), torch.tensor(0.5))  # N(1, 1)
        >>> p.log_prob(torch.tensor([1.0]))
        tensor(-0.9189)
    """

    arg_constraints = {}

    def __init__(self, base: DiagonalGaussian, log_weight: Callable[[Tensor], Tensor], log_z: Tensor) -> None:
        self.base, self.log_weight, self.log_z = base, log_weight, log_z
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.base.log_prob(value) + self.log_weight(value) - self.log_z

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        """Draws by Langevin steps from starts that are chosen among draws of the Gaussian by their weights.

        They follow the density as far as the chains have mixed.
        """
        shape = torch.Size(sample_shape)
        base = self.base

        def weighed(noise: Tensor) -> Tensor:
            return self.log_weight(base.from_noise(noise))

        noise = torch.randn(
            max(1, shape.numel()), TRIES, *base.event_shape, dtype=base.loc.dtype, device=base.loc.device
        )
        found = base.from_noise(tilted_noise(weighed, noise)).detach()
        return found.view(*shape, *base.event_shape)


def tilted_noise(log_weight: Callable[[Tensor], Tensor], noise: Tensor, steps: int = STEPS) -> Tensor:
    """Draws of exp(f) N(0, I), without gradients: one for each row of draws of N(0, I), (N, tries, D) -> (N, D).

    Args:
        log_weight: f in these units.
        noise: the draws that starts are chosen from, each row's by their weights.
        steps: of Langevin's.
    """
    with torch.no_grad():
        chosen = torch.multinomial(log_weight(noise).float().softmax(-1), 1)  # (N, 1)
        start = noise[torch.arange(len(noise), device=noise.device), chosen.squeeze(-1)]
    return langevin(lambda z: log_weight(z) - 0.5 * z.square().sum(-1), start, steps=steps, size=SIZE)
