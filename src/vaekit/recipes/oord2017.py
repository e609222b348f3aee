r"""Neural Discrete Representation Learning: van den Oord, Vinyals and Kavukcuoglu 2017,
https://arxiv.org/abs/1711.00937.

.. math:: -\log p(x|e) + N \log K + \beta \|f(x) - \mathrm{sg}(e)\|^2
"""

from __future__ import annotations

__all__ = ["vq_vae"]

import math
from collections.abc import Sequence

from torch import nn

from vaekit.data import Context
from vaekit.data.transforms import Transform
from vaekit.likelihoods import Likelihood
from vaekit.messages import Mistake
from vaekit.networks import Codebook, Convolutional, Dense, Mapped, Quantizer
from vaekit.objectives import ELBO, Commitment, Recipe
from vaekit.posteriors import Quantized
from vaekit.recipes.compose import coded, wired
from vaekit.recipes.declare import declare


@declare
def vq_vae(
    *,
    shape: Sequence[int],
    codes: int = 512,
    code_dim: int = 16,
    places: int = 8,
    channels: Sequence[int] = (32, 64),
    hidden: Sequence[int] = (512, 256),
    commitment: float = 0.25,
    decay: float | None = 0.99,
    codebook: Quantizer | None = None,
    networks: Convolutional | Mapped | None = None,
    posterior: type[Quantized] = Quantized,
    likelihood: Likelihood | None = None,
    transform: Transform | None = None,
    context: Context | None = None,
) -> Recipe:
    """An autoencoder through a codebook: pictures become a map of codes, vectors a row of them.

    Its loss is the ELBO of a uniform prior on the codes, whose rate is a constant, and the commitment. Codes of real
    pictures are far from uniform, so that its own samples are not like the data before a prior is fitted to the codes.

    Args:
        shape: of one item.
        codes: vectors in the codebook.
        code_dim: numbers in each.
        places: codes of an item that is no picture.
        channels: after each halving of a picture; what is left of it is the map of places.
        hidden: widths of the fully connected encoder for items that are no pictures, the decoder's in reverse.
        commitment: how strongly the encoder is drawn to its codes.
        decay: of the codebook's moving averages; None learns it by gradient.
        codebook: another quantiser of vk.networks in place of codes, code_dim and decay.
        networks: a pair for pictures in place of channels, with a map in between: vk.networks.Mapped(channels) or
            Convolutional(channels, None).
        posterior: vk.posteriors.Quantized, or a class made from it.
        likelihood: a part of vk.likelihoods without its network.
        transform, context: as for vk.VAE.

    Example:
        >>> model, objective = vq_vae(shape=(1, 28, 28), codes=64, channels=[8, 16])
        >>> model.posterior.latent_shape, model.sample(2).shape
        ((784,), torch.Size([2, 1, 28, 28]))
    """
    if not (isinstance(posterior, type) and issubclass(posterior, Quantized)):
        raise Mistake(f"got posterior={posterior!r:.60} and wanted vk.posteriors.Quantized or a class made from it.")
    book = codebook if codebook is not None else Codebook(codes, code_dim, decay=decay)
    picture = len(shape) > 1 or networks is not None
    maps = networks if networks is not None else Convolutional(channels, None)
    pair = maps if picture else Dense(hidden)
    context_width = sum(context.widths.values()) if context is not None else 0
    encoder = pair.encoder(shape, context_width)
    features: tuple[int, ...] = tuple(encoder.features)  # type: ignore[arg-type]
    if picture and len(features) != 3:
        raise Mistake(f"got networks={networks!r:.60} and wanted a map in between: give Convolutional(channels, None).")
    where = features[1:] if picture else (places,)
    total = math.prod(where)
    decoder: nn.Module = (
        maps.decoder(shape, (book.outside, *where), context_width)
        if picture
        else pair.decoder(shape, total * book.outside, context_width)
    )
    q = posterior(encoder, book, where, **wired(encoder, shape, context))
    model = coded(shape, q, decoder, likelihood=likelihood, transform=transform, context=context)
    return Recipe(model, ELBO() + Commitment(commitment))
