"""Each diagnosis on a model that was given the illness by hand, and on the healthy model it was made from.

The healthy model is probabilistic PCA at its closed form on data drawn from such a model: every number that the doctor
reads has a known value there.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import vaekit as vk
from vaekit.data import Dataset
from vaekit.doctor import Case, Finding, examine
from vaekit.doctor.fitting import seeds_disagree
from vaekit.doctor.latents import collapse
from vaekit.likelihoods import FixedScale, PerDimensionScale
from vaekit.likelihoods.scales import SMALLEST

D, LATENTS = 10, 3


def drawn(n: int, seed: int) -> np.ndarray:
    """Items of a linear model with three latents and noise of 0.3."""
    loads = np.random.default_rng(0).standard_normal((LATENTS, D))
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, LATENTS)) @ loads + 0.3 * rng.standard_normal((n, D))).astype(np.float32)


@pytest.fixture(scope="module")
def run() -> Any:
    x = drawn(1400, 1)
    return vk.fit(vk.recipe("ppca", x, latent_dim=LATENTS), x, seed=0, verbose=False)


def case(run: Any, **changes: Any) -> Case:
    given = {"train": run.part("train"), "held": run.part("test"), **changes}
    model = copy.deepcopy(given.pop("model", run.model))
    record, rows = given.pop("record", run.record), given.pop("rows", run.rows)
    return Case(model, record, rows, **given)


def named(found: list[Finding]) -> list[str]:
    return [finding.illness for finding in found]


def table(x: np.ndarray) -> Dataset:
    return vk.data.read(x)


@torch.no_grad()
def collapsed(model: Any) -> None:
    model.posterior.head.layer.weight.zero_()
    model.posterior.head.layer.bias.zero_()


@torch.no_grad()
def shifted(model: Any) -> None:
    """The posteriors stand 2 to the right of where the decoder, moved along, wants them."""
    model.posterior.head.layer.bias[:LATENTS] += 2
    layer = model.likelihood.head.layer
    layer.bias -= layer.weight @ torch.full((LATENTS,), 2.0)


@torch.no_grad()
def widened(factor: float) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        with torch.no_grad():
            model.posterior.head.layer.bias[LATENTS:] += math.log(factor)

    return change


def fixed(c: float) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        model.likelihood.scale = FixedScale(c=c)

    return change


def pinned(model: Any) -> None:
    scale = PerDimensionScale()
    scale.build((D,))
    with torch.no_grad():
        scale.log_scale.fill_(SMALLEST)
    model.likelihood.scale = scale


def test_the_healthy_model_is_found_healthy(run: Any) -> None:
    assert examine(case(run)) == []


@pytest.mark.parametrize(
    ("illness", "change"),
    [
        ("posterior collapse", collapsed),
        ("holes in the prior", shifted),
        ("over-regularisation", widened(3.0)),
        ("under-regularisation", widened(0.2)),
        ("over-regularisation", fixed(1.0)),
        ("under-regularisation", fixed(0.01)),
        ("saturated scales", pinned),
    ],
)
def test_an_illness_of_the_model_is_found(run: Any, illness: str, change: Callable[[Any], None]) -> None:
    model = copy.deepcopy(run.model)
    change(model)
    assert illness in named(examine(case(run, model=model)))


def test_the_evidence_is_what_the_model_has(run: Any) -> None:
    model = copy.deepcopy(run.model)
    fixed(1.0)(model)
    scale = float(run.model.likelihood.scale.log_scale.exp())
    said = next(f for f in examine(case(run, model=model)) if f.illness == "over-regularisation").evidence
    own = float(said.split("own is ")[1].split(",")[0])
    # the residuals of posterior draws: their expectation is the fitted variance, by the EM algorithm's fixed point
    assert own == pytest.approx(scale**2, rel=0.05)
    rate = collapse(case(run))
    assert rate is None and case(run).numbers["rate"] > 1  # type: ignore[index]


def test_dead_codes() -> None:
    x = (np.random.default_rng(0).random((400, 6)) < 0.5).astype(np.uint8)
    bits = vk.posteriors.StraightThroughBernoulli
    found = vk.fit(vk.recipe("vae", x, latent_dim=10, posterior=bits), x, steps=1, seed=0, verbose=False)
    with torch.no_grad():
        layer = found.model.posterior.head.layer
        layer.weight.mul_(20)
        layer.bias.zero_()
    assert "dead codes" not in named(examine(case(found)))
    with torch.no_grad():
        layer.bias[:4] = 1e3
    assert "dead codes" in named(examine(case(found)))


def test_wrong_likelihoods(run: Any) -> None:
    rng = np.random.default_rng(0)
    counts = rng.negative_binomial(1, 0.05, (400, D)).astype(np.float32)
    bits = (rng.random((400, D)) < 0.3).astype(np.float32)
    for x in (counts, bits):
        assert "wrong likelihood" in named(examine(case(run, train=table(x), held=table(x))))
    halves = rng.integers(0, 40, (400, D)).astype(np.float32) / 2  # as wide, and no counts
    assert "wrong likelihood" not in named(examine(case(run, train=table(halves), held=table(halves))))


def test_greys_under_a_bernoulli() -> None:
    pictures = np.random.default_rng(0).integers(0, 2, (300, 6, 6)).astype(np.uint8) * 255
    found = vk.fit(
        vk.recipe("vae", pictures, latent_dim=2), pictures, steps=2, seed=0, verbose=False, binarize="dynamic"
    )
    assert "wrong likelihood" not in named(examine(case(found)))
    grey = vk.data.read(np.full((300, 6, 6), 120, np.uint8))
    assert "wrong likelihood" in named(examine(case(found, train=grey, held=grey)))
    record = {**found.record, "binarization": None}  # as they are: no bound on a likelihood at all
    said = [f for f in examine(case(found, record=record, train=grey, held=grey)) if f.illness == "wrong likelihood"]
    assert len(said) == 1 and "100%" in said[0].evidence


def test_holes_are_what_decodes_show(run: Any) -> None:
    model = copy.deepcopy(run.model)
    with torch.no_grad():
        model.likelihood.head.layer.weight[:, 0] = 0  # what z1 does shows nowhere
        model.posterior.head.layer.bias[0] += 2
    assert "holes in the prior" not in named(examine(case(run, model=model)))
    shifted(model)
    assert "holes in the prior" in named(examine(case(run, model=model)))


def rows(values: list[float]) -> list[dict[str, float]]:
    return [{"valid_elbo": -value, "epoch": i + 1, "step": 10 * (i + 1)} for i, value in enumerate(values)]


def test_overfitting_is_a_score_that_tells_what_was_trained_on(run: Any) -> None:
    other = np.random.default_rng(5).standard_normal((400, D)).astype(np.float32) * 2
    said = [f for f in examine(case(run, held=table(other))) if f.illness == "overfitting"]
    assert len(said) == 1 and "of pairs" in said[0].evidence
    assert "overfitting" not in named(examine(case(run, held=table(drawn(400, 7)))))


def test_overfitting_is_a_held_out_loss_that_rose(run: Any) -> None:
    behind = table(1.15 * drawn(400, 7))  # a gap that is certain, and that any model may have
    rose = rows([100 + abs(i - 8) for i in range(20)])
    ends = {keep: {**run.record, "settings": {"keep": keep}} for keep in ("last", "best")}
    best = {**ends["best"], "metrics": {**run.metrics, "best_step": 90}}
    assert "overfitting" not in named(examine(case(run, held=behind)))
    said = [f for f in examine(case(run, held=behind, rows=rose, record=ends["last"])) if f.illness == "overfitting"]
    assert len(said) == 1 and "11.0 nats better after epoch 9" in said[0].evidence
    assert "overfitting" not in named(examine(case(run, held=behind, rows=rose, record=best)))
    assert "overfitting" not in named(examine(case(run, rows=rose, record=ends["last"])))  # no gap


def test_underfitting_is_a_loss_with_a_way_to_go(run: Any) -> None:
    falling = rows([200 - 5 * i for i in range(20)])
    done = rows([100 + 100 * math.exp(-i) for i in range(20)])
    slow = rows([200 - 0.01 * i for i in range(20)])  # less than the held-out score's own error
    rose = rows([200 - 5 * i if i < 12 else 100 + 5 * i for i in range(20)])
    every_other = [row if i % 2 else {"elbo": 0.0} for i, row in enumerate(falling)]
    trained = [{"elbo": row["valid_elbo"]} for row in falling]
    for curve, ill in (
        (falling, True),
        (every_other, True),
        (trained, True),
        (done, False),
        (slow, False),
        (rose, False),
    ):
        assert ("underfitting" in named(examine(case(run, rows=curve)))) is ill
    falls = [f.evidence for f in examine(case(run, rows=falling)) if f.illness == "underfitting"]
    assert "fell by 20 nats" in falls[0] and "may gain 100 nats" in falls[0]  # 5 an epoch, 20 epochs more


def test_too_few_draws(run: Any) -> None:
    def of(**metrics: Any) -> list[str]:
        return named(examine(case(run, record={**run.record, "metrics": {**run.metrics, **metrics}})))

    few = "too few draws for the NLL"
    assert few in of(ess=1.2, nll_samples=500, nll=90.0, nll_curve=[[250, 90.1, 0.1]])
    assert few in of(ess=40.0, nll_samples=500, nll=90.0, nll_curve=[[250, 91.0, 0.1]])
    assert few not in of(ess=40.0, nll_samples=500, nll=90.0, nll_curve=[[250, 90.1, 0.1]])


def test_seeds_that_disagree(run: Any) -> None:
    ill = copy.deepcopy(run.model)
    collapsed(ill)
    assert seeds_disagree([case(run), case(run, model=ill)]) is not None
    assert seeds_disagree([case(run), case(run)]) is None
