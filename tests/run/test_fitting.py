"""vk.fit: what it trains, what it measures, what it writes, and what it refuses."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import vaekit as vk
from vaekit.objectives import ELBO

TABLE = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
GREY = np.random.default_rng(1).integers(0, 256, (60, 4, 4), dtype=np.uint8)
QUICK: dict[str, Any] = {"epochs": 2, "verbose": False, "device": "cpu"}
FIELDS = (
    "recipe parameters epochs steps seconds items_per_second device seed split items likelihood binarization elbo rate "
    "distortion nll nll_se nll_samples bits_per_dim active_units run"
).split()


def recipe(data: Any = TABLE, name: str = "vae", **given: Any) -> Any:
    return vk.recipe(name, data, **{"latent_dim": 2, "hidden": [8], **given})


def state(model: nn.Module) -> list[torch.Tensor]:
    return [v.clone() for v in model.state_dict().values()]


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(map(torch.equal, a, b))


def test_a_recipe_is_built_anew_under_the_seed() -> None:
    plan = recipe()
    before = state(plan.model)
    one, two, other = (vk.fit(plan, TABLE, seed=s, **QUICK) for s in (0, 0, 1))
    assert same(state(one.model), state(two.model)) and not same(state(one.model), state(other.model))
    assert same(before, state(plan.model)) and one.model is not plan.model
    left_out = ("seconds", "items_per_second")
    numbers = [{k: v for k, v in run.metrics.items() if k not in left_out} for run in (one, two)]
    assert numbers[0] == numbers[1]
    torch.manual_seed(5)
    assert same(state(one.model), state(vk.fit(recipe(), TABLE, seed=0, **QUICK).model))  # a recipe made elsewhere too


def test_a_model_of_ones_own_is_trained_in_place() -> None:
    plan = recipe()
    before, model = state(plan.model), plan.model
    run = vk.fit((model, ELBO(beta=2.0)), TABLE, **QUICK)
    assert run.model is model and not same(before, state(model)) and run.metrics["recipe"] == "custom"


def test_first_values_from_the_data_are_of_the_seed() -> None:
    """A codebook's k-means centres too, whatever was drawn before."""
    found = []
    for elsewhere in (1, 2):
        torch.manual_seed(elsewhere)
        found.append(state(vk.fit(vk.recipe("vq_vae", TABLE, codes=4), TABLE, seed=0, **QUICK).model))
    assert same(*found)


def test_what_was_put_into_a_recipe_is_trained() -> None:
    plan = recipe()
    pair = vk.fit((copy.deepcopy(plan.model), ELBO(beta=2.0)), TABLE, lr=0.01, **QUICK)
    run = vk.fit(replace(plan, objective=ELBO(beta=2.0)), TABLE, lr=0.01, **QUICK)
    assert run.metrics["recipe"] == "custom" and run.model is plan.model
    assert same(state(run.model), state(pair.model))
    with pytest.raises(vk.Mistake, match="built anew"):
        vk.fit_many(replace(plan, objective=ELBO()), TABLE, seeds=2, epochs=1)


