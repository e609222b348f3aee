"""Folders of images as a Dataset: sub-folders name the splits and the classes."""

from __future__ import annotations

__all__ = ["parse_size", "read_folder"]

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vaekit.data.archives import SPLITS
from vaekit.data.dataset import Dataset
from vaekit.data.decoded import decoded
from vaekit.messages import Mistake

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif"}
GREY = {"1", "L", "I;16", "I;16B", "I;16L"}
WIDE = {"I", "F"}
DEFAULT_SIDE = 64
ORIENTATION = 0x0112  # the EXIF tag; 5 to 8 turn the picture on its side


def read_folder(path: Path, *, size: int | str | Sequence[int] | None = None, workers: int | None = None) -> Dataset:
    """All images below a folder, in the order of their paths, as uint8; decoded once and then kept in the cache.

    Sub-folders train, valid (val, validation) and test are splits; other sub-folders, there or at the top, are
    classes, and hidden ones are left out. Images are grey only if all are, else RGB; what is transparent is laid on
    white. 16-bit pixels keep their upper 8 bits.

    Args:
        path: the folder.
        size: H and W of the result, by resizing the picture until it covers them and cropping its centre: a
            number, "HxW" or (H, W). None keeps the pictures' own size, or takes 64 where they have several.
        workers: threads that decode; None for a few more than there are cores.

    Raises:
        Mistake: where there are no images, or some cannot be read, or have 32-bit pixels.
    """
    files = sorted(
        (p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and not _hidden(p, path) and p.is_file()),
        key=lambda p: p.relative_to(path).parts,
    )
    if not files:
        held = sorted(p.name for p in path.iterdir())[:5]
        raise Mistake(
            f"the folder {path} holds no images ({', '.join(sorted(SUFFIXES))}), "
            f"but {', '.join(held) or 'nothing'}: give the folder above them."
        )
    places = [p.relative_to(path) for p in files]
    splits, labels = _places(path, places)
    wanted = parse_size(size)

    def shape() -> tuple[int, ...]:
        sizes, modes = _peek(files, workers)
        return (*([] if all(mode in GREY for mode in modes) else [3]), *_size(sizes, wanted))

    def fill(x: np.ndarray) -> None:
        def decode(i: int) -> None:
            x[i] = _decode(files[i], x.shape[-2], x.shape[-1], x.ndim == 3)

        _each(decode, files, "reading images", workers)

    x = decoded(files, path, f"{wanted}", shape, fill)  # (N, H, W) or (N, 3, H, W)
    grey = x.ndim == 3
    return Dataset(
        name=path.resolve().name,
        x=torch.from_numpy(x),
        kind="image",
        layout=None if grey else "NHWC",
        labels=labels,
        parts={name: np.flatnonzero(splits == name) for name in ("train", "valid", "test") if (splits == name).any()},
        index=np.array([p.as_posix() for p in places]),
        origin="folder",
        extras={} if labels is None else {"class": labels},
    )


