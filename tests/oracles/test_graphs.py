"""Graphs: those of few nodes are counted, bounds lie below quadrature, convolutions are written out, order is none."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from tests.laws.tables import numbers
from torch import Tensor
from torch.utils.data import DataLoader

import vaekit as vk
from vaekit import distributions, evaluation, recipes
from vaekit.data import BlockModel, Context, Modalities, check, graphs, hold_out_links, karate_club, read
from vaekit.likelihoods import Bernoulli, Joint, Links
from vaekit.measure import measure, measure_loader
from vaekit.messages import Mistake
from vaekit.networks import MLP, GraphEncoder
from vaekit.networks.graph import normalised
from vaekit.objectives import BalancedLinks
from vaekit.run.evaluating import evaluation_of
from vaekit.run.loading import run_of
from vaekit.training import ForeignLoader

PIECES = {"graph": (3, 3), "marks": (2,)}


def every(nodes: int) -> Tensor:
    """All graphs of so many nodes, (2^P, N, N) float64."""
    rows, columns = torch.triu_indices(nodes, nodes, 1)
    x = torch.zeros(2 ** len(rows), nodes, nodes).double()
    x[:, rows, columns] = torch.tensor(list(itertools.product([0.0, 1.0], repeat=len(rows)))).double()
    return x + x.mT


def made(nodes: int = 4, latent_dim: int = 2, **more: Any) -> Any:
    """A model that is far from what it begins as."""
    torch.manual_seed(0)
    model: Any = recipes.vgae(shape=(nodes, nodes), latent_dim=latent_dim, hidden=5, **more).model.double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.4 * torch.randn_like(p))
    return model


# -- p(A|z) ----------------------------------------------------------------------------------------------------


def test_all_graphs_of_four_nodes_sum_to_one() -> None:
    model, x = made(), every(4)
    with torch.no_grad():
        p = model.likelihood(numbers(1, 5, 1, 8))  # (5, 1): every graph under each of five latents
        log_p = p.log_prob(x)
    assert log_p.shape == (5, 64)
    torch.testing.assert_close(log_p.exp().sum(1), torch.ones(5).double(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(p.mean[:, 0], torch.einsum("kg,gij->kij", log_p.exp(), x), rtol=1e-12, atol=1e-12)
    best = x[log_p.argmax(1)]
    assert torch.equal(p.mode[:, 0], best)


def test_a_pair_is_counted_once_by_its_inner_product() -> None:
    model = made()
    z, x = numbers(2, 3, 8), every(4)[[5, 33, 62]]
    nodes = z.view(3, 4, 2)
    want = torch.zeros(3).double()
    for i in range(4):
        for j in range(i + 1, 4):
            logit = (nodes[:, i] * nodes[:, j]).sum(1) + model.likelihood.net.offset.detach()
            want += torch.where(x[:, i, j] == 1, logit.sigmoid(), 1 - logit.sigmoid()).log()
    p = model.likelihood(z)
    torch.testing.assert_close(p.log_prob(x).detach(), want, rtol=1e-12, atol=1e-12)
    assert bool((p.log_prob_each(x).tril() == 0).all())
    gaps = x.clone()
    gaps[:, 0, 2] = gaps[:, 2, 0] = torch.nan
    each = p.log_prob_each(x)[:, 0, 2]
    torch.testing.assert_close(p.log_prob_observed(gaps), p.log_prob(x) - each, rtol=1e-12, atol=1e-12)


def test_draws_come_as_often_as_they_are_likely() -> None:
    model, x, n = made(3), every(3), 20_000
    p = distributions.Links(model.likelihood(numbers(3, 6)).logits.detach())
    torch.manual_seed(0)
    drawn = p.sample((n,))
    assert bool(p.supports(drawn).all())
    share = (drawn.unsqueeze(1) == x).flatten(2).all(2).double().mean(0)
    exact = p.log_prob(x).exp()
    assert bool(((share - exact).abs() < 4.5 * (exact * (1 - exact) / n).sqrt() + 1e-4).all())  # eight shares at once
    torch.testing.assert_close(p.variance, p.mean * (1 - p.mean))


def test_what_is_no_graph_is_not_supported() -> None:
    p = distributions.Links(torch.zeros(3, 3))
    good = torch.tensor([[0.0, 1.0, torch.nan], [1.0, 0.0, 0.0], [torch.nan, 0.0, 0.0]])
    assert bool(p.supports(good).all())
    for i, j, value in ((0, 1, 0.0), (1, 1, 1.0), (2, 1, torch.nan), (0, 1, 0.5)):
        bad = good.clone()
        bad[i, j] = value
        assert not bool(p.supports(bad).all()), (i, j, value)
    model = made(3)
    with pytest.raises(Mistake, match="symmetric adjacency matrices"):
        model.log_prob(torch.tensor([[[0.0, 1, 0], [0, 0, 0], [0, 0, 0]]]))


# -- the encoder -----------------------------------------------------------------------------------------------


def test_the_encoder_is_the_two_convolutions_written_out() -> None:
    """Mean and log-scale are A relu(A X W0) W1 with A = D^(-1/2) (A + I) D^(-1/2), product by product."""
    context = Context({"features": {"mean": [0.0] * 12, "scale": [1.0] * 12}})
    for features in (None, numbers(5, 2, 12)):
        model = made(4, **({} if features is None else {"context": context}))
        x = every(4)[[13, 50]]
        q = model.posterior(x) if features is None else model.posterior(x, features)
        head, w0 = model.posterior.head.layer, model.posterior.net.layer.weight.T
        for b in range(2):
            plus = x[b] + torch.eye(4).double()
            d = torch.diag(1 / plus.sum(1).sqrt())
            a = d @ plus @ d
            given = torch.eye(4).double() if features is None else features[b].view(4, 3)
            out = a @ (a @ given @ w0).clamp_min(0) @ head.weight.T + head.bias
            torch.testing.assert_close(q.loc[b], out[:, :2].flatten(), rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(q.log_scale[b], out[:, 2:].flatten(), rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(normalised(x)[b], a, rtol=1e-12, atol=1e-12)


def test_nodes_in_another_order_are_the_same_nodes() -> None:
    """With features: q of the permuted graph is the permuted q; log p(A|z) is the same for graph and latents alike."""
    context = Context({"features": {"mean": [0.0] * 15, "scale": [1.0] * 15}})
    model = made(5, context=context)
    x, features = every(5)[[77, 400, 1000]], numbers(6, 3, 15)
    order = torch.tensor([3, 0, 4, 1, 2])
    turned = x[:, order][:, :, order]
    there = features.view(3, 5, 3)[:, order].flatten(1)
    q, other = model.posterior(x, features), model.posterior(turned, there)
    torch.testing.assert_close(other.loc.view(3, 5, 2), q.loc.view(3, 5, 2)[:, order], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(other.scale.view(3, 5, 2), q.scale.view(3, 5, 2)[:, order], rtol=1e-12, atol=1e-12)
    z = numbers(7, 3, 10)
    same = model.likelihood(z.view(3, 5, 2)[:, order].flatten(1)).log_prob(turned)
    torch.testing.assert_close(same, model.likelihood(z).log_prob(x), rtol=1e-12, atol=1e-12)
    assert float((other.loc - q.loc).detach().abs().max()) > 0.05  # and order is not nothing to the numbers as they lie


def test_what_is_not_known_is_read_as_no_link() -> None:
    net = GraphEncoder(4, 6).double()
    x = every(4)[[40]]
    gaps = x.clone()
    gaps[:, 0, 3] = gaps[:, 3, 0] = torch.nan
    x[:, 0, 3] = x[:, 3, 0] = 0.0
    assert torch.equal(net(gaps), net(x))


def test_posteriors_begin_as_wide_as_the_prior_and_links_as_often_as_they_are() -> None:
    model = made(12, 3)
    x = BlockModel().sample(40, seed=1)[0].double()
    with torch.no_grad():
        before = model.posterior(x).loc
        for part in model.walk("before_fit"):
            part.before_fit(x, {}, 40)
        q = model.posterior(x)
        apart = model.likelihood(torch.zeros(36).double())
    assert torch.equal(q.scale, torch.ones_like(q.scale)) and torch.equal(q.loc, before)
    share = float(x.sum() / (40 * 12 * 11))
    torch.testing.assert_close(apart.mean[0, 1].item(), share, rtol=1e-9, atol=0)
    gaps = x.masked_fill(x == 0, torch.nan)
    with torch.no_grad():
        model.likelihood.before_fit(gaps, {}, 40)  # all that is known is linked: the log-odds stay finite
        assert model.likelihood(torch.zeros(36).double()).mean[0, 1].item() == pytest.approx(1 - 1e-4, abs=1e-9)


# -- the bounds ------------------------------------------------------------------------------------------------


def test_the_elbo_lies_below_log_p_by_the_divergence_to_the_posterior() -> None:
    """Two nodes with one latent each: log p(A) and KL(q || p(z|A)) by quadrature over the plane."""
    model, x = made(2, 1), every(2)
    line = torch.linspace(-9, 9, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)  # (G, 2)
    cell = math.log(float(line[1] - line[0]) ** 2)
    with torch.no_grad():
        joint = model.likelihood(grid.unsqueeze(1)).log_prob(x) + model.prior().log_prob(grid).unsqueeze(1)  # (G, 2)
        exact = torch.logsumexp(joint, 0) + cell
        q = model.posterior(x)
        log_q = q.log_prob(grid.unsqueeze(1))
        gap = ((log_q + cell).exp() * (log_q - (joint - exact))).sum(0)
        torch.manual_seed(0)
        trace = model.trace(x, samples=100_000)
        elbo, error = trace.log_px.mean(0) - trace.kl, trace.log_px.std(0) / 100_000**0.5
    torch.testing.assert_close(exact.exp().sum(), torch.tensor(1.0).double(), rtol=1e-9, atol=1e-9)
    assert bool((gap > 1e-3).all())
    assert bool(((elbo - (exact - gap)).abs() < 4.5 * error + 1e-6).all()), (elbo, exact - gap, error)


def test_links_and_missing_links_weigh_alike() -> None:
    """The term against the weighted cross-entropy of the authors' code, each pair twice but without the diagonal."""
    model = made(4, offset=False, balanced=True)
    x = every(4)[[11, 38, 62]]
    torch.manual_seed(1)
    trace = model.trace(x, samples=2)
    found = BalancedLinks()(model, trace)
    logits = trace.px.logits
    off = ~torch.eye(4, dtype=torch.bool)
    for b in range(3):
        n, links = 12, float(x[b].sum())
        norm, weight = n / (2 * (n - links)), (n - links) / links
        p = logits[:, b].sigmoid()
        each = -(weight * x[b] * p.log() + (1 - x[b]) * (1 - p).log())
        want = norm * each[:, off].sum(1).mean() / 2
        torch.testing.assert_close(found[b], want, rtol=1e-10, atol=1e-10)
    recipe = recipes.vgae(shape=(4, 4), latent_dim=2, offset=False, balanced=True)
    torch.testing.assert_close(recipe.objective(model, trace), 2 * found + trace.kl, rtol=1e-10, atol=1e-10)
    for kind in (torch.zeros(1, 4, 4), 1 - torch.eye(4).unsqueeze(0)):  # all of one kind: half of the weight
        trace = model.trace(kind.double())
        torch.testing.assert_close(BalancedLinks()(model, trace), -trace.log_px.mean(0) / 2, rtol=1e-10, atol=1e-10)


