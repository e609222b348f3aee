"""The prior over rows of codes against all rows of a tiny alphabet: its sum, its causality, its samples, its bound."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from tests.laws.tables import numbers
from torch import Tensor

import vaekit as vk
from vaekit import priors, recipes
from vaekit.networks import CausalTransformer, Codebook

K, N = 3, 4
ROWS = torch.tensor(list(itertools.product(range(K), repeat=N)))  # (81, 4)


def prior() -> Any:
    torch.manual_seed(0)
    made: Any = priors.AutoregressiveCodes(Codebook(K, 2), N, width=8, heads=2, layers=2).double().eval()
    with torch.no_grad():
        for p in made.net.parameters():
            p.add_(0.5 * torch.randn_like(p))  # far from uniform
    return made


def test_the_probabilities_of_all_rows_sum_to_one() -> None:
    p = prior()()
    z = p.codebook.lookup(ROWS).flatten(1)
    for each in (p, p.tempered(0.6)):
        log_p = each.log_prob(z).detach()
        assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-12)
        torch.testing.assert_close(log_p, each.log_prob_indices(ROWS), rtol=0, atol=0)
    assert float(p.log_prob(z).detach().exp().max()) > 3 / 81, "too near to uniform to tell"
    assert float(p.log_prob(z[0] + 1e-3)) == -math.inf, "a vector outside of the codebook has no mass"


def test_a_place_sees_those_before_it_alone() -> None:
    """By autodiff through the symbols' embeddings: the logits of place n do not move with symbol m >= n."""
    net = CausalTransformer(K, N, width=8, heads=2, layers=2).double()
    row = torch.tensor([[2, 0, 1, 2]])
    seen = torch.zeros(N, N)
    for place in range(N):
        for m in range(N):
            other = row.clone()
            other[0, m] = (other[0, m] + 1) % K
            seen[place, m] = float((net(row) - net(other))[0, place].abs().max())
    assert bool((seen.triu() == 0).all()) and bool((seen[torch.tril_indices(N, N, -1).unbind()] > 0).all())
    given = torch.nn.functional.one_hot(row, K + 1).double().requires_grad_()
    x = torch.cat([net.symbols[K:].expand(1, 1, -1), (given @ net.symbols)[:, :-1]], 1) + net.positions
    for block in net.blocks:
        x = block(x)
    logits = net.out(net.norm(x))
    torch.testing.assert_close(logits, net(row), rtol=1e-12, atol=1e-12)
    for place in range(N):
        (slope,) = torch.autograd.grad(logits[0, place].square().sum(), given, retain_graph=True)
        assert bool((slope[0, place:] == 0).all()) and bool((slope[0, :place].abs().sum(-1) > 0).all())


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_samples_come_as_often_as_they_are_likely(temperature: float) -> None:
    p = prior()().tempered(temperature)
    torch.manual_seed(1)
    n = 20_000
    drawn = p.indices_of(p.sample((n,)))
    counts = np.bincount((drawn @ torch.tensor([27, 9, 3, 1])).numpy(), minlength=81)
    want = p.log_prob_indices(ROWS).exp().detach().numpy() * n
    keep = want >= 5
    seen, want = np.append(counts[keep], counts[~keep].sum()), np.append(want[keep], want[~keep].sum())
    assert scipy.stats.chisquare(seen[want > 0], want[want > 0]).pvalue > 1e-3


def test_temperature_nought_takes_the_likeliest_code_at_each_place() -> None:
    p = prior()()
    row = torch.zeros(1, 0, dtype=torch.long)
    for place in range(N):
        padded = torch.cat([row, torch.zeros(1, N - place, dtype=torch.long)], 1)
        row = torch.cat([row, p.net(padded)[:, place].argmax(-1, keepdim=True)], 1)
    assert torch.equal(p.indices_of(p.tempered(0.0).sample((3,))), row.expand(3, N))


def test_repeated_draws_are_scored_once_and_alike() -> None:
    p = prior()()
    z = p.codebook.lookup(ROWS[:6]).flatten(1)
    for shape in ((5, 6), (4, 5, 6)):
        whole = p.log_prob(z.expand(*shape, -1))
        torch.testing.assert_close(whole, p.log_prob(z.repeat(*shape[:-1], 1).view(*shape, -1)), rtol=1e-12, atol=1e-12)
    assert p.log_prob(z[0]).shape == ()


def patterned(n: int) -> Tensor:
    """Items that come in four kinds, so that their codes are far from uniform."""
    return (numbers(1, 4, 6) > 0).float()[torch.arange(n) % 4]


def test_the_bound_is_distortion_and_log_p_of_the_codes() -> None:
    torch.manual_seed(0)
    model = recipes.vq_vae(shape=(6,), codes=5, code_dim=2, places=3, hidden=[8]).model.double().eval()
    x = patterned(80).double()
    own = priors.AutoregressiveCodes(model.posterior.codebook, 3, width=16, heads=2, layers=1)
    found = vk.fit_prior(model, x.numpy(), own, epochs=60, lr=0.01, verbose=False)
    assert found.prior.codebook is found.posterior.codebook and found.posterior is not model.posterior
    for name, value in found.posterior.state_dict().items():
        assert torch.equal(value, model.posterior.state_dict()[name])
    trace = found.trace(x[:7])
    indices = found.posterior(x[:7]).indices
    torch.testing.assert_close(trace.kl, -found.prior().log_prob_indices(indices), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(trace.log_w[0], trace.log_px[0] - trace.kl, rtol=1e-10, atol=1e-10)
    rows = torch.tensor(list(itertools.product(range(5), repeat=3)))
    z = found.posterior.codebook.lookup(rows).flatten(1)
    exact = torch.logsumexp(found.likelihood(z.unsqueeze(1)).log_prob(x[:7]) + found.prior().log_prob(z)[:, None], 0)
    assert bool((trace.log_w[0] < exact).all()) and bool(exact.isfinite().all())
    torch.testing.assert_close(found.log_prob(x[:7], samples=3), trace.log_w[0], rtol=1e-10, atol=1e-10)
    rate, entropy = float(found.trace(x).kl.mean()), _entropy(found.posterior(x).indices)
    assert entropy <= rate + 1e-9 and rate < entropy + 0.3 < 3 * math.log(5) - 1, (rate, entropy)
    assert found.sample(5).shape == (5, 6)


def _entropy(indices: Tensor) -> float:
    """Of the rows as they came, nats: no prior makes them cost less on the average."""
    _, counts = indices.unique(dim=0, return_counts=True)
    share = counts / counts.sum()
    return float(-(share * share.log()).sum())


def test_a_run_of_codes_is_fitted_and_sampled_in_one_call() -> None:
    run = vk.fit(
        vk.recipe("vq_vae", "digits", codes=16, code_dim=4, channels=[8, 8]), "digits", epochs=3, verbose=False
    )
    own = priors.AutoregressiveCodes(run.model.posterior.codebook, 4, width=16, heads=2, layers=1)
    found = vk.fit_prior(run, prior=own, epochs=10, lr=3e-3, verbose=False)
    m = found.metrics
    assert m["rate"] < run.metrics["rate"] and m["distortion"] == pytest.approx(run.metrics["distortion"], abs=1e-6)
    assert m["elbo"] == pytest.approx(-m["rate"] - m["distortion"], abs=1e-6)
    assert m["nll"] == pytest.approx(-m["elbo"], abs=1e-3), "of one point the bound is the importance sampler's mean"
    assert found.sample(9, seed=0).shape == (9, 8, 8)
