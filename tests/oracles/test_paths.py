"""Paths of codes drawn level by level, against all of the paths of tiny models."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from tests.laws.tables import numbers
from torch import Tensor
from torch.distributions import kl_divergence

from vaekit import priors, recipes
from vaekit.distributions import RelaxedPaths, SoftPaths
from vaekit.messages import Mistake
from vaekit.networks import MLP, Codebook, RefiningCodes, SummedCodes
from vaekit.posteriors import PathQuantized
from vaekit.training import Batch, Step

DEPTH, CODES, PLACES = 2, 3, 2
PATHS = torch.tensor(list(itertools.product(range(CODES), repeat=PLACES * DEPTH))).view(-1, PLACES, DEPTH)  # (81, 2, 2)
WIDTHS = torch.tensor([0.4, 0.7], dtype=torch.float64).log()  # the levels' log sigma^2
RATE = PLACES * DEPTH * math.log(CODES)


def tiny() -> Any:
    torch.manual_seed(0)
    arguments: dict[str, Any] = {"depth": DEPTH, "codes": CODES, "code_dim": 2, "places": PLACES, "hidden": [8]}
    model: Any = recipes.hrq_vae(shape=(6,), **arguments).model.double().eval()
    with torch.no_grad():  # far enough apart that codes matter
        for book in model.posterior.codebook.books:
            book.vectors.mul_(1.5)
        model.posterior.log_variance.copy_(WIDTHS + 1)
    return model


def items(n: int = 5) -> Tensor:
    return (numbers(1, n, 6) > 0).double()


def by_hand(f: Tensor, tables: Tensor, widths: Tensor = WIDTHS) -> Tensor:
    """log q of all paths of one place, (K, ..., K): f (D,), tables (L, K, D), log sigma^2 (L,)."""
    found = torch.empty([tables.shape[1]] * len(tables), dtype=f.dtype)
    for path in itertools.product(range(tables.shape[1]), repeat=len(tables)):
        left, total = f, torch.zeros((), dtype=f.dtype)
        for level, code in enumerate(path):
            far = torch.stack([(left - e).square().sum() for e in tables[level]]) / (2 * widths[level].exp())
            total = total - far[code] - torch.logsumexp(-far, 0)
            left = left - tables[level, code]
        found[path] = total
    return found


def one_place(seed: int = 2, items: int = 1) -> tuple[Tensor, Tensor, Any]:
    """f (items, 1, 2), tables (2, 3, 2) and what finds their vectors."""
    torch.manual_seed(0)
    book = RefiningCodes(CODES, 2, DEPTH).double()
    tables = numbers(seed, DEPTH, CODES, 2) * torch.tensor([1.0, 0.5]).view(2, 1, 1)
    with torch.no_grad():
        for one, table in zip(book.books, tables, strict=True):
            one.vectors.copy_(table)
    return 0.7 * numbers(seed + 1, items, 1, 2), tables, book.exact


@torch.no_grad()
def test_the_bound_of_paths_is_that_of_enumeration() -> None:
    """E_q log p(x|z) - KL by summing over all 81 paths, below log p(x) by KL(q || p(z|x)), exactly; draws agree."""
    model, x = tiny(), items()
    z = model.posterior.vectors(PATHS)  # (81, 8)
    log_px = model.likelihood(z.unsqueeze(1)).log_prob(x)  # (81, 5)
    q, p = model.posterior(x), model.prior()
    log_q = q.log_prob(z.unsqueeze(1))
    hand = torch.stack(
        [torch.stack([by_hand(f, q.tables, model.posterior.log_variance) for f in item]) for item in q.encoded]
    )  # (5, N, K, K)
    wanted = sum(hand[:, n, PATHS[:, n, 0], PATHS[:, n, 1]] for n in range(PLACES))
    assert isinstance(wanted, Tensor)
    torch.testing.assert_close(log_q, wanted.T, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(log_q.exp().sum(0), torch.ones(5).double(), rtol=1e-10, atol=0)
    torch.testing.assert_close(p.log_prob(z), torch.full((81,), -RATE).double(), rtol=1e-6, atol=0)  # of float32
    exact = torch.logsumexp(log_px, 0) - RATE
    bound = (log_q.exp() * (log_px - log_q)).sum(0) - RATE
    gap = (log_q.exp() * (log_q - (log_px - torch.logsumexp(log_px, 0)))).sum(0)
    torch.testing.assert_close(exact - bound, gap, rtol=1e-9, atol=1e-9)
    torch.manual_seed(3)
    trace = model.trace(x, samples=10_000)
    rates = q.kl_along(p, trace.z)
    torch.testing.assert_close(trace.kl, rates.mean(0))
    kl = (log_q.exp() * log_q).sum(0) + RATE
    for each, want in ((trace.log_px - rates, bound), (rates, kl)):
        assert bool(((each.mean(0) - want).abs() < 4 * each.std(0) / 100).all())
    drawn = model.posterior.codebook.nearest(trace.z.unflatten(-1, (PLACES, -1)))  # (10000, 5, N, L)
    row = (drawn.flatten(-2) * CODES ** torch.arange(3, -1, -1)).sum(-1)
    weight = (log_px - log_q).gather(0, row) - RATE  # a bound by K draws is of these, and log p(x) their log-mean-exp
    torch.testing.assert_close(trace.log_w, weight, rtol=1e-6, atol=1e-6)  # the prior's constant is float32
    assert bool((rates.std(0) < 0.8 * (trace.log_q - trace.log_p).std(0)).all()), "the levels' KLs have less noise"


@torch.no_grad()
def test_a_learned_prior_of_paths_is_paid_along_the_draws() -> None:
    model, x = tiny(), items()
    p = priors.AutoregressiveCodes(model.posterior.codebook, PLACES, width=8, heads=2, layers=1).double().eval()()
    q, z = model.posterior(x), model.posterior.vectors(PATHS)
    with pytest.raises(NotImplementedError):
        kl_divergence(q, p)
    log_q, log_p = q.log_prob(z.unsqueeze(1)), p.log_prob(z)
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-6)
    wanted = (log_q.exp() * (log_q - log_p.unsqueeze(1))).sum(0)
    torch.testing.assert_close((log_q.exp() * q.kl_along(p, z.unsqueeze(1).expand(-1, 5, -1))).sum(0), wanted)


def test_paths_are_drawn_as_often_as_they_say_and_moments_are_theirs() -> None:
    f, tables, exact = one_place()
    q = SoftPaths(f, tables, WIDTHS, exact)
    torch.manual_seed(4)
    drawn = exact(q.sample((40_000,)).view(-1, DEPTH, 2))
    share = torch.bincount(CODES * drawn[:, 0] + drawn[:, 1], minlength=9) / 40_000
    p = by_hand(f[0, 0], tables).exp().flatten()
    assert bool(((share - p).abs() < 4 * (p * (1 - p) / 40_000).sqrt()).all())
    first, second = p.view(3, 3).sum(1), (p.view(3, 3) / p.view(3, 3).sum(1, keepdim=True)) @ tables[1]
    mean = torch.stack([first @ tables[0], first @ second])
    square = torch.stack([first @ tables[0].square(), p.view(3, 3).sum(0) @ tables[1].square()])
    found, variance = q.mean.view(2, 2), q.variance.view(2, 2)
    torch.testing.assert_close(found[0], mean[0], rtol=1e-10, atol=1e-12)  # the first level's are exact
    torch.testing.assert_close(variance[0], square[0] - mean[0].square(), rtol=1e-10, atol=1e-12)
    error = (first @ (second - mean[1]).square() / 16).sqrt()  # of the second level's, over 16 draws of the first
    assert bool(((found[1] - mean[1]).abs() < 4 * error).all())
    assert torch.equal(SoftPaths(f, tables, WIDTHS, exact).mean, q.mean)
    greedy = int(first.argmax())
    assert q.indices.tolist() == [[[greedy, int(p.view(3, 3)[greedy].argmax())]]]
    assert torch.equal(q.mode.view(2, 2), tables[torch.arange(2), q.indices[0, 0]])
    assert float(q.log_prob(q.mean)) == -math.inf


def test_relaxed_paths_become_codes_as_they_cool() -> None:
    f, tables, exact = one_place(items=400)
    torch.manual_seed(5)
    for temperature, low, high in ((1e-4, 0.99, 1.0), (1.0, 0.0, 0.05)):
        q = RelaxedPaths(f, tables, WIDTHS, exact, temperature)
        far = torch.stack([(q.rsample((5,)).view(-1, DEPTH, 1, 2)[:, i] - tables[i]).norm(dim=-1) for i in range(2)])
        assert low <= float((far.amin(-1) < 1e-6).double().mean()) <= high
        codes = q.sample()  # are codes at any temperature, and scored as such
        assert torch.equal(q.log_prob(codes), SoftPaths(f, tables, WIDTHS, exact).log_prob(codes))
        assert bool(q.log_prob(codes).isfinite().all())


def test_the_relaxed_gradient_nears_the_exact_one_as_it_cools() -> None:
    """The gradient for f and the tables of E g(e_1 + e_2) + KL, by enumeration and by relaxed draws."""
    f, tables, exact = one_place()
    f, tables = f.requires_grad_(), tables.requires_grad_()
    aim = torch.tensor([0.8, -0.6]).double()

    def g(total: Tensor) -> Tensor:
        return (total - aim).square().sum(-1) + (2 * total).sin().sum(-1)

    log_q = by_hand(f[0, 0], tables)
    sums = tables[0].unsqueeze(1) + tables[1]
    exactly = torch.autograd.grad((log_q.exp() * (g(sums) + log_q)).sum(), (f, tables))
    wanted = torch.cat([part.flatten() for part in exactly])
    errors = []
    for temperature in (2.0, 0.1):
        torch.manual_seed(6)
        q = RelaxedPaths(f, tables, WIDTHS, exact, temperature)
        z = q.rsample((20_000,))
        uniform = priors.UniformCodes(RefiningCodes(CODES, 2, DEPTH), 1)()
        loss = (g(z.view(20_000, DEPTH, 2).sum(1)) + q.kl_along(uniform, z).squeeze(1)).mean()
        found = torch.cat([part.flatten() for part in torch.autograd.grad(loss, (f, tables))])
        errors.append(float((found - wanted).norm() / wanted.norm()))
    assert errors[1] < 0.1 and errors[1] < errors[0] / 2, errors


@torch.no_grad()
def test_a_path_ends_early_as_often_as_said_and_pays_for_what_it_has() -> None:
    """The loss of draws that may end is, in the mean, that over depths of minus the ELBO of so many levels."""
    f, tables, exact = one_place()
    aim, dropout = torch.tensor([0.8, -0.6]).double(), 0.3
    first, log_q = by_hand(f[0, 0], tables[:1]), by_hand(f[0, 0], tables)
    sums = [torch.zeros(1, 2).double(), tables[0], (tables[0].unsqueeze(1) + tables[1]).flatten(0, 1)]
    logs = [torch.zeros(1).double(), first, log_q.flatten()]
    price = [0.0, math.log(CODES), 2 * math.log(CODES)]
    losses = torch.stack(
        [(at.exp() * ((z - aim).square().sum(-1) + at + p)).sum() for z, at, p in zip(sums, logs, price, strict=True)]
    )
    chances = torch.tensor([dropout, (1 - dropout) * dropout, (1 - dropout) ** 2]).double()
    uniform = priors.UniformCodes(RefiningCodes(CODES, 2, DEPTH), 1)()
    torch.manual_seed(8)
    q = RelaxedPaths(f, tables, WIDTHS, exact, 1e-3, dropout)
    z = q.rsample((40_000,))
    depth = (z.view(-1, DEPTH, 2) != 0).any(-1).sum(1)
    share = torch.bincount(depth, minlength=3) / 40_000
    assert bool(((share - chances).abs() < 4 * (chances * (1 - chances) / 40_000).sqrt()).all())
    assert bool(((z.view(-1, DEPTH, 2) != 0).any(-1).int().diff(dim=1) <= 0).all()), "nothing follows an end"
    loss = ((z.view(-1, DEPTH, 2).sum(1) - aim).square().sum(-1) + q.kl_along(uniform, z).squeeze(1)).double()
    for at in range(3):
        some = loss[depth == at]
        # of relaxed draws at 1e-3, which are codes but for one in a thousand
        assert abs(float(some.mean() - losses[at])) < 4 * float(some.std()) / len(some) ** 0.5 + 0.01
    assert abs(float(loss.mean() - chances @ losses)) < 4 * float(loss.std()) / 200 + 0.01
    assert torch.equal(q.sample((50,)).view(-1, DEPTH, 2).eq(0).any(), torch.tensor(False)), "codes do not end"


@torch.no_grad()
def test_all_places_of_a_path_end_at_once() -> None:
    model = tiny().train()
    model.posterior.codebook.dropout = 0.5
    there = (model.posterior(items()).rsample((40,)).view(40, 5, PLACES, DEPTH, 2) != 0).any(-1)
    assert torch.equal(there[:, :, 0], there[:, :, 1]) and 0 < float(there.double().mean()) < 1
    assert not torch.equal(there[:, 0], there[:, 1]), "items end apart"


@torch.no_grad()
def test_the_beginning_of_a_path_decodes_as_the_sum_of_its_codes() -> None:
    model, x = tiny(), items()
    indices = model.encode_indices(x)
    assert indices.shape == (5, PLACES, DEPTH)
    first, second = model.posterior.codebook.books
    entrance = next(part for part in model.modules() if isinstance(part, SummedCodes))
    z = model.posterior.vectors(indices)
    sums = [torch.zeros(5, PLACES, 2).double(), first.vectors[indices[..., 0]]]
    sums.append(sums[1] + second.vectors[indices[..., 1]])
    for levels, total in enumerate(sums):
        torch.testing.assert_close(entrance(model.posterior.prefix(z, levels)), entrance.net(total.flatten(1)))
    assert torch.equal(model.posterior.prefix(z, DEPTH), z) and torch.equal(z, model.encode(x).mode)
    assert torch.equal(model.posterior.codebook.nearest(z.view(5, PLACES, -1)), indices)
    torch.testing.assert_close(model.decode_indices(indices).mean, model.decode(z).mean)
    every = model.posterior.vectors(PATHS).view(-1, PLACES, 4)
    assert torch.equal(model.posterior.codebook.nearest(every), PATHS)


def test_each_level_begins_in_what_the_levels_before_it_leave() -> None:
    """Of f = a coarse + a fine centre + noise the tables find both, and each variance is that of what is left."""
    torch.manual_seed(0)
    coarse, fine = 4 * numbers(11, 3, 2).float(), 0.3 * numbers(12, 3, 2).float()
    found = coarse[torch.arange(90) % 3] + fine[torch.arange(90) // 3 % 3] + 0.01 * torch.randn(90, 2)
    posterior = PathQuantized(MLP(4, [6]), RefiningCodes(3, 2, 2), 1)
    posterior.begin(found)
    table = posterior.codebook.table().detach()
    sums = (table[0].unsqueeze(1) + table[1]).view(-1, 2)
    whole = (coarse.unsqueeze(1) + fine).view(-1, 2)
    assert float(torch.cdist(whole, sums).amin(1).max()) < 0.05  # k-means by mini-batches; centres are 0.3 apart
    left = found - table[0][torch.cdist(found, table[0]).argmin(1)]
    last = left - table[1][torch.cdist(left, table[1]).argmin(1)]
    wanted = [float(gap.square().mean()) for gap in (left, last)]
    assert posterior.log_variance.exp().tolist() == pytest.approx(wanted, rel=1e-5)


def test_it_learns_and_each_level_says_more() -> None:
    """Four clusters of four: what is left falls with every level, and a first level alone finds the clusters."""
    torch.manual_seed(2)
    coarse, fine = torch.randint(4, (256,)), torch.randint(4, (256,))
    x = 2 * numbers(9, 4, 16).float()[coarse] + 0.7 * numbers(10, 4, 16).float()[fine]
    recipe = recipes.hrq_vae(shape=(16,), depth=2, codes=4, code_dim=8, places=1, hidden=[32])
    model: Any = recipe.model
    for part in model.walk("before_fit"):
        part.before_fit(x, {}, len(x))
    step = Step(model, recipe.objective, {"model": torch.optim.Adam(model.parameters(), lr=3e-3)})
    for _ in range(1000):
        step(Batch(x))
    model.eval()
    with torch.no_grad():
        z = model.encode(x).mode
        left = [float((model.decode(model.posterior.prefix(z, n)).mean - x).square().mean()) for n in range(3)]
    assert left[1] < 0.15 * left[0] and left[2] < 0.3 * left[1], left


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PathQuantized(MLP(4, [6]), Codebook(4, 2), 2), "give RefiningCodes"),  # type: ignore[arg-type]
        (lambda: recipes.vq_vae(shape=(6,), codebook=RefiningCodes(4, 2)).model.encode(torch.zeros(2, 6)), "PathQuan"),
        (lambda: RefiningCodes(4, 2, dropout=1.0), "dropout=1.0"),
        (lambda: RefiningCodes(4, 2, 0), "depth"),
        (lambda: tiny().posterior.prefix(torch.zeros(1, 8), 3), "from 0 to 2"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, words: str) -> None:
    with pytest.raises(Mistake, match=words):
        make()
