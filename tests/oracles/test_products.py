"""The Bernoulli score by matrix products against the sum over elements: the same numbers, in memory that stays flat."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vaekit import likelihoods, posteriors, priors, recipes
from vaekit.data import Context
from vaekit.evaluation import likelihood, log_likelihoods, products
from vaekit.models import VAE
from vaekit.networks import MLP

LATENTS = 3


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def model_of(shape: tuple[int, ...], largest: float, posterior: Any = posteriors.Gaussian) -> tuple[Any, Tensor]:
    """A float64 model and draws z (40, 6, LATENTS) for which its largest logit has the given size."""
    torch.manual_seed(0)
    prior: Any = priors.StandardNormal(LATENTS)
    model = VAE(prior, posterior(MLP(shape, [12]), LATENTS), likelihoods.Bernoulli(MLP(LATENTS, [50]), shape))
    model, z = model.double().eval(), numbers(1, 40, 6, LATENTS)
    with torch.no_grad():
        head = model.likelihood.head.layer
        head.bias.copy_(numbers(2, len(head.bias)))
        scale = largest / model.likelihood(z).logits.abs().max()
        head.weight.mul_(scale)
        head.bias.mul_(scale)
    return model, z


def data(kind: str, logits: Tensor) -> Tensor:
    """(6, *X): coins, numbers between 0 and 1, or the values that the first draw finds most likely."""
    if kind == "likely":
        return (logits[0] > 0).double()
    uniform = torch.rand(logits.shape[1:], generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return uniform.round() if kind == "binary" else uniform


@pytest.mark.parametrize("kind", ["binary", "unit", "likely"])
@pytest.mark.parametrize("shape", [(28, 28), (7,), (1, 11, 11)])
@pytest.mark.parametrize("largest", [0.0, 2.0, 60.0])
@torch.no_grad()
def test_products_are_the_sum_over_elements(largest: float, shape: tuple[int, ...], kind: str) -> None:
    model, z = model_of(shape, largest)
    px = model.likelihood(z)
    x = data(kind, px.logits)
    want = (x * px.logits - torch.logaddexp(px.logits, torch.zeros(1).double())).flatten(2).sum(-1)
    torch.testing.assert_close(px.log_prob(x), want, rtol=1e-12, atol=1e-9)
    got = products.BernoulliProducts(model.likelihood, x, [])(z)
    torch.testing.assert_close(got, want, rtol=0, atol=1e-9)  # 784 numbers of at most 60, rounded at 1e-16 each
    single = products.BernoulliProducts(model.likelihood.float(), x.float(), [])(z.float())
    assert single.dtype == torch.float64
    torch.testing.assert_close(single, want, rtol=1e-3, atol=0.02)
    if kind != "likely":  # where the terms do not cancel, float32 is good for more digits
        torch.testing.assert_close(single, want, rtol=1e-5, atol=1e-3)


def test_factors_of_a_half_do_not_vanish() -> None:
    """Logits of 0 are the smallest factors; 2,000 of them make 2^-2000, which no float32 is."""
    model, z = model_of((2000,), 0.0)
    got = products.BernoulliProducts(model.likelihood.float(), torch.ones(6, 2000), [])(z.float())
    torch.testing.assert_close(got, torch.full_like(got, -2000 * float(torch.tensor(2.0).log())), rtol=1e-6, atol=0)


PATHS = {"gaussian": posteriors.Gaussian, "full": posteriors.FullGaussian}


@pytest.mark.parametrize("posterior", PATHS)
@torch.no_grad()
def test_estimates_are_those_of_the_plain_path(posterior: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same draws, the same numbers: through chunks of draws, pieces of items and the cache's own chunks."""
    model, _ = model_of((4, 5), 20.0, PATHS[posterior])
    x = (numbers(5, 11, 4, 5) > 0).double()
    monkeypatch.setattr(likelihood, "CHUNK", 5 * 20 * 8)
    monkeypatch.setattr(products, "CACHE", 50 * 5 * 3)
    assert products.has_products(model)
    torch.manual_seed(0)
    fast = log_likelihoods(model, x, None, 33)
    monkeypatch.setattr(products, "has_products", lambda model: False)
    torch.manual_seed(0)
    plain = log_likelihoods(model, x, None, 33)
    for got, want in zip(fast, plain, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)


@torch.no_grad()
def test_conditional_models_take_the_products(monkeypatch: pytest.MonkeyPatch) -> None:
    context = Context({"y": {"levels": [0, 1, 2]}})
    recipe = recipes.conditional_vae(
        shape=(6,), latent_dim=2, hidden=[9], context=context, likelihood=likelihoods.Bernoulli()
    )
    model: Any = recipe.model.double().eval()
    x, y = (numbers(6, 8, 6) > 0).double(), model.to_context([i % 3 for i in range(8)], 8)
    assert products.has_products(model)
    monkeypatch.setattr(likelihood, "CHUNK", 3 * 6 * 10)  # three items at a time, each with its own context
    torch.manual_seed(0)
    fast = log_likelihoods(model, x, y, 20)[0]
    monkeypatch.setattr(products, "has_products", lambda model: False)
    torch.manual_seed(0)
    torch.testing.assert_close(fast, log_likelihoods(model, x, y, 20)[0], rtol=1e-10, atol=1e-10)


class Tinted(likelihoods.Bernoulli):
    """Somebody's own Bernoulli, which is not scored by our formula."""

    def forward(self, *given: Tensor | None) -> Any:
        return type(super().forward(*given))(0.5 * self.parameters_of(*given)[0], len(self.shape))


def test_other_models_keep_the_plain_path() -> None:
    bernoulli = likelihoods.Bernoulli
    flat = {"shape": (6,), "latent_dim": 2, "hidden": [8]}
    others = [
        recipes.vae(**flat),  # Gaussian
        recipes.vae(**flat, likelihood=likelihoods.ContinuousBernoulli()),
        recipes.vae(**flat, likelihood=Tinted()),
        recipes.miwae(**flat, likelihood=bernoulli()),
        recipes.ladder_vae(shape=(6,), latent_dims=[2, 2], hidden=[5, 6], likelihood=bernoulli()),
        recipes.vae_conv(shape=(1, 8, 8), latent_dim=2, channels=[4], likelihood=bernoulli()),
    ]
    assert [products.has_products(recipe.model) for recipe in others] == [False] * len(others)
    assert products.has_products(recipes.vae(**flat, likelihood=bernoulli()).model)


class Largest(TorchDispatchMode):
    """The bytes of the largest storage that any operation gave."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        out = function(*arguments, **(keywords or {}))
        made = [t.untyped_storage().nbytes() for t in tree_leaves(out) if isinstance(t, Tensor)]
        self.bytes = max([self.bytes, *made])
        return out


def test_memory_does_not_grow_with_draws_nor_items(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = model_of((100,), 5.0)
    model, x = model.float(), (numbers(7, 8, 100) > 0).float()
    monkeypatch.setattr(products, "CACHE", 2**14)
    monkeypatch.setattr(likelihood, "CHUNK", 2 * 100 * 200)  # pieces of at most 400 items; latents far smaller
    peaks = []
    for draws, items in ((200, 2), (800, 2), (200, 8)):
        with Largest() as largest:
            log_likelihoods(model, x[:items], None, draws)
        peaks.append(largest.bytes)
    rows = 2**14 // (100 * 2) * 2  # whole draws of two items
    assert peaks[0] == peaks[1] == rows * 100 * 4  # the logits of one chunk; all would be 800 * 2 * 100 * 4
    assert peaks[2] <= 2**14 * 4
