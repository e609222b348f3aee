r"""log p(x) with one draw of noise for all items, so that no item's number depends on its companions.

.. math:: \log p(x) \approx \log \tfrac1K \sum_k \frac{p(x, z_k)}{q(z_k|x)}, \quad z_k = f(x, \epsilon_k)
"""

from __future__ import annotations

__all__ = ["shared_log_likelihoods"]

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from vaekit.conditional import pick, rows_of
from vaekit.evaluation.likelihood import log_likelihoods
from vaekit.maths import log_mean_exp
from vaekit.models import HierarchicalVAE, Model
from vaekit.models.model import require_support
from vaekit.models.trace import Trace

NUMBERS = 2**18  # of decoded data held at a time: hidden layers of convolutions are 32 times as large
DECODED = 2**14  # items decoded at a time: hidden layers may be wider than the data


@torch.no_grad()
def shared_log_likelihoods(
    model: Model, x: Tensor, samples: int, *, y: Mapping[str, Tensor] | None = None, seed: int = 0
) -> Tensor:
    """log p(x|y) of each item in nats and the user's units, (B,) float64, all items sharing their noise.

    Args:
        model: in evaluation mode.
        x: (B, *X) in the model's units and its floating type; B is cut into pieces of flat memory.
        samples: K, the draws of z.
        y: the encoded context, (B, width) each.
        seed: of the noise.

    Example:
        >>> from vaekit.recipes import vae
        >>> model, x = vae(shape=(4,), latent_dim=2).model.eval(), torch.randn(6, 4)
        >>> bool((shared_log_likelihoods(model, x, 8)[:2] - shared_log_likelihoods(model, x[:2], 8)).abs().max() < 1e-4)
        True
    """
    each = max(1, x[0].numel())
    chunk = min(samples, max(1, NUMBERS // each))  # the same for any B, as the order of the draws depends on it
    rows = max(1, min(NUMBERS // each, DECODED) // chunk)
    parts = [slice(start, start + rows) for start in range(0, len(x), rows)]
    return torch.cat([_estimates(model, x[part], rows_of(y, part), samples, chunk, seed) for part in parts])


def _estimates(model: Model, x: Tensor, y: Mapping[str, Tensor] | None, samples: int, chunk: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)  # on the CPU: the same noise on every device

    def draw(q: Any, k: int) -> Tensor:
        noise = torch.randn((k, 1, *q.event_shape), generator=generator, dtype=x.dtype)
        z: Tensor = q.from_noise(noise.to(x.device))  # (k, B, *Z)
        return z

    sizes = [min(chunk, samples - start) for start in range(0, samples, chunk)]
    traces = _traces(model, x, y, sizes, draw)
    if traces is None:
        ones = [slice(i, i + 1) for i in range(len(x))]
        return torch.cat([_alone(model, x[one], rows_of(y, one), samples, seed) for one in ones])
    log_w: list[Tensor] = []
    for trace in traces:
        if not log_w:
            require_support(trace.px, x)
        log_w.append(trace.log_w.double())
    return log_mean_exp(torch.cat(log_w)) + model.log_jacobian(x)


def _traces(
    model: Any, x: Tensor, y: Mapping[str, Tensor] | None, sizes: list[int], draw: Callable[[Any, int], Tensor]
) -> Iterator[Trace] | None:
    """Traces of that many draws each; None for a posterior whose noise cannot be shared."""
    if isinstance(model, HierarchicalVAE):
        seen, given = model._seen(x, y), pick(model.likelihood, y)
        found = (model.descend(seen, lambda q, k=k: draw(q, k)) for k in sizes)
        return (Trace(x, y, levels, model.likelihood(s, *given), missing=model.takes_missing) for levels, s in found)
    q, p = model._posterior(x, y), model._prior(y)
    if not hasattr(q, "from_noise"):
        return None
    draws = (draw(q, k) for k in sizes)
    return (Trace(x, y, ((q, p, z),), model._likelihood(z, y), missing=model.takes_missing) for z in draws)


def _alone(model: Model, row: Tensor, y: Mapping[str, Tensor] | None, samples: int, seed: int) -> Tensor:
    """One item by itself, always from the same seed."""
    with torch.random.fork_rng(devices=[row.device] if row.device.type == "cuda" else []):
        torch.manual_seed(seed)
        return log_likelihoods(model, row, y, samples)[0]
