"""The version, on its own so that every floor may read it."""

from __future__ import annotations

__all__ = ["VERSION"]

VERSION = "0.1.0"