def test_the_numbers_are_complete_and_repeat(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", GREY)
    path = str(tmp_path / "x.npy")
    run = vk.fit(recipe(path), path, valid=0.2, test=0.25, out=tmp_path / "run", seed=4, **QUICK)
    m = run.metrics
    assert set(FIELDS) <= set(m) and (m["split"], m["items"], m["seed"], m["steps"]) == ("test", 15, 4, 2)
    assert m["binarization"] == "dynamic" and m["likelihood"] == "Bernoulli" and m["nll_samples"] == 10
    assert m["elbo"] == pytest.approx(-(m["rate"] + m["distortion"]), rel=1e-6)
    assert m["bits_per_dim"] == pytest.approx(m["nll"] / (16 * math.log(2)), rel=1e-9)
    assert m["parameters"] == sum(p.numel() for p in run.model.parameters())
    assert m["parameters"] == (16 * 8 + 8) + (8 * 4 + 4) + (2 * 8 + 8) + (8 * 16 + 16)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["status"] == "finished" and record["metrics"] == m and record["split"]["items"]["test"] == 15
    again = vk.load_run(tmp_path / "run")
    assert again.rows == run.rows and again.metrics == m and len(again.history) == 2
    for read in (run, again):
        numbers = read.evaluate(samples=10)
        assert {k: m[k] for k in numbers} == numbers
    assert np.array_equal(again.encode(), run.encode()) and np.array_equal(again.score(GREY), run.score(GREY))
    assert same(state(vk.load(tmp_path / "run")), state(run.model)) and same(state(run.model), state(again.model))
    assert again.evaluate(split="valid", samples=3)["items"] == 12 and again.evaluate(GREY, samples=3)["items"] == 60
    (tmp_path / "x.npy").unlink()  # the data went away: the run stays
    with pytest.raises(vk.Mistake, match="this run's data is not at hand"):
        vk.load_run(tmp_path / "run").evaluate()


def test_the_elbo_is_that_of_the_users_units() -> None:
    plain = vk.fit(recipe(), TABLE, **QUICK).metrics
    wide = vk.fit(recipe(TABLE * 8), TABLE * 8, **QUICK).metrics  # standardised, so the same but for the Jacobian
    for name, sign in (("elbo", -1), ("distortion", 1), ("nll", 1), ("rate", 0)):
        assert wide[name] == pytest.approx(plain[name] + sign * 3 * math.log(8), abs=1e-4)


def test_own_networks_train_save_and_load(tmp_path: Path) -> None:
    encoder, decoder = nn.Sequential(nn.Linear(3, 7), nn.Tanh()), nn.Sequential(nn.Linear(2, 6), nn.Tanh())
    before = state(encoder)
    plan = vk.recipe("vae", TABLE, latent_dim=2, encoder=encoder, decoder=decoder)
    run = vk.fit(plan, TABLE, out=tmp_path / "run", **QUICK)
    own: Any = run.model
    assert same(before, state(encoder)) and not same(before, state(own.posterior.net))
    with pytest.raises(vk.Mistake, match=r"fields 'posterior.net' .*, 'likelihood.net' .*: they are torch modules of"):
        vk.load_run(tmp_path / "run")
    with pytest.raises(vk.Mistake, match="field 'likelihood.net': it is a torch module of your own"):
        vk.load_run(tmp_path / "run", modules={"posterior.net": encoder})
    modules = {"posterior.net": encoder, "likelihood.net": decoder}
    assert np.array_equal(vk.load_run(tmp_path / "run", modules=modules).encode(TABLE), run.encode(TABLE))


def test_parts_as_data_and_by_groups(tmp_path: Path) -> None:
    run = vk.fit(recipe(), TABLE, valid=TABLE[:7] + 1, test=TABLE[:5], **QUICK)
    assert {k: len(v) for k, v in run.data.parts.items()} == {"train": 60, "valid": 7, "test": 5}  # type: ignore[union-attr]
    assert run.metrics["items"] == 5 and run.evaluate(TABLE[:5], samples=10)["elbo"] == run.metrics["elbo"]
    groups = np.arange(60) // 4
    parts = vk.fit(recipe(), TABLE, split_by=groups, **QUICK).data.parts  # type: ignore[union-attr]
    held = [set(groups[rows]) for rows in parts.values()]
    assert len(set.union(*held)) == 15 == sum(map(len, held)) and min(map(len, held)) >= 1
    time = vk.fit(recipe(), TABLE, split_by="time", **QUICK).data.parts  # type: ignore[union-attr]
    assert max(time["train"]) < min(time["valid"]) <= max(time["valid"]) < min(time["test"])
    with pytest.raises(vk.Mistake, match="the valid data hold items of"):
        vk.fit(recipe(), TABLE, valid=TABLE[:, :2], **QUICK)


def test_weights_to_start_from(tmp_path: Path) -> None:
    first = vk.fit(recipe(), TABLE, out=tmp_path / "run", **QUICK)
    other = vk.fit(recipe(TABLE + 3), TABLE + 3, init_from=tmp_path / "run", **{**QUICK, "epochs": 0})
    assert same(state(first.model), state(other.model))  # the data's first values do not overwrite them
    with pytest.raises(vk.Mistake, match="has other shapes than this recipe"):
        vk.fit(recipe(latent_dim=1), TABLE, init_from=tmp_path / "run", **QUICK)


def test_folders_are_kept_safe(tmp_path: Path) -> None:
    run = vk.fit(recipe(), TABLE, out=tmp_path / "run", **QUICK)
    with pytest.raises(vk.Mistake, match=r"run exists already: .*--resume to go on, --overwrite to delete it"):
        vk.fit(recipe(), TABLE, out=tmp_path / "run", **QUICK)
    done = vk.fit(recipe(), TABLE, out=tmp_path / "run", resume=True, **QUICK)
    assert done.metrics == run.metrics and same(state(done.model), state(run.model))
    new = vk.fit(recipe(), TABLE, out=tmp_path / "run", overwrite=True, seed=1, **QUICK)
    assert not same(state(new.model), state(run.model)) and vk.load_run(tmp_path / "run").metrics == new.metrics
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(vk.Mistake, match="mine exists already and holds files that are no run: they are kept"):
        vk.fit(recipe(), TABLE, out=tmp_path / "mine", overwrite=True, **QUICK)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    with pytest.raises(vk.Mistake, match="thesis.txt is a file: give another --out"):
        vk.fit(recipe(), TABLE, out=tmp_path / "mine" / "thesis.txt", **QUICK)


def test_what_still_works() -> None:
    constant = np.where(np.arange(16).reshape(4, 4) < 8, GREY, 0).astype(np.uint8)
    run = vk.fit(recipe(constant), constant, batch_size=1, **QUICK)
    assert run.metrics["steps"] == 2 * 48 and math.isfinite(run.metrics["elbo"])
    frame = pd.DataFrame(TABLE, columns=["a", "b", "c"]).assign(b=3.0)
    run = vk.fit(recipe(frame), frame, **QUICK)
    assert math.isfinite(run.metrics["elbo"]) and math.isfinite(run.rows[-1]["valid_loss"])
    two = vk.fit(recipe(TABLE[:2]), TABLE[:2], valid=0, test=0, **QUICK)
    assert two.metrics["split"] == "train" and two.metrics["items"] == 2


NAN = TABLE.copy()
NAN[30, 1] = np.nan
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"data": TABLE, "y": np.arange(60) % 2}, "y was given and recipe 'vae' was built without it: build"),
    ({"data": TABLE[:, :2]}, r"the model wants items of shape \(3,\) and the data has \(2,\)"),
    ({"data": TABLE, "learning_rate": 1}, "training takes no 'learning_rate': did you mean 'lr'"),
    ({"data": TABLE, "num_epochs": 1}, "training takes no 'num_epochs': did you mean 'epochs'"),
    ({"data": TABLE, "latent": 1}, r"training takes no 'latent': .*give recipe arguments to vk.recipe\(...\)"),
    ({"data": NAN}, "the data has missing values .NaN. and this model cannot take them: use the recipe 'miwae'"),
    ({"data": TABLE[:1]}, "holds one item, which can be neither split nor trained on"),
    ({"data": np.ones((9, 3))}, "every column of 'array' is constant over its 9 rows"),
    ({"data": TABLE, "valid": 1.5}, "valid=1.5 is no fraction of the rows"),
    ({"data": TABLE, "recipe": "vea"}, "unknown recipe 'vea': did you mean 'vae'"),
    ({"data": TABLE, "recipe": 3}, r"got 3 as the recipe: give vk.recipe\(...\), a name, or \(model, objective\)"),
    ({"data": TABLE, "labels": [1, 2]}, "labels has 2 values for 60 rows of data"),
    ({"data": TABLE, "lr": -1.0}, "got lr=-1.0 and wanted a number above 0"),
    ({"data": TABLE, "monitor": "elbow"}, "got monitor='elbow' and the history has"),
    ({"data": TABLE, "init_from": "nowhere"}, "nowhere is no run: give a run's folder to start from"),
    ({"data": GREY.astype(np.float32), "recipe": "bernoulli"}, "a Bernoulli likelihood wants 0/1 or grey data"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED, ids=lambda v: v[:24] if isinstance(v, str) else "")
def test_what_is_refused(given: dict[str, Any], message: str) -> None:
    given = {"recipe": recipe(), **given}
    if given["recipe"] == "bernoulli":
        given["recipe"] = recipe(given["data"], likelihood="bernoulli")
    with pytest.raises(vk.Mistake, match=message):
        vk.fit(given.pop("recipe"), given.pop("data"), **{**QUICK, **given})


def test_factor_vae_wants_company() -> None:
    plan, message = (
        recipe(name="factor_vae"),
        "DensityRatio compares the items of a batch and the smallest one holds {}",
    )
    with pytest.raises(vk.Mistake, match=message.format(1)):
        vk.fit(plan, TABLE, batch_size=1, **QUICK)
    with pytest.raises(vk.Mistake, match=message.format(1)):
        vk.fit(plan, TABLE, batch_size=4, accumulate=4, **QUICK)
    with pytest.raises(vk.Mistake, match=message.format(1)):  # 47 items in 24 batches
        vk.fit(plan, TABLE[:59], batch_size=2, **QUICK)
    assert vk.fit(recipe(), TABLE, batch_size=2, accumulate=4, **QUICK).metrics["steps"] == 48