def test_pairs_held_out_are_not_scored_in_either_objective() -> None:
    model, x = made(4), every(4)[[45]]
    for value in (0.0, 1.0):
        gaps, x = x.clone(), x.clone()
        gaps[:, 1, 2] = gaps[:, 2, 1] = torch.nan
        torch.manual_seed(0)
        trace = model.trace(gaps)
        x[:, 1, 2] = x[:, 2, 1] = value  # whatever the pair is
        each = trace.px.log_prob_each(x)
        torch.testing.assert_close(trace.log_px, each.sum((-2, -1)) - each[..., 1, 2], rtol=1e-12, atol=1e-12)
        seen = torch.ones(4, 4).triu(1).double()
        seen[1, 2] = 0.0
        n, links = 5, float((seen * x[0]).sum())
        weight = n / 2 * seen * (x[0] / links + (1 - x[0]) / (n - links))
        want = -(weight * each[0, 0]).sum()
        torch.testing.assert_close(BalancedLinks()(model, trace)[0], want, rtol=1e-12, atol=1e-12)


# -- the data --------------------------------------------------------------------------------------------------


def test_the_block_model_sums_to_one_and_is_what_is_drawn() -> None:
    model, x = BlockModel(4, 2, within=0.7, between=0.2), every(4)
    p = model.log_prob(x).exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-12)
    n = 40_000
    drawn, blocks = model.sample(n, seed=0)
    share = torch.tensor([float((drawn == graph).flatten(1).all(1).double().mean()) for graph in x])
    assert bool(((share - p).abs() < 4.5 * (p * (1 - p) / n).sqrt() + 1e-4).all())
    same = blocks[:, 0] == blocks[:, 1]
    assert float(drawn[same, 0, 1].double().mean()) == pytest.approx(0.7, abs=4 * 0.5 / 20_000**0.5)
    with pytest.raises(Mistake, match="assignments"):
        BlockModel(20).log_prob(torch.zeros(1, 20, 20))
    assert read("blocks").shape == (12, 12) and read("blocks").kind == "graph"


