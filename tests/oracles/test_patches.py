"""Judges of patches: their reach pixel by pixel, hinge losses and the adaptive weight written out, who moves what."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vaekit import likelihoods, recipes
from vaekit.messages import Mistake
from vaekit.networks import PatchCritic
from vaekit.objectives import (
    ELBO,
    KL,
    Balanced,
    DiscriminatePatches,
    FeatureDistance,
    FoolPatches,
    Reconstruction,
    as_game,
)
from vaekit.objectives.schedules import Switch
from vaekit.training import Batch, Step

JUDGED: dict[str, Any] = {"channels": [4], "judge_width": 4, "start": 0}


def played(name: str = "kl_autoencoder", **more: Any) -> tuple[Any, Any, Tensor]:
    torch.manual_seed(0)
    recipe = getattr(recipes, name)(shape=(2, 7, 6), **{**JUDGED, **more})
    return recipe.model.double(), as_game(recipe.objective).double(), torch.randn(8, 2, 7, 6).double()


def scored(model: Any, game: Any, x: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], Any]:
    torch.manual_seed(5)
    trace = game.trace(model, Batch(x, None))
    return *game.score(model, trace), trace


# -- the judge -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape, reach, logits",
    [((3, 64, 48), 70, (6, 4)), ((1, 23, 40), 34, (3, 8)), ((2, 8, 11), 16, (2, 3)), ((5, 4), 7, (3, 2)),
     ((3, 3), 7, (1, 1))],
)  # fmt: skip
def test_a_logit_reads_its_patch_and_all_of_it(shape: Any, reach: int, logits: tuple[int, ...]) -> None:
    """By the gradient: within `reach` pixels all of them, outside none, whatever the sizes are."""
    torch.manual_seed(0)
    net = PatchCritic(shape, width=4).double()
    x = torch.randn(1, *shape).double().requires_grad_()
    out = net(x)
    assert out.shape == (1, *logits) and net.reach == reach
    stride = {7: 1, 16: 2, 34: 4, 70: 8}[reach]
    for i in range(logits[0]):
        (slope,) = torch.autograd.grad(out[0, i, 0], x, retain_graph=True)
        rows = (slope != 0).any(-1).flatten(0, -2).any(0).nonzero().flatten().tolist()
        first = i * stride - (3 * stride - 1)  # each layer pads by one of its own pixels, the last two by the map's
        assert rows == list(range(max(0, first), min(shape[-2], first + reach)))


def test_the_reach_is_met_where_the_picture_is_larger() -> None:
    """A logit in the middle of a large picture reads 70 by 70 pixels and no more; one of a smaller one 34 or 16."""
    torch.manual_seed(0)
    net = PatchCritic((1, 160, 160), width=2).double()
    x = torch.randn(1, 1, 160, 160).double().requires_grad_()
    out = net(x)
    (slope,) = torch.autograd.grad(out[0, 9, 9], x)
    found = (slope[0, 0] != 0).nonzero()
    assert (found.amax(0) - found.amin(0) + 1).tolist() == [70, 70] and len(found) == 4900


def test_items_and_patches_do_not_meet() -> None:
    torch.manual_seed(0)
    net = PatchCritic((3, 64, 48), width=4).double()
    x = torch.randn(4, 3, 64, 48).double()
    torch.testing.assert_close(net(x), torch.cat([net(one[None]) for one in x]), rtol=1e-10, atol=1e-10)
    other = x.clone()
    other[:, :, 60:] += 3.0
    assert torch.equal(net(x)[:, 0], net(other)[:, 0]) and not torch.equal(net(x), net(other))


def test_what_holds_no_patch_is_refused() -> None:
    with pytest.raises(Mistake, match="2 x 9.*3 x 3"):
        PatchCritic((1, 2, 9))
    with pytest.raises(Mistake, match="pictures"):
        recipes.kl_autoencoder(shape=(6,))


# -- losses ----------------------------------------------------------------------------------------------------------


class Mean(nn.Module):
    """Two logits an item that are known: the means of its halves."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).unflatten(1, (2, -1)).mean(2)


def test_hinges_by_hand() -> None:
    x = torch.tensor([[3.0, 3.0, 0.5, 0.5], [-1.0, -1.0, 1.0, 1.0]]).double()
    made = torch.tensor([[-2.0, -2.0, 0.0, 0.0], [2.0, 2.0, -0.5, -0.5]]).double()
    trace: Any = SimpleNamespace(x=x, px=SimpleNamespace(mean=made[None]))
    real = torch.tensor([[0.0, 0.5], [2.0, 0.0]])  # max(0, 1 - logit)
    fake = torch.tensor([[0.0, 1.0], [3.0, 0.5]])  # max(0, 1 + logit)
    judge = Mean()
    got = DiscriminatePatches(judge)(None, trace)  # type: ignore[arg-type]
    torch.testing.assert_close(got, (0.5 * (real + fake)).mean(1).double())
    torch.testing.assert_close(FoolPatches(judge)(None, trace), torch.tensor([1.0, -0.75]).double())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["kl_autoencoder", "vqgan"])
