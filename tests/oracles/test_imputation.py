"""Imputation against the exact conditional of a linear-Gaussian model."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

import vaekit as vk
from vaekit.evaluation import drawn_imputations, mean_imputation
from vaekit.likelihoods import FixedScale, Gaussian
from vaekit.models import VAE
from vaekit.networks import MLP, ZeroFill
from vaekit.posteriors import Gaussian as Posterior
from vaekit.priors import StandardNormal

D, Z, SCALE = 4, 2, 0.5


def linear() -> VAE:
    """x = W z + b + noise, with a posterior that is not the exact one."""
    torch.manual_seed(0)
    likelihood = Gaussian(scale=FixedScale(SCALE**2)).with_net(MLP(Z, []), (D,))
    return VAE(StandardNormal(Z), Posterior(ZeroFill(MLP(D, [])), Z), likelihood).double().requires_grad_(False)


def exact(model: VAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the missing values given the others, of one item."""
    out = model.likelihood(torch.eye(Z, dtype=torch.float64)).mean
    offset = model.likelihood(torch.zeros(1, Z, dtype=torch.float64)).mean[0]
    w = (out - offset).T  # (D, Z)
    whole = w @ w.T + SCALE**2 * torch.eye(D, dtype=torch.float64)
    m, o = x.isnan(), ~x.isnan()
    gain = whole[m][:, o] @ torch.linalg.inv(whole[o][:, o])
    return offset[m] + gain @ (x[o] - offset[o]), whole[m][:, m] - gain @ whole[o][:, m]


def items() -> Tensor:
    x = torch.randn(3, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x[0, 1] = x[1, [0, 3]] = x[2, [1, 2]] = math.nan
    return x


def test_the_mean_is_the_conditional_mean() -> None:
    model, x = linear(), items()
    torch.manual_seed(2)
    found = mean_imputation(model, x, samples=40_000)
    for row, filled in zip(x, found, strict=True):
        mean, covariance = exact(model, row)
        error = 5 * float(covariance.diagonal().max().sqrt()) / math.sqrt(10_000)  # a quarter of the draws count
        assert torch.allclose(filled[row.isnan()], mean, atol=error)


def test_draws_have_the_conditional_moments() -> None:
    model, x = linear(), items()
    torch.manual_seed(3)
    draws = drawn_imputations(model, x, draws=2000, samples=20_000)
    for i, row in enumerate(x):
        mean, covariance = exact(model, row)
        found = draws[:, i][:, row.isnan()]
        # 5 errors: 1 / sqrt(2,000) of a deviation from the draws, half as much from the latents that they share
        assert torch.allclose(found.mean(0), mean, atol=0.13 * float(covariance.diagonal().max().sqrt()))
        assert torch.allclose(torch.cov(found.T).view_as(covariance), covariance, atol=0.17 * float(covariance.max()))


def test_a_run_fills_a_frame_and_leaves_what_is_there() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=400)
    frame = pd.DataFrame({"a": 10 + one, "b": 100 - 50 * one, "c": rng.normal(size=400)}, index=range(5, 405))
    gaps = frame.copy()
    gaps.loc[::3, "b"] = np.nan
    run = vk.fit("miwae", gaps, epochs=60, seed=0, verbose=False)
    filled = run.impute(gaps)
    there = gaps.notna()
    assert filled[there].equals(gaps[there].astype(filled.dtypes)) and filled.index.equals(frame.index)
    error = (filled["b"] - frame["b"])[::3]
    assert error.std() < 0.75 * frame["b"].std()  # b follows from a; the column's mean alone would leave all of it
    copies = run.impute(gaps, draws=3)
    assert len(copies) == 3 and not copies[0].equals(copies[1])
    assert run.impute(gaps).equals(filled)


def test_a_model_that_cannot_read_gaps_says_so() -> None:
    model = vk.recipes.vae(shape=(3,), latent_dim=2, hidden=[4]).model
    with pytest.raises(vk.Mistake, match="cannot read missing values"):
        mean_imputation(model, torch.full((2, 3), math.nan))
