r"""Penalties of deterministic and denoising autoencoders.

.. math:: \tfrac12 \|z\|^2, \quad \|\partial f / \partial z\|_F^2, \quad \|\partial z / \partial x\|_F^2, \quad
          \|\theta\|^2, \quad -\log p(x \mid z(x + \epsilon))
"""

from __future__ import annotations

__all__ = ["Contraction", "DecoderGradient", "DecoderNorm", "Denoising", "LatentNorm", "Sparsity"]

from typing import Any, ClassVar

import torch
from torch import Tensor

from vaekit.messages import Mistake
from vaekit.models import Model, Trace
from vaekit.objectives.term import Term


class LatentNorm(Term):
    """Half the squared norm of z, (B,) (Ghosh et al. 2020, arXiv:1903.12436)."""

    cites: ClassVar[tuple[str, ...]] = ("ghosh2020",)

    def forward(self, model: Model, trace: Trace) -> Tensor:
        return 0.5 * trace.z[0].square().flatten(1).sum(1)


class Sparsity(Term):
    """The sum of |z|, (B,) (Ranzato et al. 2007)."""

    cites: ClassVar[tuple[str, ...]] = ("ranzato2007",)

    def forward(self, model: Model, trace: Trace) -> Tensor:
        return trace.z[0].abs().flatten(1).sum(1)


class DecoderNorm(Term):
    """The sum of the squares of the likelihood's weights, () (Ghosh et al. 2020, arXiv:1903.12436)."""

    cites: ClassVar[tuple[str, ...]] = ("ghosh2020",)

    def forward(self, model: Any, trace: Trace) -> Tensor:
        squares = [p.square().sum() for p in model.likelihood.parameters() if p.ndim > 1]
        return torch.stack(squares).sum()


class DecoderGradient(Term):
    """The squared Frobenius norm of d mean(x|z) / d z, (B,), by one random projection, unbiased.

    With respect to the latent, not the input (Ghosh et al. 2020, arXiv:1903.12436).
    """

    cites: ClassVar[tuple[str, ...]] = ("ghosh2020",)
    compiles: ClassVar[bool] = False

    def forward(self, model: Model, trace: Trace) -> Tensor:
        if trace.z.requires_grad:
            gradient = _projected(trace.px.mean, trace.z)
        else:  # as in validation
            with torch.enable_grad():
                z = trace.z.detach().requires_grad_()
                gradient = _projected(model._likelihood(z, trace.y).mean, z).detach()
        return gradient.square().flatten(2).sum(2).mean(0)


class Contraction(Term):
    """The squared Frobenius norm of d z / d x of the posterior's mean, (B,), by one random projection, unbiased.

    Rifai et al. 2011 (International Conference on Machine Learning).
    """

    cites: ClassVar[tuple[str, ...]] = ("rifai2011",)
    compiles: ClassVar[bool] = False

    def forward(self, model: Model, trace: Trace) -> Tensor:
        with torch.enable_grad():
            x = trace.x.detach().requires_grad_()
            gradient = _projected(model._posterior(x, trace.y).mean, x)
        found = gradient.square().flatten(1).sum(1)
        return found if torch.is_grad_enabled() else found.detach()


class Denoising(Term):
    """-log p(x|z) where z is inferred from x with Gaussian noise, (B,) (Vincent et al. 2008, Im et al. 2017).

    Args:
        scale: the noise's standard deviation, in the model's units.
    """

    cites: ClassVar[tuple[str, ...]] = ("vincent2008",)

    def __init__(self, scale: float = 0.3) -> None:
        super().__init__()
        if not scale > 0:
            raise Mistake(f"got scale={scale!r} and wanted a number above 0.")
        self.scale = float(scale)

    def forward(self, model: Model, trace: Trace) -> Tensor:
        noisy = model.trace(trace.x + self.scale * torch.randn_like(trace.x), trace.y)
        score: Any = noisy.px
        return -(score.log_prob_observed if trace.missing else score.log_prob)(trace.x).mean(0)


def _projected(out: Tensor, given: Tensor) -> Tensor:
    """v J with v ~ N(0, I) and J = d out / d given: the mean of its square is the sum of the squares of J."""
    (gradient,) = torch.autograd.grad((out * torch.randn_like(out)).sum(), given, create_graph=True)
    return gradient
