r"""Bounds of several draws, and gradients of them with less noise.

.. math:: L_{M,K} = E \tfrac1M \sum_m \log \tfrac1K \sum_k w_{mk}, \qquad
          L_\alpha = \tfrac{1}{1-\alpha} \log \tfrac1K \sum_k w_k^{1-\alpha}, \qquad
          L_{TVO} = \sum_s (\beta_{s+1} - \beta_s)\, E_{\pi_{\beta_s}} \log w
"""

from __future__ import annotations

__all__ = ["MIWAE", "STL", "TVO", "DReG", "Renyi"]

import math
from typing import ClassVar

import torch
from torch import Tensor

from vaekit.distributions import frozen
from vaekit.maths import log_mean_exp
from vaekit.messages import Mistake, require_count
from vaekit.models import Model, Trace
from vaekit.objectives.term import Bound


class MIWAE(Bound):
    """The mean of M importance-weighted bounds of K draws each (Rainforth et al. 2018, arXiv:1802.04537).

    Args:
        outer: M.
        inner: K; with M = 1 it is IWAE, with K = 1 the ELBO of M draws.
    """

    cites: ClassVar[tuple[str, ...]] = ("rainforth2018", "burda2016")
    reads_densities: ClassVar[bool] = True

    def __init__(self, outer: int = 8, inner: int = 8) -> None:
        super().__init__()
        self.outer, self.inner = require_count("outer", outer), require_count("inner", inner)
        self.samples = outer * inner

    def bound(self, model: Model, trace: Trace) -> Tensor:
        return self.of(trace.log_w)

    def of(self, log_w: Tensor) -> Tensor:
        """The bound of these weights, (M K or more, B) -> (B,)."""
        return log_mean_exp(log_w[: self.samples].unflatten(0, (self.outer, self.inner)), 1).mean(0)


class Renyi(Bound):
    """The variational Renyi bound (Li and Turner 2016, arXiv:1602.02311): from IWAE at alpha = 0 down to the ELBO at 1.

    Args:
        alpha: from 0 up; a lower bound on log p(x) that falls with alpha.
        samples: K.
    """

    cites: ClassVar[tuple[str, ...]] = ("li2016",)
    reads_densities: ClassVar[bool] = True

    def __init__(self, alpha: float = 0.5, samples: int = 8) -> None:
        super().__init__()
        if not 0 <= alpha < math.inf:
            raise Mistake(f"got alpha={alpha!r} and wanted 0 or more: below 0 it is no lower bound.")
        self.alpha, self.samples = float(alpha), require_count("samples", samples)

    def bound(self, model: Model, trace: Trace) -> Tensor:
        if self.alpha == 1:
            return trace.log_w.mean(0)
        return log_mean_exp((1 - self.alpha) * trace.log_w) / (1 - self.alpha)


class TVO(Bound):
    """The thermodynamic objective's left Riemann sum (Masrani, Le and Wood 2019, arXiv:1907.00031).

    The integral of E[log w] under pi_beta ~ q^(1 - beta) p^beta over beta is log p(x); the expectations are taken by
    self-normalised weights w^beta of the K draws. With one partition it is the ELBO.

    Args:
        partitions: how many pieces; their ends are log-spaced from `first` to 1, before them 0.
        first: the end of the first piece.
        samples: K.
    """

    cites: ClassVar[tuple[str, ...]] = ("masrani2019",)
    reads_densities: ClassVar[bool] = True

    def __init__(self, partitions: int = 5, first: float = 0.05, samples: int = 8) -> None:
        super().__init__()
        self.samples = require_count("samples", samples)
        if not 0 < first < 1:
            raise Mistake(f"got first={first!r} and wanted a number between 0 and 1.")
        ends = torch.logspace(math.log10(first), 0.0, require_count("partitions", partitions), dtype=torch.float64)
        ends = torch.cat([torch.zeros(1, dtype=torch.float64), ends if partitions > 1 else torch.ones(1).double()])
        self.starts, self.widths = ends[:-1].tolist(), ends.diff().tolist()

    def bound(self, model: Model, trace: Trace) -> Tensor:
        log_w = trace.log_w  # (K, B)
        total = torch.zeros_like(log_w[0])
        for start, width in zip(self.starts, self.widths, strict=True):
            total = total + width * ((start * log_w).softmax(0) * log_w).sum(0)
        return total


class STL(Bound):
    """The ELBO whose gradient leaves out the score of q, which is 0 in the mean (Roeder et al. 2017, arXiv:1703.09194).

    At q(z|x) = p(z|x) every single draw's gradient is 0.

    Args:
        samples: draws of z.
    """

    cites: ClassVar[tuple[str, ...]] = ("roeder2017",)
    reads_densities: ClassVar[bool] = True

    def __init__(self, samples: int = 1) -> None:
        super().__init__()
        self.samples = require_count("samples", samples)

    def bound(self, model: Model, trace: Trace) -> Tensor:
        return _log_w(trace).mean(0)


class DReG(Bound):
    """IWAE's bound with the doubly reparameterised gradient (Tucker et al. 2019, arXiv:1810.04152).

    The encoder's gradient has the same mean as IWAE's and a signal that does not vanish as K grows: each draw counts
    with the square of its weight, and q's own score is left out.

    Args:
        samples: K.
    """

    cites: ClassVar[tuple[str, ...]] = ("tucker2019", "burda2016")
    reads_densities: ClassVar[bool] = True
    compiles: ClassVar[bool] = False

    def __init__(self, samples: int = 8) -> None:
        super().__init__()
        self.samples = require_count("samples", samples)

    def bound(self, model: Model, trace: Trace) -> Tensor:
        log_w, z = _log_w(trace), trace.z
        bound = log_mean_exp(log_w)
        if not torch.is_grad_enabled() or not z.requires_grad:
            return bound
        weight = log_w.detach().softmax(0)  # (K, B)
        # the bound's own gradient reaches z with the weight; what is missing to its square is added, its value is 0
        (missing,) = torch.autograd.grad(((weight.square() - weight) * log_w).sum(), z, retain_graph=True)
        through = (missing * z).flatten(2).sum((0, 2))
        return bound + (through - through.detach())


def _log_w(trace: Trace) -> Tensor:
    """log w whose q is scored with fixed parameters: it moves them through z alone."""
    return trace.log_px + (trace.log_p - frozen(trace.q).log_prob(trace.z))
