"""The PixelCNN over maps of codes against all maps of a tiny alphabet: its sum, its causality, its samples, its fit."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from tests.laws.tables import numbers
from torch import Tensor

import vaekit as vk
from vaekit import priors, recipes
from vaekit.messages import Mistake
from vaekit.networks import Codebook, Grouped, PixelCNN, ResidualCodes
from vaekit.storage import load_model, save_model

K = 3
MAPS = torch.tensor(list(itertools.product(range(K), repeat=4)))  # (81, 4) of 2 x 2


def prior() -> Any:
    torch.manual_seed(0)
    made: Any = priors.PixelCodes(Codebook(K, 2), (2, 2), width=8, layers=1, size=3).double().eval()
    with torch.no_grad():
        for p in made.net.parameters():
            p.add_(0.2 * torch.randn_like(p))  # far from uniform
    return made


def test_the_probabilities_of_all_maps_sum_to_one() -> None:
    p = prior()()
    z = p.codebook.lookup(MAPS).flatten(1)
    for each in (p, p.tempered(0.6)):
        log_p = each.log_prob(z).detach()
        assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-12)
        torch.testing.assert_close(log_p, each.log_prob_indices(MAPS), rtol=0, atol=0)
    table = p.log_prob_indices(MAPS).detach().exp().view(K, K, K, K)
    alone = [table.sum([j for j in range(4) if j != i]) for i in range(4)]
    apart = torch.einsum("a,b,c,d->abcd", *alone)
    assert float((table - apart).abs().max()) > 0.01, "places do not hang together"


def test_a_place_sees_what_stands_before_it_alone() -> None:
    """In reading order, and as far as the kernels reach: every symbol before within the window moves the logits."""
    torch.manual_seed(1)
    height, width, layers = 4, 5, 1
    net = PixelCNN(K, (height, width), width=16, layers=layers, size=3).double()
    rows = torch.randint(K, (40, height * width))
    seen = torch.zeros(height * width, height * width)
    for m in range(height * width):
        other = rows.clone()
        other[:, m] = (other[:, m] + 1) % K
        seen[:, m] = (net(rows) - net(other)).detach().abs().amax((0, 2)).float()
    for place, m in itertools.product(range(height * width), repeat=2):
        up, across = place // width - m // width, place % width - m % width
        before = m < place and up <= layers + 1 and -up <= across <= layers + 1
        assert bool(seen[place, m] > 0) == before, (place, m)


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_samples_come_as_often_as_they_are_likely(temperature: float) -> None:
    p = prior()().tempered(temperature)
    torch.manual_seed(1)
    n = 20_000
    drawn = p.indices_of(p.sample((n,)))
    counts = np.bincount((drawn @ torch.tensor([27, 9, 3, 1])).numpy(), minlength=81)
    want = p.log_prob_indices(MAPS).exp().detach().numpy() * n
    keep = want >= 5
    seen, want = np.append(counts[keep], counts[~keep].sum()), np.append(want[keep], want[~keep].sum())
    assert scipy.stats.chisquare(seen[want > 0], want[want > 0]).pvalue > 1e-3
    cold = p.tempered(0.0)
    assert len(cold.sample((5,)).unique(dim=0)) == 1


def striped(n: int) -> Tensor:
    """Pictures of one of two patterns in each of their 3 x 2 pieces, the same in all but the fourth of few."""
    kinds = (numbers(1, 2, 4, 4) > 0).float()
    which = (torch.arange(n) % 2).view(n, 1).repeat(1, 6)
    which[::10, 3] = 1 - which[::10, 3]
    pieces = kinds[which].unflatten(1, (3, 2))  # (n, 3, 2, 4, 4)
    return pieces.permute(0, 1, 3, 2, 4).reshape(n, 12, 8)


def test_it_is_fitted_to_a_model_and_its_rate_nears_the_codes_entropy(tmp_path: Path) -> None:
    torch.manual_seed(0)
    x = striped(400)
    model: Any = recipes.vq_vae(shape=(12, 8), codes=4, code_dim=2, channels=[4, 4]).model.eval()
    with torch.no_grad():
        model.posterior.before_fit(x, {}, len(x))
    own = priors.PixelCodes(model.posterior.codebook, model.posterior.places, width=16, layers=1, size=3)
    found = vk.fit_prior(model, x.numpy(), own, epochs=40, lr=0.01, verbose=False)
    indices = found.posterior(x).indices
    trace = found.trace(x)
    torch.testing.assert_close(trace.kl, -found.prior().log_prob_indices(indices), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(trace.log_w[0], trace.log_px[0] - trace.kl, rtol=1e-5, atol=1e-5)  # float32
    _, counts = indices.unique(dim=0, return_counts=True)
    share = counts / counts.sum()
    entropy, rate = float(-(share * share.log()).sum()), float(trace.kl.detach().mean())
    assert 0.5 < entropy <= rate + 1e-6 and rate < entropy + 0.1, (entropy, rate)
    assert model.posterior.places == (3, 2) and found.sample(3).shape == (3, 12, 8)
    save_model(found, tmp_path, version="0")
    assert torch.equal(load_model(tmp_path).trace(x).kl, trace.kl)


def test_codes_that_it_cannot_take_are_refused_in_a_sentence() -> None:
    two = [Codebook(4, 2), Codebook(4, 2)]
    with pytest.raises(Mistake, match="do not tell their indices.*vq_vae"):
        priors.AutoregressiveCodes(ResidualCodes(two), 4)
    for book, places in ((Grouped(two), (2, 2)), (two[0], (4,))):
        with pytest.raises(Mistake, match="AutoregressiveCodes"):
            priors.PixelCodes(book, places)
    with pytest.raises(Mistake, match="odd"):
        PixelCNN(4, (2, 2), size=4)
