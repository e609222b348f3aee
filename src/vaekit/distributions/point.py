"""PointMass: all probability on one value; what a deterministic encoder gives."""

from __future__ import annotations

__all__ = ["PointMass"]

from torch import Tensor
from torch.distributions import Distribution

from vaekit.messages import Mistake


class PointMass(Distribution):
    """A distribution without a density.

    Args:
        value: (*batch, *event).
        event_dims: how many of the last axes are one event.
    """

    arg_constraints = {}
    has_rsample = True

    def __init__(self, value: Tensor, event_dims: int = 1) -> None:
        self.value = value
        cut = value.ndim - event_dims
        super().__init__(value.shape[:cut], value.shape[cut:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.value

    @property
    def mode(self) -> Tensor:
        return self.value

    @property
    def variance(self) -> Tensor:
        return self.value.new_zeros(()).expand_as(self.value)

    def rsample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:  # type: ignore[override]
        return self.value.expand(*sample_shape, *self.value.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        raise Mistake(
            "a Point posterior has no density, so there is no log q, no KL, no ELBO and no NLL: "
            "train a posterior with a density, such as vk.posteriors.Gaussian."
        )
