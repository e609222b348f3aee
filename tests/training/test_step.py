"""Step against hand-written torch: the same numbers, whose parameters move, what a gradient's norm does."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import vaekit as vk
from vaekit.likelihoods import Bernoulli
from vaekit.messages import Mistake
from vaekit.models import Model, Trace
from vaekit.noise import seed_step
from vaekit.objectives import ELBO, KL, Game, Reconstruction, Term
from vaekit.training import Batch, Step

CPU = torch.device("cpu")


def small(seed: int = 0, **arguments: Any) -> Any:
    torch.manual_seed(seed)
    return vk.recipes.vae(shape=(6,), latent_dim=2, hidden=[8], likelihood=Bernoulli(), **arguments).model


def bits(n: int = 32, seed: int = 1) -> Tensor:
    return torch.bernoulli(torch.full((n, 6), 0.4), generator=torch.Generator().manual_seed(seed))


def weights(module: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def adam_state(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [v.clone() for s in optimizer.state.values() for v in s.values() if isinstance(v, Tensor)]


def test_a_step_is_the_hand_written_step() -> None:
    model = small()
    hand = copy.deepcopy(model)
    step = Step(model, ELBO(), torch.optim.Adam(model.parameters(), lr=1e-2))
    adam = torch.optim.Adam(hand.parameters(), lr=1e-2)
    encoder, decoder = hand.posterior, hand.likelihood
    for i in range(5):
        x = bits(seed=i)
        seed_step(i, CPU)
        got = step(Batch(x))
        seed_step(i, CPU)
        loc, log_scale = encoder.head(encoder.net(x))
        z = loc + log_scale.exp() * torch.randn(1, 32, 2)[0]
        logits = decoder.head(decoder.net(z))[0]
        distortion = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
        rate = 0.5 * (loc**2 + (2 * log_scale).exp() - 1 - 2 * log_scale).sum(1)
        loss = (distortion + rate).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        torch.testing.assert_close(got["loss"], loss.detach(), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(got["rate"], rate.mean().detach(), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(got["elbo"], -loss.detach(), rtol=1e-6, atol=1e-6)
    for a, b in zip(model.parameters(), hand.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


class Pull(Term):
    """A player's loss that reads the other players' parameters too."""

    def __init__(self, own: nn.Linear, other: nn.Linear) -> None:
        super().__init__()
        self.own, self.other = own, other

    def forward(self, model: Model, trace: Trace) -> Tensor:
        z = trace.z[0]
        return (self.own(z) * self.other(z) + self.own(z).exp()).squeeze(-1)


@pytest.mark.parametrize("players", [2, 3])
def test_a_loss_reaches_its_own_player_only(players: int) -> None:
    torch.manual_seed(3)
    a, b = nn.Linear(2, 1), nn.Linear(2, 1)
    terms: dict[str, Term] = {"model": ELBO() + 2.0 * Pull(a, b), "first": Pull(a, b)}
    owns: dict[str, list[nn.Module]] = {"first": [a]}
    if players == 3:
        terms["second"], owns["second"] = Pull(b, a), [b]
    game, model = Game(owns=owns, **terms), small(4)
    step = Step(model, game, {k: torch.optim.SGD(p, lr=0.0) for k, p in game.players(model).items()})
    seed_step(7, CPU)
    step(Batch(bits()))
    found = {id(p): p.grad.clone() for own in step.players.values() for p in own if p.grad is not None}
    everything = {id(p) for own in step.players.values() for p in own}
    assert found.keys() == everything and len(step.players) == players
    for player, term in terms.items():
        seed_step(7, CPU)
        trace = model.trace(bits(), samples=game.samples)
        alone = torch.autograd.grad(term(model, trace).mean(), step.players[player])
        for p, gradient in zip(step.players[player], alone, strict=True):
            torch.testing.assert_close(found[id(p)], gradient, rtol=1e-6, atol=1e-8)


def test_accumulated_parts_give_the_gradient_of_the_whole_batch() -> None:
    torch.manual_seed(0)
    model, objective = vk.recipes.autoencoder(shape=(6,), latent_dim=2, hidden=[8])  # no noise
    x, norms, grads = torch.randn(30, 6), [], []
    for parts in (1, 4):  # 30 items do not divide by 4
        step = Step(model, objective, torch.optim.SGD(model.parameters(), lr=0.0), accumulate=parts)
        norms.append(step(Batch(x))["loss"])
        grads.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(norms[0], norms[1], rtol=1e-5, atol=1e-6)
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("masked", [True, False])
def test_clip_scales_the_gradient_to_the_norm(masked: bool) -> None:
    model = small()
    hand = copy.deepcopy(model)
    step = Step(model, ELBO(), torch.optim.Adam(model.parameters(), lr=1e-2, eps=1e-3, fused=True), clip=0.1)
    adam = torch.optim.Adam(hand.parameters(), lr=1e-2, eps=1e-3)  # a large eps, so that the scale shows
    step.masked = {"model": masked}  # as on an accelerator, where fused optimisers scale and mask by themselves
    for i in range(3):
        seed_step(i, CPU)
        step(Batch(bits()))
        seed_step(i, CPU)
        adam.zero_grad()
        ELBO()(hand, hand.trace(bits())).mean().backward()
        assert float(nn.utils.clip_grad_norm_(hand.parameters(), 0.1)) > 0.5
        adam.step()
    for a, b in zip(model.parameters(), hand.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


class Loud(Term):
    """The ELBO times a number that the test turns."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = 1.0

    def forward(self, model: Model, trace: Trace) -> Tensor:
        return self.gain * ELBO()(model, trace)


