"""Laws of objectives: they read the trace and change nothing; nats an item, whatever the batch; both forms agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vaekit.distributions import DiagonalGaussian
from vaekit.models import VAE, Trace
from vaekit.objectives import ELBO, IWAE, KL, DensityRatio, Discriminate, Reconstruction, Term, as_game
from vaekit.objectives import posterior_sample as view
from vaekit.objectives.adversarial import shuffled
from vaekit.objectives.schedules import Constant, Cosine, Linear, Schedule

from .tables import RECIPES, RecipeRow, recipe_data


def judge() -> nn.Module:
    torch.manual_seed(5)
    return nn.Linear(2, 1)


TERMS: dict[str, Callable[[], Term]] = {
    "Reconstruction": Reconstruction,
    "KL": KL,
    "ELBO": ELBO,
    "ELBO-beta": lambda: ELBO(beta=4.0, samples=3),
    "ELBO-annealed": lambda: ELBO(beta=Linear(0.2, 1.0, steps=10)),
    "IWAE": lambda: IWAE(6),
    "weighed sum": lambda: 0.5 * ELBO() + 0.5 * IWAE(4) + 0.1 * KL(),
    "DensityRatio": lambda: DensityRatio(judge(), view),
    "Discriminate": lambda: Discriminate(judge(), view, shuffled),
}
SCHEDULES: dict[str, tuple[Callable[[], Schedule], dict[int, float]]] = {
    "Constant": (lambda: Constant(3.0), {0: 3.0, 1: 3.0, 999: 3.0}),
    "Linear": (lambda: Linear(1.0, 3.0, steps=4, delay=2), {0: 1.0, 2: 1.0, 3: 1.5, 4: 2.0, 6: 3.0, 99: 3.0}),
    "Linear-down": (lambda: Linear(3.0, 1.0, steps=4), {0: 3.0, 2: 2.0, 4: 1.0}),
    "Cosine": (lambda: Cosine(1.0, 3.0, steps=4), {0: 1.0, 1: 2 - 0.5**0.5, 2: 2.0, 4: 3.0, 9: 3.0}),
}
terms = pytest.mark.parametrize("name", TERMS)
DENSE = [row for row in RECIPES if row.name != "vae_relaxed" and row.make().model.has_density]
OWN_NOISE = (  # terms that draw noise of their own for each item or each batch: their oracles are tests of their own
    "info_vae", "wae_mmd", "sliced_wae", "sinkhorn_ae", "vae_gan",
    "vae_gan_pictures", "rae_gp", "denoising_autoencoder", "contractive_autoencoder",
    "eq_vae", "eq_vae_oblong",
    "power_spherical_vae",  # whose Beta variables come from a generator that is not patched here
)  # fmt: skip
IN_GROUPS = ("ml_vae", "group_vae")  # of a batch repeated the groups are twice as large, and known better
AMONG_OTHERS = ("exemplar_vae",)  # whose prior leaves an item out, but not its double


def small(name: str = "vae") -> tuple[VAE, Tensor]:
    row = next(row for row in RECIPES if row.name == name)
    model = row.make().model
    return model, recipe_data(row, model)[0]


def trace_of(model: Any, x: Tensor, samples: int, y: Any = None) -> Trace:
    torch.manual_seed(11)
    trace: Trace = model.trace(x, y, samples=samples)
    return trace


def frozen_copy(trace: Trace) -> list[Tensor]:
    (q, p, z) = trace.levels[0]
    return [t.detach().clone() for t in (trace.x, z, q.loc, q.log_scale, p.loc, trace.px.loc, trace.px.log_scale)]


@terms
def test_a_term_gives_an_item_each_and_changes_nothing(name: str) -> None:
    model, x = small()
    term = TERMS[name]()
    trace = trace_of(model, x, term.samples)
    before, state = frozen_copy(trace), {k: v.clone() for k, v in {**model.state_dict(), **term.state_dict()}.items()}
    value = term(model, trace)
    assert value.shape == (len(x),) and bool(value.isfinite().all())
    value.mean().backward()
    assert all(torch.equal(a, b) for a, b in zip(before, frozen_copy(trace), strict=True))
    assert all(torch.equal(v, state[k]) for k, v in {**model.state_dict(), **term.state_dict()}.items())
    assert not trace.z._backward_hooks, "a term hooked the shared z"


@terms
@pytest.mark.parametrize("other", ["KL", "IWAE", "Discriminate"])
def test_adding_a_term_leaves_the_others_gradient(name: str, other: str) -> None:
    model, x = small()
    model, x = model.double(), x.double()
    a, b = TERMS[name]().double(), TERMS[other]().double()
    samples, parameters = max(a.samples, b.samples), list(model.parameters())

    def gradient(pick: Callable[[Trace], Tensor]) -> list[Tensor]:
        loss = pick(trace_of(model, x, samples)).mean() + 0 * sum(p.sum() for p in parameters)
        return list(torch.autograd.grad(loss, parameters))

    def noise(function: Callable[[], Tensor]) -> Tensor:  # the permutations of `shuffled` are drawn alike
        torch.manual_seed(3)
        return function()

    alone = gradient(lambda t: noise(lambda: a(model, t)))
    after = gradient(lambda t: (b(model, t), noise(lambda: a(model, t)))[1])  # b scored first, on the same trace
    both = gradient(lambda t: noise(lambda: a(model, t)) + noise(lambda: b(model, t)))
    theirs = gradient(lambda t: noise(lambda: b(model, t)))
    for i, one in enumerate(alone):
        # float64: scored after another, autograd adds the same numbers in another order
        torch.testing.assert_close(after[i], one, rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(both[i], one + theirs[i], rtol=1e-12, atol=1e-13)


@terms
def test_weights_scale_and_names_add_up(name: str) -> None:
    model, x = small()
    term = TERMS[name]()
    trace = trace_of(model, x, term.samples)

    def value(t: Term) -> Tensor:
        torch.manual_seed(3)
        return t(model, trace)

    torch.testing.assert_close(value(2.5 * term), 2.5 * value(term), rtol=1e-6, atol=1e-6)
    torch.manual_seed(3)
    parts = term.terms(model, trace)
    torch.testing.assert_close(sum(parts.values()), value(term), rtol=1e-6, atol=1e-6)  # type: ignore[arg-type]


def test_signs_and_betas() -> None:
    model, x = small()
    trace = trace_of(model, x, 3)
    rec, kl = Reconstruction()(model, trace), KL()(model, trace)
    assert bool((kl >= 0).all())
    torch.testing.assert_close(ELBO()(model, trace), rec + kl)
    torch.testing.assert_close(ELBO(beta=4.0)(model, trace), rec + 4 * kl)
    torch.testing.assert_close(ELBO().bound(model, trace), -(rec + kl))
    torch.testing.assert_close(IWAE(3).bound(model, trace), trace.log_w.double().exp().mean(0).log().float())
    # what is reported is the bound itself, not a sum of normalised weights times log-weights (PEERS P9)
    weighed = (trace.log_w.softmax(0) * trace.log_w).sum(0)
    assert bool((IWAE(3).bound(model, trace) < weighed).all())


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_move_in_after_step_only(name: str) -> None:
    make, known = SCHEDULES[name]
    schedule = make()
    assert float(schedule.value()) == pytest.approx(known[0], abs=1e-6)  # float32
    model, x = small()
    objective = ELBO(beta=schedule)
    for _ in range(3):  # scoring, in training or in evaluation, moves nothing (PEERS: annealing inside the loss)
        objective(model, model.trace(x))
        objective(model.eval(), model.trace(x))
    assert float(schedule.value()) == pytest.approx(known[0], abs=1e-6)
    for step, value in known.items():
        if step:
            schedule.after_step(step)
            assert float(schedule.value()) == pytest.approx(value, abs=1e-6)
    assert "now" in schedule.state_dict(), "a schedule's place is saved and resumed"
    assert schedule in objective.walk("after_step")


@pytest.mark.parametrize("row", DENSE, ids=str)
def test_both_forms_of_the_elbo_agree_in_expectation(row: RecipeRow) -> None:
    model = row.make().model.eval()
    x, y = recipe_data(row, model, n=2)
    k = 20_000
    with torch.no_grad():
        trace = trace_of(model, x, k, y)
        gap = (trace.log_q - trace.log_p).double()  # (K, B), whose mean is the rate
        if len(trace.levels) > 1:  # the rates of the levels below the top depend on the draws above
            fixed = trace.kl.double()
            assert bool(((gap.mean(0) - fixed).abs() < 4 * gap.std(0) * (2 / k) ** 0.5 + 1e-6).all())
            return
        assert bool(((gap.mean(0) - trace.kl.double()).abs() < 4 * gap.std(0) / k**0.5 + 1e-5).all())  # 1e-5: float32
        if trace.factorises:
            torch.testing.assert_close(trace.kl_each.sum(-1), trace.kl, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "row", [row for row in RECIPES if row.name not in (*OWN_NOISE, *IN_GROUPS, *AMONG_OTHERS)], ids=str
)
def test_the_loss_of_a_batch_repeated_is_the_same(row: RecipeRow, monkeypatch: pytest.MonkeyPatch) -> None:
    """PEERS P10: no term is summed over the batch where another is averaged."""
    recipe = row.make()
    model, game = recipe.model, as_game(recipe.objective)
    x, y = recipe_data(row, model)

    def rows_alike(*shape: Any, **more: Any) -> Tensor:  # noise that is the same for every item, other for each draw
        shape = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
        draws = torch.arange(shape[0], dtype=more.get("dtype")).reshape(-1, *[1] * (len(shape) - 1))
        return (0.3 + 0.37 * draws).frac().expand(shape)

    monkeypatch.setattr(torch, "randn", rows_alike)
    monkeypatch.setattr(torch, "rand", rows_alike)
    monkeypatch.setattr(torch, "bernoulli", torch.round)
    player = next(iter(game.roles))  # the discriminator's permutations are another batch's
    once = game.score(model, trace_of(model, x, game.samples, y))[0][player]
    two = {k: torch.cat([v, v]) for k, v in y.items()} if y else y
    twice = game.score(model, trace_of(model, torch.cat([x, x]), game.samples, two))[0][player]
    torch.testing.assert_close(once, twice, rtol=1e-6, atol=1e-6)  # float32, another order of sums


def test_the_shared_z_of_two_bounds_is_not_hooked() -> None:
    """DESIGN 7.5: the gradient of ELBO + IWAE is the sum of both, to float64 rounding."""
    model, x = small()
    model, x = model.double(), x.double()
    parameters = list(model.parameters())

    def gradient(term: Term) -> Tensor:
        loss = term(model, trace_of(model, x, 8)).mean()
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])

    torch.testing.assert_close(gradient(ELBO() + IWAE(8)), gradient(ELBO()) + gradient(IWAE(8)), rtol=1e-9, atol=1e-11)


def test_rsample_noise_is_the_posteriors_only_noise() -> None:
    """from_noise makes the very draws of rsample, so that noise may be shared between rows."""
    q = DiagonalGaussian(torch.zeros(4, 3), torch.ones(4, 3))
    torch.manual_seed(0)
    a = q.rsample((5,))
    torch.manual_seed(0)
    assert torch.equal(a, q.from_noise(q.noise((5,))))
