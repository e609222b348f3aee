"""The order of an epoch where it is worked out by windows: a permutation, the same from anywhere, and at random."""

from __future__ import annotations

import pytest
import torch

from vaekit.training import order
from vaekit.training.order import Order


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "WHOLE", 0)
    monkeypatch.setattr(order, "WINDOW", 64)


@pytest.mark.parametrize("n", [1, 2, 3, 63, 64, 65, 1000, 4096, 4097])
def test_every_item_has_one_place(windows: None, n: int) -> None:
    for seed in range(3):
        assert sorted(Order(n, seed)(0, n).tolist()) == list(range(n))


def test_any_part_of_it_is_the_same_from_anywhere(windows: None) -> None:
    whole = Order(1000, 7)(0, 1000)
    other = Order(1000, 7)
    for low, high in ((990, 1000), (0, 1), (60, 70), (0, 200), (63, 64), (64, 128), (5, 5)):
        assert torch.equal(other(low, high), whole[low:high])
    assert not torch.equal(Order(1000, 8)(0, 1000), whole)


def test_it_is_at_random() -> None:
    """Two million items: where they go, where neighbours go and what seeds share is as of random permutations."""
    n, bins = 2_000_003, 50
    drawn = Order(n, 0)(0, n)
    counts = torch.zeros(bins, bins)
    at = (torch.arange(n) * bins // n, drawn * bins // n)
    counts.index_put_(at, torch.ones(n), accumulate=True)
    steps = torch.histc((drawn.diff() % n).float(), bins, 0, n)  # uniform for neighbours without a bond
    for found, freedom in ((counts, (bins - 1) ** 2), (steps, bins - 1)):
        expected = found.sum() / found.numel()
        chi2 = float((found - expected).square().sum() / expected)
        assert abs(chi2 - freedom) < 4 * (2 * freedom) ** 0.5
    odd = float((drawn % 2 == torch.arange(n) % 2).double().mean())
    assert abs(odd - 0.5) < 4 * 0.5 / n**0.5
    same = int((Order(n, 1)(0, n) == drawn).sum())
    assert same < 8  # Poisson of mean 1