def test_the_karate_club_is_zacharys() -> None:
    a, factions = karate_club()
    degrees = a.sum(1).tolist()
    assert torch.equal(a, a.T) and int(a.sum()) == 156 and int(a.trace()) == 0
    assert (degrees[33], degrees[0], degrees[32], degrees[2], degrees[1]) == (17, 16, 12, 10, 9)
    triangles = int(torch.linalg.matrix_power(a.double(), 3).trace()) // 6
    assert triangles == 45 and (factions == "instructor").sum() == 17
    for crossing in (11, 10):  # the one member whom Zachary's least cut, of 10 links, puts on the other side
        within = a.numpy()[np.equal.outer(factions, factions)].sum() // 2
        assert within == 78 - crossing
        factions[8] = "officer"


def test_what_is_held_out_is_as_many_of_each_and_unknown() -> None:
    a, _ = karate_club()
    held = hold_out_links(a, valid=0.05, test=0.1, seed=3)
    pairs = np.concatenate([held.valid[0], held.test[0]])
    labels = np.concatenate([held.valid[1], held.test[1]])
    assert len(np.unique(pairs, axis=0)) == len(pairs) == 2 * (4 + 8) and labels.sum() == 12
    assert (a.numpy()[pairs[:, 0], pairs[:, 1]] == labels).all()
    gone = held.adjacency.isnan()
    assert int(gone.sum()) == 48 and torch.equal(gone, gone.T) and bool(gone[pairs[:, 0], pairs[:, 1]].all())
    assert torch.equal(held.adjacency[~gone], a.float()[~gone])
    again = hold_out_links(a, seed=3)
    assert (again.test[0] == held.test[0]).all() and not (hold_out_links(a, seed=4).test[0] == held.test[0]).all()
    none = hold_out_links(a, valid=0, test=0.1)
    assert len(none.valid[0]) == 0 and len(none.test[0]) == 16
    full = torch.ones(3, 3) - torch.eye(3)
    with pytest.raises(Mistake, match="too few"):
        hold_out_links(full, valid=0, test=0.4)
    with pytest.raises(Mistake, match="valid=0.05 of 3 links is less than one"):
        hold_out_links(full, test=0.4)
    with pytest.raises(Mistake, match="got 2 graphs and wanted one"):
        hold_out_links(torch.stack([a, a]))


