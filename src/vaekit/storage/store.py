"""A saved model: spec.json and model.safetensors in one folder."""

from __future__ import annotations

__all__ = ["load_model", "save_model"]

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vaekit.messages import Mistake
from vaekit.part import Part
from vaekit.storage.files import read_json, read_tensors, write_json, write_tensors
from vaekit.storage.spec import SCHEMA, from_spec, to_spec

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16, "float16": torch.float16}


def save_model(model: Part, folder: str | Path, *, version: str) -> None:
    """Write a model's spec and its tensors, each atomically, the tensors first."""
    folder = Path(folder)
    dtype = next((str(p.dtype).removeprefix("torch.") for p in model.parameters()), "float32")
    spec = {"schema": SCHEMA, "vaekit": version, "dtype": dtype, "model": to_spec(model)}
    write_tensors(folder / "model.safetensors", model.state_dict())
    write_json(folder / "spec.json", spec)


def load_model(folder: str | Path, *, modules: Mapping[str, nn.Module] | None = None) -> Any:
    """The model of a folder, in evaluation mode, on the CPU.

    The model is built without memory (the meta device), compared with the file, and only then filled.

    Raises:
        Mistake: naming the file and the field, for unknown parts, a newer schema, wrong shapes, damaged files.
    """
    folder = Path(folder)
    path = folder / "spec.json"
    spec = read_json(path)
    if not isinstance(spec, dict) or "schema" not in spec or "model" not in spec:
        raise Mistake(f"{path}, field 'schema': missing; this is no saved vaekit model.")
    if not isinstance(spec["schema"], int) or not 1 <= spec["schema"] <= SCHEMA:
        raise Mistake(
            f"{path}, field 'schema': got {spec['schema']!r} and this vaekit reads up to {SCHEMA}: install a newer one."
        )
    if not isinstance(spec.get("dtype"), str) or spec["dtype"] not in DTYPES:
        raise Mistake(f"{path}, field 'dtype': got {spec.get('dtype')!r} and wanted one of {', '.join(DTYPES)}.")
    with torch.device("meta"):
        model = from_spec(spec["model"], modules=modules, source=str(path))
    if not isinstance(model, Part):
        raise Mistake(f"{path}, field 'model': it holds no model.")
    model = model.to(DTYPES[spec["dtype"]])
    tensors = _widened(read_tensors(folder / "model.safetensors"), model.state_dict(), DTYPES[spec["dtype"]])
    _compare(model.state_dict(), tensors, folder / "model.safetensors")
    layouts = {name: p for name, p in model.named_parameters() if p.ndim == 4}
    tensors |= {name: torch.empty_like(p, device="cpu").copy_(tensors[name]) for name, p in layouts.items()}
    model.load_state_dict(tensors, assign=True)
    return model.eval()


def _widened(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], narrow: torch.dtype) -> dict[str, Tensor]:
    """The tensors with those as float64 that parts hold so in any model; files once held them in the model's type."""
    held = {k for k, v in wanted.items() if v.dtype == torch.float64}
    return {k: v.double() if k in held and v.dtype == narrow != torch.float64 else v for k, v in found.items()}


def _compare(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    missing, surplus = [k for k in wanted if k not in found], [k for k in found if k not in wanted]
    if missing:
        raise Mistake(f"{path}, field {missing[0]!r}: missing; the file belongs to another model.")
    if surplus:
        raise Mistake(f"{path}, field {surplus[0]!r}: the spec has no such tensor; the file belongs to another model.")
    for name, tensor in wanted.items():
        if tensor.shape != found[name].shape:
            raise Mistake(
                f"{path}, field {name!r}: got {tuple(found[name].shape)} and the spec wants {tuple(tensor.shape)}."
            )
        if tensor.dtype != found[name].dtype:
            raise Mistake(f"{path}, field {name!r}: got {found[name].dtype} and the spec wants {tensor.dtype}.")
