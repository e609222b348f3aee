r"""log p(x) by annealing a simple distribution to the posterior, and on simulated data from both sides.

.. math:: \log f_t(z) = (1 - \beta_t) \log f_0(z) + \beta_t \log p(x, z), \quad
    \log w = \sum_t (\beta_t - \beta_{t-1}) \log \frac{p(x, z_{t-1})}{f_0(z_{t-1})}

Annealed importance sampling: Neal 2001, arXiv:physics/9803008; for decoders: Wu, Burda, Salakhutdinov and Grosse 2017,
arXiv:1611.04273; both sides: Grosse, Ghahramani and Adams 2015, arXiv:1511.02543.
"""

from __future__ import annotations

__all__ = ["Sandwich", "annealed_log_likelihoods", "bdmc"]

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from vaekit.evaluation import hmc
from vaekit.evaluation.likelihood import CHUNK, DECODED, Estimates, pieces, summary
from vaekit.evaluation.number import Number, mean_error
from vaekit.messages import require_count
from vaekit.models import Model
from vaekit.models.model import require_support
from vaekit.noise import forked

SHARPNESS = 4.0  # of the sigmoidal schedule (Wu et al. 2017)
PILOT, WARMING = 4, 20  # chains that find the step sizes, and their transitions before the first temperature
ACCEPTED, RATE, FIRST = 0.65, 1.0, 0.5  # the acceptance aimed at (Neal 2011), how fast, and the first step size
Context = Mapping[str, Tensor] | None


@dataclass(frozen=True)
class Sandwich:
    """Two estimates of log p(x) on data drawn from the model, one below it and one above in expectation.

    Attributes:
        x: (n, *X) in the model's units.
        lower, upper: by annealing forwards, and backwards from the latents that made x.
    """

    x: Tensor
    lower: Estimates
    upper: Estimates

    def numbers(self) -> dict[str, Number]:
        """The means of both over the items, and of their gap, which no error of the lower one exceeds on average."""
        gap = self.upper.log_p - self.lower.log_p
        found = {
            name: Number(float(values.mean()), "nats", how, se=mean_error(values), items=len(self.x))
            for name, values, how in (
                ("bdmc_lower", self.lower.log_p, self.lower.how),
                ("bdmc_upper", self.upper.log_p, self.upper.how),
                ("bdmc_gap", gap, "the upper less the lower, item by item"),
            )
        }
        return found | {"bdmc_acceptance": self.lower.numbers()["ais_acceptance"]}


@torch.no_grad()
def annealed_log_likelihoods(
    model: Model,
    x: Tensor,
    y: Context = None,
    *,
    temperatures: int = 500,
    chains: int = 16,
    leapfrog: int = 10,
    seed: int = 0,
    from_posterior: bool = False,
) -> Estimates:
    """log p(x|y) by annealed importance sampling with Hamiltonian transitions: a lower bound in expectation.

    exp(log_p) is unbiased: the step sizes, one for each item and temperature, come from pilot chains and stay as they
    are while weights are taken.

    Args:
        model: VAE or HierarchicalVAE with continuous latents, in evaluation mode.
        x: (B, *X) in the model's units; NaN is missing where the model takes it.
        y: the encoded context, (B, width) each.
        temperatures: T, the steps from 0 to 1 on a sigmoidal schedule.
        chains: for each item.
        leapfrog: steps of a trajectory; there is one trajectory at each temperature.
        seed: of all noise.
        from_posterior: start from q(z|x) in place of the prior.

    Raises:
        Mistake: for a Point posterior, discrete latents, and values that the likelihood cannot produce.

    Example:
        >>> from vaekit.recipes import vae
        >>> model, x = vae(shape=(4,), latent_dim=2).model.eval(), torch.randn(6, 4)
        >>> found = annealed_log_likelihoods(model, x, temperatures=20, chains=4, leapfrog=3)
        >>> found.log_p.shape, sorted(found.numbers())
        (torch.Size([6]), ['ais_acceptance', 'ais_ess', 'ais_nll', 'ais_nll_mc_se'])
    """
    _require_counts(temperatures=temperatures, chains=chains, leapfrog=leapfrog)
    betas = _schedule(temperatures)
    parts = []
    with forked(seed, x.device):
        for part, given in pieces(x, y, _at_once(x, chains)):
            path = _Path(model, part, given, from_posterior)
            require_support(path.latents.decode(path.start(1)), part)
            sizes = _step_sizes(path, betas, leapfrog)
            parts.append(_anneal(path, path.start(chains), betas, sizes, leapfrog))
    log_p, error, ess, acceptance = (torch.cat(column) for column in zip(*parts, strict=True))
    how = _protocol(temperatures, chains, leapfrog, from_posterior) + "; log p from below in expectation"
    return Estimates("ais", how, log_p + model.log_jacobian(x), error, ess, acceptance)