def test_each_player_moves_its_own(name: str) -> None:
    """The judge's loss does not reach the model; the model's step does not move the judge, and the reverse."""
    model, game, x = played(name)
    losses, _, _ = scored(model, game, x)
    judge = game.roles["discriminator"].term.discriminator
    players = game.players(model)
    assert set(players["discriminator"]) == set(judge.parameters())
    assert set(players["model"]) == set(model.parameters())
    found = torch.autograd.grad(losses["discriminator"], players["model"], allow_unused=True, retain_graph=True)
    assert all(g is None for g in found)
    assert all(bool((g != 0).any()) for g in torch.autograd.grad(losses["model"], players["model"], retain_graph=True))
    before = {k: [p.detach().clone() for p in own] for k, own in players.items()}
    for mover, other in (("model", "discriminator"), ("discriminator", "model")):
        step = Step(model, game, {k: torch.optim.SGD(own, lr=1e-3 * (k == mover)) for k, own in players.items()})
        step(Batch(x, None))
        assert all(torch.equal(p, b) for p, b in zip(players[other], before[other], strict=True))
        assert any(not torch.equal(p, b) for p, b in zip(players[mover], before[mover], strict=True))
        before[mover] = [p.detach().clone() for p in players[mover]]


# -- the adaptive weight ---------------------------------------------------------------------------------------------


def test_the_weight_is_the_ratio_of_norms_written_out() -> None:
    """lambda, the losses of both players and the model's gradient, from formulas; features and rate are in it."""
    torch.manual_seed(1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(84, 5)).double()
    model, game, x = played(features=net, perceptual=0.25, beta=2**-7, weight=0.5)
    model.likelihood.scale.log_scale.data.fill_(-1.0)  # b, beside whose errors the features stand
    losses, named, trace = scored(model, game, x)
    q, px = trace.q, trace.px
    judge = game.roles["discriminator"].term.discriminator
    assert not any(p.requires_grad for p in net.parameters())
    made, b = px.loc[0], model.likelihood.scale.log_scale.exp()
    rate = 0.5 * (q.loc**2 + q.scale**2 - 1 - 2 * q.scale.log()).sum(1).mean()
    wrong = ((x - made).abs() / b + (2 * b).log()).flatten(1).sum(1).mean()
    seen = 84 * 0.5 * (net(x) - net(made)).square().mean(1).mean()
    term = wrong + 2**-7 * rate + 0.25 * seen / b.detach()
    fooled = -judge(made).mean()
    last = model.likelihood.head.layer.weight
    size = [torch.autograd.grad(value, last, retain_graph=True)[0].square().sum().sqrt() for value in (term, fooled)]
    want = term + (0.5 * size[0] / (size[1] + 1e-6)).detach() * fooled
    assert float(size[0] / size[1]) > 2  # it matters
    torch.testing.assert_close(losses["model"], want, rtol=1e-12, atol=0)
    assert set(named) == {"Reconstruction", "KL", "FeatureDistance", "FoolPatches", "DiscriminatePatches"}
    own = list(model.parameters())
    slopes = [torch.autograd.grad(value, own, retain_graph=True) for value in (losses["model"], want)]
    for got, exact in zip(*slopes, strict=True):
        torch.testing.assert_close(got, exact, rtol=1e-9, atol=1e-12)
    hinge = 0.5 * ((1 - judge(x)).clamp_min(0) + (1 + judge(made)).clamp_min(0)).mean()
    torch.testing.assert_close(losses["discriminator"], hinge)


def test_at_weight_one_both_gradients_are_of_one_size() -> None:
    model, game, x = played(weight=1.0)
    torch.manual_seed(5)
    trace = game.trace(model, Batch(x, None))
    parts = game.first.terms(model, trace)
    last = model.likelihood.head.layer.weight

    def size(value: Tensor) -> float:
        return float(torch.autograd.grad(value.mean(), last, retain_graph=True)[0].norm())

    fooled = size(parts["FoolPatches"])
    assert fooled == pytest.approx(size(parts["Reconstruction"] + parts["KL"]), rel=1e-5) and fooled > 0


