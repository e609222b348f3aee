"""The exemplar prior: a kernel density of all items' codes, and in training of all but an item's own."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.neighbors import KernelDensity
from tests.laws.tables import numbers
from tests.oracles.test_fitted_priors import autoencoder, clusters, grid
from torch import Tensor

import vaekit as vk
from vaekit import distributions as d
from vaekit import priors, recipes
from vaekit.storage import load_model, save_model
from vaekit.training import Step

SCALE = 0.4


def kernel_density(codes: Tensor, z: Tensor, scale: float = SCALE) -> Tensor:
    fitted = KernelDensity(bandwidth=scale, kernel="gaussian", rtol=1e-12).fit(codes.numpy())
    return torch.from_numpy(fitted.score_samples(z.reshape(-1, z.shape[-1]).numpy())).view(z.shape[:-1])


def log_scale(value: float = SCALE) -> Tensor:
    return torch.tensor(math.log(value), dtype=torch.float64)


def small(n: int = 12, seed: int = 0, **more: Any) -> tuple[Any, Tensor]:
    """A small model in training, as it begins with these items."""
    torch.manual_seed(seed)
    model = recipes.exemplar_vae(shape=(6,), latent_dim=2, hidden=[8], **more).model
    x = numbers(1, n, 6).float()
    for part in model.walk("before_fit"):
        part.before_fit(x, {}, n)
    with torch.no_grad():
        model.prior.log_scale.fill_(math.log(SCALE))
    return model, x


# -- the density -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [2**24, 16], ids=["at once", "a few at a time"])
def test_all_exemplars_make_the_kernel_density(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vaekit.distributions.exemplars.ROOM", room)
    codes, z = numbers(1, 40, 3), numbers(2, 2, 5, 3)
    p = d.Exemplars(codes, log_scale())
    torch.testing.assert_close(p.log_prob(z), kernel_density(codes, z), rtol=1e-9, atol=1e-9)
    part = d.Exemplars(codes, log_scale(), torch.tensor(7))  # the others are not there yet
    torch.testing.assert_close(part.log_prob(z), kernel_density(codes[:7], z), rtol=1e-9, atol=1e-9)
    drawn = part.sample((2000,))
    assert float((drawn - codes[:7].mean(0)).mean(0).abs().max()) < 4 * float(part.variance.max() / 2000) ** 0.5


def test_leaving_one_out_leaves_out_an_items_own_and_nothing_else() -> None:
    codes, z = numbers(1, 9, 3), numbers(2, 2, 9, 3)
    p = d.OtherExemplars(codes, log_scale())
    each = torch.stack([kernel_density(torch.cat([codes[:i], codes[i + 1 :]]), z[:, i]) for i in range(9)], 1)
    torch.testing.assert_close(p.log_prob(z), each, rtol=1e-9, atol=1e-9)
    rest = [d.Exemplars(torch.cat([codes[:i], codes[i + 1 :]]), log_scale()) for i in range(9)]
    torch.testing.assert_close(p.mean, torch.stack([one.mean for one in rest]))
    torch.testing.assert_close(p.variance, torch.stack([one.variance for one in rest]))
    some = d.OtherExemplars(codes, log_scale(), torch.tensor([4, 0]))
    torch.testing.assert_close(some.log_prob(z[:, [4, 0]]), each[:, [4, 0]], rtol=1e-9, atol=1e-9)
    # what is left out counts nothing, in the gradient neither, be an item at its own code
    own = codes.clone().requires_grad_()
    d.OtherExemplars(own, log_scale()).log_prob(codes)[2].backward()
    assert own.grad is not None and bool(own.grad.isfinite().all())
    assert float(own.grad[2].abs().max()) == 0 and bool((own.grad[[0, 1, 3]] != 0).all())


def test_the_slopes_are_those_of_the_sum_written_out() -> None:
    codes, scale, z = numbers(1, 6, 2).requires_grad_(), log_scale().requires_grad_(), numbers(2, 6, 2).requires_grad_()
    square = (2 * scale).exp()
    kernels = (-0.5 * (z.unsqueeze(1) - codes).square().sum(2) / square).exp() / (2 * math.pi * square)
    others = kernels * (1 - torch.eye(6))
    for p, want in (
        (d.Exemplars(codes, scale), kernels.mean(1).log()), (d.OtherExemplars(codes, scale), (others.sum(1) / 5).log()),
    ):  # fmt: skip
        torch.testing.assert_close(p.log_prob(z), want, rtol=1e-10, atol=1e-10)
        pairs = [torch.autograd.grad(v.sum(), [codes, scale, z], retain_graph=True) for v in (p.log_prob(z), want)]
        for mine, other in zip(*pairs, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-10)


def test_draws_follow_the_density() -> None:
    codes = clusters(60)
    p = d.Exemplars(codes, log_scale())
    points, cell = grid(12.0, 801)
    density = p.log_prob(points).exp() * cell
    assert float(density.sum()) == pytest.approx(1, abs=1e-6)
    torch.manual_seed(0)
    drawn = p.sample((20_000,))
    for region in (lambda z: z[:, 0] > 3, lambda z: z[:, 1] < -2, lambda z: z.sum(1) > 1):
        share = float(density[region(points)].sum())
        assert float(region(drawn).double().mean()) == pytest.approx(share, abs=4 * 0.5 / 20_000**0.5 + 0.005)
    # in one dimension, of an item's others: a Kolmogorov-Smirnov test against the sum of normals
    one = torch.tensor([[-3.0], [0.0], [5.0]]).double()
    drawn = d.OtherExemplars(one, log_scale()).sample((4000,))
    for i, rest in enumerate(([0.0, 5.0], [-3.0, 5.0], [-3.0, 0.0])):

        def below(v: Any, at: list[float] = rest) -> Any:
            return np.mean([scipy.stats.norm.cdf(v, c, SCALE) for c in at], 0)

        assert scipy.stats.kstest(drawn[:, i, 0].numpy(), below).pvalue > 1e-3


# -- in a model ------------------------------------------------------------------------------------------------------


def test_in_training_the_batch_are_the_exemplars_and_in_evaluation_all_items() -> None:
    model, x = small()
    trace = model.trace(x[:5], samples=3)
    codes = trace.q.loc.detach()
    want = torch.stack([
        kernel_density(torch.cat([codes[:i], codes[i + 1 :]]).double(), trace.z[:, i].detach().double())
        for i in range(5)
    ], 1)  # fmt: skip
    torch.testing.assert_close(trace.log_p.double(), want, rtol=1e-4, atol=1e-4)  # float32
    # the encoder is moved by what an item says of the others
    model.zero_grad()
    trace.log_p.sum().backward()
    assert all(bool((p.grad != 0).any()) for p in [*model.posterior.net.parameters(), model.prior.log_scale])
    model.prior.forget()
    with torch.no_grad():
        model.prior.hold(model.posterior(x).loc)
        trace = model.eval().trace(x[:5], samples=3)
        want = kernel_density(model.posterior(x).loc.double(), trace.z.double())
        torch.testing.assert_close(trace.log_p.double(), want, rtol=1e-4, atol=1e-4)
        alone = model.trace(x[:1])  # an item of the training data is an exemplar like any other
        want = kernel_density(model.posterior(x).loc.double(), alone.z.double())
        torch.testing.assert_close(alone.log_p.double(), want, rtol=1e-4, atol=1e-4)


def test_a_subset_of_the_others_gives_less_than_all_in_the_mean() -> None:
    """The bound with a random subset of exemplars lies below that with all, for every item and draw."""
    codes, z = numbers(1, 30, 2), numbers(2, 2)
    whole = d.Exemplars(codes, log_scale()).log_prob(z)
    generator = torch.Generator().manual_seed(0)
    subsets = [torch.randperm(30, generator=generator)[:6] for _ in range(3000)]
    found = torch.stack([d.Exemplars(codes[rows], log_scale()).log_prob(z) for rows in subsets])
    assert float(found.mean()) < float(whole) - 4 * float(found.std()) / 3000**0.5
    ratio = (found - whole).exp()  # while the density itself is unbiased
    assert float(ratio.mean()) == pytest.approx(1, abs=4 * float(ratio.std()) / 3000**0.5)


def test_after_an_epoch_there_is_one_code_of_every_item() -> None:
    model, x = small(10)
    step = Step(model, recipes.exemplar_vae(shape=(6,), latent_dim=2, hidden=[8]).objective)
    kept = []
    for _ in range(2):
        order = torch.randperm(10)
        for rows in order.split(4):
            with torch.no_grad():
                kept.append(model.posterior(x[rows]).loc.clone())
            step(x[rows])
        assert int(model.prior.seen) % 10 == 0
        torch.testing.assert_close(model.prior.codes, torch.cat(kept[-3:]), rtol=1e-5, atol=1e-6)
    before = model.prior.codes.clone()
    with torch.no_grad():
        next(model.posterior.parameters()).fill_(math.nan)
    model.trace(x[:4])
    model.prior.after_step(7)
    assert torch.equal(model.prior.codes, before), "codes that are not finite were kept"


def test_files_and_copies_keep_the_codes_of_any_number_of_items(tmp_path: Path) -> None:
    model, x = small()
    with torch.no_grad():
        model.prior.hold(model.posterior(x).loc)
    z = numbers(3, 4, 2).float()
    want = model.eval().prior().log_prob(z)
    save_model(model, tmp_path, version="0")
    other, _ = small(5)
    other.load_state_dict(model.state_dict())  # as a resumed run does
    for again in (load_model(tmp_path), copy.deepcopy(model), other):
        assert torch.equal(again.prior().log_prob(z), want)
        assert again.prior.arguments["exemplars"] == 12 and len(again.prior.codes) == 12


def test_a_run_ends_with_the_codes_of_its_final_encoder(tmp_path: Path) -> None:
    plan = vk.recipe("exemplar_vae", "digits", latent_dim=2, hidden=[16])
    run = vk.fit(plan, "digits", epochs=2, verbose=False, out=tmp_path / "run")
    train = run.part("train")
    codes = run.model.encode(train.x).mean
    prior: Any = run.model.prior
    assert prior.codes.shape == (len(train), 2) and int(prior.seen) == len(train)
    assert run.metrics["nll"] > 0 and run.sample(3).shape == (3, 8, 8)
    torch.testing.assert_close(prior.codes, codes, rtol=1e-4, atol=1e-5)
    again: Any = vk.load(tmp_path / "run")
    assert torch.equal(again.prior.codes, prior.codes)


def test_exemplars_with_a_scale_of_their_own_beat_one_gaussian_on_two_clusters() -> None:
    """Fitted to latents: the scale is at the greatest leave-one-out likelihood, which a search confirms."""
    z, held = clusters(400), clusters(900)[400:]
    found: Any = vk.fit_prior(autoencoder(), z.numpy(), priors.Exemplars(2), verbose=False).prior
    assert torch.equal(found.codes, z)

    def left_out(scale: float) -> float:
        return float(d.OtherExemplars(z, log_scale(scale)).log_prob(z).mean())

    best = float(found.log_scale.detach().exp())
    assert left_out(best) > max(left_out(0.9 * best), left_out(1.1 * best))
    assert left_out(best) > max(left_out(math.exp(s)) for s in np.linspace(-4, 2, 61)) - 1e-3
    gaussian = vk.fit_prior(autoencoder(), z.numpy(), verbose=False).prior
    assert float(found().log_prob(held).mean()) > float(gaussian().log_prob(held).mean()) + 0.1