@torch.no_grad()
def bdmc(
    model: Model,
    n: int = 100,
    y: Context = None,
    *,
    temperatures: int = 500,
    chains: int = 16,
    leapfrog: int = 10,
    seed: int = 0,
    from_posterior: bool = False,
) -> Sandwich:
    """Bidirectional Monte Carlo: log p(x) of simulated items from below and from above.

    Args:
        model: as for `annealed_log_likelihoods`.
        n: items to draw from the model.
        y: the encoded context, (n, width) each.
        temperatures, chains, leapfrog, seed, from_posterior: as for `annealed_log_likelihoods`.

    Raises:
        Mistake: for a Point posterior and discrete latents.

    Example:
        >>> from vaekit.recipes import vae
        >>> model = vae(shape=(4,), latent_dim=2).model.eval()
        >>> found = bdmc(model, 6, temperatures=20, chains=4, leapfrog=3)
        >>> found.x.shape, sorted(found.numbers())
        (torch.Size([6, 4]), ['bdmc_acceptance', 'bdmc_gap', 'bdmc_lower', 'bdmc_upper'])
    """
    _require_counts(n=n, temperatures=temperatures, chains=chains, leapfrog=leapfrog)
    betas = _schedule(temperatures)
    below, above = [], []
    with forked(seed, next(model.parameters()).device):
        latents = hmc.latents_of(model, None, y)
        z = latents.prior(1, n)  # (1, n, D): for the x that they make, exact draws of p(z|x)
        x = latents.decode(z).sample()[0]
        most = _at_once(x, chains)
        for (part, given), ends in zip(pieces(x, y, most), z.split(most, 1), strict=True):
            path = _Path(model, part, given, from_posterior)
            sizes = _step_sizes(path, betas, leapfrog)
            below.append(_anneal(path, path.start(chains), betas, sizes, leapfrog))
            above.append(_anneal(path, ends.expand(chains, -1, -1), betas[::-1], sizes[::-1], leapfrog))
    (low, *lower), (high, *upper) = ([torch.cat(c) for c in zip(*parts, strict=True)] for parts in (below, above))
    jacobian, how = model.log_jacobian(x), _protocol(temperatures, chains, leapfrog, from_posterior)
    return Sandwich(
        x,
        Estimates("ais", f"{how}; from below in expectation", jacobian + low, *lower),
        # the weights of the way back have the mean 1 / p(x)
        Estimates("reverse_ais", f"{how}, backwards; from above in expectation", jacobian - high, *upper),
    )


class _Path:
    """From f_0, the prior or q(z|x), to p(x, z)."""

    def __init__(self, model: Model, x: Tensor, y: Context, from_posterior: bool) -> None:
        self.latents, self.x, self.from_posterior = hmc.latents_of(model, x, y), x, from_posterior

    def start(self, chains: int) -> Tensor:
        """(C, B, D) draws of f_0."""
        if not self.from_posterior:
            return self.latents.prior(chains, len(self.x))
        drawn: Tensor = self.latents.q.rsample((chains,))
        return drawn

    def scores(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """log f_0 and log p(x, z) - log f_0, (C, B) each."""
        log_p, log_px = self.latents.log_joint(z, self.x)
        if not self.from_posterior:
            return log_p, log_px
        log_q = self.latents.q.log_prob(z)
        return log_q, log_px + (log_p - log_q)

    def density(self, beta: float) -> hmc.Density:
        """Of f_t, its gradient beside it."""

        def log_density(z: Tensor) -> Tensor:
            start, gap = self.scores(z)
            return start + beta * gap

        return hmc.differentiated(log_density)


def _anneal(
    path: _Path, z: Tensor, betas: list[float], sizes: list[Tensor], leapfrog: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The log mean weight, its error, the effective sample size and the mean acceptance, (B,) each.

    Args:
        z: (C, B, D) draws of the distribution at betas[0].
        betas: T + 1 inverse temperatures, upwards or downwards.
        sizes: T - 1 step sizes (B, 1), of the transitions between the first and the last.
    """
    log_w = z.new_zeros(z.shape[:2], dtype=torch.float64)
    accepted = torch.zeros_like(log_w[0])
    for here, there, size in zip(betas[:-1], betas[1:], [*sizes, None], strict=True):
        log_w += (there - here) * path.scores(z)[1].double()
        if size is not None:
            z, taken = hmc.transition(path.density(there), z, size, leapfrog)
            accepted += taken.mean(0) / len(sizes)
    return *summary(log_w), accepted


def _step_sizes(path: _Path, betas: list[float], leapfrog: int) -> list[Tensor]:
    """(B, 1) for each temperature but the first and the last, by chains that move towards the acceptance aimed at."""
    z = path.start(PILOT)
    log_size = z.new_full((z.shape[1], 1), FIRST).log()
    found = []
    for beta in [betas[1]] * WARMING + betas[1:-1]:
        found.append(log_size.exp())
        z, taken = hmc.transition(path.density(beta), z, found[-1], leapfrog)
        log_size = log_size + RATE * (taken.mean(0) - ACCEPTED).unsqueeze(-1)
    return found[WARMING:]


def _require_counts(**counts: int) -> None:
    for name, value in counts.items():
        require_count(name, value)


def _schedule(temperatures: int) -> list[float]:
    """T + 1 numbers from 0 to 1, closest at the ends."""
    betas = torch.linspace(-SHARPNESS, SHARPNESS, temperatures + 1, dtype=torch.float64).sigmoid()
    scaled: list[float] = ((betas - betas[0]) / (betas[-1] - betas[0])).tolist()
    return scaled


def _at_once(x: Tensor, chains: int) -> int:
    """Items whose chains fit the memory."""
    return max(1, min(CHUNK // max(1, x[0].numel()), DECODED) // chains)


def _protocol(temperatures: int, chains: int, leapfrog: int, from_posterior: bool) -> str:
    start = "q(z|x)" if from_posterior else "the prior"
    return (
        f"annealed importance sampling from {start}, {temperatures} temperatures, {chains} chains, "
        f"trajectories of {leapfrog} leapfrog steps"
    )
