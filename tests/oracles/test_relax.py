"""Relaxed control variates: no bias whatever they are, draws that are what they are said to be, and less noise."""

from __future__ import annotations

from typing import Any

import pytest
import scipy.stats
import torch
from tests.laws.tables import numbers
from tests.oracles.enumerated import PLACES, Enumerated, binary, flat, pictures
from torch import Tensor, nn

from vaekit.messages import Mistake
from vaekit.objectives import RELAX, Control, GradientNoise
from vaekit.objectives.relax import given

X = pictures()[5:6]


def control(net: bool) -> Control:
    torch.manual_seed(3)
    return Control(nn.Sequential(nn.Linear(PLACES, 5), nn.Tanh(), nn.Linear(5, 1)) if net else None).double()


def test_the_draws_given_b_are_logistic_together() -> None:
    logits = torch.tensor([-3.0, -0.4, 0.0, 1.5], dtype=torch.float64)
    torch.manual_seed(0)
    b = torch.bernoulli(logits.sigmoid().expand(20_000, 4))
    z = given(b, logits)
    assert torch.equal((z > 0).double(), b)
    for i in range(4):
        assert scipy.stats.kstest(z[:, i].numpy(), "logistic", args=(float(logits[i]), 1)).pvalue > 1e-3


def test_a_draw_given_b_moves_as_differences_say(monkeypatch: pytest.MonkeyPatch) -> None:
    level = torch.rand(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(torch, "rand", lambda *shape, **more: level)
    b, logits = torch.tensor([[1.0], [0.0]]).double().expand(2, 5), numbers(2, 5)
    slope = torch.autograd.functional.jacobian(lambda v: given(b, v).sum(0), logits).diagonal()
    change = (given(b, logits + 1e-6) - given(b, logits - 1e-6)).sum(0) / 2e-6
    torch.testing.assert_close(slope, change, rtol=1e-6, atol=1e-8)


def estimates(case: Enumerated, bound: RELAX, batches: int = 60) -> Tensor:
    """Gradients for all of the model's parameters, each the mean over 400 draws."""
    found = []
    for _ in range(batches):
        value = bound.bound(case.model, case.model.trace(X.expand(400, -1), samples=bound.samples)).mean()
        found.append(flat(torch.autograd.grad(value, list(case.model.parameters()))))
    return torch.stack(found)


@pytest.mark.parametrize("net, samples, scale", [(False, 1, 1.0), (True, 1, 1.0), (True, 2, -3.0)])
def test_it_has_no_bias_whatever_the_control(net: bool, samples: int, scale: float) -> None:
    case, c = binary(), control(net)
    with torch.no_grad():
        c.scale.fill_(scale)
    want = flat(torch.autograd.grad(case.elbo(X).sum(), list(case.model.parameters())))
    torch.manual_seed(0)
    found = estimates(case, RELAX(c, samples))
    error = found.std(0) / len(found) ** 0.5
    assert bool(((found.mean(0) - want).abs() < 4.5 * error + 1e-6).all())  # 1e-6: uniforms end at 1e-6


def noise(case: Enumerated, bound: RELAX) -> float:
    torch.manual_seed(1)
    with torch.no_grad():
        trace = case.model.trace(X.expand(20_000, -1))
    return float(GradientNoise(bound)(case.model, trace).mean().detach())


def test_it_is_quieter_than_the_plain_score_and_learns_to_be_quieter_still() -> None:
    case, off, on = binary(), control(False), control(True)
    with torch.no_grad():
        off.scale.fill_(0.0)  # no control at all: f times the score
    bound = RELAX(on)
    plain, rebar, before = noise(case, RELAX(off)), noise(case, RELAX(control(False))), noise(case, bound)
    assert rebar < 0.5 * plain, (rebar, plain)
    optimizer = torch.optim.Adam(on.parameters(), lr=2e-2)
    term: Any = GradientNoise(bound)
    for _ in range(150):
        optimizer.zero_grad()
        term(case.model, case.model.trace(X.expand(200, -1))).mean().backward(inputs=list(on.parameters()))
        optimizer.step()
    assert noise(case, bound) < min(before, rebar), "its own network and scale are learned"


def test_other_latents_are_refused() -> None:
    from tests.oracles.enumerated import categorical

    model = categorical().model
    with pytest.raises(Mistake, match="RELAX is for Bernoulli"):
        RELAX(control(False))(model, model.trace(X))
