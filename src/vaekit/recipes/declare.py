"""The decorator of recipe functions: arguments are checked by name and recorded, and the paper's name is kept."""

from __future__ import annotations

__all__ = ["declare", "extends"]

import dataclasses
import functools
import inspect
from collections.abc import Callable, Sequence

from vaekit.messages import ArgumentMistake, reject_unknown, require_counts
from vaekit.objectives import Recipe


def declare(function: Callable[..., Recipe]) -> Callable[..., Recipe]:
    """A recipe function: keyword arguments only, a near miss named, the result's name and arguments recorded."""
    return _wrap(function, dict(inspect.signature(function).parameters))


def extends(
    base: Callable[..., Recipe], *, without: Sequence[str] = ()
) -> Callable[[Callable[..., Recipe]], Callable[..., Recipe]]:
    """A recipe function that passes what it does not name itself on to another.

    Args:
        base: the recipe that takes the rest.
        without: arguments of base that the function decides.
    """

    def wrap(function: Callable[..., Recipe]) -> Callable[..., Recipe]:
        own = dict(inspect.signature(function).parameters)
        own.pop(next(name for name, p in own.items() if p.kind is p.VAR_KEYWORD))
        theirs = {n: p for n, p in inspect.signature(base).parameters.items() if n not in without}
        return _wrap(function, {**theirs, **own})

    return wrap


def _wrap(function: Callable[..., Recipe], parameters: dict[str, inspect.Parameter]) -> Callable[..., Recipe]:
    name = function.__name__
    required = [n for n, p in parameters.items() if p.default is p.empty]

    @functools.wraps(function)
    def build(**given: object) -> Recipe:
        reject_unknown(f"recipe {name!r}", given, parameters)
        if "shape" in given:
            require_counts("shape", given["shape"])
        missing = [n for n in required if n not in given]
        if missing:
            shape = f"vk.recipe({name!r}, data) reads it off data"
            remedy = shape if missing[0] == "shape" else f"give {missing[0]}=... (--set {missing[0]}=...)"
            raise ArgumentMistake(f"recipe {name!r} needs {missing[0]}=: {remedy}.")
        recipe = function(**given)
        return dataclasses.replace(recipe, name=name, arguments=given, build=build, made=tuple(recipe))

    build.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
    return build
