"""Model: what all models share, and the user's units."""

from __future__ import annotations

__all__ = ["Model", "UserUnits", "latent_mean", "require_support"]

import math
from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from vaekit.data import Context
from vaekit.data.transforms import Transform, log_jacobian
from vaekit.maths import log_mean_exp
from vaekit.messages import Mistake
from vaekit.models.trace import Trace
from vaekit.networks import parameter_dtype
from vaekit.part import Part

MEAN_DRAWS = 256  # so that the mean of a collapsed latent varies by 1 / 256 between items, too little to count as used


class UserUnits(Distribution):
    """p(x|z) in the user's units: densities carry the transform's log-Jacobian.

    Args:
        base: p(x|z) in the model's units.
        transform: from the user's units to the model's, or None.
    """

    arg_constraints = {}

    def __init__(self, base: Distribution, transform: Transform | None) -> None:
        self.base, self.transform = base, transform
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    def _out(self, x: Tensor) -> Tensor:
        return x if self.transform is None else self.transform.inverse(x)

    @property
    def mean(self) -> Tensor:
        return self._out(self.base.mean)

    @property
    def mode(self) -> Tensor:
        return self._out(self.base.mode)

    @property
    def variance(self) -> Tensor:
        return self.base.variance if self.transform is None else self.base.variance / self.transform.factor.square()

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        drawn = self._out(self.base.sample(torch.Size(sample_shape)))
        # levels are whole numbers, which the way there and back misses by an ulp
        return drawn.round() if self.transform is not None and self.transform.discrete else drawn

    def log_prob(self, value: Tensor) -> Tensor:
        if self.transform is None:
            return self.base.log_prob(value)
        return self.base.log_prob(self.transform(value)) + log_jacobian(self.transform, self.event_shape)


