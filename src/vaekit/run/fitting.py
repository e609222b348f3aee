"""fit: one call from data to a trained, measured, saved model."""

from __future__ import annotations

__all__ = ["fit"]

import copy
import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vaekit.data import Dataset, check, join, read, split
from vaekit.measure import loader
from vaekit.messages import ArgumentMistake, Mistake
from vaekit.objectives import Game, Recipe, Term
from vaekit.recipes.choose import binarization
from vaekit.recipes.choose import recipe as choose
from vaekit.run.folder import claim
from vaekit.run.record import describe
from vaekit.run.run import Run, load_run
from vaekit.storage import read_json, write_json
from vaekit.training import Fitter, ForeignLoader, Loader, Settings, binarize_tensor
from vaekit.training.noise import derive

NLL_SAMPLES, NLL_ITEMS = 500, 1000
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
    change: Any = None,
    wide: torch.Tensor | None = None,
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
        change: a function on raw training batches, such as an augmentation.
        wide: the items in a larger size, (N, ...), which `change` crops; training alone reads them.
        origin: for the record of a Dataset: `source`, `read`, `held_out` and `crop` say how to read it again, and
            `command` what the command line was given.
        out: the run's folder; None writes nothing.
        resume: go on from the folder's last checkpoint; a finished run is returned as it is.
        overwrite: delete what is in the folder.
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
        >>> run = fit(choose("vae", "digits", latent_dim=2), "digits", epochs=1, verbose=False)
        >>> run.encode().shape
        (1797, 2)
    """
    folder = None if out is None else Path(out)
    if folder is not None and resume and (done := _finished(folder)):
        _say(verbose, f"{folder} holds a finished run: nothing to do")
        return done
    foreign = _is_loader(data)
    if foreign:
        _refuse(labels=labels, y=y, test=test, split_by=split_by, binarize=binarize, reading=reading, change=change)
    if _is_loader(valid) != (foreign and valid is not None):
        raise Mistake("a DataLoader to train on goes with a DataLoader as valid=, and other data with other data.")
    dataset, parts_given = (
        (_peek(data), None) if foreign else _read(data, labels, y, valid, test, split_by, reading, training)
    )
    plan = _plan(recipe, dataset, y, training)
    settings = Settings.of(plan.defaults, _checked(training))
    device = settings.chosen_device()
    plan = _built(plan, settings.seed)
    if init_from is not None:
        plan = _start_from(plan, init_from)
    plan.model.to(device)
    how = None if foreign else binarization(dataset, getattr(plan.model, "likelihood", None), binarize)
    source = str(data) if isinstance(data, (str, Path)) else None
    record = describe(plan, dataset, settings, source=source, how=_json(labels, y, reading), parts=parts_given)
    record["binarization"] = how
    if origin is not None:
        record["command"] = origin.get("command")
        record["data"] |= {k: v for k, v in origin.items() if k != "command"}
    if folder is not None:
        claim(folder, resume=resume, overwrite=overwrite)
        write_json(folder / "run.json", record)
    _announce(verbose, record, dataset, device)
    train, held = _loaders(plan, dataset, data, valid, settings, device, how, change, wide)
    fitter = Fitter(plan, train, held, settings, folder=folder, show=verbose)
    fitter.run(resume=resume)
    run = Run(plan.model, record, fitter.history.rows, data=None if foreign else dataset, dir=folder)
    record["metrics"] = _numbers(run, fitter, settings, device)
    if folder is not None:
        run.save(folder)
        run.report()
    return run


def _finished(folder: Path) -> Run | None:
    """The run of a folder where it is finished."""
    if not (folder / "run.json").exists():
        return None
    record = read_json(folder / "run.json")
    return load_run(folder) if isinstance(record, dict) and record.get("status") == "finished" else None


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


def _is_loader(data: Any) -> bool:
    return isinstance(data, torch.utils.data.DataLoader)


def _refuse(**given: Any) -> None:
    """What a DataLoader decides itself."""
    for name, value in given.items():
        if value is not None:
            raise Mistake(f"got {name}= with a DataLoader, whose batches are used as they are: leave it out.")


def _peek(data: Any) -> Dataset:
    """What a foreign loader's first batch tells."""
    given = next(iter(data))
    x = given[0] if isinstance(given, (tuple, list)) else given
    found = read(x)
    return dataclasses.replace(found, name="DataLoader", parts={"train": np.arange(len(found))})


def _read(
    data: Any, labels: Any, y: Any, valid: Any, test: Any, by: Any, reading: Mapping[str, Any] | None, training: Any
) -> tuple[Dataset, dict[str, Any] | None]:
    """The dataset with its parts, and the arguments of the split where they are JSON."""
    dataset = read(data, labels=labels, condition=y, **(reading or {}))
    check(dataset)
    held = {"valid": valid, "test": test}
    given = {name: v for name, v in held.items() if v is not None and not isinstance(v, (int, float))}
    others = {name: read(value, condition=y if isinstance(y, (str, list)) else None) for name, value in given.items()}
    if others:
        dataset = join(dataset, **others)
    fractions = {name: v for name, v in held.items() if name not in given}
    arguments = {**fractions, "seed": int(training.get("seed") or 0), "by": by}
    parts = split(dataset, **arguments)
    plain = all(isinstance(v, Dataset) for v in given.values()) and (by is None or isinstance(by, str))
    return dataclasses.replace(dataset, parts=parts), arguments if plain else None


