"""The folder of a run: what is there is kept, unless it is a run that may be overwritten."""

from __future__ import annotations

__all__ = ["claim"]

import shutil
from pathlib import Path

from vaekit.messages import Mistake


def claim(folder: Path, *, resume: bool, overwrite: bool) -> None:
    """Make the folder ours; what is there is deleted only where overwrite says so."""
    if folder.exists() and not folder.is_dir():
        raise Mistake(f"{folder} is a file: give another --out.")
    if folder.exists() and any(folder.iterdir()) and not resume:
        if not overwrite:
            raise Mistake(
                f"{folder} exists already: give --resume to go on, --overwrite to delete it, or another --out."
            )
        if not (folder / "run.json").exists():
            raise Mistake(f"{folder} holds files that are no run: they are not deleted; give another --out.")
        shutil.rmtree(folder)
