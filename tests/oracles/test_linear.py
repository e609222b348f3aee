"""PCA, the linear autoencoder that finds its subspace, and the deep one that learns its items by heart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import Tensor

import vaekit as vk
from vaekit import recipes
from vaekit.training import Fitter, Loader, Settings


def digits() -> Tensor:
    return torch.from_numpy(load_digits().data).float().reshape(-1, 8, 8)


def trained(recipe: Any, x: Tensor, **training: Any) -> Any:
    settings = Settings.of(recipe.defaults, {"seed": 0, "device": "cpu", **training})
    train = Loader(x, None, recipe.model, batch_size=settings.batch_size, seed=0, device=torch.device("cpu"))
    Fitter(recipe, train, None, settings, show=False).run()
    return recipe.model.eval()


def errors(model: Any, x: Tensor) -> Tensor:
    """Squared error of each item, in the user's units."""
    return (model.reconstruct(x.float(), mean=True) - x).double().square().flatten(1).sum(1)


@pytest.mark.parametrize("latents", [1, 8])
def test_pca_is_scikit_learns(latents: int) -> None:
    raw = digits().double()
    recipe = vk.recipe("pca", "digits", latent_dim=latents)
    model = recipe.model.double().eval()
    model.transform.before_fit(raw, {}, len(raw))
    recipe.start(model, model.transform(raw))
    flat = raw.flatten(1).numpy()
    want = PCA(latents, svd_solver="full").fit(flat)
    axes = model.likelihood.head.layer.weight.detach() / model.transform.factor.mean()  # in the user's units
    torch.testing.assert_close(axes.T @ axes, torch.eye(latents).double(), rtol=0, atol=1e-10)  # orthonormal features
    cosines = np.abs(np.sum(want.components_ * axes.T.numpy(), 1))
    assert np.abs(cosines - 1).max() < 1e-9  # the same axes, up to their sign
    codes = model.encode(raw).mean.detach().numpy()
    np.testing.assert_allclose(np.abs(codes), np.abs(want.transform(flat)), atol=1e-8)
    got = model.reconstruct(raw, mean=True).flatten(1).numpy()
    np.testing.assert_allclose(got, want.inverse_transform(want.transform(flat)), atol=1e-8)
    codes = model.encode(raw).mean.detach()
    covariance = torch.cov(codes.T).reshape(latents, latents)
    off = covariance - torch.diag(covariance.diagonal())
    assert float(off.abs().max()) < 1e-9  # and the codes are uncorrelated
    scale = (model.likelihood.scale.log_scale.exp() / model.transform.factor.flatten()[0]).item()
    assert scale == pytest.approx(float(np.sqrt(((got - flat) ** 2).mean())), rel=1e-6)  # the error's root mean square


@pytest.mark.parametrize("latents", [8, 10])
def test_the_linear_autoencoder_spans_the_principal_subspace(latents: int) -> None:
    x = digits()
    torch.manual_seed(0)
    model = trained(vk.recipe("linear_autoencoder", "digits", latent_dim=latents), x)
    flat = x.flatten(1).double().numpy()
    pca = PCA(latents, svd_solver="full").fit(flat)
    best = float(((pca.inverse_transform(pca.transform(flat)) - flat) ** 2).sum(1).mean())
    found = float(errors(model, x).mean())
    assert best <= found * (1 + 1e-9)  # no linear code of this size does better than PCA
    assert found < best * 1.001, found / best
    axes = model.likelihood.head.layer.weight.detach().double().numpy()
    angle = np.degrees(scipy.linalg.subspace_angles(axes, pca.components_.T)).max()
    assert angle < 5.0, angle  # degrees; 0.2 was measured
    gram = axes.T @ axes
    off = np.abs(gram - np.diag(np.diag(gram))).max() / np.diag(gram).mean()
    assert off > 0.01, "its features need not be orthogonal, and are not"


def test_a_deep_autoencoder_with_one_latent_learns_items_by_heart() -> None:
    n, dims = 6, 10
    x = torch.randn(n, dims, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    recipe = recipes.autoencoder(shape=(dims,), latent_dim=1, hidden=[128, 128])
    model = trained(recipe, x, steps=800, lr=3e-3, batch_size=n)
    spread = float((x - x.mean(0)).square().sum(1).mean())
    learnt = float(errors(model, x).max())
    assert learnt < 0.01 * spread, (learnt, spread)  # one number tells six items of ten dimensions apart
    with torch.no_grad():
        codes = model.encode(x).mean.flatten().sort().values
        between = model.decode(0.5 * (codes[1:] + codes[:-1])[:, None]).mean
        drawn = model.sample(200, mean=True)
    nearest = torch.cdist(between, x).square().min(1).values
    assert float(nearest.mean()) > 20 * learnt and float(nearest.mean()) > 0.1 * spread  # nothing that it knows
    strays = torch.cdist(drawn, x).square().min(1).values
    assert float((strays > 10 * learnt).float().mean()) > 0.5  # and its prior does not know its codes
