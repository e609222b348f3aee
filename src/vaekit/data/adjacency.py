r"""Graphs as data: adjacency matrices with features of their nodes, links held out, and two graphs to try things on.

.. math:: p(A) = K^{-N} \sum_{c \in K^N} \prod_{i < j} \mathrm{Bernoulli}(A_{ij}; p_{\mathrm{in}} \text{ where }
          c_i = c_j, \text{ else } p_{\mathrm{out}})
"""

from __future__ import annotations

__all__ = ["BlockModel", "HeldOut", "graphs", "hold_out_links", "karate_club"]

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaekit.data.arrays import as_storage
from vaekit.data.dataset import Dataset, graph_fault
from vaekit.data.factors import ITEMS
from vaekit.messages import Mistake, require_count

MOST = 2**16  # assignments of nodes to blocks that are summed over
CHUNK = 2**22  # numbers held at a time meanwhile
KARATE = (  # of each node those after it that it is linked to
    "1 2 3 4 5 6 7 8 10 11 12 13 17 19 21 31", "2 3 7 13 17 19 21 30", "3 7 8 9 13 27 28 32", "7 12 13", "6 10",
    "6 10 16", "16", "", "30 32 33", "33", "", "", "", "33", "32 33", "32 33", "", "", "32 33", "33", "32 33", "",
    "32 33", "25 27 29 32 33", "25 27 31", "31", "29 33", "33", "31 33", "32 33", "32 33", "32 33", "33", "",
)  # fmt: skip
INSTRUCTORS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 16, 17, 19, 21)


def graphs(adjacency: Any, features: Any = None, *, name: str = "graphs") -> Dataset:
    """Undirected graphs of N nodes each as a Dataset, whose items are their adjacency matrices.

    Args:
        adjacency: (N, N) of one graph or (M, N, N) of several, an array, a tensor or a sparse matrix: 0 and 1,
            symmetric, 0 on the diagonal; NaN, with its mirror image, for a pair of which nothing is known.
        features: (N, F) or (M, N, F), of the nodes, likewise; they become the context "features", (M, N * F).
        name: what messages call it.

    Raises:
        Mistake: for another shape, other values, loops, and links that go one way.

    Example:
        >>> graphs([[0, 1], [1, 0]], features=[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        Dataset('graphs', graph, 1 items of (2, 2), float32)
    """
    x = as_storage(_dense(adjacency), name)
    x = x.unsqueeze(0) if x.ndim == 2 else x
    if x.ndim != 3 or x.shape[1] != x.shape[2] or x.shape[1] < 2:
        raise Mistake(f"got an adjacency of shape {tuple(x.shape)} and wanted (N, N), or (M, N, N) of several graphs.")
    if (fault := graph_fault(x)) is not None:
        raise Mistake(f"{name!r} {fault}")
    context: dict[str, Any] = {}
    if features is not None:
        told = as_storage(_dense(features), "features").double().numpy()
        told = told[None] if told.ndim == 2 else told
        if told.ndim != 3 or told.shape[:2] != tuple(x.shape[:2]):
            raise Mistake(f"got features of shape {told.shape} and wanted F numbers of {x.shape[1]} nodes each.")
        context["features"] = told.reshape(len(told), -1)
    return Dataset(name, x, "graph", context=context, index=range(len(x)))


def _dense(values: Any) -> NDArray[Any] | Tensor:
    """Values that may be sparse, as an array or a tensor."""
    if isinstance(values, Tensor):
        return values.detach().to_dense()
    if hasattr(values, "toarray"):
        return np.asarray(values.toarray())
    return values if isinstance(values, np.ndarray) else np.asarray(values)


@dataclass(frozen=True)
class HeldOut:
    """A graph without some of its pairs, and what these are.

    Attributes:
        adjacency: (N, N) float32, NaN for the pairs held out and their mirror images.
        valid, test: the pairs (M, 2) and whether they are linked (M,), as many that are as that are not.
    """

    adjacency: Tensor
    valid: tuple[NDArray[np.int64], NDArray[np.int64]]
    test: tuple[NDArray[np.int64], NDArray[np.int64]]