@pytest.mark.parametrize(
    ("adjacency", "words"),
    [
        ([[0, 1, 0], [1, 0, 1]], "wanted \\(N, N\\)"),
        ([[0, 2], [2, 0]], "not 0 or 1"),
        ([[0, 1], [0, 0]], "one way"),
        ([[0, 1], [np.nan, 0]], "one way"),
        ([[1, 0], [0, 0]], "themselves"),
    ],
)
def test_what_is_no_graph_is_refused(adjacency: Any, words: str) -> None:
    with pytest.raises(Mistake, match=words):
        graphs(np.array(adjacency, dtype=np.float64))


def test_features_are_refused_where_they_are_not_of_the_nodes() -> None:
    with pytest.raises(Mistake, match="numbers of 2 nodes"):
        graphs([[0, 1], [1, 0]], features=np.zeros((3, 4)))
    with pytest.raises(Mistake, match="features of widths"):
        recipes.vgae(shape=(3, 3), context=Context({"y": {"levels": [0, 1, 2]}}))
    with pytest.raises(Mistake, match="features of widths"):
        recipes.vgae(shape=(4, 4), context=Context({"y": {"mean": [0.0] * 6, "scale": [1.0] * 6}}))
    with pytest.raises(Mistake, match="width"):
        recipes.vgae(shape=(4, 4), hidden=[32])
    with pytest.raises(Mistake, match="adjacency matrices"):
        recipes.vgae(shape=(4, 5))
    check(graphs([[0, 1], [1, 0]]))  # one graph is enough


