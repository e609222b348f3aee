r"""An Image is Worth 32 Tokens for Reconstruction and Generation: Yu et al. 2024, https://arxiv.org/abs/2406.07550.

.. math:: -\log p(x|e_1, ..., e_N) + N \log K + \beta \sum_n \|f_n(x) - \mathrm{sg}(e_n)\|^2
"""

from __future__ import annotations

__all__ = ["titok_vae"]

from collections.abc import Sequence
from typing import Any

from vaekit.data import Context
from vaekit.data.transforms import Transform
from vaekit.likelihoods import Likelihood
from vaekit.networks import Codebook, Quantizer, TokenDecoder, TokenEncoder
from vaekit.objectives import ELBO, Commitment, Recipe
from vaekit.posteriors import QuantizedRow
from vaekit.recipes.compose import coded, wired
from vaekit.recipes.declare import declare


@declare
def titok_vae(
    *,
    shape: Sequence[int],
    tokens: int = 16,
    codes: int = 512,
    code_dim: int = 16,
    patch: int = 4,
    width: int = 64,
    heads: int = 4,
    layers: int = 3,
    commitment: float = 0.25,
    decay: float | None = 0.99,
    codebook: Quantizer | None = None,
    likelihood: Likelihood | None = None,
    transform: Transform | None = None,
    context: Context | None = None,
) -> Recipe:
    """An autoencoder of pictures through a short row of codes, each of which may speak of the whole picture.

    In one stage, from pixels: the paper first learns the codes of another tokeniser, and adds features and a
    discriminator to its loss. As for `vq_vae`, samples want a prior fitted to the codes first.

    Args:
        shape: of one picture.
        tokens: codes of an item; the paper has 32 for 256 patches.
        codes: vectors in the codebook.
        code_dim: numbers in each.
        patch: height and width of the patches that the Transformers see and make.
        width, heads, layers: of the Transformers of encoder and decoder.
        commitment: how strongly the encoder is drawn to its codes.
        decay: of the codebook's moving averages; None learns it by gradient.
        codebook: another quantiser of vk.networks in place of codes, code_dim and decay.
        likelihood: a part of vk.likelihoods without its network.
        transform, context: as for vk.VAE.

    Example:
        >>> import torch
        >>> model, objective = titok_vae(shape=(1, 28, 28), tokens=8, codes=64, width=16, layers=1)
        >>> model.encode_indices(torch.zeros(2, 1, 28, 28)).shape, model.sample(2).shape
        (torch.Size([2, 8]), torch.Size([2, 1, 28, 28]))
    """
    book = codebook if codebook is not None else Codebook(codes, code_dim, decay=decay)
    values = sum(context.widths.values()) if context is not None else 0
    own: dict[str, Any] = {"patch": patch, "width": width, "heads": heads, "layers": layers, "context": values}
    encoder, decoder = TokenEncoder(shape, tokens, **own), TokenDecoder(shape, (tokens, book.width), **own)
    q = QuantizedRow(encoder, book, **wired(encoder, shape, context))
    model = coded(shape, q, decoder, likelihood=likelihood, transform=transform, context=context)
    return Recipe(model, ELBO() + Commitment(commitment), defaults={"lr": 5e-4})