def hold_out_links(adjacency: Any, *, valid: float = 0.05, test: float = 0.1, seed: int = 0) -> HeldOut:
    """Hold out shares of the links, and as many pairs that are not linked (Kipf and Welling 2016, arXiv:1611.07308).

    The pairs held out are unknown to the model. In the paper's code they count as not linked while it is trained.

    Args:
        adjacency: (N, N) of one graph.
        valid, test: shares of the links; 0 for none.
        seed: of the choice.

    Raises:
        Mistake: for several graphs, for shares that are none or make up no link, and where a graph has too few links or
            missing ones.

    Example:
        >>> held = hold_out_links(karate_club()[0])
        >>> len(held.test[0]), held.test[1].sum(), int(held.adjacency.isnan().sum())
        (16, np.int64(8), 48)
    """
    whole = graphs(adjacency).x
    if len(whole) > 1:
        raise Mistake(f"got {len(whole)} graphs and wanted one, (N, N): hold out links of each by itself.")
    a = whole[0].float()
    if not (0 <= valid < 1 and 0 <= test < 1 and 0 < valid + test < 1):
        raise Mistake(f"got valid={valid} and test={test} and wanted shares of the links, from 0 up to 1 together.")
    rng = np.random.default_rng(seed)
    pairs = np.stack(np.triu_indices(len(a), 1), 1)
    value = a[pairs[:, 0], pairs[:, 1]].numpy()
    linked, apart = (rng.permutation(pairs[value == kind]) for kind in (1, 0))
    counts = [round(share * len(linked)) for share in (valid, test)]
    for part, share, count in zip(("valid", "test"), (valid, test), counts, strict=True):
        if share and not count:
            raise Mistake(f"{part}={share} of {len(linked)} links is less than one: give more, or 0 for none.")
    if sum(counts) >= len(linked) or sum(counts) > len(apart):
        raise Mistake(f"got {len(linked)} links and {len(apart)} pairs without, too few to hold out {counts} of both.")
    found, start = [], 0
    for count in counts:
        some = [kind[start : start + count] for kind in (linked, apart)]
        found.append((np.concatenate(some), np.repeat([1, 0], count)))
        start += count
    rest, gone = a.clone(), torch.from_numpy(np.concatenate([found[0][0], found[1][0]]))
    rest[gone[:, 0], gone[:, 1]] = torch.nan
    rest[gone[:, 1], gone[:, 0]] = torch.nan
    return HeldOut(rest, found[0], found[1])


def karate_club() -> tuple[Tensor, NDArray[np.str_]]:
    """Who met whom outside of a karate club, (34, 34) uint8, and whom each followed when it split, (34,).

    Zachary 1977, An information flow model for conflict and fission in small groups, Journal of Anthropological
    Research 33: 34 members, 78 links.

    Example:
        >>> adjacency, factions = karate_club()
        >>> int(adjacency.sum()) // 2, factions[[0, 33]].tolist()
        (78, ['instructor', 'officer'])
    """
    a = torch.zeros(len(KARATE), len(KARATE), dtype=torch.uint8)
    for node, others in enumerate(KARATE):
        a[node, [int(other) for other in others.split()]] = 1
    follows = np.where(np.isin(np.arange(len(a)), INSTRUCTORS), "instructor", "officer")
    return a + a.T, follows


class BlockModel:
    """Graphs whose nodes belong to one of K blocks each, at random: links are likelier within a block (Holland et al.
    1983).

    Args:
        nodes: N.
        blocks: K.
        within, between: the probability of a link in a block and between two.

    Example:
        >>> x, blocks = BlockModel().sample(3, seed=0)
        >>> x.shape, blocks.shape, BlockModel().log_prob(x).shape
        (torch.Size([3, 12, 12]), torch.Size([3, 12]), torch.Size([3]))
    """

    def __init__(self, nodes: int = 12, blocks: int = 2, *, within: float = 0.8, between: float = 0.1) -> None:
        self.nodes, self.blocks = require_count("nodes", nodes), require_count("blocks", blocks)
        if not (0 < within < 1 and 0 < between < 1):
            raise Mistake(f"got within={within} and between={between} and wanted probabilities above 0 and below 1.")
        self.within, self.between = within, between

    def sample(self, n: int, *, seed: int) -> tuple[Tensor, Tensor]:
        """Graphs (n, N, N) uint8 and the block of each node, (n, N)."""
        generator = torch.Generator().manual_seed(seed)
        blocks = torch.randint(self.blocks, (n, self.nodes), generator=generator)
        same = blocks.unsqueeze(-1) == blocks.unsqueeze(-2)
        p = torch.where(same, self.within, self.between)
        above = (torch.rand(p.shape, generator=generator) < p).to(torch.uint8).triu(1)
        return above + above.mT, blocks

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(A) of graphs (n, N, N) in nats, (n,) float64: the sum over all K^N assignments.

        Raises:
            Mistake: where there are more than 65,536.
        """
        if self.blocks**self.nodes > MOST:
            raise Mistake(f"got {self.blocks}^{self.nodes} assignments to blocks and {MOST:,} can be summed over.")
        each = torch.arange(self.blocks).expand(self.nodes, -1)
        c = torch.cartesian_prod(*each) if self.nodes > 1 else each.T
        rows, columns = torch.triu_indices(self.nodes, self.nodes, 1)
        same = (c[:, rows] == c[:, columns]).double()  # (K^N, P)
        p = same * self.within + (1 - same) * self.between
        linked = x[:, rows, columns].double()
        found = [
            torch.logsumexp(part @ p.log().T + (1 - part) @ torch.log1p(-p).T, 1)
            for part in linked.split(max(1, CHUNK // len(c)))
        ]
        return torch.cat(found) - self.nodes * float(np.log(self.blocks))

    def dataset(self, items: int = ITEMS, *, seed: int = 0) -> Dataset:
        """Graphs as a Dataset, with the blocks of the nodes as extras block_0, block_1, ..."""
        x, blocks = self.sample(items, seed=seed)
        extras = {f"block_{j}": column for j, column in enumerate(blocks.numpy().T)}
        return Dataset("blocks", x, "graph", index=range(items), origin="builtin", extras=extras)