def test_what_teaches_nothing_is_refused() -> None:
    gaps = torch.full((3, 4, 4), torch.nan)
    gaps[0, 0, 1] = gaps[0, 1, 0] = gaps[2, 2, 3] = gaps[2, 3, 2] = 0.0
    for diagonal in (torch.nan, 0.0):
        gaps.diagonal(dim1=1, dim2=2).fill_(diagonal)
        with pytest.raises(Mistake, match="no pair of nodes is known of graph 1"):
            check(graphs(gaps))
    check(graphs(gaps[[0, 2]]))
    with pytest.raises(Mistake, match="has no rows"):
        check(graphs(torch.zeros(0, 4, 4)))


def test_sparse_matrices_and_tensors_that_are_trained_are_read() -> None:
    a, _ = karate_club()
    features = numbers(4, 34, 3)
    want = graphs(a, features)
    sparse = scipy.sparse.csr_matrix(a.numpy()), scipy.sparse.coo_array(features.numpy())
    for given in (sparse, (a.float().requires_grad_(), features.clone().requires_grad_()), (a.to_sparse(), features)):
        found = graphs(*given)
        assert torch.equal(found.x.float(), want.x.float())
        assert np.array_equal(found.context["features"], want.context["features"])


def test_one_array_or_file_of_one_graph_is_a_graph(tmp_path: Path) -> None:
    a = karate_club()[0].numpy()
    np.save(tmp_path / "club.npy", a[None])
    for data in (a[None], str(tmp_path / "club.npy")):
        run = vk.fit("vgae", data, steps=2, verbose=False)
        assert run.data.kind == "graph" and run.encode(data).shape == (1, 34 * 16)
    assert vk.recipe("auto", a[None]).name == "vgae" and read(a[None].repeat(2, 0)).kind == "image"
    with pytest.raises(Mistake, match=r"vk.data.graphs\(A\), or an array or a file .*\(1, N, N\)"):
        vk.fit("vgae", a, steps=2, verbose=False)
    for wrong, words in ((np.triu(a), "one way"), (2 * a, "not 0 or 1"), (0 * a, "no links")):
        with pytest.raises(Mistake, match=f"holds one item.*Should it be one graph.*{words}"):
            vk.fit("vgae", wrong[None], steps=2, verbose=False)


def test_ranking_of_pairs_agrees_with_scikit_learn() -> None:
    p = numbers(8, 9, 9).sigmoid().numpy()
    pairs = np.stack(np.triu_indices(9, 1), 1)
    linked = (numbers(9, len(pairs)) > 0.3).long().numpy()
    found = evaluation.link_numbers(p, pairs, linked)
    score = p[pairs[:, 0], pairs[:, 1]]
    assert found["auroc"].value == pytest.approx(roc_auc_score(linked, score), abs=1e-12)
    assert found["average_precision"].value == pytest.approx(average_precision_score(linked, score), abs=1e-12)
    assert evaluation.link_numbers(p, pairs.tolist(), linked.astype(int).tolist()) == found
    for wrong in (pairs.astype(float), pairs - 1, pairs + 1):
        with pytest.raises(Mistake, match="nodes from 0 to 8"):
            evaluation.link_numbers(p, wrong, linked)


