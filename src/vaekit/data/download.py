"""Downloads of data sets from their publishers, by checked SHA-256 sums."""

from __future__ import annotations

__all__ = ["fetch_mnist"]

import gzip
import hashlib
import os
import sys
import urllib.request
from pathlib import Path

import numpy as np

from vaekit.messages import Mistake

# LeCun's files, from the copy that PyTorch keeps since yann.lecun.com stopped serving them.
MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST_FILES = {
    "x_train": ("train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    "y_train": ("train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    "x_test": ("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    "y_test": ("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
}
TIMEOUT = 30.0  # seconds without an answer


def fetch_mnist(target: Path) -> None:
    """Download MNIST's four files and write them as one .npz archive.

    Raises:
        OSError: where the publisher or the folder cannot be reached.
        Mistake: where a file is not the published one.
    """
    arrays = {}
    for name, (file, digest) in MNIST_FILES.items():
        print(f"Downloading {MNIST_URL}{file}", file=sys.stderr)
        arrays[name] = _idx(gzip.decompress(_checked(MNIST_URL + file, digest)))
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as stream:
            np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]  # numpy's stub takes the names for flags
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _checked(url: str, digest: str) -> bytes:
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        content: bytes = answer.read()
    got = hashlib.sha256(content).hexdigest()
    if got != digest:
        raise Mistake(
            f"{url} gave {len(content)} bytes with SHA-256 {got[:12]}..., not the published {digest[:12]}...: "
            "the download was cut short or replaced on its way, try again or on another network."
        )
    return content


def _idx(content: bytes) -> np.ndarray:
    """The array of unsigned bytes in LeCun's IDX format: 0, 0, 8, number of axes, each axis as a big-endian int32."""
    axes = content[3]
    shape = np.frombuffer(content, dtype=">i4", count=axes, offset=4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * axes).reshape(shape)