class Model(Part):
    """The base of all models: three conditional distributions, a transform and a context.

    `trace` speaks the model's units; `encode, decode, reconstruct, sample, log_prob` speak the user's.
    """

    transform: Transform | None
    context: Context | None
    shape: tuple[int, ...]
    takes_missing: bool = False
    has_density: bool = True
    infers: tuple[str, ...] = ()  # the fields of the context that it can do without

    # -- what a model defines ------------------------------------------------------------------------------

    def traces(self, x: Tensor, y: Mapping[str, Tensor] | None, samples: int, chunk: int) -> Iterator[Trace]:
        """Traces of at most `chunk` draws each, `samples` draws in all, from one encoding of x."""
        raise NotImplementedError

    def _posterior(self, x: Tensor, y: Mapping[str, Tensor] | None) -> Distribution:
        raise NotImplementedError

    def _prior(self, y: Mapping[str, Tensor] | None) -> Distribution:
        raise NotImplementedError

    def _likelihood(self, z: Any, y: Mapping[str, Tensor] | None) -> Distribution:
        raise NotImplementedError

    def prior_sample(self, n: int, y: Mapping[str, Tensor] | None, temperature: float) -> Any:
        """n latents from the prior, (n, *Z), or a tuple of them."""
        p = self._prior(y)
        if temperature != 1.0:
            if not hasattr(p, "tempered"):
                raise Mistake(f"{type(p).__name__} has no temperature: leave it at 1.")
            p = p.tempered(temperature)
        return p.sample((n,)) if not p.batch_shape else p.sample()

    # -- the model's units ---------------------------------------------------------------------------------

    def trace(self, x: Tensor, y: Mapping[str, Tensor] | None = None, *, samples: int = 1) -> Trace:
        """One pass: x (B, *X) in the model's units, y the encoded context; K = samples draws of z."""
        return next(self.traces(x, y, samples, samples))

    def forward(self, x: Tensor, y: Mapping[str, Tensor] | None = None, *, samples: int = 1) -> Trace:
        return self.trace(x, y, samples=samples)

    def to_model(self, x: Any) -> Tensor:
        """x in the user's units, any array, as a floating tensor in the model's units on the model's device."""
        like = next(iter(self.parameters()), None)
        device = None if like is None else like.device
        x = torch.as_tensor(x, device=device)
        if tuple(x.shape[1:]) != tuple(self.shape):
            raise Mistake(
                f"got items of shape {tuple(x.shape[1:])} and the model wants {tuple(self.shape)}: "
                "give a batch (n, ...) of items like those it was trained on."
            )
        return self.transformed(x)

    def transformed(self, x: Tensor) -> Tensor:
        """A tensor in the user's units and storage type as a floating one in the model's, on its own device."""
        return x.to(parameter_dtype(self)) if self.transform is None else self.transform(x)

    def to_context(self, y: Any, n: int, *, inferring: bool = True) -> dict[str, Tensor] | None:
        """y in the user's units (labels, columns) as encoded tensors, (n, width) each.

        Where nothing is inferred fields that neither prior nor likelihood reads may be left out.
        """
        if self.context is None:
            if y is None:
                return None
            if not any(getattr(part, "reads", ()) for part in self.modules()):
                raise Mistake("this model is conditioned on nothing and got a context: leave y= (given=) out.")
            return {"y": torch.as_tensor(y)} if not isinstance(y, Mapping) else dict(y)
        fields, like = self.context.fields, next(iter(self.parameters()))
        if not inferring:
            told = set(getattr(y, "columns", y if isinstance(y, Mapping) else ()))
            told.update(*(getattr(part, "reads", ()) for part in (getattr(self, "prior", None), self.likelihood)))
            fields = {name: field for name, field in fields.items() if name in told}
        if y is None and not set(fields) - set(self.infers):
            return {name: like.new_zeros(n, width) for name, width in self.context.widths.items()}
        if y is None:
            raise Mistake(
                f"this model is conditional on {', '.join(fields)} and got nothing: "
                "give y= in Python (given= for sampling), --given field=value on the command line."
            )
        encoded = Context(fields or self.context.fields).encode(y, n)
        return {k: v.to(like.device, parameter_dtype(self)) for k, v in encoded.items()}

    # -- the user's units ----------------------------------------------------------------------------------

    def encode(self, x: Any, y: Any = None) -> Distribution:
        """q(z|x,y), batch (B,)."""
        x = self.to_model(x)
        return self._posterior(x, self.to_context(y, len(x)))

    def decode(self, z: Any, y: Any = None) -> Distribution:
        """p(x|z,y) in the user's units, batch as z's leading axes."""
        rows = len(z[0]) if isinstance(z, tuple) else len(z)
        return UserUnits(self._likelihood(z, self.to_context(y, rows, inferring=False)), self.transform)

    def _value(self, p: Distribution, mean: bool | None) -> Tensor:
        """The mean for pictures, a draw for tables, unless said."""
        return p.mean if (len(self.shape) > 1 if mean is None else mean) else p.sample()

    @torch.no_grad()
    def reconstruct(self, x: Any, y: Any = None, *, mean: bool | None = None) -> Tensor:
        """Items made again from the posterior's mean, (B, *X)."""
        q = self.encode(x, y)
        return self._value(self.decode(latent_mean(q), y), mean)

    @torch.no_grad()
    def sample(self, n: int = 1, y: Any = None, *, temperature: float = 1.0, mean: bool | None = None) -> Tensor:
        """n items from the prior, (n, *X); y is one row for all or n rows; temperature scales the prior only."""
        if not isinstance(n, Integral) or isinstance(n, bool) or n < 1:
            raise Mistake(f"got n = {n!r} and wanted at least one sample: give n=1 or more, a whole number.")
        if not isinstance(temperature, Real) or not 0 <= temperature < math.inf:
            raise Mistake(f"got temperature={temperature!r} and wanted a number, 0 or more.")
        context = self.to_context(y, n, inferring=False)
        z = self.prior_sample(n, context, temperature)
        return self._value(UserUnits(self._likelihood(z, context), self.transform), mean)

    @torch.no_grad()
    def log_prob(self, x: Any, y: Any = None, *, samples: int = 64, chunk: int = 64) -> Tensor:
        """log p(x|y) of each item in nats and in the user's units, (B,), by importance sampling with K = samples.

        The estimate is a lower bound in the mean; its bias falls with K (Burda et al. 2016, arXiv:1509.00519).

        Raises:
            Mistake: for a Point posterior, and for values that the likelihood cannot produce.
        """
        if not self.has_density:
            raise Mistake(
                "this model has a Point posterior, so log p(x) cannot be estimated: train one with a density, "
                "such as the recipe 'vae'."
            )
        x = self.to_model(x)
        context = self.to_context(y, len(x))
        log_w: list[Tensor] = []
        for trace in self.traces(x, context, samples, chunk):
            if not log_w:
                require_support(trace.px, x)
            log_w.append(trace.log_w.double())
        return log_mean_exp(torch.cat(log_w)) + self.log_jacobian(x)

    def log_jacobian(self, x: Tensor) -> Tensor | float:
        """What a density gains on the way to the user's units: nats, one number or (B,) where items have gaps.

        Args:
            x: (B, *X) in the model's units.
        """
        if self.transform is None:
            return 0.0
        if not self.takes_missing:
            return log_jacobian(self.transform, self.shape)
        each = self.transform.log_jacobian_each().double().expand(self.shape)
        return torch.where(x.isnan(), 0.0, each).flatten(1).sum(1)


def latent_mean(q: Distribution) -> Any:
    """The posterior's mean, (B, *Z), or a tuple of means for a hierarchy; by draws where it has no formula.

    Example:
        >>> from torch.distributions import ExpTransform, Normal, TransformedDistribution
        >>> latent_mean(TransformedDistribution(Normal(torch.zeros(5), 1e-3), [ExpTransform()])).shape
        torch.Size([5])
    """
    try:
        return q.mean
    except NotImplementedError:  # as of a flow
        return q.sample(torch.Size((MEAN_DRAWS,))).mean(0)


def require_support(px: Distribution, x: Tensor) -> None:
    """Refuse to score values that the likelihood cannot produce.

    Raises:
        Mistake: naming one such value and the remedy.
    """
    supports = getattr(px, "supports", None)
    if supports is None:
        return
    wrong = ~supports(x)
    if bool(wrong.any()):
        value = float(x[wrong][0])
        usual = "binarise the data (binarize='dynamic' or 'threshold'), or choose another likelihood"
        raise Mistake(
            f"the data holds {value:.4g} (in the model's units), which {type(px).__name__} cannot produce: "
            f"{getattr(px, 'remedy', usual)}."
        )
