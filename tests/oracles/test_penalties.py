"""Penalties against sums written out and against whole Jacobians."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.laws.tables import numbers
from torch import Tensor
from torch.func import jacrev, vmap

from vaekit import recipes
from vaekit.objectives import Contraction, DecoderGradient, DecoderNorm, Denoising, LatentNorm, Sparsity


def made(name: str = "autoencoder") -> tuple[Any, Tensor]:
    torch.manual_seed(0)
    model = getattr(recipes, name)(shape=(6,), latent_dim=2, hidden=[8], activation=torch.nn.Tanh).model.double()
    return model, numbers(1, 5, 6)


def test_norms_are_those_written_out() -> None:
    model, x = made()
    trace = model.trace(x)
    z = model.posterior(x).mean
    torch.testing.assert_close(LatentNorm()(model, trace), 0.5 * (z * z).sum(1))
    torch.testing.assert_close(Sparsity()(model, trace), z.abs().sum(1))
    weights = [p for n, p in model.likelihood.named_parameters() if n.endswith("weight")]
    torch.testing.assert_close(DecoderNorm()(model, trace), sum((w * w).sum() for w in weights))


@pytest.mark.parametrize("training", [True, False])
def test_gradients_are_jacobians_in_the_mean(training: bool) -> None:
    model, x = made()
    z = model.posterior(x).mean.detach()
    decoder = vmap(jacrev(lambda z: model.likelihood(z[None]).mean[0]))(z).square().flatten(1).sum(1)
    encoder = vmap(jacrev(lambda x: model.posterior(x[None]).mean[0]))(x).square().flatten(1).sum(1)
    torch.manual_seed(1)
    for term, wanted in ((DecoderGradient(), decoder), (Contraction(), encoder)):
        with torch.set_grad_enabled(training):
            draws = torch.stack([term(model, model.trace(x)) for _ in range(3000)]).detach()
        error = draws.std(0) / len(draws) ** 0.5
        assert bool(((draws.mean(0) - wanted).abs() < 4 * error).all())


def test_the_penalty_is_on_the_decoder_and_reaches_its_weights() -> None:
    """With respect to the latent: a penalty on d x / d x would be that of another thing, or 0."""
    model, x = made()
    torch.manual_seed(0)
    DecoderGradient()(model, model.trace(x)).mean().backward()
    # but for the last bias, on which no derivative hangs
    moved = {n: p.grad is not None and bool((p.grad != 0).any()) for n, p in model.likelihood.named_parameters()}
    assert [n for n, yes in moved.items() if not yes] in (["head.layer.bias"], ["scale.log_scale", "head.layer.bias"],
                                                          ["head.layer.bias", "scale.log_scale"])  # fmt: skip


def test_denoising_scores_the_clean_item() -> None:
    model, x = made("vae")
    torch.manual_seed(3)
    found = Denoising(0.5)(model, model.trace(x))
    torch.manual_seed(3)
    model.trace(x)
    again = model.trace(x + 0.5 * torch.randn_like(x))
    torch.testing.assert_close(found, -again.px.log_prob(x)[0])
    with pytest.raises(ValueError, match="above 0"):
        Denoising(0.0)
