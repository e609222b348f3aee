"""Quantisers against enumeration of all of their codes, their gradients against formulas, their entropies summed."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from tests.laws.tables import numbers
from torch import Tensor

import vaekit as vk
from vaekit import recipes
from vaekit.distributions import Codes, SoftCodes, UniformCodes
from vaekit.maths import rotated
from vaekit.messages import Mistake
from vaekit.networks import (
    FSQ,
    MLP,
    BinarySpherical,
    ByPlace,
    Codebook,
    Grouped,
    LinearCodebook,
    LookupFree,
    Quantizer,
    ResidualCodes,
)
from vaekit.objectives import ELBO, CodeEntropy, Commitment, Dequantization
from vaekit.posteriors import Quantized, StochasticallyQuantized
from vaekit.training import Batch, Step

BOOKS: dict[str, Any] = {
    "Codebook": lambda: Codebook(12, 3),
    "LinearCodebook": lambda: LinearCodebook(12, 3),
    "FSQ-odd": lambda: FSQ([3, 5, 7]),
    "FSQ-even": lambda: FSQ([4, 6, 8]),
    "FSQ-mixed": lambda: FSQ([8, 5, 5, 5]),
    "LookupFree": lambda: LookupFree(7),
    "BinarySpherical": lambda: BinarySpherical(7),
    "ResidualCodes": lambda: ResidualCodes([Codebook(5, 3), Codebook(5, 3), LinearCodebook(5, 3)]),
    "Grouped": lambda: Grouped([FSQ([4, 3]), Codebook(12, 1), LinearCodebook(12, 2)]),
    "Grouped-residual": lambda: Grouped([ResidualCodes([Codebook(5, 2), Codebook(5, 2)]) for _ in range(2)]),
}
each = pytest.mark.parametrize("name", BOOKS)


def made(name: str) -> Quantizer:
    torch.manual_seed(0)
    book: Quantizer = BOOKS[name]().double().eval()
    return book


def every_index(book: Quantizer) -> Tensor:
    """All rows of indices of one place, (K^L, *shape)."""
    n = math.prod(book.shape)
    rows = torch.tensor(list(itertools.product(range(book.size), repeat=n)))
    return rows.view(-1, *book.shape)


@each
def test_indices_and_vectors_are_one_to_one(name: str) -> None:
    book = made(name)
    indices = every_index(book)
    vectors = book.lookup(indices)
    assert vectors.shape == (len(indices), book.width)
    assert len(vectors.unique(dim=0)) == len(indices), "two codes share a vector"
    assert bool(book.member(vectors).all())
    if (
        "esidual" not in name
    ):  # of a sum the first vector is the nearest of the first book, if not always that of the sum
        assert torch.equal(book.nearest(vectors), indices)
        assert not bool(book.member(vectors + 0.01).any())


@each
def test_what_a_pass_finds_is_what_its_indices_give(name: str) -> None:
    book, x = made(name), 2 * numbers(1, 40, 6, made(name).width)
    found = book.project(x)
    vectors, indices = book(found)
    assert indices.shape == (40, 6, *book.shape) and 0 <= int(indices.min()) and int(indices.max()) < book.size
    assert torch.equal(vectors, book.lookup(indices)) and torch.equal(indices, book.nearest(found))
    stages = book.stages(vectors, indices)
    assert stages[-1] is vectors or torch.equal(stages[-1], vectors)
    assert not bool(book(torch.full_like(found[:1], torch.nan))[1].lt(0).any()), "NaN has an index beyond the codes"


@pytest.mark.parametrize("name", [n for n in BOOKS if "esidual" not in n])
def test_the_vector_taken_is_the_nearest_of_all(name: str) -> None:
    book = made(name)
    x = book.project(2 * numbers(2, 50, book.width))
    distance = torch.cdist(x, book.lookup(every_index(book)))
    own = (x - book(x)[0]).norm(dim=-1)
    torch.testing.assert_close(own, distance.amin(1), rtol=1e-7, atol=1e-7)  # cdist takes roots of differences


@pytest.mark.parametrize("levels", [[3], [4], [5], [8], [7, 8, 5, 6]])
def test_fsq_rounds_by_half_a_step_and_reaches_every_level(levels: list[int]) -> None:
    """By L of each number: L values in steps of 1 / (L // 2), 0 one of them, half of the levels on either side."""
    book = FSQ(levels).double()
    line = torch.linspace(-12, 12, 20_001, dtype=torch.float64).unsqueeze(1).expand(-1, len(levels))
    bounded = book.project(line)
    vectors, _ = book(bounded)
    for i, n in enumerate(levels):
        step = 1 / (n // 2)
        grid = torch.arange(-(n // 2), n - n // 2, dtype=torch.float64) * step
        torch.testing.assert_close(vectors[:, i].unique(), grid, rtol=0, atol=1e-15)
        assert float((vectors[:, i] - bounded[:, i]).abs().max()) <= step / 2 + 1e-12
        assert bool((bounded[:, i].diff() >= 0).all()), "bounding keeps the order"
    nothing = torch.zeros(1, len(levels)).double()
    assert float(book.project(nothing).abs().max()) < 1e-15, "an output of 0 stays 0, for even levels too"
    assert float(book(nothing)[0].abs().max()) == 0


def test_fsq_begins_spread_over_its_levels() -> None:
    """After `start` the outputs that it saw have mean 0 and covariance I before the bound, and all codes are met."""
    torch.manual_seed(0)
    book = FSQ([5, 4]).double()
    x = 0.01 * numbers(26, 5000, 2) @ torch.tensor([[1.0, 0.8], [0.0, 0.6]]).double() + 0.3
    assert len(book(book.project(x))[1].unique()) < 5
    for _ in range(2):  # a second time changes nothing
        book.start(book.project(x))
        raw = (x - book.centre) @ book.white
        torch.testing.assert_close(raw.mean(0), torch.zeros(2).double(), rtol=0, atol=1e-9)
        torch.testing.assert_close(raw.mT @ raw / 5000, torch.eye(2).double(), rtol=0, atol=1e-9)
    assert len(book(book.project(x))[1].unique()) == 20
    still = FSQ([5, 4])
    still.start(torch.zeros(10, 2))
    assert torch.equal(still.white, torch.eye(2))


def test_fsq_passes_the_gradient_of_its_bound() -> None:
    """Straight through the rounding, not through the bound: d z / d f = (L - 1) / 2 / (L // 2) (1 - tanh^2)."""
    torch.manual_seed(0)
    q = Quantized(MLP(4, [6]), FSQ([5, 8]), 3).double()
    f = numbers(3, 7, 3, 2).requires_grad_()
    encoded = q.codebook.project(f)
    vectors, indices = q.codebook(encoded)
    (found,) = torch.autograd.grad(Codes(encoded, vectors, indices, 40).rsample().sum(), f)
    shift = torch.tensor([0.0, math.atanh(1 / 7)], dtype=torch.float64)
    slope = torch.tensor([1.0, 3.5 / 4], dtype=torch.float64) * (1 - (f + shift).tanh().square())
    torch.testing.assert_close(found, slope.detach(), rtol=1e-12, atol=1e-12)


def test_binary_spherical_codes_are_near() -> None:
    """All lie on the sphere, and none is farther than sqrt(2 - 2 / sqrt D) from its input (the paper's bound)."""
    book = BinarySpherical(6).double()
    u = book.project(numbers(4, 5000, 6))
    vectors, _ = book(u)
    torch.testing.assert_close(
        vectors.norm(dim=1), torch.ones(5000).double(), rtol=1e-7, atol=0
    )  # 1 / sqrt D is float32
    torch.testing.assert_close(u.norm(dim=1), torch.ones(5000).double(), rtol=1e-12, atol=0)
    bound = math.sqrt(2 - 2 / math.sqrt(6))
    assert float((u - vectors).norm(dim=1).max()) < bound + 1e-7
    corner = torch.eye(6).double()[:1]  # along an axis the bound is met
    assert float((corner - book(corner)[0]).norm()) == pytest.approx(bound, abs=1e-7)


def test_a_linear_codebook_moves_as_one() -> None:
    """The gradient of one vector's distance moves all vectors, and is what the chain rule gives for W."""
    torch.manual_seed(0)
    book = LinearCodebook(9, 3).double()
    x = numbers(5, 1, 3)
    vectors, index = book(x)
    (found,) = torch.autograd.grad((vectors - x).square().sum(), book.map)
    wanted = 2 * (vectors - x).T @ book.fixed[index]
    torch.testing.assert_close(found, wanted.detach(), rtol=1e-12, atol=1e-12)
    moved = book.fixed @ found.T
    assert bool((moved.norm(dim=1) > 0).all()) and "fixed" not in dict(book.named_parameters())


def test_the_rotation_is_the_papers_matrix() -> None:
    """R built in full: orthogonal, determinant 1, takes e / |e| to q / |q|; the gradient is |q| / |e| R^T g."""
    q, e = numbers(6, 20, 4), numbers(7, 20, 4).requires_grad_()
    g = numbers(8, 20, 4)
    value = rotated(q, e)
    assert torch.equal(value.detach(), q), "the value is the vector itself, bit for bit"
    (found,) = torch.autograd.grad((value * g).sum(), e)
    for i in range(20):
        to, at = q[i] / q[i].norm(), e[i].detach() / e[i].detach().norm()
        r = (to + at) / (to + at).norm()
        turn = torch.eye(4).double() - 2 * torch.outer(r, r) + 2 * torch.outer(to, at)
        torch.testing.assert_close(turn @ turn.T, torch.eye(4).double(), rtol=0, atol=1e-12)
        assert float(torch.linalg.det(turn)) == pytest.approx(1, abs=1e-12)
        torch.testing.assert_close(turn @ at, to, rtol=0, atol=1e-12)
        scale = q[i].norm() / e[i].detach().norm()
        torch.testing.assert_close(found[i], scale * turn.T @ g[i], rtol=1e-10, atol=1e-12)


def test_the_rotation_of_the_same_vector_is_straight_through_and_none_is_not_finite() -> None:
    e = numbers(9, 5, 3).requires_grad_()
    g = numbers(10, 5, 3)
    (found,) = torch.autograd.grad((rotated(e.detach(), e) * g).sum(), e)
    torch.testing.assert_close(found, g, rtol=1e-12, atol=1e-12)
    for q, at in ((torch.zeros(3), torch.ones(3)), (torch.ones(3), torch.zeros(3)), (-torch.ones(3), torch.ones(3))):
        at = at.clone().requires_grad_()
        (found,) = torch.autograd.grad(rotated(q, at).sum(), at)
        assert bool(found.isfinite().all())


def test_residual_codes_are_of_what_is_left() -> None:
    torch.manual_seed(0)
    books = [Codebook(6, 3, decay=None).double() for _ in range(3)]
    book, x = ResidualCodes(books), numbers(11, 40, 3)
    vectors, indices = book(x)
    left = x.clone()
    for level, one in enumerate(books):
        far = torch.cdist(left, one.vectors.detach())
        assert torch.equal(indices[:, level], far.argmin(1))
        left = left - one.vectors.detach()[indices[:, level]]
    torch.testing.assert_close(x - left, vectors.detach(), rtol=0, atol=1e-12)


def test_each_residual_book_begins_where_the_others_leave_off_and_helps() -> None:
    """After `start` every book halves what is left of four clusters of four clusters of four."""
    torch.manual_seed(0)
    x = sum(scale * numbers(12 + i, 4, 3)[torch.randint(4, (2000,))] for i, scale in enumerate((100.0, 10.0, 1.0)))
    assert isinstance(x, Tensor)
    book = ResidualCodes([Codebook(4, 3) for _ in range(3)]).double()
    book.start(x)
    gaps = [float((x - stage).square().mean()) for stage in book.stages(*book.eval()(x))]
    assert gaps[0] > 4 * gaps[1] > 16 * gaps[2]


def test_the_commitment_of_residual_codes_is_that_of_each_depth() -> None:
    torch.manual_seed(0)
    recipe = recipes.rvq_vae(shape=(6,), depth=3, codes=4, code_dim=2, places=2, hidden=[8], decay=None)
    model: Any = recipe.model.double()
    x = (numbers(13, 5, 6) > 0).double()
    trace = model.trace(x)
    q = trace.q
    total = torch.zeros(5).double()
    for depth in range(1, 4):
        part = sum(
            book.vectors[q.indices[..., i]] for i, book in enumerate(list(model.posterior.codebook.books)[:depth])
        )
        total = total + 1.25 * (q.encoded - part).square().sum((1, 2))
    torch.testing.assert_close(Commitment()(model, trace), total, rtol=1e-12, atol=1e-12)
    loss = Commitment()(model, trace).sum()
    grads = torch.autograd.grad(loss, [book.vectors for book in model.posterior.codebook.books])
    last = -2 * (q.encoded - q.quantized).detach().flatten(0, 1)  # only the last sum holds the last book
    wanted = torch.zeros_like(grads[2]).index_add_(0, q.indices[..., 2].flatten(), last)
    torch.testing.assert_close(grads[2], wanted, rtol=1e-10, atol=1e-12)


@each
def test_the_rate_is_that_of_equal_codes_and_the_prior_sums_to_one(name: str) -> None:
    book = made(name)
    p = UniformCodes(2, book.size, book.lookup, book.width, book.member, book.shape)
    codes = math.prod(book.shape) * math.log(book.size)
    assert p.information == pytest.approx(2 * codes, rel=1e-15)
    torch.manual_seed(1)
    drawn = p.sample((400,))
    assert drawn.shape == (400, 2 * book.width)
    torch.testing.assert_close(
        p.log_prob(drawn), torch.full((400,), -2 * codes, dtype=torch.float64), rtol=1e-12, atol=0
    )
    one = UniformCodes(1, book.size, book.lookup, book.width, book.member, book.shape)
    total = one.log_prob(book.lookup(every_index(book))).exp().sum()
    assert float(total) == pytest.approx(1, abs=1e-9)
    if book.size < 20:  # each index of each place is drawn as often as any: chi-square of 400 draws, 4 deviations
        places = book.nearest(drawn.view(400, 2, -1)) if "esidual" not in name else None
        if places is not None:
            counts = torch.bincount(places.flatten() % book.size, minlength=book.size).double()
            free = book.size - 1
            expected = counts.sum() / book.size
            assert float(((counts - expected).square() / expected).sum()) < free + 4 * math.sqrt(2 * free)


@pytest.mark.parametrize("group", [1, 2, 4])
def test_the_entropy_of_bits_is_that_of_all_codes(group: int) -> None:
    """q(c|z) as a softmax over all 2^4 codes of -|z - c|^2 / t; both entropies by summing over codes."""
    torch.manual_seed(0)
    for book in (LookupFree(4), BinarySpherical(4)):
        recipe = recipes.lfq_vae(shape=(6,), bits=4, places=3, hidden=[8])
        model: Any = recipes.vq_vae(shape=(6,), codebook=book, places=3, hidden=[8]).model.double()
        x = (numbers(14, 9, 6) > 0).double()
        trace = model.trace(x)
        codes = book.lookup(torch.arange(16))
        far = (trace.q.encoded.unsqueeze(-2) - codes).square().sum(-1)  # (B, N, 16)
        q = (-far / 0.7).softmax(-1)
        own = torch.special.entr(q).sum((1, 2))
        mean = q.mean((0, 1)).view(*[2] * 4)  # the last bit varies slowest: index = sum of 2^i bit_i
        spread = torch.zeros(()).double()
        for start in range(0, 4, group):
            kept = [3 - i for i in range(start, start + group)]  # axes of those bits
            others = [axis for axis in range(4) if axis not in kept]
            spread = spread + torch.special.entr(mean.sum(others) if others else mean).sum()
        found = CodeEntropy(temperature=0.7, diversity=1.3, group=group)(model, trace)
        torch.testing.assert_close(found, own - 1.3 * 3 * spread, rtol=1e-10, atol=1e-10)
    assert any(isinstance(part, CodeEntropy) for part in recipe.objective.modules())


def test_minus_the_entropy_term_is_information_and_has_its_bounds() -> None:
    """Between 0, for codes that say nothing, and N log K, for certain codes used alike."""
    torch.manual_seed(0)
    model: Any = recipes.lfq_vae(shape=(3,), bits=3, places=1, hidden=[8]).model.double()
    every = 2.0 * model.posterior.codebook.lookup(torch.arange(8)).unsqueeze(1)  # (8, 1, 3)
    trace: Any = model.trace(torch.zeros(8, 3).double())
    trace.q.encoded = 50 * every
    torch.testing.assert_close(CodeEntropy()(model, trace).mean(), torch.tensor(-3 * math.log(2), dtype=torch.float64))
    trace.q.encoded = torch.zeros_like(every)
    torch.testing.assert_close(CodeEntropy()(model, trace), torch.zeros(8).double(), rtol=0, atol=1e-12)


def test_entropies_stay_finite_far_out() -> None:
    model: Any = recipes.bsq_vae(shape=(3,), bits=4, places=2, hidden=[8]).model
    trace: Any = model.trace(torch.zeros(5, 3))
    for size in (0.0, 1e4, -1e30):
        trace.q.encoded = torch.full((5, 2, 4), size, requires_grad=True)
        value = CodeEntropy(temperature=0.01)(model, trace).sum()
        (slope,) = torch.autograd.grad(value, trace.q.encoded)
        assert bool(value.isfinite()) and bool(slope.isfinite().all())


def sq(**more: Any) -> Any:
    torch.manual_seed(0)
    return recipes.sq_vae(**{"shape": (6,), "codes": 4, "code_dim": 2, "places": 3, "hidden": [8], **more})


def test_the_bound_of_drawn_codes_is_that_of_enumeration() -> None:
    """All 4^3 rows of codes: E_q log p(x|z) - KL by summing, below log p(x) by KL(q || p(z|x)), exactly."""
    model: Any = sq().model.double().eval()
    with torch.no_grad():
        model.posterior.log_variance.fill_(-0.5)
    x = (numbers(15, 5, 6) > 0).double()
    rows = torch.tensor(list(itertools.product(range(4), repeat=3)))
    z = model.posterior.codebook.lookup(rows).flatten(1)  # (64, 6)
    with torch.no_grad():
        log_px = model.likelihood(z.unsqueeze(1)).log_prob(x)  # (64, 5)
        q = model.posterior(x)
        log_q = q.log_prob(z.unsqueeze(1))  # (64, 5)
    encoded, table = q.encoded, model.posterior.codebook.vectors
    far = torch.stack([(encoded - v).square().sum(-1) for v in table.detach()], -1)
    each_place = (-far / (2 * math.exp(-0.5))).log_softmax(-1)
    wanted = torch.stack([each_place[:, n, rows[:, n]] for n in range(3)]).sum(0).T
    torch.testing.assert_close(log_q, wanted, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(log_q.exp().sum(0), torch.ones(5).double(), rtol=1e-10, atol=0)
    exact = torch.logsumexp(log_px, 0) - 3 * math.log(4)
    bound = (log_q.exp() * (log_px - log_q)).sum(0) - 3 * math.log(4)
    posterior = log_px - torch.logsumexp(log_px, 0)
    gap = (log_q.exp() * (log_q - posterior)).sum(0)
    torch.testing.assert_close(exact - bound, gap, rtol=1e-10, atol=1e-10)
    torch.manual_seed(2)
    with torch.no_grad():
        trace = model.trace(x, samples=40_000)
        each = trace.log_px - trace.kl
    assert bool(((each.mean(0) - bound).abs() < 4 * each.std(0) / 200).all())
    rate = (log_q.exp() * (log_q + 3 * math.log(4))).sum(0)
    torch.testing.assert_close(trace.kl, rate, rtol=1e-10, atol=1e-10)
    weights = (trace.log_w - exact).exp()  # their mean is 1: log q and log p of draws are those of enumeration
    assert bool(((weights.mean(0) - 1).abs() < 4 * weights.std(0) / 200).all())
    expected = torch.stack([each_place[:, n].exp().mul(far[:, n]).sum(-1) for n in range(3)]).sum(0)
    torch.testing.assert_close(Dequantization()(model, trace), expected / (2 * math.exp(-0.5)), rtol=1e-10, atol=0)


def test_draws_of_codes_are_as_likely_as_they_say() -> None:
    torch.manual_seed(0)
    table = numbers(16, 5, 2)
    book = Codebook(5, 2).double()
    with torch.no_grad():
        book.vectors.copy_(table)
    q = SoftCodes(numbers(17, 1, 1, 2), table, torch.tensor(0.3).double(), book.exact)
    drawn = book.exact(q.sample((40_000,)).view(-1, 2))
    share = torch.bincount(drawn, minlength=5) / 40_000
    p = q.log_probs.exp().flatten()
    assert bool(((share - p).abs() < 4 * (p * (1 - p) / 40_000).sqrt() + 1e-9).all())
    torch.testing.assert_close(q.mean, (p.unsqueeze(1) * table).sum(0, keepdim=True), rtol=1e-12, atol=1e-12)
    centred = table - q.mean
    torch.testing.assert_close(q.variance, (p.unsqueeze(1) * centred.square()).sum(0, keepdim=True), rtol=1e-10, atol=0)
    assert float(q.log_prob(q.mean)) == -math.inf


def test_relaxed_draws_become_codes_as_they_cool_and_evaluation_draws_codes() -> None:
    model: Any = sq().model.double()
    x = (numbers(18, 50, 6) > 0).double()
    book = model.posterior.codebook
    model.train()
    warm = model.posterior(x).rsample((3,))
    assert not bool(book.member(warm.unflatten(-1, (3, 2))).any())
    model.posterior.temperature = 1e-4
    torch.manual_seed(1)
    cold = model.posterior(x).rsample((3,))
    gap = torch.cdist(cold.reshape(-1, 2), book.vectors).amin(1)
    assert float((gap < 1e-6).double().mean()) > 0.99
    model.eval()
    assert bool(book.member(model.posterior(x).rsample((3,)).unflatten(-1, (3, 2))).all())


def test_drawn_codes_become_certain_by_themselves() -> None:
    """Self-annealing: from draws nearly at random to codes that say which of four clusters an item is of."""
    torch.manual_seed(0)
    x = numbers(19, 4, 32).float()[torch.randint(4, (256,))] + 0.1 * numbers(25, 256, 32).float()
    recipe = recipes.sq_vae(shape=(32,), codes=8, code_dim=4, places=2, hidden=[32])
    model: Any = recipe.model
    for part in model.walk("before_fit"):
        part.before_fit(x, {}, len(x))

    @torch.no_grad()
    def entropy() -> float:
        return float(model.posterior(x).entropy_each.mean())

    first = entropy()
    step = Step(model, recipe.objective, {"model": torch.optim.Adam(model.parameters(), lr=1e-2)})
    found = [float(step(Batch(x))["rate"].detach()) for _ in range(200)]
    assert first > 0.8 * math.log(8) and entropy() < 0.6 * math.log(8)
    assert found[0] < 0.5 * math.log(4) and found[-1] > math.log(4)  # the rate is at least what the codes have to say


def test_drawn_codes_of_many_places_learn_in_spite_of_their_price() -> None:
    """36 places: with weights that had risen after a fifth of the run all pictures had the same codes (240 nats)."""
    x = (np.kron(load_digits().images[:600] / 16, np.ones((3, 3))) * 255).astype(np.uint8)
    plan = vk.recipe("sq_vae", x, codes=32, code_dim=8, channels=[8, 16])
    history = vk.fit(plan, x, epochs=20, test=0.1, lr=2e-3, verbose=False).history
    assert history.distortion.iloc[-1] < history.distortion.iloc[0] - 20


def test_drawn_codes_want_a_table_that_learns() -> None:
    for book in (Codebook(4, 2), FSQ([5, 5])):
        with pytest.raises(Mistake, match="decay=None"):
            StochasticallyQuantized(MLP(4, [6]), book, 2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FSQ([2, 5]), "3 or more.*LookupFree"),
        (lambda: FSQ([9] * 30), "2\\^62"),
        (lambda: LookupFree(63), "62 bits"),
        (lambda: Grouped([]), "at least one"),
        (lambda: Grouped([Codebook(4, 2), Codebook(5, 2)]), "4, 5.*one size"),
        (lambda: ResidualCodes([Codebook(4, 2), Codebook(4, 3)]), "one width"),
        (lambda: ResidualCodes([FSQ([3, 3])]), "codebooks"),
        (lambda: recipes.grouped_vq_vae(shape=(6,), groups=3, code_dim=16), "multiple, such as 12"),
        (lambda: recipes.vq_vae(shape=(6,), posterior="gaussian"), "Quantized"),
        (lambda: CodeEntropy(temperature=0.0), "above 0"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, words: str) -> None:
    with pytest.raises(Mistake, match=words):
        make()


def test_terms_name_the_posterior_that_they_want() -> None:
    model: Any = recipes.vq_vae(shape=(6,), codes=4, code_dim=2, places=3, hidden=[8]).model
    trace = model.trace(torch.zeros(3, 6))
    for term in (CodeEntropy(), Dequantization()):
        with pytest.raises(Mistake, match="leave it out"):
            term(model, trace)


def test_perplexity_is_the_same_counted_and_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    indices = torch.randint(0, 6, (30, 7, 3)).square() % 11
    vectors = torch.zeros(30, 7, 2)
    counted = Codes(vectors, vectors, indices, 11).diagnostics()["perplexity"]
    monkeypatch.setattr("vaekit.distributions.codes.COUNTED", 0)
    torch.testing.assert_close(Codes(vectors, vectors, indices, 11).diagnostics()["perplexity"], counted)
    wanted = 0.0
    for level in range(3):
        share = torch.bincount(indices[..., level].flatten()) / 210
        wanted += float(torch.special.entr(share).sum().exp()) / 3
    assert float(counted) == pytest.approx(wanted, rel=1e-5)  # float32
    many = Codes(vectors, vectors, torch.arange(210).view(30, 7) * 2**40, 2**60).diagnostics()["perplexity"]
    assert float(many) == pytest.approx(210, rel=1e-4)


@pytest.mark.parametrize("name", ["fsq_vae", "lfq_vae", "bsq_vae", "sim_vq_vae", "rvq_vae", "grouped_vq_vae"])
def test_the_elbo_is_distortion_and_the_logarithm_of_the_codes(name: str) -> None:
    torch.manual_seed(0)
    model: Any = getattr(recipes, name)(shape=(6,), places=3, hidden=[8]).model.double().eval()
    x = (numbers(20, 5, 6) > 0).double()
    indices = {"rvq_vae": 4, "grouped_vq_vae": 4}.get(name, 1)
    trace = model.trace(x)
    rate = 3 * indices * math.log(model.posterior.codebook.size)
    torch.testing.assert_close(ELBO().bound(model, trace), trace.log_px[0] - rate, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model.log_prob(x, samples=3), ELBO().bound(model, trace), rtol=1e-12, atol=1e-12)


def test_two_maps_of_codes_by_enumeration() -> None:
    """1 coarse and 2 x 2 fine places of 3 codes: log p(x) over all 3^5, the bound at the posterior's own."""
    torch.manual_seed(0)
    recipe = recipes.vq_vae_2(shape=(4, 4), codes=3, code_dim=2, channels=[4], decay=None)
    model: Any = recipe.model.double().eval()
    x = (numbers(21, 7, 4, 4) > 0).double()
    rows = torch.tensor(list(itertools.product(range(3), repeat=5)))
    with torch.no_grad():
        z = model.posterior.vectors(rows)
        every = model.likelihood(z.unsqueeze(1)).log_prob(x)  # (243, 7)
        bound = ELBO().bound(model, model.trace(x))
    own = model.encode_indices(x) @ 3 ** torch.arange(4, -1, -1)
    torch.testing.assert_close(bound, every[own, torch.arange(7)] - 5 * math.log(3), rtol=1e-12, atol=1e-12)
    assert bool((bound < torch.logsumexp(every, 0) - 5 * math.log(3)).all())
    torch.testing.assert_close(model.log_prob(x, samples=3), bound, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model.prior().log_prob(z), torch.full((243,), -5 * math.log(3), dtype=torch.float64))
    coarse, fine = (book.vectors for book in model.posterior.codebook.books)
    assert torch.equal(z[:, :2], coarse[rows[:, 0]]) and torch.equal(z[:, 2:].unflatten(1, (4, 2)), fine[rows[:, 1:]])


def test_the_fine_map_knows_the_coarse_one_and_the_decoder_lays_one_over_the_other() -> None:
    torch.manual_seed(0)
    model: Any = recipes.vq_vae_2(shape=(16, 16), codes=8, code_dim=2, channels=[4], decay=None).model.double().eval()
    x = (numbers(22, 6, 16, 16) > 0).double()
    q = model.posterior(x)
    with torch.no_grad():
        model.posterior.codebook.books[0].vectors.add_(5.0)  # other coarse vectors give other fine outputs
    assert not torch.allclose(model.posterior(x).encoded[:, 16:], q.encoded[:, 16:])
    torch.testing.assert_close(model.posterior(x).encoded[:, :16], q.encoded[:, :16])
    z = q.mean.detach()
    for place, size in ((0, 4), (16, 2)):  # the first coarse place covers 4 x 4 pixels, the first fine one 2 x 2
        moved = z.clone()
        moved[:, 2 * place : 2 * place + 2] += 1.0
        change = (model.decode(z).mean - model.decode(moved).mean).abs().amax(0)
        seen = change > 0
        assert bool(seen[:size, :size].any()) and not bool(seen[size + 4 :].any() or seen[:, size + 4 :].any())


def test_both_books_begin_at_the_outputs_of_their_own_places() -> None:
    torch.manual_seed(0)
    book = ByPlace([Codebook(3, 2), Codebook(3, 2)], [1, 4])
    x = torch.cat([numbers(23, 50, 1, 2) + 100, numbers(24, 50, 4, 2) - 100], 1).float()
    book.start(x)
    first, second = (one.vectors for one in book.books)
    assert float(first.min()) > 90 and float(second.max()) < -90
    with pytest.raises(Mistake, match="one width"):
        ByPlace([Codebook(3, 2), Codebook(3, 1)], [1, 4])
