r"""Variational Graph Auto-Encoders: Kipf and Welling 2016, https://arxiv.org/abs/1611.07308.

.. math:: \log p(A) \ge E_{q(Z|A,X)} \sum_{i < j} \log p(A_{ij}|z_i, z_j) - \sum_i KL(q(z_i|A,X) \| N(0, I))
"""

from __future__ import annotations

__all__ = ["vgae"]

from collections.abc import Sequence

from vaekit.data import Context
from vaekit.likelihoods import Links
from vaekit.messages import Mistake
from vaekit.models import VAE
from vaekit.networks import GraphEncoder
from vaekit.objectives import ELBO, KL, BalancedLinks, Recipe, Schedule
from vaekit.posteriors import NodeGaussian
from vaekit.priors import StandardNormal
from vaekit.recipes.compose import latent_size
from vaekit.recipes.declare import declare


@declare
def vgae(
    *,
    shape: Sequence[int],
    latent_dim: int = 16,
    hidden: int = 32,
    beta: float | Schedule = 1.0,
    offset: bool = True,
    balanced: bool = False,
    context: Context | None = None,
) -> Recipe:
    """Graphs: latents of each node, by graph convolutions, whose inner products say who is linked to whom.

    An item is a graph, its adjacency matrix (N, N); one large graph is one item. Pairs that are not known are NaN: they
    are not scored, and `reconstruct` tells how likely they are linked. Features of the nodes are the context, N * F
    numbers a graph, which are taken as they are and which the encoder alone reads. `vk.data.graphs` makes data of both;
    without features an array or a file of shape (M, N, N) will do, (1, N, N) of one graph.
    Latents are those of the nodes, one after the other: `run.encode(data).reshape(-1, N, D)`. Nats are a graph's, each
    pair counted once.

    Args:
        shape: (N, N).
        latent_dim: D, the latents of a node; graphs drawn from the prior have log-odds of variance D, so that few are
            better where graphs are to be drawn.
        hidden: width of the hidden layer.
        beta: the weight of the rate, of N * D latents.
        offset: whether the log-odds of a link have a learned constant beside z_i . z_j, which the paper lacks.
        balanced: links and missing links weighed alike, which finds the few links of sparse graphs sooner; no bound on
            log p(A) then. As in the authors' code, but for its links of nodes to themselves, and its pairs held out,
            which it scores as missing links: here neither is scored.
        context: of the features.

    Example:
        >>> from vaekit.data import graphs, karate_club
        >>> import vaekit as vk
        >>> adjacency, factions = karate_club()
        >>> data = graphs(adjacency)
        >>> run = vk.fit(vk.recipe("vgae", data, latent_dim=2), data, steps=5, verbose=False)
        >>> run.encode(data).reshape(34, 2).shape
        (34, 2)
    """
    if len(shape) != 2 or shape[0] != shape[1]:
        raise Mistake(
            f"got items of shape {tuple(shape)} and wanted adjacency matrices, (N, N): give vk.data.graphs(A), or an "
            "array or a file of shape (M, N, N), (1, N, N) of one graph."
        )
    nodes, width = shape[0], None if context is None else sum(context.widths.values())
    if context is not None:
        if any("mean" not in f or context.widths[n] % nodes for n, f in context.fields.items()):
            raise Mistake(f"got features of widths {context.widths} and wanted N * F numbers of {nodes} nodes each.")
        context = Context({n: {"mean": [0.0] * w, "scale": [1.0] * w} for n, w in context.widths.items()})
    net = GraphEncoder(nodes, hidden, inputs=None if width is None else width // nodes)
    posterior = NodeGaussian(
        net, latent_size(shape, latent_dim), reads=tuple(context.widths) if context is not None else ()
    )
    model = VAE(StandardNormal(*posterior.latent_shape), posterior, Links(nodes, offset=offset), context=context)
    return Recipe(model, 2.0 * BalancedLinks() + beta * KL() if balanced else ELBO(beta=beta))
