"""The command line: each verb in a module that loads no torch until it has something to do."""

from __future__ import annotations

__all__ = ["main"]

from vaekit.cli.entry import main
