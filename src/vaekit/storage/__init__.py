"""Files: JSON for what a model is, safetensors for its numbers; no pickle."""

from __future__ import annotations

__all__ = [
    "SCHEMA",
    "load_model",
    "read_json",
    "read_tensors",
    "save_model",
    "write_atomically",
    "write_json",
    "write_tensors",
]

from vaekit.storage.files import read_json, read_tensors, write_atomically, write_json, write_tensors
from vaekit.storage.spec import SCHEMA
from vaekit.storage.store import load_model, save_model
