"""The trace's scores against their definitions, and its cache: apart with and without gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from vaekit import posteriors, recipes
from vaekit.messages import Mistake
from vaekit.models import Trace


def made(**more: Any) -> tuple[Any, Tensor]:
    torch.manual_seed(0)
    model = recipes.vae(shape=(5,), latent_dim=2, hidden=[8], **more).model.double()
    return model, torch.randn(4, 5, dtype=torch.float64)


@pytest.mark.parametrize("score", ["log_px", "log_p", "log_q", "log_w", "kl", "kl_each", "rates"])
def test_a_score_taken_without_gradients_does_not_leak_into_one_with(score: str) -> None:
    model, x = made()
    trace = model.trace(x, samples=3)
    with torch.no_grad():
        plain = getattr(trace, score)
    assert not plain.requires_grad
    held = getattr(trace, score)
    assert held.requires_grad and torch.equal(plain, held)
    assert getattr(trace, score) is held, "a score with gradients is taken once"
    with torch.no_grad():
        assert not getattr(trace, score).requires_grad
    fresh = model.trace(x, samples=3)
    assert fresh._cache == {}, "scores are lazy"


def test_scores_are_their_definitions() -> None:
    model, x = made()
    torch.manual_seed(1)
    trace: Trace = model.trace(x, samples=3)
    z = trace.z
    assert z.shape == (3, 4, 2)
    normal = torch.distributions.Normal
    q = normal(trace.q.loc, trace.q.scale)
    log_q, log_p = q.log_prob(z).sum(-1), normal(0.0, 1.0).log_prob(z).sum(-1)
    px = model.likelihood(z)
    log_px = normal(px.loc, px.scale).log_prob(x).sum(-1)
    torch.testing.assert_close(trace.log_w, log_px + log_p - log_q, rtol=1e-10, atol=1e-10)
    parameters = list(model.parameters())  # and so are their gradients, through z and through the densities
    got = torch.autograd.grad(trace.log_w.sum(), parameters, retain_graph=True)
    want = torch.autograd.grad((log_px + log_p - log_q).sum(), parameters, retain_graph=True)
    for one, other in zip(got, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
    exact = torch.distributions.kl_divergence(q, normal(torch.zeros(2).double(), 1.0))
    torch.testing.assert_close(trace.kl_each, exact, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(trace.kl, exact.sum(-1), rtol=1e-10, atol=1e-10)


def test_one_encoding_serves_all_chunks() -> None:
    model, x = made()
    calls: list[int] = []
    model.posterior.register_forward_hook(lambda *_: calls.append(1))
    whole = list(model.traces(x, None, 10, 4))
    assert [len(t.z) for t in whole] == [4, 4, 2] and len(calls) == 1


def test_a_point_has_no_rate_no_bound_and_no_likelihood() -> None:
    model, x = made(posterior=posteriors.Point)
    trace = model.trace(x)
    assert not trace.has_density and trace.log_px.shape == (1, 4)
    for score in ("kl", "kl_each", "log_q", "log_w"):
        with pytest.raises(Mistake, match="Point"):
            getattr(trace, score)
    with pytest.raises(Mistake, match="Point"):
        model.log_prob(x.numpy())


def test_a_full_covariance_has_no_rate_for_each() -> None:
    model, x = made(posterior=posteriors.FullGaussian)
    with pytest.raises(Mistake, match="factorise"):
        _ = model.trace(x).kl_each