def test_bits_are_those_of_the_pairs_that_are_known() -> None:
    model = made(5)
    x = every(5)[[3, 500, 900]]
    x[0, 1, 2] = x[0, 2, 1] = x[2, 0, 4] = x[2, 4, 0] = x[2, 3, 4] = x[2, 4, 3] = torch.nan
    assert model.likelihood.scored(x).tolist() == [9, 10, 8]
    joint: Any = Joint({"graph": Links(3), "marks": Bernoulli(MLP(6, [4]), (2,))}, Modalities((11,), PIECES))
    gap = torch.full((1,), torch.nan)
    assert joint.scored(torch.cat([every(3)[5].flatten().float(), gap, torch.ones(1)]).unsqueeze(0)).tolist() == [3 + 1]
    data = graphs(x)
    m = measure(model, data, None, samples=3, limit=10, seed=0, device=torch.device("cpu"))
    pairs = 27 / 3
    assert m["bits_per_dim"] == pytest.approx(m["nll"] / (pairs * math.log(2)), rel=1e-12)
    loaded = ForeignLoader(DataLoader(x, batch_size=2), model, seed=0, device=torch.device("cpu"))
    other = measure_loader(model, loaded, samples=3, limit=10)
    assert other["bits_per_dim"] == pytest.approx(other["nll"] / (pairs * math.log(2)), rel=1e-12)
    found = evaluation_of(run_of(model), data, samples=3).numbers
    assert found["bits_per_dim"].se == pytest.approx(found["nll"].se / (pairs * math.log(2)), rel=1e-12)


def test_features_are_asked_for_where_they_are_read_alone(tmp_path: Path) -> None:
    """The encoder reads them; sampling and decoding do without, and give the same with them."""
    features = numbers(3, 34, 2)
    data = graphs(karate_club()[0], features)
    run = vk.fit(vk.recipe("vgae", data, latent_dim=2), data, steps=2, verbose=False)
    z = run.encode(data)
    told = {"features": features.reshape(1, -1).numpy()}
    assert np.array_equal(run.decode(z), run.decode(z, told)) and run.decode(z).shape == (1, 34, 34)
    assert np.array_equal(run.sample(3, seed=0), run.sample(3, told, seed=0)) and run.sample(3).shape == (3, 34, 34)
    assert torch.equal(run.model.decode(torch.from_numpy(z)).mean, run.model.decode(torch.from_numpy(z), told).mean)
    with pytest.raises(Mistake, match="conditional on features and got nothing"):
        run.model.encode(data.x)
    with pytest.raises(Mistake, match="did you mean 'features'"):
        run.sample(3, {"feature": 1.0})


# -- all of it -------------------------------------------------------------------------------------------------


def test_one_graph_is_trained_on_and_its_hidden_links_are_found() -> None:
    """Nodes of two blocks whose features say little: links held out are told from pairs that are not linked."""
    x, blocks = BlockModel(40, within=0.6, between=0.05).sample(1, seed=0)
    held = hold_out_links(x[0], seed=0)
    rng = np.random.default_rng(0)
    features = np.eye(2)[blocks[0].numpy()] + rng.normal(size=(40, 2))
    for given in (None, features):
        data = graphs(held.adjacency, given)
        recipe = vk.recipe("vgae", data, latent_dim=4, hidden=16)
        run = vk.fit(recipe, data, steps=300, lr=0.01, verbose=False)
        assert run.encode(data).shape == (1, 160) and run.metrics["elbo"] is not None
        found = evaluation.link_numbers(run.reconstruct(data)[0], *held.test)
        assert found["auroc"].value > 0.75, (given is not None, found)


def test_many_graphs_are_learned_towards_what_they_cost() -> None:
    """The NLL is above the exact one of the block model and below that of pairs that know nothing of one another."""
    blocks = BlockModel(8)
    data = blocks.dataset(4000, seed=0)
    run = vk.fit(vk.recipe("vgae", data, latent_dim=2), data, epochs=30, lr=0.01, verbose=False)
    test = run.part("test").x
    exact = -float(blocks.log_prob(test).mean())
    share = float(test.double().mean() * 8 / 7)
    alone = -28 * (share * math.log(share) + (1 - share) * math.log(1 - share))  # of pairs that know nothing
    m = run.metrics
    assert exact < m["nll"] < alone - 0.2 and m["nll"] < m["rate"] + m["distortion"], (exact, m, alone)