def _plan(recipe: Any, dataset: Dataset, y: Any, training: Mapping[str, Any]) -> Recipe:
    if isinstance(recipe, Recipe):
        plan = recipe
    elif isinstance(recipe, tuple) and len(recipe) == 2 and isinstance(recipe[1], (Term, Game)):
        plan = Recipe(*recipe)
    elif isinstance(recipe, str) or callable(recipe):
        plan = choose(recipe, dataset)
    else:
        raise ArgumentMistake(f"got {recipe!r:.60} as the recipe: give vk.recipe(...), a name, or (model, objective).")
    if dataset.context and plan.model.context is None:
        raise Mistake(
            f"y was given and recipe {plan.name!r} was built without it: build it with vk.recipe(name, data, y=...), "
            "or give labels= instead, which only colours pictures."
        )
    if tuple(plan.model.shape) != dataset.shape:
        raise Mistake(f"the model wants items of shape {tuple(plan.model.shape)} and the data has {dataset.shape}.")
    return plan


def _checked(training: dict[str, Any]) -> dict[str, Any]:
    try:
        Settings.of({}, {k: None for k in training})
    except ArgumentMistake as error:
        raise ArgumentMistake(f"{error} Then give recipe arguments to vk.recipe(...).") from error
    return training


def _built(plan: Recipe, seed: int) -> Recipe:
    """A recipe's model made anew under the seed; the given arguments stay untouched."""
    if plan.build is None:
        return plan
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(seed, 6))
        return plan.build(**copy.deepcopy(dict(plan.arguments)))


def _start_from(plan: Recipe, source: str | Path) -> Recipe:
    """The recipe with another run's weights, put in after the first values that the data gives."""
    from_model = load_run(source).model if (Path(source) / "run.json").exists() else None
    if from_model is None:
        raise Mistake(f"{source} is no run: give a run's folder to start from.")
    try:
        plan.model.load_state_dict(from_model.state_dict())
    except RuntimeError as error:
        why = str(error).splitlines()[-1].strip()
        raise Mistake(f"the model in {source} has other shapes than this recipe's: {why}") from error
    return dataclasses.replace(plan, start=lambda model, x: model.load_state_dict(from_model.state_dict()))


def _loaders(
    plan: Recipe, dataset: Dataset, data: Any, valid: Any, settings: Settings, device: torch.device, how: str | None,
    change: Any, wide: torch.Tensor | None,
) -> tuple[Any, Any]:  # fmt: skip
    model = plan.model
    if _is_loader(data):
        held = ForeignLoader(valid, model, seed=settings.seed, device=device) if _is_loader(valid) else None
        return ForeignLoader(data, model, seed=settings.seed, device=device), held
    rows = torch.from_numpy(dataset.parts["train"])
    y = model.to_context(dataset.context or None, len(dataset)) if model.context is not None else None

    def changed(x: torch.Tensor) -> torch.Tensor:
        return binarize_tensor(x if change is None else change(x), how)

    x = dataset.x if wide is None else wide
    train = Loader(
        x if len(rows) == len(dataset) else x[rows],
        None if y is None else {k: v[rows.to(v.device)] for k, v in y.items()},
        model, batch_size=settings.batch_size, seed=settings.seed, device=device,
        change=changed if how or change else None,
    )  # fmt: skip
    if not len(dataset.parts.get("valid", ())):
        return train, None
    return train, loader(model, dataset.take(dataset.parts["valid"]), how, batch_size=512, device=device)


def _numbers(run: Run, fitter: Fitter, settings: Settings, device: torch.device) -> dict[str, Any]:
    """The metrics of the closing evaluation and of the run itself."""
    found: dict[str, Any] = dict.fromkeys(UNDEFINED)
    name = None
    if run.data is not None:
        name = next((p for p in ("test", "valid", "train") if len(run.data.parts.get(p, ()))), "train")
        found |= run.evaluate(split=name, samples=NLL_SAMPLES, limit=NLL_ITEMS)
    steps, passes = fitter.at, fitter.at / fitter.train.batches
    return {
        "recipe": run.record["recipe"], "parameters": run.record["parameters"],
        "epochs": passes, "steps": steps, "seconds": round(fitter.seconds, 3),
        "items_per_second": round(passes * fitter.train.items / fitter.seconds, 1) if steps else None,
        "device": str(device), "seed": settings.seed, "split": name,
        "likelihood": run.record["likelihood"], "binarization": run.record["binarization"],
        "best_step": fitter.best["step"], "skipped_steps": int(fitter.step.skipped), **found,
        "run": None if run.dir is None else str(run.dir),
    }  # fmt: skip


def _json(labels: Any, y: Any, reading: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments of `read` that can be repeated from a record."""
    found = {
        "labels": labels if isinstance(labels, str) else None,
        "condition": y if isinstance(y, (str, list)) else None,
    }
    return {k: v for k, v in {**found, **(reading or {})}.items() if v is not None}
