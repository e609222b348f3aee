"""fit: one call from data to a trained, measured, saved model."""

from __future__ import annotations

__all__ = ["closed", "fit", "opened"]

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from vaekit.data import Dataset
from vaekit.measure import measure_loader
from vaekit.messages import Mistake
from vaekit.objectives import Recipe
from vaekit.recipes.choose import binarization
from vaekit.run.again import recorded, require_same
from vaekit.run.folder import claim
from vaekit.run.loading import load_run
from vaekit.run.material import is_loader, items_of, loaders, peek, read_parts, refuse, repeatable
from vaekit.run.plan import built, checked, planned, started_from
from vaekit.run.record import describe
from vaekit.run.run import Run
from vaekit.storage import save_model, write_json
from vaekit.training import Augmentation, Fitter, ForeignLoader, Settings
from vaekit.version import VERSION

NLL_SAMPLES, NLL_ITEMS = 500, 1000
NLL_NUMBERS = 800_000  # of data whose likelihood is estimated, at most: a thousand items of 28 x 28, fewer larger ones
UNDEFINED = (  # until there is data to measure them on
    "items", "elbo", "elbo_se", "rate", "distortion", "nll", "nll_se", "nll_samples", "bits_per_dim", "active_units",
)  # fmt: skip


def fit(
    recipe: Any,
    data: Any,
    *,
    labels: Any = None,
    y: Any = None,
    valid: Any = None,
    test: Any = None,
    split_by: Any = None,
    binarize: str | None = None,
    reading: Mapping[str, Any] | None = None,
    augmentation: Augmentation | None = None,
    origin: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    init_from: str | Path | None = None,
    verbose: bool = True,
    **training: Any,
) -> Run:
    """Train a recipe on data.

    Args:
        recipe: `vk.recipe(...)`, a recipe's name, a Recipe, or a pair (model, objective). What `vk.recipe` made is
            built anew under `seed`; a model of your own is trained as it is.
        data: an array, a tensor, a DataFrame, a DataLoader, or the name or the path of a data set.
        labels: colours pictures and feeds scores; never seen by the model.
        y: what the model is conditioned on: an array, a dict, a DataFrame, or names of columns.
        valid, test: a fraction, or data; where nothing is given the part that the data names, else 0.1.
        split_by: "time", a column, or an array: rows that belong together stay together.
        binarize: "dynamic", "threshold" or "none"; where nothing is given grey data under a Bernoulli likelihood is
            drawn anew at every step.
        reading: further arguments of `vk.data.read`, such as size= for a folder.
        augmentation: random crops and flips of the training pictures.
        origin: for the record of a Dataset: `source`, `read`, `held_out` and `crop` say how to read it again, and
            `command` what the command line was given.
        out: the run's folder; None writes nothing.
        resume: go on from the folder's last checkpoint; a finished run is returned as it is. Arguments that
            contradict the record are refused.
        overwrite: delete the run that is in the folder; other files there are kept.
        init_from: a run or a saved model whose weights to start from.
        verbose: progress and messages on stderr.
        training: the arguments of vk.training.Settings: epochs, batch_size, lr, seed, device, ...

    Returns:
        a Run.

    Example:
        >>> run = fit("vae", "digits", latent_dim=2, epochs=1, verbose=False, out=None)
        Traceback (most recent call last):
        ...
        vaekit.messages.ArgumentMistake: training takes no 'latent_dim': ... give recipe arguments to vk.recipe(...).
        >>> from vaekit.recipes.choose import recipe
        >>> run = fit(recipe("vae", "digits", latent_dim=2), "digits", epochs=1, verbose=False)
        >>> run.encode().shape
        (1797, 2)
    """
    folder = None if out is None else Path(out)
    before = recorded(folder, resume=resume)
    foreign = is_loader(data)
    if foreign:
        refuse(
            labels=labels,
            y=y,
            test=test,
            split_by=split_by,
            binarize=binarize,
            reading=reading,
            augmentation=augmentation,
        )
    if is_loader(valid) != (foreign and valid is not None):
        raise Mistake("a DataLoader to train on goes with a DataLoader as valid=, and other data with other data.")
    Settings.of({}, checked(training))  # what is wrong with them is said before the data is read
    dataset, parts_given = (
        (peek(data), None) if foreign else read_parts(data, labels, y, valid, test, split_by, reading, training)
    )
    items = items_of(dataset, data, valid)
    plan = planned(recipe, dataset, y)
    if before is not None and folder is not None:
        require_same(before, folder, plan, dataset, training, items=items)
        if before.get("status") == "finished":
            _say(verbose, f"{folder} holds a finished run: nothing to do")
            return load_run(folder)
    settings = Settings.of(plan.defaults, training)
    plan = built(plan, settings.seed)
    if init_from is not None:
        plan = started_from(plan, init_from, dataset)
    known = {"how": repeatable(labels, y, reading), "parts": parts_given, "items": items}
    fitter, record = opened(
        plan, dataset, data, valid, settings, known, binarize=binarize, augmentation=augmentation, folder=folder,
        show=verbose,
    )  # fmt: skip
    record = named(record, origin)
    with claim(folder, resume=resume, overwrite=overwrite):
        if folder is not None:
            write_json(folder / "run.json", record)
        _announce(verbose, record, dataset, fitter.device)
        fitter.run(resume=resume)
        return closed(fitter, record, None if foreign else dataset)


