"""Paths: latents that walk over the prior's quantiles, and what they decode to."""

from __future__ import annotations

__all__ = ["Path", "decoded", "paths", "ticks"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vaekit.messages import Mistake
from vaekit.networks import parameter_dtype
from vaekit.posteriors import Bernoulli, Categorical, RelaxedBernoulli, StraightThroughBernoulli
from vaekit.priors import StandardNormal
from vaekit.report.reading import device_of, items, latents, quiet, random_rows
from vaekit.report.subject import Subject

LOW, HIGH = 0.01, 0.99
CHUNK = 512  # latents decoded at a time
ENOUGH = 5000  # items whose latents tell the quantiles


@dataclass(frozen=True)
class Path:
    """Where some latents go while the others stay.

    Attributes:
        dims: the latents that move, the one of largest KL first.
        values: (len(dims), n) values of each.
        centre: (D,) where the others stay.
        span: from where to where, in words.
    """

    dims: tuple[int, ...]
    values: Tensor
    centre: Tensor
    span: str

    @property
    def names(self) -> list[str]:
        return [f"z{i + 1}" for i in self.dims]

    @property
    def words(self) -> str:
        rest = len(self.centre) - len(self.dims)
        others = f", the other {rest} in the middle" if rest else ""
        return f"{' and '.join(self.names)} {self.span}{others}"

    @property
    def title(self) -> str:
        rest = len(self.centre) - len(self.dims)
        names = " and ".join(self.names)
        return f"{names} of {len(self.centre)} latents, the others in the middle" if rest else ""

    def at(self, moved: Mapping[int, Tensor]) -> Tensor:
        """Latents (n, D) with dims[i] at moved[i] and the others at the centre."""
        n = len(next(iter(moved.values())))
        z = self.centre.repeat(n, 1)
        for i, values in moved.items():
            z[:, self.dims[i]] = values
        return z


def paths(subject: Subject, n: int, most: int) -> Path:
    """n steps along each of the `most` latents of largest KL.

    Under a standard normal prior they go over its quantiles, from 1 % to 99 %; the latents of a point posterior
    follow no prior, so they go over their own quantiles among the items.

    Raises:
        Mistake: for levels of latents, binary latents, and a point posterior without data.
    """
    model: Any = subject.model
    if hasattr(model, "levels"):
        raise Mistake("a sheet over the latents needs a model with one level of them: use samples().")
    if isinstance(model.posterior, (Bernoulli, Categorical, RelaxedBernoulli, StraightThroughBernoulli)):
        raise Mistake("a sheet over the latents needs latents that are numbers, and these are 0 or 1: use samples().")
    if n < 2:
        raise Mistake(f"got n={n} and wanted at least 2 steps along each latent.")
    count = int(model.posterior.latent_shape[0])
    kl = subject.record.get("metrics", {}).get("kl_each")
    share = torch.linspace(LOW, HIGH, n, dtype=torch.float64)
    if model.has_density and isinstance(model.prior, StandardNormal):
        weight = torch.tensor(kl if kl is not None else [0.0] * count, dtype=torch.float64)
        values = torch.special.ndtri(share).expand(count, n)
        centre, span = torch.zeros(count, dtype=torch.float64), "over the prior's quantiles, 1 % to 99 %"
    else:
        z = latents(subject, random_rows(items(subject), ENOUGH))
        weight = torch.tensor(kl, dtype=torch.float64) if kl is not None else z.var(0)
        values, centre = z.quantile(share, 0).T, z.median(0).values
        span = "over the quantiles of the items' latents, 1 % to 99 %"
    order = sorted(range(count), key=lambda i: -float(weight[i]))
    dims = tuple(order[:most])
    if count <= most == 2:
        dims = tuple(range(count))  # as on the map: z1 across, z2 up
    return Path(dims, values[list(dims)].contiguous(), centre, span)


def decoded(subject: Subject, z: Tensor, given: Any, *, raw: bool = False) -> Tensor:
    """The mean of p(x|z), (n, *X) on the CPU, in the user's units; raw: in the model's.

    Args:
        z: (n, D).
        given: one row of context, or None.
    """
    model: Any = subject.model
    z = z.to(device_of(subject), parameter_dtype(model))
    parts = []
    with quiet(subject):
        for some in z.split(CHUNK):
            x = model.decode(some, given)
            parts.append((x.base if raw else x).mean.cpu())
    return torch.cat(parts)


def ticks(values: Tensor) -> list[str]:
    """Labels for the first, the middle and the last of some steps.

    Example:
        >>> ticks(torch.tensor([-2.0, -1.0, 1.0, 2.0]))
        ['−2', '0', '2']
    """
    n = len(values)
    middle = (values[(n - 1) // 2] + values[n // 2]) / 2
    return [f"{round(float(v), 6) + 0.0:.2g}".replace("-", "−") for v in (values[0], middle, values[-1])]
