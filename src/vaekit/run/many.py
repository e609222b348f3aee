"""fit_many: several seeds, or several values of a recipe's arguments, trained together."""

from __future__ import annotations

__all__ = ["fit_many", "fit_plans"]

import contextlib
import dataclasses
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vaekit.data import Dataset
from vaekit.messages import ArgumentMistake, Mistake, require_count
from vaekit.objectives import Recipe
from vaekit.run.fitting import closed, named, opened
from vaekit.run.folder import claim
from vaekit.run.material import is_loader, items_of, read_parts, repeatable
from vaekit.run.plan import built, checked, planned
from vaekit.run.run import Run
from vaekit.storage import write_json
from vaekit.training import Augmentation, Settings, apart, fit_together

Order = tuple[Recipe, Settings, Path | None, Mapping[str, Any] | None]  # what, how, where to, what its record says


def fit_many(
    recipe: Any,
    data: Any,
    *,
    seeds: int | Iterable[int] = 8,
    variants: Sequence[Mapping[str, Any]] = ({},),
    labels: Any = None,
    y: Any = None,
    valid: Any = None,
    test: Any = None,
    split_by: Any = None,
    binarize: str | None = None,
    reading: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    verbose: bool = True,
    **training: Any,
) -> list[Run]:
    """Train each variant of a recipe under each seed, on the same split of the data.

    Where the models differ in nothing but their weights and the values of schedules, such as beta, they are stacked and
    trained as one, so that operations' overhead is paid once: the smaller nets and batches are, the more that saves.
    Else, or where a setting looks at a single run (early_stopping, clip, callbacks), they are trained one after the
    other, which is said. A stacked run has other noise than the same seed has alone, and no checkpoints.

    Args:
        recipe: a recipe's name, or what `vk.recipe` made.
        data: as for `vk.fit`, but no DataLoader.
        seeds: how many, or which.
        variants: recipe arguments of each variant, such as `[{"beta": 0.5}, {"beta": 2.0}]`.
        labels, y, valid, test, split_by, binarize, reading: as for `vk.fit`.
        out: a folder, in which each run has one of its own, such as `beta-2.0-seed-3`; None writes nothing.
        overwrite: delete runs that are in those folders.
        verbose: progress and messages on stderr.
        training: as for `vk.fit`, without seed.

    Returns:
        the runs, all seeds of the first variant first.

    Raises:
        Mistake: for a model that cannot be built anew, and for whatever `vk.fit` refuses.

    Example:
        >>> runs = fit_many("vae", "digits", seeds=3, epochs=1, verbose=False)
        >>> [run.metrics["seed"] for run in runs]
        [0, 1, 2]
    """
    if "seed" in training:
        raise ArgumentMistake("got seed= and wanted seeds=, how many or which: the split is the same for all.")
    seeds = list(range(require_count("seeds", seeds)) if isinstance(seeds, int) else seeds)
    if not seeds or not variants:
        raise Mistake(f"got {len(seeds)} seeds and {len(variants)} variants and wanted one or more of each.")
    if is_loader(data):
        raise Mistake("got a DataLoader, whose batches one run uses up: give arrays, or the name or path of data.")
    Settings.of({}, checked(training))
    dataset, parts = read_parts(data, labels, y, valid, test, split_by, reading, training)
    base = planned(recipe, dataset, y)
    if base.build is None:
        raise Mistake("got a model and wanted what can be built anew for each run: a recipe's name or vk.recipe(...).")
    known = {"how": repeatable(labels, y, reading), "parts": parts, "items": items_of(dataset, data)}
    orders: list[Order] = []
    for variant in variants:
        plan = dataclasses.replace(base, arguments={**base.arguments, **variant})
        for seed in seeds:
            title = "-".join([*(f"{name}-{value}" for name, value in variant.items()), f"seed-{seed}"])
            settings = Settings.of(plan.defaults, {**training, "seed": seed})
            orders.append((plan, settings, None if out is None else Path(out) / title, None))
    return _fitted(orders, dataset, data, valid, known, binarize, None, overwrite=overwrite, verbose=verbose)


def fit_plans(
    plans: Sequence[Recipe],
    data: Dataset,
    *,
    folders: Sequence[Path],
    origins: Sequence[Mapping[str, Any]],
    valid: Any = None,
    test: Any = None,
    split_by: Any = None,
    binarize: str | None = None,
    augmentation: Augmentation | None = None,
    overwrite: bool = False,
    verbose: bool = True,
    **training: Any,
) -> list[Run]:
    """Train recipes on the same split, stacked where they differ in values of schedules alone.

    Args:
        plans: recipes that can be built anew.
        data: items.
        folders: where each run goes.
        origins: what each run's record says of its data and command, as for `vk.fit`.
        valid, test, split_by, binarize, augmentation, overwrite, verbose, training: as for `vk.fit`.
    """
    dataset, parts = read_parts(data, None, None, valid, test, split_by, None, checked(training))
    known = {"how": repeatable(None, None, None), "parts": parts, "items": items_of(dataset, data)}
    settings = [Settings.of(plan.defaults, training) for plan in plans]
    orders = list(zip(plans, settings, folders, origins, strict=True))
    return _fitted(orders, dataset, data, valid, known, binarize, augmentation, overwrite=overwrite, verbose=verbose)


def _fitted(
    orders: Sequence[Order],
    dataset: Dataset,
    data: Any,
    valid: Any,
    known: Mapping[str, Any],
    binarize: str | None,
    augmentation: Augmentation | None,
    *,
    overwrite: bool,
    verbose: bool,
) -> list[Run]:
    """The runs, trained together or one after the other."""
    fitters, records = [], []
    for plan, settings, folder, origin in orders:
        fitter, record = opened(
            built(plan, settings.seed), dataset, data, valid, settings, known, binarize=binarize,
            augmentation=augmentation, folder=folder, show=verbose,
        )  # fmt: skip
        fitters.append(fitter)
        records.append(named(record, origin))
    why = apart(fitters)
    if why is not None and verbose:
        print(f"{len(fitters)} runs, one after the other: {why}", file=sys.stderr)
    with contextlib.ExitStack() as claims:
        for fitter, record in zip(fitters, records, strict=True):
            claims.enter_context(claim(fitter.folder, overwrite=overwrite))
            if fitter.folder is not None:
                write_json(fitter.folder / "run.json", record)
        if why is None:
            fit_together(fitters)
        else:
            for fitter in fitters:
                fitter.run()
        return [closed(fitter, record, dataset) for fitter, record in zip(fitters, records, strict=True)]
