"""Laws of recipes: every parameter moves, files give the same model bit for bit, noise is all that varies."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vaekit import recipes
from vaekit.models import Trace
from vaekit.networks import MLP
from vaekit.objectives import as_game
from vaekit.part import Part
from vaekit.storage import load_model, save_model
from vaekit.storage.spec import from_spec, to_spec
from vaekit.training import Batch, Step

from .tables import RECIPES, RecipeRow, recipe_data

each = pytest.mark.parametrize("row", RECIPES, ids=str)


def scores(model: Any, x: Tensor, y: Any, samples: int = 4) -> Tensor:
    """What a model makes of a batch under one seed: log w, or log p(x|z) of a point."""
    torch.manual_seed(7)
    with torch.no_grad():
        trace: Trace = model.trace(x, y, samples=samples)
        return trace.log_w if trace.has_density else trace.log_px


def test_every_recipe_has_a_row() -> None:
    assert {row.of or row.name for row in RECIPES} == set(recipes.RECIPES)


@each
def test_gradients_reach_every_parameter_of_every_player(row: RecipeRow) -> None:
    recipe = row.make()
    model, game = recipe.model, as_game(recipe.objective)
    x, y = recipe_data(row, model, 32)
    losses, _ = game.score(model, game.trace(model, Batch(x, y)))
    players = game.players(model)
    owned = [id(p) for own in players.values() for p in own]
    assert len(owned) == len(set(owned)), "players share a parameter"
    moving = {id(p) for p in [*model.parameters(), *game.parameters()] if p.requires_grad}
    assert set(owned) == moving, "a parameter that is not frozen has no player"
    for player, own in players.items():
        for p, grad in zip(own, torch.autograd.grad(losses[player], own, retain_graph=True), strict=True):
            assert bool(grad.isfinite().all()) and bool((grad != 0).any()), (player, tuple(p.shape))


@each
def test_files_give_the_same_model_bit_for_bit(row: RecipeRow, tmp_path: Path) -> None:
    recipe = row.make()
    model = recipe.model
    x, y = recipe_data(row, model)
    if recipe.start is not None:
        recipe.start(model, x)
    if model.transform is not None:
        model.transform.before_fit(3 * x + 2, {}, len(x))
    step = Step(model, recipe.objective)
    if recipe.defaults.get("steps") != 0:
        for _ in range(2):
            step(Batch(x, y))
    model.eval()
    save_model(model, tmp_path, version="0")
    assert {p.suffix for p in tmp_path.iterdir()} == {".json", ".safetensors"}  # nothing is pickled
    again = load_model(tmp_path)
    assert type(again) is type(model) and not again.training
    state, other = model.state_dict(), again.state_dict()
    assert list(state) == list(other)
    assert all(torch.equal(state[k], other[k]) and state[k].dtype == other[k].dtype for k in state)
    assert torch.equal(scores(model, x, y), scores(again, x, y))
    assert to_spec(again) == to_spec(model)
    if model.has_density:
        raw = x if model.transform is None else model.transform.inverse(x)
        labels = None if y is None else [i % 3 for i in range(len(x))]
        torch.manual_seed(1)
        want = model.log_prob(raw, labels, samples=3)
        torch.manual_seed(1)
        assert torch.equal(want, again.log_prob(raw, labels, samples=3))


@each
def test_a_deep_copy_is_apart_and_the_same(row: RecipeRow) -> None:
    model = row.make().model.eval()
    x, y = recipe_data(row, model)
    copied = copy.deepcopy(model)
    assert torch.equal(scores(model, x, y), scores(copied, x, y))
    with torch.no_grad():
        for p in copied.parameters():
            p.add_(1.0)
    assert not torch.equal(scores(model, x, y), scores(copied, x, y))
    assert to_spec(copied) == to_spec(model)
    inside = {id(m) for m in copied.modules()}
    parts = [v for v in copied.arguments.values() if isinstance(v, Part)]
    assert all(id(part) in inside for part in parts), "the copy's arguments are the original's parts"


@each
def test_the_seed_is_all_that_varies(row: RecipeRow) -> None:
    model = row.make().model.eval()
    x, y = recipe_data(row, model)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    assert torch.equal(scores(model, x, y), scores(model, x, y))
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items()), "scoring changed the model"
    # items are apart: each scored alone, with the same noise, is scored alike
    if row.name not in ("vae_straight_through", "vae_relaxed"):  # whose draws come from a generator a row at a time
        one = {k: v[:1] for k, v in y.items()} if y else y
        with torch.no_grad():
            a, b = model._posterior(x, y).mean, model._posterior(x[:1], one).mean
        a, b = (mean[0] if isinstance(mean, tuple) else mean for mean in (a, b))  # of a hierarchy the top
        torch.testing.assert_close(a[:1], b, rtol=1e-5, atol=1e-6)  # float32, other matrix shapes
    assert row.make().model.state_dict().keys() == state.keys()
    assert all(torch.equal(v, state[k]) for k, v in row.make().model.state_dict().items()), "other weights by one seed"


@each
def test_an_item_is_nats_summed_over_its_dimensions(row: RecipeRow) -> None:
    """log p(x|z) is the sum over elements, not their mean, so that it grows with the picture."""
    model = row.make().model.eval()
    x, y = recipe_data(row, model)
    trace = model.trace(x, y, samples=2)
    filled = torch.nan_to_num(x)
    each_element = trace.px.log_prob_each(filled).masked_fill(torch.isnan(x), 0.0)
    torch.testing.assert_close(trace.log_px, each_element.flatten(2).sum(2), rtol=1e-5, atol=1e-5)  # float32
    assert trace.log_px.shape == (2, len(x))


def test_sharing_is_kept_in_files_and_copies() -> None:
    class Twice(Part):
        def __init__(self, a: nn.Module, b: nn.Module) -> None:
            super().__init__()
            self.a, self.b = a, b

    shared = MLP(3, [4])
    whole = Twice(shared, Twice(shared, MLP(3, [4])))
    Twice.__qualname__ = "Twice"
    globals()["Twice"] = Twice
    spec = json.loads(json.dumps(to_spec(whole)))
    assert spec["arguments"]["b"]["arguments"]["a"] == {"$same": spec["arguments"]["a"]["number"]}
    for again in (from_spec(spec), copy.deepcopy(whole)):
        assert again.a is again.b.a and again.a is not again.b.b
        assert again.arguments["a"] is again.a


PLAYED = ("vae", "factor_vae", "ladder_vae", "aae", "avb", "vae_gan", "kl_autoencoder")


@pytest.mark.parametrize("row", [row for row in RECIPES if row.name in PLAYED], ids=str)
def test_a_step_moves_every_player_down_its_own_slope(row: RecipeRow) -> None:
    """The engine's gradient of each player is that of its own loss alone (PEERS P14)."""
    recipe = row.make()
    model, game = recipe.model.double(), as_game(recipe.objective).double()
    x, y = recipe_data(row, model, 32)
    x = x.double()
    players = game.players(model)
    step = Step(model, game, {k: torch.optim.SGD(own, lr=1.0) for k, own in players.items() if own})
    torch.manual_seed(4)
    losses, _ = game.score(model, game.trace(model, Batch(x, y)))
    want = {k: torch.autograd.grad(losses[k], own, retain_graph=True) for k, own in players.items()}
    before = {k: [p.detach().clone() for p in own] for k, own in players.items()}
    torch.manual_seed(4)
    step(Batch(x, y))
    for k, own in players.items():
        for p, b, g in zip(own, before[k], want[k], strict=True):
            torch.testing.assert_close(p.detach(), b - g, rtol=1e-12, atol=1e-12)  # float64
