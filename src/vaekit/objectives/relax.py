r"""The score-function gradient of binary latents with a control variate that is relaxed, and learned.

.. math:: g = (f(b) - c(\tilde z))\, \nabla_\alpha \log q(b) + \nabla_\alpha c(z) - \nabla_\alpha c(\tilde z), \qquad
          c(z) = \eta\, f(\sigma(z / \lambda)) + r(z)

Here b = 1 where z > 0, z is logistic about the logits alpha, and z~ is drawn again given b. The gradient is unbiased
whatever c is; eta, lambda and r are moved by the gradient of its mean square.
"""

from __future__ import annotations

__all__ = ["RELAX", "Control", "GradientNoise"]

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from vaekit.distributions import Bernoulli
from vaekit.messages import Mistake, require_count
from vaekit.models import Model, Trace
from vaekit.objectives.schedules import Constant, Schedule
from vaekit.objectives.score import Scored, no_path, weighed, with_gradient
from vaekit.objectives.term import Term
from vaekit.part import Part


class Control(Part):
    """c: the objective at relaxed latents, times eta, and a network of the latents where one is given.

    Args:
        net: (*, D) -> (*, 1), or None, which leaves REBAR's control variate.
    """

    def __init__(self, net: nn.Module | None = None) -> None:
        super().__init__()
        self.net = net
        self.scale = nn.Parameter(torch.ones(()))
        self.log_temperature = nn.Parameter(torch.full((), -0.7))

    def forward(self, model: Model, trace: Trace, z: Tensor, beta: Tensor) -> Tensor:
        """c of z (K, B, D), (K, B)."""
        soft = (z * (-self.log_temperature).exp()).sigmoid()
        px = model._likelihood(soft, trace.y)
        relaxed = Trace(trace.x, trace.y, ((trace.q, trace.p, soft),), px, missing=trace.missing)
        value = self.scale * weighed(relaxed, beta)
        return value if self.net is None else value + self.net(soft).squeeze(-1)


class RELAX(Scored):
    """The ELBO with the gradient of REBAR (Tucker et al. 2017, arXiv:1703.07370) or RELAX (Grathwohl et al. 2018).

    Args:
        control: c; another player moves it, by `GradientNoise`.
        samples: draws of z; each is decoded three times.
        beta: the weight of the rate, a number or a schedule.
    """

    cites: ClassVar[tuple[str, ...]] = ("tucker2017", "grathwohl2018")
    compiles: ClassVar[bool] = False

    def __init__(self, control: Control, samples: int = 1, *, beta: float | Schedule = 1.0) -> None:
        super().__init__()
        self.control, self.samples = control, require_count("samples", samples)
        self.beta = beta if isinstance(beta, Schedule) else Constant(float(beta))

    def bound(self, model: Model, trace: Trace) -> Tensor:
        value = weighed(trace, self.beta.value()).mean(0)
        if not torch.is_grad_enabled():
            return value
        slope = self.slope(model, trace).detach()  # (K, B, D)
        return with_gradient(value, (slope * _logits(trace)).sum(-1).mean(0))

    def slope(self, model: Model, trace: Trace) -> Tensor:
        """g of each draw, (K, B, D), with its graph for the control; taken once for a trace."""
        return trace._once(f"relax {id(self)}", lambda: self._slope(model, trace))

    def _slope(self, model: Model, trace: Trace) -> Tensor:
        b, beta = trace.z, self.beta.value()
        no_path(trace)
        f = weighed(trace, beta).detach()
        with torch.enable_grad():
            logits = _logits(trace).detach().expand_as(b).clone().requires_grad_()  # (K, B, D)
            z = logits + (given(b, logits) - logits).detach()  # logistic about the logits, b = 1 where it is above 0
            again = given(b, logits)
            both = [self.control(model, trace, draw, beta) for draw in (z, again)]
            (path,) = torch.autograd.grad((both[0] - both[1]).sum(), logits, create_graph=True)
            slope = (f - both[1]).unsqueeze(-1) * (b - logits.detach().sigmoid()) + path
        return slope if torch.is_grad_enabled() else slope.detach()


class GradientNoise(Term):
    """The squared norm of RELAX's gradient for the logits, (B,): what its control is to make small.

    Its mean is the variance and a constant, as the gradient has no bias.

    Args:
        relax: the bound whose control it is.
    """

    cites: ClassVar[tuple[str, ...]] = ("grathwohl2018",)

    def __init__(self, relax: RELAX) -> None:
        super().__init__()
        self.relax: RELAX = relax
        self.samples = relax.samples

    def forward(self, model: Model, trace: Trace) -> Tensor:
        return self.relax.slope(model, trace).square().sum(-1).mean(0)


def given(b: Tensor, logits: Tensor) -> Tensor:
    """z ~ Logistic(logits, 1) given whether it is above 0, with its gradient for the logits, (K, B, D)."""
    level = torch.logit(torch.rand(b.shape, dtype=b.dtype, device=b.device), eps=1e-6)
    return torch.where(b == 1, softplus(level + softplus(logits)), -softplus(level + softplus(-logits)))


def _logits(trace: Trace) -> Tensor:
    q = trace.q
    if not isinstance(q, Bernoulli):
        raise Mistake(f"RELAX is for Bernoulli latents and got {type(q).__name__}: use REINFORCE() or VIMCO().")
    return q.logits