def test_an_adversary_without_a_slope_is_held() -> None:
    """lambda is bounded, and finite where the judge says the same of all."""
    model, game, x = played()
    judge = game.roles["discriminator"].term.discriminator
    with torch.no_grad():
        for p in judge.parameters():
            p.zero_()
    losses, named, _ = scored(model, game, x)
    assert float(named["FoolPatches"].detach()) == 0 and bool(losses["model"].isfinite())
    assert float(game.first._seen[-1]) == 1e4


def test_validation_goes_by_the_last_steps_ratio_and_moves_nothing() -> None:
    model, game, x = played()
    step = Step(model, game)
    first = game.first
    step(Batch(x, None))
    held = float(first.ratio)
    assert held > 0 and not first._seen
    model.eval(), game.eval()
    with torch.no_grad():
        trace = game.trace(model, Batch(x, None))
        found = first.terms(model, trace)
    torch.testing.assert_close(found["FoolPatches"], 0.5 * held * first.adversary(model, trace))
    first.after_step(2)
    assert float(first.ratio) == held


def test_the_adversary_waits() -> None:
    """Before its start neither player moves for it: the model's steps are those without a judge."""

    def run(start: float) -> tuple[list[Tensor], list[Tensor]]:
        torch.manual_seed(0)
        model, game = recipes.kl_autoencoder(shape=(2, 7, 6), **{**JUDGED, "start": start})
        judge = game.roles["discriminator"].term.discriminator
        before = [p.detach().clone() for p in judge.parameters()]
        step, x = Step(model, game), torch.randn(8, 2, 7, 6)
        for i in range(4):
            torch.manual_seed(i)
            step(Batch(x, None))
        moved = [(p.detach() - b).abs().max() for p, b in zip(judge.parameters(), before, strict=True)]
        return [p.detach().clone() for p in model.parameters()], moved

    late, still = run(10)
    torch.manual_seed(0)
    model, _ = recipes.kl_autoencoder(shape=(2, 7, 6), **JUDGED)
    step, x = Step(model, Reconstruction() + 1e-6 * KL()), torch.randn(8, 2, 7, 6)
    for i in range(4):
        torch.manual_seed(i)
        step(Batch(x, None))
    assert all(float(m) == 0 for m in still)
    for a, b in zip(late, model.parameters(), strict=True):
        torch.testing.assert_close(a, b.detach(), rtol=1e-6, atol=1e-7)  # 0 times the adversary's is added
    early, moved = run(2)
    assert all(float(m) > 0 for m in moved) and any(not torch.equal(a, b) for a, b in zip(early, late, strict=True))
    game = recipes.kl_autoencoder(shape=(2, 7, 6), **{**JUDGED, "start": 0.3}).objective
    game.first.weight.over(100)  # type: ignore[union-attr, operator]
    assert isinstance(game.first.weight, Switch) and [game.first.weight.at(s) for s in (29, 30)] == [0.0, 0.5]
    with pytest.raises(Mistake, match="start=-1"):
        recipes.kl_autoencoder(shape=(2, 7, 6), start=-1)


def test_what_has_no_last_layer_is_refused() -> None:
    torch.manual_seed(0)
    model, _ = recipes.vae(shape=(2, 3), likelihood=likelihoods.Gaussian())
    trace = model.trace(torch.randn(4, 2, 3))
    judge = nn.Sequential(nn.Flatten(), nn.Linear(6, 1))
    Balanced(ELBO(), FoolPatches(judge))(model, trace)
    with pytest.raises(Mistake, match="does not reach"):
        Balanced(KL(), FoolPatches(judge))(model, trace)
    model.likelihood.head.requires_grad_(False)
    with pytest.raises(Mistake, match="holds still"):
        Balanced(ELBO(), FoolPatches(judge))(model, trace)
    model.likelihood.head = nn.Identity()
    with pytest.raises(Mistake, match="last layer"):
        Balanced(ELBO(), FoolPatches(judge))(model, trace)


@pytest.mark.parametrize("name, wrong", [("features", "vgg"), ("start", "a"), ("weight", -1), ("beta", -1)])
def test_arguments_that_mean_nothing_are_refused(name: str, wrong: Any) -> None:
    with pytest.raises(Mistake, match=f"got {name}={wrong!r}"):
        recipes.kl_autoencoder(shape=(2, 7, 6), **{**JUDGED, name: wrong})


def test_the_features_are_those_of_the_frozen_network() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(84, 5), nn.BatchNorm1d(5), nn.Dropout(0.5))
    model, game = recipes.vqgan(shape=(2, 7, 6), codes=8, code_dim=2, features=net, **JUDGED)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    step = Step(model.train(), game.train())
    step(Batch(torch.randn(8, 2, 7, 6), None))
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert any(isinstance(part, FeatureDistance) for part in game.modules()) and not net.training
