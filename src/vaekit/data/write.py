"""write: results into files by their suffix, each row with the id, index or file name of its input."""

from __future__ import annotations

__all__ = ["write"]

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from vaekit.data.dataset import Dataset
from vaekit.data.grid import as_levels, as_pictures, image_grid, white_of
from vaekit.messages import Mistake, optional

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".npy", ".npz", ".csv", ".parquet", ".png")


def write(
    path: str | Path,
    values: Any,
    *,
    dataset: Dataset | None = None,
    names: Sequence[str] | None = None,
) -> Path:
    """Write values to .npy, .npz, .csv, .parquet or .png, or to a folder of PNGs where the path ends in a slash.

    Files appear whole or not at all; missing folders above them are made.

    Args:
        path: where to; an existing folder is written into.
        values: an array, tensor or DataFrame, or (not for .npy and .png) a dict of arrays with equal rows.
        dataset: the input, whose ids, index or file names go into the first column of a table, the array "index"
            of an .npz, and the names of a folder's files.
        names: names for the columns of a table.

    Raises:
        Mistake: for an unknown suffix, values that do not fit the file, or a place that cannot be written.
    """
    folder = str(path).endswith(("/", os.sep)) or Path(path).is_dir()
    path = Path(path).expanduser()
    suffix = path.suffix.lower()
    if not folder and suffix not in SUFFIXES:
        raise Mistake(
            f"{path} has the suffix {suffix!r}, which is not written: give {', '.join(SUFFIXES)}, "
            "or a folder of images by a slash at the end."
        )
    index = None if dataset is None or len(dataset) != _rows(values) else dataset.index
    try:
        if folder:
            images = as_pictures(path, values)
            _write_folder(path, as_levels(images, _white(dataset)), index)
        elif suffix == ".npy":
            array = _array(path, values)
            _atomic(path, lambda stream: np.save(stream, array, allow_pickle=False))
        elif suffix == ".npz":
            arrays = _arrays(values, index)
            _atomic(path, lambda stream: np.savez_compressed(stream, **arrays))
        elif suffix == ".png":
            picture = image_grid(as_pictures(path, values), white=_white(dataset))
            _atomic(path, lambda stream: _save_png(stream, picture))
        else:
            frame = _frame(path, values, index, names, dataset)
            if suffix == ".csv":
                _atomic(path, lambda stream: frame.to_csv(stream, index=False))
            else:
                optional("pyarrow", extra="parquet")
                _atomic(path, lambda stream: frame.to_parquet(stream, index=False))
    except OSError as error:
        raise Mistake(f"{path} cannot be written ({error.strerror or error}): give a place that can be.") from error
    return path


def _rows(values: Any) -> int:
    return len(next(iter(values.values()))) if isinstance(values, Mapping) else len(values)


def _plain(values: Any) -> np.ndarray:
    if isinstance(values, Tensor):
        return values.detach().cpu().numpy()
    return values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)


def _array(path: Path, values: Any) -> np.ndarray:
    if isinstance(values, Mapping):
        raise Mistake(f"{path} holds one array, and there are {', '.join(values)}: write {path.stem}.npz.")
    array = _plain(values)
    if array.dtype.kind == "O":
        raise Mistake(f"{path} would hold mixed columns: write {path.stem}.csv or {path.stem}.parquet.")
    return array


def _arrays(values: Any, index: Any) -> dict[str, Any]:
    if type(values).__name__ == "DataFrame":
        arrays = {str(name): _unpickled(values[name].to_numpy()) for name in values.columns}
    else:
        named = values if isinstance(values, Mapping) else {"x": values}
        arrays = {name: _unpickled(_plain(array)) for name, array in named.items()}
    return arrays if index is None else {_free("index", arrays): _unpickled(np.asarray(index)), **arrays}


def _free(title: str, taken: Iterable[Any]) -> str:
    """The title of the ids, apart from those of the values: nll_id where both are called nll."""
    taken = set(map(str, taken))
    while title in taken:
        title += "_id"
    return title


def _unpickled(array: np.ndarray) -> np.ndarray:
    return array.astype(str) if array.dtype.kind == "O" else array


def _frame(path: Path, values: Any, index: Any, names: Sequence[str] | None, dataset: Dataset | None) -> pd.DataFrame:
    import pandas as pd

    if type(values).__name__ == "DataFrame":
        frame = values if names is None else values.set_axis(list(names), axis=1)
        index = frame.index if index is None and (frame.index.name or frame.index.dtype.kind not in "iu") else index
        frame = frame.reset_index(drop=True)
    else:
        columns = values if isinstance(values, Mapping) else {None: values}
        frame = pd.concat([_columns(path, name, _plain(array), names) for name, array in columns.items()], axis=1)
    if index is not None:
        by_file = dataset is not None and dataset.origin == "folder"
        title = str(getattr(index, "name", None) or ("file" if by_file else "index"))
        column = pd.Series(np.asarray(index), name=_free(title, frame.columns))
        frame = pd.concat([column, frame], axis=1)
    return frame.set_axis([str(column) for column in frame.columns], axis=1)


def _columns(path: Path, name: str | None, array: np.ndarray, names: Sequence[str] | None) -> pd.DataFrame:
    import pandas as pd

    if array.ndim not in (1, 2):
        raise Mistake(
            f"{path} is a table, and the values have shape {array.shape}: write .npy, .npz, .png or a folder of images."
        )
    if array.ndim == 1:
        titles = [name or (names[0] if names else "value")]
    elif name is None:
        titles = list(names or [f"x{i}" for i in range(array.shape[1])])
    else:
        titles = [f"{name}_{title}" for title in (names or range(array.shape[1]))]
    return pd.DataFrame(array.reshape(len(array), -1), columns=titles)


def _white(dataset: Dataset | None) -> float | None:
    return None if dataset is None else white_of(dataset.x.numpy())


def _write_folder(path: Path, levels: np.ndarray, index: Any) -> None:
    levels = levels[..., 0] if levels.ndim == 4 and levels.shape[3] == 1 else levels
    taken: set[Path] = set()
    for row, picture in enumerate(levels):
        file = path / _file_name(str(row).zfill(len(str(len(levels) - 1))) if index is None else str(index[row]))
        while file in taken:  # a.jpg and a.png, or an id that comes twice
            file = file.with_name(f"{file.stem}-{row}.png")
        taken.add(file)
        _atomic(file, lambda stream, picture=picture: _save_png(stream, picture))  # type: ignore[misc]


def _file_name(name: str) -> str:
    """A relative path for an id: no way out of the folder, no characters that some systems refuse."""
    stem = re.sub(r"\.(png|jpe?g|bmp|webp|tiff?|gif)$", "", name, flags=re.IGNORECASE)
    parts = [re.sub(r"[^\w. +-]", "_", part) for part in stem.split("/") if part.strip(". ")]
    return "/".join(parts or ["unnamed"]) + ".png"


def _save_png(stream: IO[bytes], picture: np.ndarray) -> None:
    from PIL import Image

    Image.fromarray(picture).save(stream, format="PNG")


def _atomic(path: Path, save: Callable[[IO[bytes]], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as stream:
            save(stream)
        os.replace(partial, path)
    finally:
        if partial.is_file():
            partial.unlink()