def opened(
    plan: Recipe, dataset: Dataset, data: Any, valid: Any, settings: Settings, known: Mapping[str, Any], *,
    binarize: str | None, augmentation: Augmentation | None, folder: Path | None, show: bool,
) -> tuple[Fitter, dict[str, Any]]:  # fmt: skip
    """The fitter and the record of a run before its first step; nothing is written."""
    device = settings.chosen_device()
    plan.model.to(device)
    likelihood = getattr(plan.model, "likelihood", None)
    how = None if is_loader(data) else binarization(dataset, likelihood, binarize)
    source = str(data) if isinstance(data, (str, Path)) else None
    record = describe(plan, dataset, settings, source=source, **known)
    record["binarization"] = how
    train, held = loaders(plan, dataset, data, valid, settings, device, how, augmentation)
    return Fitter(plan, train, held, settings, folder=folder, show=show), record


def named(record: dict[str, Any], origin: Mapping[str, Any] | None) -> dict[str, Any]:
    """The record with what the command line knows of the data and of itself."""
    if origin is None:
        return record
    data = record["data"] | {k: v for k, v in origin.items() if k != "command"}
    return {**record, "command": origin.get("command"), "data": data}


def closed(fitter: Fitter, record: dict[str, Any], dataset: Dataset | None) -> Run:
    """The run of a fitter that came to its end, measured, and in its folder where it has one."""
    folder = fitter.folder
    run = Run(fitter.model, record, fitter.history.rows, data=dataset, dir=folder)
    if folder is not None:  # what took long to train is safe before it is measured
        save_model(run.model, folder / "model", version=VERSION)
    record["metrics"] = _numbers(run, fitter)
    if folder is not None:
        run._write(folder)
        run.report()
    return run


def _say(verbose: bool, text: str) -> None:
    if verbose:
        print(text, file=sys.stderr)


def _announce(verbose: bool, record: Mapping[str, Any], dataset: Dataset, device: torch.device) -> None:
    binarized = f", binarised ({record['binarization']})" if record["binarization"] else ""
    items = ", ".join(f"{k} {v:,}" for k, v in record["split"]["items"].items() if v)
    _say(
        verbose,
        f"{record['recipe']} on {dataset.name}: {items} items of {'x'.join(map(str, dataset.shape))}{binarized}; "
        f"likelihood {record['likelihood']}; {record['parameters']:,} parameters; device {device}",
    )


def _numbers(run: Run, fitter: Fitter) -> dict[str, Any]:
    """The metrics of the closing evaluation and of the run itself."""
    found: dict[str, Any] = dict.fromkeys(UNDEFINED)
    name, limit = None, max(100, min(NLL_ITEMS, NLL_NUMBERS // math.prod(run.model.shape)))
    if run.data is not None:
        name = next((p for p in ("test", "valid", "train") if len(run.data.parts.get(p, ()))), "train")
        found |= run.evaluate(split=name, samples=NLL_SAMPLES, limit=limit, show=fitter.show)
    elif isinstance(batches := fitter.train if fitter.valid is None else fitter.valid, ForeignLoader):
        name = "train" if fitter.valid is None else "valid"
        found |= measure_loader(run.model, batches, samples=NLL_SAMPLES, limit=limit)
    steps, passes = fitter.at, fitter.at / fitter.train.batches
    return {
        "recipe": run.record["recipe"], "parameters": run.record["parameters"],
        "epochs": passes, "steps": steps, "seconds": round(fitter.seconds, 3),
        "items_per_second": round(passes * fitter.train.items / fitter.seconds, 1) if steps else None,
        "device": str(fitter.device), "seed": fitter.settings.seed, "split": name,
        "likelihood": run.record["likelihood"], "binarization": run.record["binarization"],
        "compiled": fitter.compiling.choice, "replayed": bool(fitter.step.replay), "threads": fitter.threads.count,
        "best_step": fitter.stopper.best["step"], "skipped_steps": int(fitter.step.skipped), **found,
        "run": None if run.dir is None else str(run.dir),
    }  # fmt: skip
