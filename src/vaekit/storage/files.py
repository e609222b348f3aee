"""JSON and safetensors files, written atomically: a reader sees the old file or the new one, never half of one."""

from __future__ import annotations

__all__ = ["read_json", "read_tensors", "write_atomically", "write_json", "write_tensors"]

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from vaekit.messages import Mistake

JSON_LIMIT = 64 * 2**20  # bytes; a spec or a run's record is a few kilobytes


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write to a temporary file beside path, flush it to the disk, and put it in path's place.

    Raises:
        Mistake: where the folder cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise Mistake(f"{path.parent} cannot be written ({error.strerror}): give another folder with --out.") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise Mistake(f"{path} cannot be written ({error.strerror}): free some space or give another --out.") from error


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON; NaN and infinities are written as null, since they are no JSON."""
    text = json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode())


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return _finite(value.item())
    if hasattr(value, "tolist"):
        return _finite(value.tolist())
    return value


def read_json(path: str | Path) -> Any:
    """Read JSON.

    Raises:
        Mistake: naming the file where it is missing, too large or broken.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > JSON_LIMIT:
            raise Mistake(f"{path} has {size:,} bytes and at most {JSON_LIMIT:,} were expected: it is no vaekit file.")
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Mistake(f"{path} does not exist: give a run's folder or a saved model's.") from error
    except OSError as error:
        raise Mistake(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise Mistake(f"{path} is no complete JSON ({error}): it was cut off or damaged; take a copy of it.") from error


def write_tensors(path: str | Path, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors; tensors that share memory are written each."""
    write_atomically(path, save({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}))


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Read named tensors, on the CPU.

    Raises:
        Mistake: naming the file where it is missing, truncated, too long or of another format.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise Mistake(f"{path} does not exist: the folder is no complete saved model.") from error
    except OSError as error:
        raise Mistake(f"{path} cannot be read: {error.strerror}.") from error
    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise Mistake(
            f"{path} is no complete safetensors file ({error}): it was cut off or damaged; take a copy of it."
        ) from error
