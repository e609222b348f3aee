r"""Generating Diverse High-Fidelity Images with VQ-VAE-2: Razavi, van den Oord and Vinyals 2019,
https://arxiv.org/abs/1906.00446.

.. math:: -\log p(x|e_1, e_2) + (N_1 + N_2) \log K + \beta \|f(x) - \mathrm{sg}(e)\|^2
"""

from __future__ import annotations

__all__ = ["vq_vae_2"]

from collections.abc import Sequence

from vaekit.data import Context
from vaekit.data.transforms import Transform
from vaekit.likelihoods import Likelihood
from vaekit.networks import ByPlace, Codebook, ConvDecoder, ConvEncoder, MapsDecoder
from vaekit.objectives import ELBO, Commitment, Recipe
from vaekit.posteriors import TwoLevelQuantized
from vaekit.recipes.compose import coded, wired
from vaekit.recipes.declare import declare


@declare
def vq_vae_2(
    *,
    shape: Sequence[int],
    codes: int = 512,
    code_dim: int = 16,
    channels: Sequence[int] = (32, 64),
    commitment: float = 0.25,
    decay: float | None = 0.99,
    likelihood: Likelihood | None = None,
    transform: Transform | None = None,
    context: Context | None = None,
) -> Recipe:
    """A VQ-VAE with two maps of codes, for pictures: a coarse one, and one twice as fine that knows the first.

    Args:
        shape: of one picture.
        codes: vectors in each codebook.
        code_dim: numbers in each vector.
        channels: after each halving of a picture; what is left of it is the fine map, half of that the coarse one.
        commitment, decay: as for `vq_vae`.
        likelihood: a part of vk.likelihoods without its network.
        transform, context: as for vk.VAE.

    Example:
        >>> model, objective = vq_vae_2(shape=(1, 28, 28), codes=64, channels=[8, 16])
        >>> import torch
        >>> model.posterior.codebook.counts, model.encode_indices(torch.zeros(2, 1, 28, 28)).shape
        ([16, 49], torch.Size([2, 65]))
    """
    width = sum(context.widths.values()) if context is not None else 0
    net = ConvEncoder(shape, channels, width=None, context=width)
    above = ConvEncoder(net.features, channels[-1:], width=None)
    fine, coarse = ((code_dim, *part.features[1:]) for part in (net, above))
    counts = [one[1] * one[2] for one in (coarse, fine)]
    book = ByPlace([Codebook(codes, code_dim, decay=decay) for _ in counts], counts)
    decoder = MapsDecoder(ConvDecoder(shape, (2 * code_dim, *fine[1:]), channels, context=width), (coarse, fine))
    q = TwoLevelQuantized(net, above, book, **wired(net, shape, context))
    model = coded(shape, q, decoder, likelihood=likelihood, transform=transform, context=context)
    return Recipe(model, ELBO() + Commitment(commitment))
