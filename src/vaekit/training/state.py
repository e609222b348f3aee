"""Checkpoints: all that a run needs to go on bit for bit, written atomically, no pickle.

A checkpoint is a folder of its own, `checkpoint/<step>/`; `checkpoint/latest.json` names the last complete one and is
replaced last, so that a run that is killed while it writes goes on from the one before.
"""

from __future__ import annotations

__all__ = ["grouped", "load_checkpoint", "optimizer_tensors", "restore_optimizer", "save_checkpoint"]

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vaekit.messages import Mistake
from vaekit.storage import SCHEMA, read_json, read_tensors, write_json, write_tensors


def save_checkpoint(folder: Path, step: int, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> Path:
    """Write a checkpoint and then point to it; the one before is removed after that."""
    place = folder / f"{step:09d}"
    write_tensors(place / "tensors.safetensors", tensors)
    write_json(folder / "latest.json", {"schema": SCHEMA, "step": step, "place": place.name, **record})
    for other in folder.iterdir():
        if other.is_dir() and other.name != place.name:
            shutil.rmtree(other, ignore_errors=True)
    return place


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The last complete checkpoint's tensors and record, or None where there is none yet."""
    pointer = folder / "latest.json"
    if not pointer.exists():
        return None
    record = read_json(pointer)
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise Mistake(f"{pointer}, field 'schema': got {record!r:.60} and this vaekit reads {SCHEMA}.")
    place = str(record.get("place", ""))
    if not place.isdigit():
        raise Mistake(f"{pointer}, field 'place': got {place!r} and wanted the number of a step.")
    return read_tensors(folder / place / "tensors.safetensors"), record


def grouped(tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, dict[str, Tensor]]:
    """A checkpoint's tensors by what stands before their first slash.

    Example:
        >>> grouped({"model/a.b": torch.zeros(1)}, torch.device("cpu"))
        {'model': {'a.b': tensor([0.])}}
    """
    groups: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        group, _, name = key.partition("/")
        groups.setdefault(group, {})[name] = value.to(device)
    return groups


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's state as named tensors; numbers become 0-dimensional float64 tensors.

    Example:
        >>> p = torch.nn.Parameter(torch.zeros(1)); o = torch.optim.SGD([p], lr=0.1, momentum=0.9)
        >>> p.sum().backward(); o.step(); sorted(optimizer_tensors(o))
        ['0.momentum_buffer']
    """
    found: dict[str, Tensor] = {}
    for i, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                found[f"{i}.{name}"] = value
            elif isinstance(value, (int, float)):
                found[f"{i}.{name}"] = torch.tensor(value, dtype=torch.float64)
    return found


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave, each tensor laid out as its parameter: fused kernels trust that it is."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        i, name = key.split(".", 1)
        number = value.dtype == torch.float64 and value.ndim == 0
        like = parameters[int(i)]
        value = torch.empty_like(like).copy_(value) if value.shape == like.shape and value.ndim > 1 else value
        state.setdefault(int(i), {})[name] = value.item() if number else value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
