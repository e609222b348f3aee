"""evaluate: every number of a trained model on data in one call, each with its unit, its error and its protocol."""

from __future__ import annotations

__all__ = ["Evaluation", "evaluate", "evaluation_of", "flat", "require_studies"]

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from vaekit.data import Dataset
from vaekit.evaluation.number import Number, flat
from vaekit.measure import BINARIZE_SEED, measure
from vaekit.messages import Mistake, reject_unknown, require_count
from vaekit.models import Model
from vaekit.recipes.choose import binarization
from vaekit.run.loading import run_of
from vaekit.run.run import Run
from vaekit.studies import STUDIES, Material, study

DENSITY = "the likelihood is a density, whose NLL depends on the units"


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation gave.

    Attributes:
        split: what it was measured on, in words.
        found: the plain values, as a run's record holds them, and the binarisation.
        numbers: the same with unit, error and protocol.
        studied: the numbers of the studies, as study.number.
    """

    split: str
    found: dict[str, Any]
    numbers: dict[str, Number]
    studied: dict[str, Number]


def evaluate(
    subject: Run | Model | str | Path,
    data: Any = None,
    y: Any = None,
    *,
    labels: Any = None,
    split: str | None = None,
    samples: int = 5000,
    limit: int = 1000,
    metrics: Iterable[str] = (),
    seed: int = 0,
) -> dict[str, Number]:
    """Bound, likelihood and the studies asked for, each a Number with its unit, error and protocol.

    Args:
        subject: a Run, the folder of a run or of a saved model, or a Model.
        data: items as for `vk.fit`, the name or the path of a data set among them; the run's own where it is None.
        y: their context, for a conditional model.
        labels: of the items, for the study "representation".
        split: "train", "valid" or "test" of the run's own data ("test") or, where it names such parts, of the data.
        samples: K, the draws for each item's likelihood.
        limit: at most this many random items for the likelihood, and in the studies.
        metrics: studies: "samples", "reconstruction", "latents", "regularity", "representation", "disentanglement"
            (known factors), "annealed" (AIS and HIS on 16 items) and "bdmc" (both bounds on simulated items).
        seed: of all draws.

    Returns:
        elbo, rate, distortion, nll (its error over items), nll_mc_se (over draws), ess, nll_at.1, nll_at.2, ... (the
        NLL by fewer draws), bits_per_dim, active_units, and study.number of each study. What is undefined has the
        value None and says why. Too low an effective sample size is said in ess and as a warning.

    Raises:
        Mistake: for data that the model cannot take, and studies that are not there or that it does not allow.

    Example:
        >>> import torch
        >>> from vaekit.recipes import ppca
        >>> model, _ = ppca(shape=(4,), latent_dim=2)
        >>> found = evaluate(model, torch.randn(50, 4, generator=torch.Generator().manual_seed(0)), samples=100)
        >>> found["elbo"].unit, found["nll"].items, found["nll"].value <= -found["elbo"].value
        ('nats', 50, True)
    """
    metrics = [metrics] if isinstance(metrics, str) else list(metrics)
    require_studies(metrics)
    run = run_of(subject)
    held = None if data is None else run.read(data, y, **({} if labels is None else {"labels": labels}))
    found = evaluation_of(run, held, split=split, samples=samples, limit=limit, metrics=metrics, seed=seed)
    for warning in (found.found["ess_warning"], found.found["prior_warning"]):
        if warning:
            warnings.warn(warning, stacklevel=2)
    return {**found.numbers, **found.studied}


def require_studies(metrics: Iterable[str]) -> None:
    """Refuse names that are no studies, before anything is read."""
    reject_unknown("the list of metrics", metrics, STUDIES)


def evaluation_of(
    run: Run,
    data: Dataset | None = None,
    *,
    split: str | None = None,
    samples: int = 5000,
    limit: int = 1000,
    metrics: Iterable[str] = (),
    seed: int = 0,
    show: bool = False,
) -> Evaluation:
    """The same of a Run and a Dataset, in plain values too.

    Args:
        run, data, split, samples, limit, metrics, seed: as for `evaluate`.
        show: progress on stderr.
    """
    require_count("samples", samples)
    require_count("limit", limit)
    held = run.part(split or "test") if data is None else _part(data, split)
    where = (split or "test") if data is None else f"{split} of {data.name}" if split else data.name
    how = _binarization(run, held)
    with _still(run.model):
        train = run.part("train") if run.data is not None and len(run.data.parts.get("train", ())) else None
        material = Material(run.model, held, train, how=how, limit=limit, seed=seed)
        studied = study(metrics, material)  # first: what one of them refuses is said at once
        found = measure(run.model, held, how, samples=samples, limit=limit, seed=seed, device=run.device, show=show)
    binarized = f", binarised ({how}, once by seed {BINARIZE_SEED})" if how else ""
    words = f"{where}, {run.record['likelihood']} likelihood{binarized}"
    return Evaluation(where, {"binarization": how, **found}, _numbers(found, run.model, words), studied)


def _part(data: Dataset, name: str | None) -> Dataset:
    """The part of that name of data, or all."""
    if name is None:
        return data
    if not len(data.parts.get(name, ())):
        have = ", ".join(data.parts) or "none"
        raise Mistake(
            f"{data.name!r} names no part {name!r} (it has {have}): leave split (--split) out to measure all."
        )
    return data.take(data.parts[name])


def _binarization(run: Run, held: Dataset) -> str | None:
    """As in training; of a model whose training is unknown, what `vk.fit` would choose."""
    trained: str | None = run.record["binarization"]
    return trained if run.record["settings"] else binarization(held, run.model.likelihood, None)


@contextmanager
def _still(model: nn.Module) -> Iterator[None]:
    """A model in evaluation mode, and afterwards as it was: its training may go on."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _numbers(m: dict[str, Any], model: Model, words: str) -> dict[str, Number]:
    """What `measure` found, with units, errors and protocols."""
    why, k, n, on = m.get("nll_why"), m["nll_samples"], m["nll_items"], f"; {words}"
    bound = why or None
    drawn = bound or f"importance sampling, K = {k:,} draws{on}"
    drawn += f"; in doubt: {m['prior_warning']}" if m.get("prior_warning") else ""
    ess = f"median over items, of {k} draws{on}" + (f"; too low: {m['ess_warning']}" if m["ess_warning"] else "")
    bits = m["bits_per_dim"] is not None
    scale = m["nll"] / m["bits_per_dim"] if m["bits_per_dim"] else 0.0  # nats of a bit for each number scored
    found = {
        "elbo": Number(m["elbo"], "nats", bound or f"beta = 1, one draw an item{on}", m["elbo_se"], m["items"]),
        "rate": Number(m["rate"], "nats", bound or f"KL(q(z|x) || p(z)){on}", m["rate_se"], m["items"]),
        "distortion": Number(
            m["distortion"], "nats", f"-log p(x|z), one draw an item{on}", m["distortion_se"], m["items"]
        ),
        "nll": Number(m["nll"], "nats", drawn, m["nll_se"], n),
        "nll_mc_se": Number(m["nll_mc_se"], "nats", bound or "over draws, by the delta method", items=n),
        "ess": Number(m["ess"], "draws", bound or ess, items=n),
        "bits_per_dim": Number(
            m["bits_per_dim"], "bits", drawn if bits else DENSITY, m["nll_se"] / scale if scale and n > 1 else None, n
        ),
        "active_units": Number(
            m["active_units"], "latents", f"variance of the posterior mean > 0.01{on}", items=m["items"]
        ),
    }
    curve = {
        f"nll_at.{k}": Number(v, "nats", f"groups of {k} of the draws", se, n) for k, v, se in m["nll_curve"] or ()
    }
    return found | curve
