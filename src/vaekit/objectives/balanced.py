r"""A judge of patches, and a term beside it whose gradient at the decoder's last layer is as large (Esser et al. 2021).

.. math:: L + w \lambda L_{GAN}, \quad
          \lambda = \frac{\|\nabla_{G_L} L\|}{\|\nabla_{G_L} L_{GAN}\| + \delta}, \quad L_{GAN} = -E D(\hat x), \quad
          \min_D \tfrac12 E \max(0, 1 - D(x)) + \tfrac12 E \max(0, 1 + D(\hat x))
"""

from __future__ import annotations

__all__ = ["Balanced", "DiscriminatePatches", "FoolPatches"]

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from vaekit.messages import Mistake
from vaekit.models import Model, Trace
from vaekit.objectives.perceptual import reconstruction
from vaekit.objectives.schedules import Constant, Schedule
from vaekit.objectives.term import Term

SMALL, MOST = 1e-6, 1e4  # delta, and the largest lambda


class DiscriminatePatches(Term):
    """The hinge loss of a judge between items and their reconstructions, (B,), the mean over its patches.

    Chance, a judge that says 0, costs 1. No gradient reaches the model (Lim and Ye 2017, arXiv:1705.02894).

    Args:
        discriminator: (B, *X) in the model's units -> (B, ...), logits of "real", such as vk.networks.PatchCritic.
    """

    cites: ClassVar[tuple[str, ...]] = ("isola2017", "lim2017")

    def __init__(self, discriminator: nn.Module) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, model: Model, trace: Trace) -> Tensor:
        logits = self.discriminator(torch.cat([trace.x, reconstruction(trace).detach()])).to(trace.x.dtype)
        real, made = logits.flatten(1).chunk(2)  # (B, patches) each
        return 0.5 * (relu(1 - real) + relu(1 + made)).mean(1)


class FoolPatches(Term):
    """Minus the mean logit that a judge gives to the patches of a reconstruction, (B,); no bound.

    Args:
        discriminator: (B, *X) in the model's units -> (B, ...), logits of "real".
    """

    cites: ClassVar[tuple[str, ...]] = ("isola2017", "lim2017")

    def __init__(self, discriminator: nn.Module) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, model: Model, trace: Trace) -> Tensor:
        logits: Tensor = self.discriminator(reconstruction(trace)).to(trace.x.dtype)
        return -logits.flatten(1).mean(1)


class Balanced(Term):
    """A term and an adversary's, weighed so that both have gradients of one size at the likelihood's last layer.

    The ratio of the norms is taken anew at each step and is a constant to the gradient; validation, which has no
    gradients, goes by the last step's. Esser et al. 2021 (arXiv:2012.09841). No bound on log p(x).

    Args:
        term: what the model is trained for otherwise.
        adversary: such as FoolPatches.
        weight: w, a number or a schedule, such as a Switch that lets the adversary in after some steps.

    Attributes:
        ratio: lambda of the last step.
    """

    cites: ClassVar[tuple[str, ...]] = ("esser2021",)
    compiles: ClassVar[bool] = False

    def __init__(self, term: Term, adversary: Term, weight: float | Schedule = 1.0) -> None:
        super().__init__()
        self.term, self.adversary = term, adversary
        self.weight = weight if isinstance(weight, Schedule) else Constant(float(weight))
        self.samples = max(term.samples, adversary.samples)
        self.company = max(term.company, adversary.company)
        self.register_buffer("ratio", torch.zeros(()))
        self.ratio: Tensor
        self._seen: list[Tensor] = []  # the ratios of the parts of a batch

    def terms(self, model: Model, trace: Trace) -> dict[str, Tensor]:
        found = self.term.terms(model, trace)
        fooled = self.adversary(model, trace)
        ratio = self.ratio
        if fooled.requires_grad:
            first, *rest = (value.mean() for value in found.values())
            ratio = self._ratio(model, sum(rest, first), fooled.mean())
        return {**found, self.adversary.name: self.weight.value() * ratio * fooled}

    def forward(self, model: Model, trace: Trace) -> Tensor:
        first, *rest = self.terms(model, trace).values()
        return sum(rest, first)

    def _ratio(self, model: Any, term: Tensor, fooled: Tensor) -> Tensor:
        layer = getattr(getattr(getattr(model, "likelihood", None), "head", None), "layer", None)
        weight: Any = getattr(layer, "weight", None)
        losses = (term, fooled) if weight is not None and weight.requires_grad else ()
        found = [torch.autograd.grad(loss, weight, retain_graph=True, allow_unused=True)[0] for loss in losses]
        if len(found) < 2 or any(gradient is None for gradient in found):
            raise Mistake(
                f"Balanced weighs by the gradients of a likelihood's last layer, which {type(model).__name__} does not "
                "have, or holds still, or one of the terms does not reach: add them with weights of your own."
            )
        mine, other = (gradient.norm() for gradient in found)
        ratio = (mine / (other + SMALL)).clamp_max(MOST)
        if self.training:
            self._seen.append(ratio)
        return ratio

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Keep the ratio for validation."""
        if self._seen:
            new = torch.stack(self._seen).mean()
            self.ratio.copy_(torch.where(new.isfinite(), new, self.ratio))
            self._seen = []

    def forget(self) -> None:
        self._seen = []
