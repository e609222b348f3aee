r"""A prior fitted to the latents of a trained model, whose encoder and decoder stay (Ghosh et al. 2020).

.. math:: \max_p \frac1N \sum_n E_{q(z|x_n)}[\log p(z)]

Their paper is https://arxiv.org/abs/1903.12436. It is the prior under which the ELBO of the same encoder and decoder
is highest, and what an autoencoder needs before it can be sampled from.
"""

from __future__ import annotations

__all__ = ["fit_prior"]

import copy
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vaekit.data import Dataset, check
from vaekit.distributions import AutoregressiveCodes, Bernoulli, Blocks, Codes, OneHot, PointMass, UniformCodes
from vaekit.measure import prepared
from vaekit.messages import ArgumentMistake, Mistake, require_count
from vaekit.models import VAE, Model
from vaekit.noise import derive, forked
from vaekit.priors import FullGaussian, Prior
from vaekit.recipes.choose import binarization
from vaekit.run.loading import run_of
from vaekit.run.record import words
from vaekit.run.run import Run
from vaekit.training import Settings
from vaekit.training.optim import learning_rate, make_optimizers
from vaekit.training.progress import Progress

MANY = 50_000  # latents to fit to: where there are fewer items, as many draws of each as make that many
MOST_DRAWS = 64
STEPS = 3000  # of a fit by gradient, about
PATIENCE, LEAST_PATIENCE = 4, 10  # a fit by gradient ends after a fourth of its epochs without a gain, and not below 10
HELD = 10  # of as many items one is held out, whose cost says which epoch was the best
CHUNK = 512
COUNTED = (AutoregressiveCodes, Bernoulli, Codes, OneHot, UniformCodes)  # what gives probabilities, not densities
OF_KIND = {Codes: "AutoregressiveCodes", Bernoulli: "FairBernoulli", OneHot: "UniformCategorical", Blocks: "Blocks"}
NLL_SAMPLES, FEW_SAMPLES, FEW = 500, 16, 100  # draws for the NLL; draws and items where densities are slow


def fit_prior(
    subject: Run | Model | str | Path,
    data: Any = None,
    prior: Prior | None = None,
    y: Any = None,
    *,
    draws: int | None = None,
    epochs: int | None = None,
    batch_size: int = 256,
    lr: float = 1e-3,
    seed: int = 0,
    verbose: bool = True,
) -> Any:
    """The same model with another prior, fitted to the latents of training items by maximum likelihood.

    Gaussians are at their closed form and mixtures of Gaussians where the EM algorithm ends; all other priors are
    fitted by gradient, and the epoch that costs the least on a tenth of the items, held out, is kept.

    Args:
        subject: a Run, the folder of a run or of a saved model, or a Model; it is left as it is.
        data: training items as for `vk.fit`; the run's own training part where it is None.
        prior: a part of vk.priors with the model's latents, copied; a Gaussian of any covariance where it is None.
        y: their context, for a conditional model.
        draws: of each item's posterior; where nothing is given enough for about 50,000 latents in all. Posteriors
            without a spread give their value once.
        epochs: of a fit by gradient; about 3,000 steps where nothing is given.
        batch_size: items in a step.
        lr: the highest learning rate; it falls to 0 along a cosine.
        seed: of draws, starts and order.
        verbose: progress on stderr.

    Returns:
        a Run of a Run, with its numbers measured anew, else a Model. A model with a Point posterior has samples that
        follow the data now, and still no density.

    Raises:
        Mistake: for a model with several levels of latents, a prior of other latents, and one that gives densities to
            latents that are codes or bits, or the reverse.

    Example:
        >>> import vaekit as vk
        >>> run = vk.fit(vk.recipe("rae_l2", "digits", latent_dim=4, hidden=[32]), "digits", epochs=1, verbose=False)
        >>> better = fit_prior(run, prior=vk.priors.FullGaussianMixture(4, 10), verbose=False)
        >>> better.sample(3).shape, type(better.model.prior).__name__
        ((3, 8, 8), 'FullGaussianMixture')
    """
    run = run_of(subject)
    model, fitted = _copied(run.model, prior)
    dataset = run.part("train") if data is None else run.read(data, y)
    check(dataset)
    how = run.record["binarization"] if run.record["settings"] else binarization(dataset, model.likelihood, None)
    settings = Settings(epochs=_epochs(len(dataset), epochs, batch_size), batch_size=batch_size, lr=lr, seed=seed)
    began = time.monotonic()
    with forked(derive(seed, 7), run.device), _still(model):
        z, given = _latents(model, fitted, dataset, how, draws)
        _begin(model, fitted, dataset, how)
        steps = 0 if fitted.at_best(z.flatten(0, 1)) else _descend(model, fitted, z, given, settings, show=verbose)
    made = VAE(fitted, model.posterior, model.likelihood, transform=model.transform, context=model.context).eval()
    if isinstance(subject, Model):
        return made
    record = copy.deepcopy(run.record)
    record["prior"] = {
        "part": words(fitted), "latents": z.shape[0] * z.shape[1], "steps": steps,
        "seconds": round(time.monotonic() - began, 3),
    }  # fmt: skip
    record["parameters"] = sum(p.numel() for p in made.parameters() if p.requires_grad)
    record["papers"] = list(dict.fromkeys([*record.get("papers", ()), *made.papers()]))
    found = Run(made, record, list(run.rows), data=run.data)
    record["metrics"] = {**run.metrics, "parameters": record["parameters"], "run": None} | _measured(found, dataset)
    if verbose:
        print(f"{words(fitted)} fitted to {record['prior']['latents']:,} latents", file=sys.stderr)
    return found


