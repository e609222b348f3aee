"""Wrong arguments are refused in one sentence, and a row's numbers are its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import vaekit as vk
from vaekit.objectives import Bound

TABLE = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
QUICK: dict[str, Any] = {"epochs": 2, "verbose": False, "device": "cpu"}


def recipe(data: Any = TABLE, name: str = "vae", **given: Any) -> Any:
    return vk.recipe(name, data, **{"latent_dim": 2, "hidden": [8], **given})


@pytest.fixture(scope="module")
def run() -> vk.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vaekit.run.fitting.NLL_SAMPLES", 10)
        return vk.fit(recipe(), TABLE, **QUICK)


@pytest.mark.parametrize("name", ["vae", "ladder_vae", "conditional_vae", "miwae", "grey", "bytes"])
def test_a_score_is_the_rows_own(name: str) -> None:
    data, more = TABLE, {}
    given: dict[str, Any] = {} if name == "ladder_vae" else {"latent_dim": 2}
    if name == "conditional_vae":
        more["y"] = np.arange(60) % 3
    if name == "miwae":
        data = TABLE.copy()
        data[::7, 1] = np.nan
    if name in ("grey", "bytes"):
        data = np.random.default_rng(1).random((60, 4, 4)).astype(np.float32)
        data, more = (data * 255).astype(np.uint8) if name == "bytes" else data, {"binarize": "dynamic"}
        given["likelihood"], name = vk.likelihoods.Bernoulli(), "vae"
    y = more.get("y")
    trained = vk.fit(vk.recipe(name, data, y=y, **given), data, **more, **QUICK)
    whole = trained.score(data, y, samples=16)
    turned = trained.score(data[::-1].copy(), None if y is None else y[::-1].copy(), samples=16)
    np.testing.assert_allclose(turned[::-1], whole, rtol=1e-5, atol=1e-5)
    for i in (0, 7, 59):
        alone = trained.score(data[i : i + 1], None if y is None else y[i : i + 1], samples=16)
        np.testing.assert_allclose(alone[0], whole[i], rtol=1e-5, atol=1e-5)
    assert np.std(whole) > 0.01


@pytest.mark.parametrize("kind", ["grey", "bytes"])
def test_what_a_row_of_grey_data_gives_is_its_own(kind: str) -> None:
    grey = np.random.default_rng(1).random((60, 4, 4)).astype(np.float32)
    data = (grey * 255).astype(np.uint8) if kind == "bytes" else grey
    trained = vk.fit(recipe(data, likelihood=vk.likelihoods.Bernoulli()), data, binarize="dynamic", **QUICK)
    few = np.array([59, 7, 7, 0])
    for of in (trained.encode, trained.reconstruct, lambda x: trained.encode(x, what="moments")):
        np.testing.assert_allclose(of(data[few]), of(data)[few], rtol=1e-5, atol=1e-6)  # sums in another order
    assert np.array_equal(trained.encode(), trained.encode(data))


CALLS: list[tuple[Callable[[vk.Run], Any], str]] = [
    (lambda run: run.decode(np.zeros((2, 3))), r"got latents of shape \(2, 3\) and wanted \(items, latents\), of 2"),
    (lambda run: run.decode(np.array([["a", "b"]])), "got latents that are no numbers"),
    (lambda run: run.decode(np.array([[0.0, np.nan]])), "got latents that are missing"),
    (lambda run: run.sample(2.5), r"got n = 2.5 and wanted at least one sample"),  # type: ignore[arg-type]
    (lambda run: run.sample(2, temperature=-1), "got temperature=-1 and wanted a number, 0 or more"),
    (lambda run: run.sample(2, given=1), "conditioned on nothing and got a context"),
    (lambda run: run.evaluate(samples=0), "got samples=0 and wanted a whole number, 1 or more"),
    (lambda run: run.evaluate(limit=0), "got limit=0 and wanted a whole number, 1 or more"),
    (lambda run: run.score(samples=0), "got samples=0 and wanted a whole number, 1 or more"),
]


@pytest.mark.parametrize(("call", "said"), CALLS, ids=[said[:24] for _, said in CALLS])
def test_calls_of_a_run(run: vk.Run, call: Callable[[vk.Run], Any], said: str) -> None:
    with pytest.raises(vk.Mistake, match=said):
        call(run)


@pytest.mark.parametrize("seed", [-1, "a"])
def test_seeds(seed: Any) -> None:
    with pytest.raises(vk.Mistake, match=f"got seed={seed!r} and wanted a whole number, 0 or more"):
        vk.fit(recipe(), TABLE, seed=seed, **QUICK)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"hidden": 8}, r"give hidden=\[8\]"),
        ({"hidden": ["a"]}, r"got hidden=\['a'\] and wanted a list of whole numbers"),
        ({"hidden": [0]}, r"got hidden=\[0\] and wanted a list of whole numbers"),
        ({"encoder": nn.Identity}, "got encoder=<class .*Identity'> and wanted a torch module: give an instance"),
        ({"decoder": lambda z: z}, "got decoder=<function .* and wanted a torch module: give an instance"),
        ({"beta": float("nan")}, "got beta=nan and wanted 0 or more"),
    ],
)
def test_arguments_of_a_recipe(given: dict[str, Any], said: str) -> None:
    with pytest.raises(vk.Mistake, match=said):
        recipe(**given)


def test_a_linear_model_has_no_more_latents_than_the_data() -> None:
    with pytest.raises(vk.Mistake, match="got latent_dim=4 and a linear model of 3 numbers an item takes 3 at most"):
        vk.recipe("pca", TABLE, latent_dim=4)


@pytest.mark.parametrize("value", [None, 0.0, "scalar"])
def test_a_bound_gives_one_number_an_item(value: Any) -> None:
    class Mine(Bound):
        def bound(self, model: Any, trace: Any) -> Any:
            return trace.log_px.mean() if value == "scalar" else value

    with pytest.raises(vk.Mistake, match=r"the bound Mine gave .* and wanted one number an item, \(8,\)"):
        vk.fit((recipe().model, Mine()), TABLE, **QUICK)


def test_drawn_levels_are_whole() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (40, 3, 5, 6), dtype=np.uint8)
    plan = vk.recipe("vae", pixels, latent_dim=2, hidden=[8], likelihood="discretized_logistic")
    trained = vk.fit(plan, pixels, **QUICK)
    drawn = torch.as_tensor(np.asarray(trained.model.sample(50, mean=False)))
    assert torch.equal(drawn, drawn.round()) and float(drawn.max()) == 255.0
    for x in (
        trained.sample(9, mean=False),
        trained.reconstruct(pixels, mean=False),
        trained.decode(np.zeros((9, 2)), mean=False),
    ):
        assert np.array_equal(x, np.round(x))
    means = np.asarray(trained.sample(9, mean=True))
    assert not np.array_equal(means, np.round(means))
