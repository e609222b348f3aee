"""The tally of an epoch against means over all items taken at once, and a step's metrics against its trace."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from vaekit.training.metrics import TOGETHER, Metrics, Tally, joined

CPU = torch.device("cpu")


def steps(n: int, *, draws: int = 1, levels: int = 0) -> list[Metrics]:
    """Metrics of n batches of different sizes."""
    generator = torch.Generator().manual_seed(n)
    found = []
    for i in range(n):
        items = 3 + i % 4
        rates: Any = torch.rand((levels, items) if levels else items, generator=generator)
        scores = {
            "loss": torch.rand((), generator=generator),
            "log_px": -torch.rand(draws, items, generator=generator),
            "rates": rates,
            "term/KL": torch.rand((), generator=generator),
        }
        found.append(Metrics(scores, items, 0.25))
    return found


@pytest.mark.parametrize("levels", [0, 2])
@pytest.mark.parametrize("n", [1, 5, 2 * TOGETHER + 3])
def test_means_are_over_all_items(n: int, levels: int) -> None:
    given = steps(n, draws=3, levels=levels)
    tally = Tally()
    for one in given:
        tally.add(one)
        if tally.full:
            tally.fold()
    means = tally.means()
    items = sum(one.items_ for one in given)
    log_px = torch.cat([one.scores["log_px"].mean(0) for one in given]).double().mean()
    rate = torch.cat([one.scores["rates"].reshape(max(levels, 1), -1).sum(0) for one in given]).double().mean()
    loss = sum(one.scores["loss"].double() * one.items_ for one in given) / items
    assert means["distortion"] == pytest.approx(float(-log_px - 0.25), rel=1e-6)
    assert means["rate"] == pytest.approx(float(rate), rel=1e-6)
    assert means["elbo"] == pytest.approx(float(log_px + 0.25 - rate), rel=1e-6)
    assert means["loss"] == pytest.approx(float(loss), rel=1e-6)
    if levels:
        assert means["rate_1"] + means["rate_2"] == pytest.approx(means["rate"], rel=1e-6)
    assert list(means)[-1] == "KL"


def test_where_it_is_folded_does_not_show() -> None:
    one, two = Tally(), Tally()
    for i, given in enumerate(steps(50)):
        one.add(given)
        two.add(given)
        if i % 7 == 0:
            held = json.loads(json.dumps(two.state()))  # a checkpoint and back
            two = Tally()
            two.restore(held, CPU)
    assert one.means() == two.means()


def test_forgotten_batches_do_not_count() -> None:
    given = steps(6)
    one, two = Tally(), Tally()
    for i, metrics in enumerate(given):
        one.add(metrics)
        if i < 4:
            two.add(metrics)
    one.drop_last(2)
    assert one.means() == two.means()
    one.drop_last(0)
    assert one.means() == two.means()


def test_metrics_of_parts_are_those_of_the_whole() -> None:
    whole = steps(1, draws=2)[0]
    sizes = (1, 2)
    parts = [
        Metrics({k: v[..., cut] if v.ndim else v for k, v in whole.scores.items()}, n, 0.25)
        for cut, n in zip((slice(0, 1), slice(1, 3)), sizes, strict=True)
    ]
    got = joined(parts)
    assert list(got) == list(whole) == ["loss", "elbo", "rate", "distortion", "KL"]
    for name in whole:
        torch.testing.assert_close(got[name], whole[name])