def _copied(model: Any, prior: Prior | None) -> tuple[VAE, Prior]:
    """The model and the prior apart from the user's, with what they share still shared."""
    if not isinstance(model, VAE):
        raise Mistake(f"a prior is fitted to one level of latents and {type(model).__name__} has several: give a VAE.")
    shape = tuple(model.posterior.latent_shape)
    prior = FullGaussian(*shape) if prior is None else prior
    if not isinstance(prior, Prior):
        raise ArgumentMistake(f"got {prior!r:.60} as the prior: give a part of vk.priors, such as FullGaussian(8).")
    if tuple(prior.latent_shape) != shape:
        raise Mistake(f"got a prior of latents {tuple(prior.latent_shape)} and the model has {shape}: give it those.")
    held, fitted = copy.deepcopy((model, prior))
    return held, fitted.to(next(held.parameters()))


def _epochs(items: int, epochs: int | None, batch_size: int) -> int:
    per_epoch = -(-items // require_count("batch_size", batch_size))
    return max(10, min(300, round(STEPS / per_epoch))) if epochs is None else epochs


@contextmanager
def _still(model: nn.Module) -> Iterator[None]:
    """Encoder and decoder in evaluation mode and without gradients; what could be trained before can be afterwards."""
    moving = [p for p in model.parameters() if p.requires_grad]
    model.eval().requires_grad_(False)
    try:
        yield
    finally:
        for p in moving:
            p.requires_grad_(True)


@torch.no_grad()
def _latents(
    model: VAE, prior: Prior, dataset: Dataset, how: str | None, draws: int | None
) -> tuple[Tensor, list[Tensor]]:
    """Draws of each item's posterior (K, N, *Z), and the context that the prior reads, (N, W) each."""
    drawn: list[Tensor] = []
    given: list[list[Tensor]] = []
    k = max(1, min(MOST_DRAWS, MANY // len(dataset))) if draws is None else require_count("draws", draws)
    device = next(model.parameters()).device
    for batch in prepared(model, dataset, how, batch_size=CHUNK, device=device):
        q = model._posterior(batch.x, batch.y)
        given.append([(batch.y or {})[name] for name in prior.reads])
        if not drawn:
            _require_same_measure(q, prior(*given[0]))
        k = 1 if type(q) in (PointMass, Codes) else k  # not their kinds that are drawn
        drawn.append(q.rsample(torch.Size((k,))))
    z = torch.cat(drawn, 1)
    if not bool(z.isfinite().all()):
        raise Mistake("some latents of the data are not finite: train the model again with a lower lr.")
    return z, [torch.cat(parts) for parts in zip(*given, strict=True)]


def _require_same_measure(q: Any, p: Any) -> None:
    """Refuse a density for latents that have probabilities, and the reverse: their difference is no rate."""
    have, gives = _counted(q), _counted(p)
    if have != gives:
        said = ["a density" if not any(each) else "probabilities" if all(each) else "both" for each in (have, gives)]
        fit = next((name for kind, name in OF_KIND.items() if isinstance(q, kind)), "FullGaussian")
        raise Mistake(
            f"the latents of {type(q).__name__} have {said[0]} and {type(p).__name__} gives {said[1]}: take a prior of "
            f"their kind, such as vk.priors.{fit}."
        )


def _counted(p: Any) -> list[bool]:
    """Of each latent whether it has probabilities."""
    if isinstance(p, Blocks):
        return [one for part in p.parts for one in _counted(part)]
    return [isinstance(p, COUNTED)] * p.event_shape.numel()


def _begin(model: VAE, prior: Prior, dataset: Dataset, how: str | None) -> None:
    """What the prior itself takes from the items before its first step; parts in it may be made for latents."""
    if prior in prior.walk("before_fit"):
        some = dataset.take(torch.arange(0, len(dataset), max(1, len(dataset) // 2048)).numpy())
        batch = next(prepared(model, some, how, batch_size=len(some), device=next(model.parameters()).device))
        with torch.no_grad():
            prior.before_fit(batch.x, batch.y or {}, len(dataset))


def _descend(model: VAE, prior: Prior, z: Tensor, given: list[Tensor], settings: Settings, *, show: bool) -> int:
    """Minimise the prior's cost of the latents, each time another draw; the steps that were taken."""
    shared = {id(p) for p in model.parameters()}
    moving = [p for p in prior.parameters() if id(p) not in shared and p.requires_grad]
    if not moving:
        return 0
    order = torch.randperm(z.shape[1], device=z.device)
    cut = z.shape[1] // HELD
    held, train = order[:cut], order[cut:]
    batches = -(-len(train) // settings.batch_size)
    total, at, since, best = settings.total_steps(batches), 0, 0, float("inf")
    patience = max(LEAST_PATIENCE, total // batches // PATIENCE)
    kept = {name: value.clone() for name, value in prior.state_dict().items()}
    (optimizer,) = make_optimizers({"prior": moving}, lr=settings.lr).values()
    hooks = [part for part in prior.walk("after_step") if part not in set(model.modules())]
    inside = [part for part in prior.modules() if part in set(model.modules())]  # the model's own stay as they are
    progress = Progress(total, 0, show=show)
    while at < total and since < patience:
        prior.train()
        for part in inside:
            part.eval()
        for rows in train[torch.randperm(len(train), device=z.device)].tensor_split(batches):
            for group in optimizer.param_groups:
                group["lr"] = settings.lr * learning_rate(settings, at, total)
            optimizer.zero_grad()
            prior.lost(_one_draw(z, rows), *(g[rows] for g in given)).mean().backward()
            optimizer.step()
            for part in hooks:
                part.after_step(at)
            at += 1
        since += 1
        cost = _cost(prior.eval(), z, given, held if len(held) else train)
        if cost < best:
            since, best, kept = 0, cost, {name: value.clone() for name, value in prior.state_dict().items()}
        progress.update(at, f"{cost:.4g} nats held out")
    progress.close(f"{best:.4g} nats held out")
    prior.load_state_dict(kept)
    prior.eval()
    return at


def _one_draw(z: Tensor, rows: Tensor) -> Tensor:
    """One of the K draws of each of these items, (B, *Z)."""
    return z[torch.randint(len(z), rows.shape, device=z.device), rows]


@torch.no_grad()
def _cost(prior: Prior, z: Tensor, given: list[Tensor], rows: Tensor) -> float:
    """The mean cost of one draw of each of these items, with noise that is always the same."""
    with forked(0, z.device):
        found = [prior.lost(_one_draw(z, some), *(g[some] for g in given)) for some in rows.split(CHUNK)]
    return float(torch.cat(found).double().mean())


def _measured(run: Run, dataset: Dataset) -> dict[str, Any]:
    """The numbers of the run's own held-out part, or of the items that were given."""
    known = run.metrics if run.record["metrics"] else {}
    parts = () if run.data is None else [p for p in ("test", "valid", "train") if len(run.data.parts.get(p, ()))]
    slow = run.model.prior.slow  # type: ignore[union-attr]
    samples, limit = (FEW_SAMPLES, FEW) if slow else (known.get("nll_samples") or NLL_SAMPLES, known.get("nll_items"))
    how: dict[str, Any] = {"samples": samples, "limit": limit or FEW}
    return run.evaluate(split=parts[0], **how) if parts else run.evaluate(dataset, **how)
