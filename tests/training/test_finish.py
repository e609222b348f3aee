"""What happens after the last step has a closed form, and is exact."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from vaekit import likelihoods, networks, posteriors, priors
from vaekit.models import VAE
from vaekit.networks import Convolutional, Dense, Pair, Residual
from vaekit.objectives import ELBO, IWAE, Reconstruction, as_game
from vaekit.training import Loader
from vaekit.training.finish import settle

SHAPE = (1, 8, 8)


def model_of(pair: Pair, context: int = 0) -> VAE:
    """A VAE whose latents lie far from the prior."""
    torch.manual_seed(0)
    reads = ("y",) if context else ()
    posterior = posteriors.Gaussian(pair.encoder(SHAPE, context), 3, reads=reads)
    likelihood = likelihoods.Gaussian(pair.decoder(SHAPE, 3, context), SHAPE, reads=reads)
    model = VAE(priors.StandardNormal(3), posterior, likelihood).double()
    with torch.no_grad():
        posterior.head.bias(0).add_(torch.tensor([2.0, -1.0, 0.5]))
        posterior.head.bias(1).add_(torch.tensor([0.5, -0.5, 1.0]))
    return model.eval()


def settled(model: VAE, x: Any, y: Any = None, objective: Any = None) -> None:
    loader = Loader(x, y, model, batch_size=16, seed=0, device=torch.device("cpu"))
    settle(model, as_game(ELBO() if objective is None else objective), loader, seed=0)


@pytest.mark.parametrize("context", [0, 2])
@pytest.mark.parametrize(
    "pair", [Dense((16,)), Dense(()), Convolutional((4, 4), width=8), Residual((4,), width=8)], ids=repr
)
def test_latents_are_given_the_priors_mean_and_scale_and_nothing_else_changes(pair: Pair, context: int) -> None:
    torch.manual_seed(1)
    x = torch.randn(700, *SHAPE).double()  # more than one batch
    y = {"y": torch.randn(700, context).double()} if context else None
    model = model_of(pair, context)
    q = model._posterior(x, y)
    m = q.mean.mean(0)
    s = (q.variance.mean(0) + q.mean.square().mean(0) - m.square()).sqrt()
    z = q.rsample()
    made, rate = model._likelihood(z, y).mean, model.trace(x, y).kl.mean()
    settled(model, x, y)
    q = model._posterior(x, y)
    torch.testing.assert_close(q.mean.mean(0), torch.zeros(3).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close((q.variance + q.mean.square()).mean(0), torch.ones(3).double())
    torch.testing.assert_close(model._likelihood((z - m) / s, y).mean, made)
    gain = (0.5 * (s.square() + m.square() - 1) - s.log()).sum()
    assert float(gain) > 1
    torch.testing.assert_close(model.trace(x, y).kl.mean(), rate - gain)
    for shift, factor in ((0.05, 1.0), (0.0, 1.05), (0.0, 0.95)):  # no other origin or unit is better
        least = float(model.trace(x, y).kl.mean())
        moved = model_of(pair, context)
        moved.load_state_dict(model.state_dict())
        moved.rescale(torch.full((3,), shift).double(), torch.full((3,), factor).double())
        assert float(moved.trace(x, y).kl.mean()) > least


def test_what_is_no_elbo_of_such_a_model_stays_as_it_is() -> None:
    x = torch.randn(40, *SHAPE).double()
    frozen, custom, full, other = (model_of(Dense((16,))) for _ in range(4))
    frozen.likelihood.requires_grad_(False)
    custom.likelihood.net = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.Tanh()).double()
    full.posterior = posteriors.FullGaussian(networks.MLP(SHAPE, [8]), 3).double()
    for model, objective in (
        (frozen, ELBO()),
        (custom, ELBO()),
        (full, ELBO()),
        (other, IWAE()),
        (other, Reconstruction()),
    ):
        before = {k: v.clone() for k, v in model.state_dict().items()}
        settled(model, x, objective=objective)
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


class Skipping(networks.MLP):
    """Reads the latents once more behind its first layer."""

    def forward(self, x: Tensor, *given: Tensor | None) -> Tensor:
        return super().forward(x, *given) + x.sum(-1, keepdim=True)


class Foreign(torch.nn.Module):
    """A likelihood that is none of vaekit's."""

    shape, reads = SHAPE, ()

    def __init__(self) -> None:
        super().__init__()
        self.inner = likelihoods.Gaussian(networks.MLP(3, [16]), SHAPE)

    def forward(self, z: Tensor) -> Any:
        return self.inner(z)


def test_what_would_not_bear_it_stays_as_it_is() -> None:
    x = torch.randn(40, *SHAPE).double()
    skipping, tied, foreign = (model_of(Dense((16,))) for _ in range(3))
    skipping.likelihood.net = Skipping(3, [16]).double()
    tied.posterior.net = networks.MLP(SHAPE, [3]).double()
    tied.posterior.head = networks.Head((3,), (3,), 2).double()
    tied.posterior.net.layers.append(tied.likelihood.net.layers[0])  # 3 -> 16 -> 3
    tied.posterior.net.layers.append(torch.nn.Linear(16, 3).double())
    foreign.likelihood = Foreign().double()
    for model in (skipping, tied, foreign):
        before = {k: v.clone() for k, v in model.state_dict().items()}
        settled(model, x)
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_a_latent_that_never_moves_is_left_alone() -> None:
    model = model_of(Dense((16,)))
    with torch.no_grad():
        model.posterior.head._weight(0)[1].zero_()
        model.posterior.head._weight(1)[1].zero_()
        model.posterior.head.bias(1)[1] = -9.0  # a standard deviation of e^-9
    before = {k: v.clone() for k, v in model.state_dict().items()}
    settled(model, torch.randn(40, *SHAPE).double())
    weight, was = model.posterior.head._weight(0), before["posterior.head.layer.weight"][:3]
    assert torch.equal(weight[1], was[1]) and not torch.equal(weight[0], was[0])
