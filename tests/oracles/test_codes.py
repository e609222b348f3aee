"""Quantised models against enumeration, moving averages written out, and the faults of others."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from tests.laws.tables import numbers
from torch import Tensor

from vaekit import recipes
from vaekit.networks import Codebook
from vaekit.objectives import ELBO, Commitment
from vaekit.training import Batch, Step

SMALL = {"shape": (6,), "codes": 5, "code_dim": 2, "places": 3, "hidden": [8]}


def made(**more: Any) -> Any:
    torch.manual_seed(0)
    return recipes.vq_vae(**{**SMALL, **more})


def test_the_bound_is_below_what_enumeration_gives() -> None:
    """log p(x) over all 5^3 rows of codes; the ELBO is log p(x | own codes) - 3 log 5, exactly."""
    model = made().model.double().eval()
    x = (numbers(1, 7, 6) > 0).double()
    rows = torch.tensor(list(itertools.product(range(5), repeat=3)))
    z = model.posterior.codebook.lookup(rows).flatten(1)  # (125, 6)
    every = model.likelihood(z.unsqueeze(1)).log_prob(x)  # (125, 7)
    exact = torch.logsumexp(every, 0) - 3 * math.log(5)
    bound = ELBO().bound(model, model.trace(x))
    own = model.posterior(x).indices @ torch.tensor([25, 5, 1])
    torch.testing.assert_close(bound, every[own, torch.arange(7)] - 3 * math.log(5), rtol=1e-12, atol=1e-12)
    assert bool((bound < exact).all())
    torch.testing.assert_close(model.log_prob(x, samples=4), bound, rtol=1e-12, atol=1e-12)  # q is one point
    assert torch.equal(model.prior().log_prob(z), torch.full((125,), -3 * math.log(5), dtype=z.dtype))
    assert float(model.prior().log_prob(z[0] + 1e-9)) == -math.inf, "a vector outside of the codebook has no mass"


def test_codes_are_the_nearest_vectors() -> None:
    book, x = Codebook(17, 3), numbers(2, 40, 3).float()
    far = torch.cdist(x.double(), book.vectors.double())
    assert torch.equal(book.nearest(x), far.argmin(1))
    assert torch.equal(book(x)[0], book.vectors[book.nearest(x)])


def test_vectors_that_nearly_agree_are_all_members() -> None:
    """By |c|^2 - 2 x c in float32 the nearest to one of them may be another."""
    book = Codebook(64, 3)
    with torch.no_grad():
        book.vectors.copy_(100.0 + 1e-4 * numbers(1, 64, 3).float())
    assert not torch.equal(book.lookup(book.nearest(book.vectors)), book.vectors), "too far apart to be mistaken"
    assert bool(book.member(book.vectors).all())
    assert not bool(book.member(book.vectors + 1.0).any())


def test_moving_averages_are_those_written_out() -> None:
    book = Codebook(4, 2, decay=0.9).double()
    counts, sums = torch.ones(4).double(), book.vectors.clone()
    for step in range(30):
        x = numbers(step, 50, 2)
        codes = book.nearest(x)
        book(x)
        book.after_step(step)
        for k in range(4):
            counts[k] = 0.9 * counts[k] + 0.1 * float((codes == k).sum())
            sums[k] = 0.9 * sums[k] + 0.1 * x[codes == k].sum(0)
        torch.testing.assert_close(book.vectors, sums / counts.unsqueeze(1), rtol=1e-10, atol=1e-10)


def test_an_unused_vector_stays_where_it_is() -> None:
    """A count that starts at 0 beside a sum that does not throws 477 of 512 vectors away in one step elsewhere."""
    book = Codebook(512, 4)
    with torch.no_grad():
        book.vectors.mul_(1e-3)
    before = book.vectors.clone()
    x = numbers(3, 8, 4).float()
    used = book.nearest(x)
    book(x)
    book.after_step(0)
    idle = torch.ones(512, dtype=torch.bool).index_fill_(0, used, False)
    torch.testing.assert_close(book.vectors[idle], before[idle], rtol=1e-6, atol=0)
    assert float(book.vectors.norm(dim=1).max()) < 4


def test_a_dead_vector_begins_anew_at_an_input() -> None:
    book = Codebook(8, 2)
    with torch.no_grad():
        book.vectors[1:] += 1000.0  # only the first is ever the nearest
    for step in range(600):
        x = numbers(step, 64, 2).float()
        book(x)
        book.after_step(step)
    assert len(book.nearest(numbers(1000, 500, 2).float()).unique()) == 8


def test_evaluation_moves_nothing_and_bad_numbers_move_nothing() -> None:
    book, x = Codebook(8, 2), numbers(1, 20, 2).float()
    state = {k: v.clone() for k, v in book.state_dict().items()}
    book.eval()(x)
    book.after_step(0)
    x[3] = float("nan")
    book.train()(x)
    book.after_step(1)
    assert all(torch.equal(v, state[k]) for k, v in book.state_dict().items())


def test_the_codebook_begins_at_the_means_of_the_data() -> None:
    centres = 10 * numbers(1, 6, 3).float()
    x = (centres.repeat(100, 1) + 0.01 * numbers(2, 600, 3).float())[torch.randperm(600)]
    book = Codebook(6, 3)
    torch.manual_seed(0)
    book.start(x)
    assert float(torch.cdist(centres, book.vectors).amin(1).max()) < 1.0  # a tenth of their distances
    few = Codebook(50, 3)
    few.start(x[:20])
    assert float(torch.cdist(x[:20], few.vectors).amin(1).max()) < 0.1


@pytest.mark.parametrize("decay", [None, 0.99])
def test_the_commitment_is_each_items_own(decay: float | None) -> None:
    """The same item repeated gives the same loss: elsewhere it grows with the batch, 0.4 for one and 26 for 64."""
    model = made(decay=decay).model.double().train()
    x = (numbers(1, 1, 6) > 0).double()
    term, losses = Commitment(), []
    for n in (1, 8, 64):
        batch = x.expand(n, 6)
        losses.append(term(model, model.trace(batch)).mean())
    torch.testing.assert_close(losses[1:], [losses[0]] * 2, rtol=1e-12, atol=1e-12)
    q = model.posterior(x)
    distance = float((q.encoded - q.quantized).square().sum())
    assert abs(float(losses[0]) - distance * (0.25 if decay else 1.25)) < 1e-12


def test_gradients_go_where_they_are_meant() -> None:
    """The encoder from distortion (straight through) and 0.25 x distance, the codebook from the distance alone."""
    model = made(decay=None).model.double()
    x = (numbers(1, 7, 6) > 0).double()
    trace = model.trace(x)
    q = trace.q
    gap = (q.encoded - q.quantized).detach()
    (up,) = torch.autograd.grad(trace.log_px.sum(), trace.levels[0][2], retain_graph=True)
    total = (-trace.log_px.sum(0) + Commitment()(model, trace)).sum()
    encoded, vectors = torch.autograd.grad(total, [q.encoded, model.posterior.codebook.vectors])
    torch.testing.assert_close(encoded, -up[0].unflatten(1, (3, 2)) + 0.5 * gap, rtol=1e-10, atol=1e-10)
    wanted = torch.zeros_like(vectors).index_add_(0, q.indices.flatten(), -2 * gap.flatten(0, 1))
    torch.testing.assert_close(vectors, wanted, rtol=1e-10, atol=1e-10)


def test_the_step_reports_how_many_codes_are_in_use() -> None:
    recipe = made(codes=16)
    x = (numbers(1, 64, 6) > 0).float()
    recipe.model.before_fit(x, {}, 64)
    for part in recipe.model.walk("before_fit"):
        part.before_fit(x, {}, 64)
    step = Step(recipe.model, recipe.objective)
    found = step(Batch(x))
    used = torch.bincount(recipe.model.posterior(x).indices.flatten(), minlength=16) / (64 * 3)
    assert 1 < float(found["perplexity"]) <= 16
    assert abs(float(torch.special.entr(used).sum().exp()) - float(found["perplexity"])) < 3  # one step later
    assert float(found["rate"]) == pytest.approx(3 * math.log(16))


def test_pictures_become_maps_of_codes() -> None:
    torch.manual_seed(0)
    model = recipes.vq_vae(shape=(3, 19, 17), codes=8, code_dim=2, channels=[4]).model
    x: Tensor = (numbers(1, 5, 3, 19, 17) > 0).float()
    assert model.posterior(x).indices.shape == (5, 10 * 9)
    assert model.reconstruct(x).shape == x.shape
    # a place's code is seen by the decoder at that place: far corners do not move
    z = model.posterior(x).mean
    moved = z.clone()
    moved[:, :2] += 1.0  # the first place, at the upper left
    change = (model.decode(z).mean - model.decode(moved).mean).abs().amax((0, 1))
    assert float(change[0, 0]) > 0 and float(change[-1, -1]) == 0