def _hidden(file: Path, folder: Path) -> bool:
    """Caches, thumbnails, and what macOS leaves in archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in file.relative_to(folder).parts)


def parse_size(size: int | str | Sequence[int] | None) -> tuple[int, int] | None:
    """(H, W) of a number, "HxW" or a pair.

    Example:
        >>> parse_size(64), parse_size("28x20"), parse_size(None)
        ((64, 64), (28, 20), None)
    """
    if size is None:
        return None
    parts: Any = size.lower().split("x") if isinstance(size, str) else size
    try:
        numbers = [int(parts)] if isinstance(parts, int) else [int(part) for part in parts]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) not in (1, 2) or min(numbers) < 1:
        raise Mistake(f"size={size!r} is no size: give a number of pixels such as 64, or height and width as '64x48'.")
    return numbers[0], numbers[-1]


def _places(path: Path, places: Sequence[Path]) -> tuple[np.ndarray, np.ndarray | None]:
    """The split ("" for none) and the class of each file, read off its folders."""
    tops = {place.parts[0] if len(place.parts) > 1 else "" for place in places}
    others = sorted(top for top in tops if top.lower() not in SPLITS)
    split = not others
    if others and "train" in map(str.lower, tops):
        stray = f"the folder {others[0]!r}" if others[0] else "images"
        raise Mistake(
            f"{path} holds a split 'train' and {stray} beside it: move all into train, valid and test, "
            "with a folder for each class in them."
        )
    folders = [place.parts[int(split) : -1] for place in places]
    labels = np.array([parts[0] if parts else "" for parts in folders])
    splits = np.array([SPLITS[place.parts[0].lower()] if split else "" for place in places])
    return splits, labels if (labels != "").any() else None


def _peek(files: Sequence[Path], workers: int | None) -> tuple[list[tuple[int, int]], list[str]]:
    """Size (H, W) as displayed and mode of each image, from its header alone."""
    from PIL import Image

    found: list[tuple[tuple[int, int], str]] = [((0, 0), "")] * len(files)

    def peek(i: int) -> None:
        with Image.open(files[i]) as image:
            width, height = image.size
            turned = image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
            mode = "I;16" if image.mode == "I" and image.format == "PNG" else image.mode  # older Pillow; PNG has no 32
            found[i] = ((width, height) if turned else (height, width), mode)

    _each(peek, files, "finding images", workers)
    wide = [file for file, (_, mode) in zip(files, found, strict=True) if mode in WIDE]
    if wide:
        raise Mistake(
            f"{len(wide)} of {len(files)} images have 32-bit pixels, the first is {wide[0]}, and nothing says what is "
            "white: convert them to 8 or 16 bits, or give the numbers as a .npy array."
        )
    return [size for size, _ in found], [mode for _, mode in found]


def _size(sizes: Sequence[tuple[int, int]], wanted: tuple[int, int] | None) -> tuple[int, int]:
    different = sorted(set(sizes))
    if wanted is not None:
        return wanted
    if len(different) == 1:
        return different[0]
    low, high = different[0], different[-1]
    print(
        f"The images have {len(different)} sizes, from {low[0]}x{low[1]} to {high[0]}x{high[1]}: all are resized and "
        f"centre-cropped to {DEFAULT_SIDE}x{DEFAULT_SIDE}. Choose another size with size= (--size).",
        file=sys.stderr,
    )
    return DEFAULT_SIDE, DEFAULT_SIDE


def _decode(path: Path, height: int, width: int, grey: bool) -> np.ndarray:
    from PIL import Image, ImageOps

    with Image.open(path) as opened:
        if opened.format == "JPEG" and min(opened.size) > 4 * max(height, width):
            opened.draft(None, (2 * max(height, width),) * 2)  # decodes at a fraction of the size, still twice ours
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I"):  # 16 bits; Pillow's own conversion would clip them
            image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
        if image.has_transparency_data:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
        image = image.convert("L" if grey else "RGB")
        if image.size != (width, height):
            image = ImageOps.fit(image, (width, height), method=Image.Resampling.LANCZOS)
        pixels = np.asarray(image)
        return pixels if grey else pixels.transpose(2, 0, 1)


def _each(work: Callable[[int], None], files: Sequence[Path], title: str, workers: int | None) -> None:
    """Call work(i) for each file in threads, with a progress bar; all files that fail are reported at once."""
    from tqdm import tqdm

    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(partial(_attempt, work), range(len(files)))
        errors = list(tqdm(results, title, len(files), leave=False, disable=None, unit="image"))
    failed = [(file, error) for file, error in zip(files, errors, strict=True) if error is not None]
    if failed:
        file, error = failed[0]
        more = f", as {len(failed) - 1} more of {len(files)} cannot" if len(failed) > 1 else ""
        raise Mistake(f"{file} cannot be read as an image ({error}){more}: replace or remove what is damaged.")


def _attempt(work: Callable[[int], None], i: int) -> Exception | None:
    try:
        work(i)
    except Exception as error:  # Pillow's decoders raise many kinds
        return error
    return None
