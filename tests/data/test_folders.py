from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vaekit.data import read, restore
from vaekit.data.folders import parse_size
from vaekit.messages import Mistake


def picture(path: Path, color: object, size: tuple[int, int] = (8, 6), mode: str = "RGB", **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path, **options)  # type: ignore[arg-type]


def test_classes_splits_order_and_colours(tmp_path: Path) -> None:
    picture(tmp_path / "train/dog/b.png", (1, 2, 3))
    picture(tmp_path / "train/cat/a.png", (4, 5, 6))
    picture(tmp_path / "val/cat/c.bmp", (7, 8, 9))
    picture(tmp_path / "test/dog/d.PNG", (10, 11, 12))
    (tmp_path / "train/notes.txt").write_text("no image")
    data = read(tmp_path)
    assert data.index.tolist() == ["test/dog/d.PNG", "train/cat/a.png", "train/dog/b.png", "val/cat/c.bmp"]
    assert data.x[:, :, 0, 0].tolist() == [[10, 11, 12], [4, 5, 6], [1, 2, 3], [7, 8, 9]]
    assert data.labels is not None and data.labels.tolist() == ["dog", "cat", "dog", "cat"]
    assert {part: rows.tolist() for part, rows in data.parts.items()} == {"train": [1, 2], "valid": [3], "test": [0]}
    assert data.shape == (3, 6, 8) and data.name == tmp_path.name and restore(data, data.x).shape == (4, 6, 8, 3)
    assert read(tmp_path, condition="class").context["class"].tolist() == ["dog", "cat", "dog", "cat"]


def test_grey_only_if_all_are(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 100, mode="L")
    picture(tmp_path / "b.png", 1, mode="1")
    picture(tmp_path / "c.png", 40000, mode="I;16")
    grey = read(tmp_path)
    assert grey.shape == (6, 8) and grey.x[:, 0, 0].tolist() == [100, 255, 40000 >> 8]
    assert grey.labels is None and grey.parts == {} and grey.layout is None
    picture(tmp_path / "d.png", (1, 2, 3))
    assert read(tmp_path).x[0, :, 0, 0].tolist() == [100, 100, 100]


def test_orientation_is_honoured(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side: to be turned clockwise
    pixels = np.zeros((4, 8), dtype=np.uint8)
    pixels[:, :4] = 200  # the left half, which becomes the upper half
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    data = read(tmp_path)
    assert data.shape == (8, 4) and data.x[0, :4].min() == 200 and data.x[0, 4:].max() == 0


def test_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels = np.zeros((40, 80), dtype=np.uint8)
    pixels[:, 20:60] = 250  # the centre square
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert read(tmp_path).shape == (40, 80) and capsys.readouterr().err == ""
    cropped = read(tmp_path, size=10)
    assert cropped.shape == (10, 10) and cropped.x.min() > 200
    assert read(tmp_path, size="20x10").shape == (20, 10) and read(tmp_path, size=(5, 7)).shape == (5, 7)
    Image.fromarray(pixels.T).save(tmp_path / "b.png")
    assert read(tmp_path).shape == (64, 64)
    assert "2 sizes, from 40x80 to 80x40" in capsys.readouterr().err


def test_resizing_is_antialiased(tmp_path: Path) -> None:
    Image.fromarray(np.indices((64, 64)).sum(0).astype(np.uint8) % 2 * 255).save(tmp_path / "a.png")
    x = read(tmp_path, size=8).x.float()
    assert x.min() > 100 and x.max() < 155


def test_large_jpegs_keep_their_colour(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg", (200, 100, 50), size=(640, 480), quality=95)
    x = read(tmp_path, size=16).x.float()
    assert x.shape == (1, 3, 16, 16)
    assert (x.mean((0, 2, 3)) - x.new_tensor([200, 100, 50])).abs().max() < 4


@pytest.mark.parametrize("size", [0, -3, "axb", "1x2x3", (1, 2, 3), ()])
def test_bad_sizes(size: object) -> None:
    with pytest.raises(Mistake, match="is no size"):
        parse_size(size)  # type: ignore[arg-type]


def test_damaged_images_are_counted(tmp_path: Path) -> None:
    for name in "abcd":
        picture(tmp_path / f"{name}.png", (1, 2, 3), size=(64, 64))
    (tmp_path / "b.png").write_bytes(b"no image")
    (tmp_path / "c.png").write_bytes(b"neither")
    with pytest.raises(Mistake, match=r"b.png cannot be read as an image .*1 more of 4"):
        read(tmp_path)
    picture(tmp_path / "b.png", (1, 2, 3), size=(64, 64))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "c.png")
    (tmp_path / "c.png").write_bytes((tmp_path / "c.png").read_bytes()[:3000])
    with pytest.raises(Mistake, match=r"c.png cannot be read as an image \(.*truncated"):
        read(tmp_path)


def test_folders_without_order(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="holds no images .* but nothing"):
        read(tmp_path)
    (tmp_path / "a.csv").write_text("x")
    with pytest.raises(Mistake, match=r"holds no images .*a\.csv"):
        read(tmp_path)
    picture(tmp_path / "train/a.png", 0, mode="L")
    picture(tmp_path / "extra/a.png", 0, mode="L")
    with pytest.raises(Mistake, match="a split 'train' and the folder 'extra' beside it"):
        read(tmp_path)


def test_splits_in_any_case_and_hidden_folders(tmp_path: Path) -> None:
    for place in ("Train/a.png", "VAL/b.png", "Test/c.png", ".cache/d.png", "__MACOSX/Train/e.png", "Train/.x/f.png"):
        picture(tmp_path / place, 7, mode="L")
    data = read(tmp_path)
    assert data.index.tolist() == ["Test/c.png", "Train/a.png", "VAL/b.png"] and data.labels is None
    assert {part: rows.tolist() for part, rows in data.parts.items()} == {"train": [1], "valid": [2], "test": [0]}


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", (200, 100, 0, 0), mode="RGBA")
    picture(tmp_path / "b.png", (200, 100, 0, 255), mode="RGBA")
    picture(tmp_path / "c.png", (200, 100, 0, 51), mode="RGBA")
    palette = Image.new("P", (8, 6), 3)
    palette.putpalette([1, 2, 3] * 8)
    palette.save(tmp_path / "d.png", transparency=3)
    pixels = read(tmp_path).x[:, :, 0, 0]
    assert pixels.tolist() == [[255, 255, 255], [200, 100, 0], [244, 224, 204], [255, 255, 255]]


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_of_32_bits_are_refused(tmp_path: Path, mode: str) -> None:
    picture(tmp_path / "a.png", 7, mode="L")
    picture(tmp_path / "b.tif", 70000, mode=mode)
    with pytest.raises(Mistake, match=r"1 of 2 images have 32-bit pixels, the first is .*b.tif"):
        read(tmp_path)