@pytest.mark.parametrize("masked", [True, False])
def test_an_exploding_batch_is_left_out(masked: bool) -> None:
    model, term = small(), Loud()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    step = Step(model, term, optimizer)
    step.masked = {"model": masked}
    for _ in range(3):
        step(Batch(bits()))
    before, held = weights(model), adam_state(optimizer)
    term.gain = 1e4
    step(Batch(bits()))
    assert all(map(torch.equal, before, weights(model))) and all(map(torch.equal, held, adam_state(optimizer)))
    assert int(step.skipped) == 1 and int(step.bad) == -1
    term.gain = 1.0
    step(Batch(bits()))
    assert int(step.skipped) == 1 and not all(map(torch.equal, before, weights(model)))


@pytest.mark.parametrize(("skip", "gain"), [(100.0, 1e4), (100.0, 1e12), (2.0, 1e3)])
def test_skipping_ends_when_the_norm_stays_high(skip: float, gain: float) -> None:
    model, term = small(), Loud()
    step = Step(model, term, torch.optim.SGD(model.parameters(), lr=0.0), skip=skip)
    step(Batch(bits()))
    term.gain = gain
    # a left-out step counts as skip times the usual norm, so the usual grows by 0.95 + 0.05 skip;
    # twice the gain, since gradients vary a little
    most = math.ceil(math.log(2 * gain / skip) / math.log(0.95 + 0.05 * skip))
    for _ in range(most + 5):
        step(Batch(bits()))
    assert 1 <= int(step.skipped) <= most


def test_a_skip_that_would_stall_is_refused() -> None:
    with pytest.raises(Mistake, match=r"got skip=1.0 and wanted a number above 1"):
        Step(small(), ELBO(), skip=1.0)


@pytest.mark.parametrize("masked", [True, False])
def test_a_bad_step_and_all_after_it_change_nothing(masked: bool) -> None:
    model, term = small(), Loud()
    step = Step(model, term)
    step.masked = {"model": masked}
    step(Batch(bits()))
    before, held = weights(model), adam_state(step.optimizers["model"])
    term.gain = math.nan
    step(Batch(bits()))
    term.gain = 1.0
    step(Batch(bits()))
    assert int(step.bad) == 1 and step.steps == 3
    assert all(map(torch.equal, before, weights(model)))
    assert all(map(torch.equal, held, adam_state(step.optimizers["model"])))


def test_a_batch_in_the_users_units() -> None:
    torch.manual_seed(0)
    model = vk.recipe("vae", "digits", latent_dim=2, hidden=[8], likelihood="gaussian").model
    model.transform.before_fit(torch.rand(50, 8, 8) * 16, {}, 50)
    raw, values = torch.rand(10, 8, 8) * 16, []
    for batch in (raw, (raw, None), Batch(model.transform(raw))):
        seed_step(0, CPU)
        values.append(Step(copy.deepcopy(model), ELBO())(batch))
    assert values[0] == values[1] == values[2]
    torch.manual_seed(0)
    trace = model.trace(model.transform(raw))
    jacobian = 64 * math.log(float(model.transform.factor.flatten()[0]))
    assert float(values[0]["distortion"]) == pytest.approx(-float(trace.log_px.detach().mean()) - jacobian, rel=1e-4)


def test_terms_are_named_and_players_without_optimiser_refused() -> None:
    model = small()
    got = Step(model, Reconstruction() + 4.0 * KL())(Batch(bits()))
    assert got["loss"] == pytest.approx(float(got["Reconstruction"] + got["KL"]), rel=1e-6)
    assert float(got["KL"]) == pytest.approx(4 * float(got["rate"]), rel=1e-6)
    factor = vk.recipes.factor_vae(shape=(6,), latent_dim=2, hidden=[8])
    with pytest.raises(Mistake, match="player 'discriminator' has parameters and no optimiser"):
        Step(factor.model, factor.objective, torch.optim.Adam(factor.model.parameters()))
    with pytest.raises(Mistake, match="got 3, worked through in 2: give batches of at least 4"):
        Step(factor.model, factor.objective, accumulate=2)(Batch(torch.rand(3, 6)))
