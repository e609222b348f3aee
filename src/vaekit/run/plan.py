"""From what the user gave to a recipe that can be trained: named, checked against the data, built under the seed."""

from __future__ import annotations

__all__ = ["built", "checked", "planned", "started_from"]

import copy
import dataclasses
from pathlib import Path
from typing import Any

import torch

from vaekit.data import Dataset
from vaekit.messages import ArgumentMistake, Mistake
from vaekit.noise import derive
from vaekit.objectives import Game, Recipe, Term
from vaekit.recipes.choose import recipe as choose
from vaekit.run.loading import load_run
from vaekit.training import Settings


def planned(recipe: Any, dataset: Dataset, y: Any) -> Recipe:
    """A recipe from its name, a function, a pair or itself, that fits the data."""
    if isinstance(recipe, Recipe):
        plan = recipe
        if plan.changed:  # made anew, it would be what it was
            plan = dataclasses.replace(plan, name="custom", arguments={}, build=None, made=None)
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


def checked(training: dict[str, Any]) -> dict[str, Any]:
    """Training arguments whose names are known."""
    try:
        Settings.of({}, {k: None for k in training})
    except ArgumentMistake as error:
        raise ArgumentMistake(f"{error} Then give recipe arguments to vk.recipe(...).") from error
    return training


def _levels(model: Any) -> dict[str, Any]:
    """The fields of a model's context with their levels, or "numbers"."""
    fields = {} if model.context is None else model.context.fields
    return {name: field.get("levels", "numbers") for name, field in fields.items()}


def built(plan: Recipe, seed: int) -> Recipe:
    """A recipe's model made anew under the seed; the given arguments stay untouched."""
    if plan.build is None:
        return plan
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(seed, 6))
        return plan.build(**copy.deepcopy(dict(plan.arguments)))


def started_from(plan: Recipe, source: str | Path, dataset: Dataset) -> Recipe:
    """The recipe with another run's weights, put in after the first values that the data gives.

    Raises:
        Mistake: where its weights mean something else: other columns, other levels of the context, other shapes.
    """
    if not (Path(source) / "run.json").exists():
        raise Mistake(f"{source} is no run: give a run's folder to start from.")
    run = load_run(source)
    from_model, known = run.model, run.record["data"].get("columns")
    columns = None if dataset.columns is None else list(dataset.columns)
    if None not in (known, columns) and known != columns:
        raise Mistake(f"the run in {source} was trained on the columns {known} and the data has {columns}.")
    was, now = _levels(from_model), _levels(plan.model)
    if was != now:
        raise Mistake(
            f"the run in {source} is conditioned on {was or 'nothing'} and this recipe on {now or 'nothing'}: its "
            "weights fit the same fields and levels only."
        )
    try:
        plan.model.load_state_dict(from_model.state_dict())
    except RuntimeError as error:
        why = str(error).splitlines()[-1].strip()
        raise Mistake(f"the model in {source} has other shapes than this recipe's: {why}") from error
    return dataclasses.replace(plan, start=lambda model, x: model.load_state_dict(from_model.state_dict()))
