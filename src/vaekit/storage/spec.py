"""A composition of parts as JSON and back.

A part is its kind (module:name) and its constructor's arguments, and whether it has settled; a part met twice is
written once and referred to; a plain torch module is written as its path and filled by the loader's `modules`.
"""

from __future__ import annotations

__all__ = ["SCHEMA", "from_spec", "to_spec"]

import importlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from vaekit.messages import Mistake
from vaekit.part import Part

SCHEMA = 1
ACTIVATIONS = (
    "ELU", "GELU", "Hardtanh", "Identity", "LeakyReLU", "Mish", "ReLU", "SELU", "SiLU", "Sigmoid", "Softplus", "Tanh",
)  # fmt: skip
DEPTH = 64  # parts inside parts; deeper specs are no models


def to_spec(value: Any) -> Any:
    """A part, or any argument of one, as JSON."""
    return _Writer().write(value, "model")


class _Writer:
    def __init__(self) -> None:
        self.seen: dict[int, int] = {}

    def write(self, value: Any, path: str) -> Any:
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, Part):
            if id(value) in self.seen:
                return {"$same": self.seen[id(value)]}
            number = self.seen[id(value)] = len(self.seen)
            kind = f"{type(value).__module__}:{type(value).__qualname__}"
            arguments = {k: self.write(v, f"{path}.{k}") for k, v in value.arguments.items()}
            spec = {"$part": kind, "number": number, "arguments": arguments}
            return {**spec, "settled": True} if value.settled else spec
        if isinstance(value, nn.Module):
            return {"$module": type(value).__qualname__}
        if isinstance(value, type) and value.__module__.startswith("torch.nn") and value.__name__ in ACTIVATIONS:
            return {"$torch": value.__name__}
        if isinstance(value, (list, tuple, torch.Size)):
            return [self.write(v, f"{path}.{i}") for i, v in enumerate(value)]
        if isinstance(value, Mapping):
            return {"$map": {str(k): self.write(v, f"{path}.{k}") for k, v in value.items()}}
        if hasattr(value, "item"):
            return value.item()
        raise Mistake(
            f"{path} holds a {type(value).__name__}, which cannot be saved: build parts from numbers, strings, lists, "
            "other parts, torch modules and torch.nn activation classes."
        )


def from_spec(spec: Any, *, modules: Mapping[str, nn.Module] | None = None, source: str = "the spec") -> Any:
    """The part that a spec describes.

    Args:
        spec: what `to_spec` gave.
        modules: plain torch modules by their path, such as {"posterior.net": MyNet()}.
        source: the file's name, for messages.

    Raises:
        Mistake: naming the file and the field, for unknown parts, missing imports, wrong arguments, missing modules.
    """
    given = dict(modules or {})
    missing = {path: name for path, name in _modules(spec, "", 0) if path not in given}
    if len(missing) > 1:
        whose = ", ".join(f"{path!r} ({name})" for path, name in missing.items())
        wanted = ", ".join(f"{path!r}: ..." for path in missing)
        raise Mistake(
            f"{source}, fields {whose}: they are torch modules of your own: give them with "
            f"vk.load(..., modules={{{wanted}}})."
        )
    return _Reader(given, source).read(spec, "", 0)


def _modules(spec: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Path and class of each module of the user's own."""
    if isinstance(spec, dict) and "$module" in spec:
        yield path, spec["$module"]
    elif depth <= DEPTH:
        inner: Any = spec
        if isinstance(spec, dict):
            inner = spec.get("arguments") if "$part" in spec else spec.get("$map")
        pairs = inner.items() if isinstance(inner, dict) else enumerate(inner) if isinstance(inner, list) else ()
        for key, value in pairs:
            yield from _modules(value, f"{path}.{key}" if path else str(key), depth + 1)


class _Reader:
    def __init__(self, modules: dict[str, nn.Module], source: str) -> None:
        self.modules, self.source = modules, source
        self.made: dict[int, Part] = {}

    def fail(self, path: str, why: str) -> Mistake:
        return Mistake(f"{self.source}, field {path or 'model'!r}: {why}")

    def read(self, spec: Any, path: str, depth: int) -> Any:
        if depth > DEPTH:
            raise self.fail(path, "parts are nested too deeply; this is no saved model.")
        if isinstance(spec, list):
            return [self.read(v, f"{path}.{i}", depth + 1) for i, v in enumerate(spec)]
        if not isinstance(spec, dict):
            return spec
        if "$part" in spec:
            return self.part(spec, path, depth)
        if "$same" in spec:
            if not isinstance(spec["$same"], int) or spec["$same"] not in self.made:
                raise self.fail(path, f"it refers to part {spec['$same']}, which is not there.")
            return self.made[spec["$same"]]
        if "$module" in spec:
            if path not in self.modules:
                raise self.fail(
                    path,
                    f"it is a torch module of your own ({spec['$module']}): "
                    f"give it with vk.load(..., modules={{{path!r}: ...}}).",
                )
            return self.modules[path]
        if "$torch" in spec:
            if spec["$torch"] not in ACTIVATIONS:
                raise self.fail(path, f"unknown activation {spec['$torch']!r}.")
            return getattr(nn, spec["$torch"])
        if isinstance(spec.get("$map"), dict):
            return {k: self.read(v, f"{path}.{k}", depth + 1) for k, v in spec["$map"].items()}
        raise self.fail(path, f"it is none of the known forms (keys {', '.join(map(repr, list(spec)[:3]))}).")

    def part(self, spec: dict[str, Any], path: str, depth: int) -> Part:
        cls = self.find(spec["$part"], path)
        given = spec.get("arguments")
        if not isinstance(given, dict):
            raise self.fail(path, "its arguments are missing.")
        arguments = {k: self.read(v, f"{path}.{k}" if path else k, depth + 1) for k, v in given.items()}
        try:
            part = cls(**arguments)
        except Mistake as error:
            raise self.fail(path, str(error)) from error
        except Exception as error:  # whatever a constructor makes of wrong arguments
            raise self.fail(path, f"{cls.__name__} cannot be built from these arguments ({error}).") from error
        if spec.get("settled") is True:
            part.settle()
        if isinstance(spec.get("number"), int):
            self.made[spec["number"]] = part
        return part

    def find(self, kind: Any, path: str) -> type[Part]:
        module, _, name = str(kind).partition(":")
        if module.split(".")[0] == "vaekit" and not module.endswith("__main__"):
            try:
                importlib.import_module(module)
            except (ImportError, ValueError) as error:
                raise self.fail(path, f"unknown part {kind!r}: it needs a newer vaekit.") from error
        if module not in sys.modules:
            raise self.fail(path, f"unknown part {kind!r}: import {module} first (--import {module}).")
        cls: Any = sys.modules[module]
        for piece in name.split("."):
            cls = getattr(cls, piece, None)
        if not (isinstance(cls, type) and issubclass(cls, Part)):
            raise self.fail(path, f"unknown part {kind!r}: {module} has no such part.")
        return cls
