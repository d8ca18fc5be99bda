"""Deep pixels are scaled by what their file says, or refused with a sentence that names it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ltbench.data.image_files import read_image
from ltbench.errors import DataError

RAMP = np.tile(np.arange(256, dtype=np.uint8), (8, 1))
SAYS = "the file does not say which is white: save it with 8 bits"
S_MIN, S_MAX, MAX = 340, 341, 281


def saved(path: Path, pixels: np.ndarray, **tags: float) -> Path:
    names = {"s_min": S_MIN, "s_max": S_MAX, "max": MAX}
    options = {"tiffinfo": {names[k]: v for k, v in tags.items()}} if tags else {}
    Image.fromarray(pixels).save(path, **options)
    return path


def grey(path: Path) -> np.ndarray:
    return read_image(path, 1)[..., 0]


@pytest.mark.parametrize(
    ("pixels", "tags"),
    [
        (RAMP.astype(np.float32), {"s_max": 255.0}),
        (RAMP.astype(np.float32) / 255, {"s_min": 0.0, "s_max": 1.0}),
        (RAMP.astype(np.float32) - 100, {"s_min": -100.0, "s_max": 155.0}),
        (RAMP.astype(np.int32) * 1000, {"s_min": 0, "s_max": 255_000}),
        (RAMP.astype(np.int32) << 23, {}),
        (RAMP.astype(np.uint16) * 16, {"s_max": 4095}),
        (RAMP.astype(np.uint16) * 16, {"max": 4095}),
        (RAMP.astype(np.uint16) * 257, {}),
        (RAMP.astype(np.uint16) * 257, {"s_max": 65535}),
        (RAMP.astype(np.float32) * 257, {"s_min": 0.0, "s_max": 65535.0}),
        (RAMP.astype(np.int32) * 257, {"s_min": 0, "s_max": 65535}),
    ],
)
def test_the_file_says_what_is_white(tmp_path: Path, pixels: np.ndarray, tags: dict) -> None:
    found = grey(saved(tmp_path / "ramp.tif", pixels, **tags))
    assert np.abs(found.astype(int) - RAMP).max() <= 1
    assert found.max() >= 254
    colour = read_image(tmp_path / "ramp.tif", 3)
    assert (colour == found[..., None]).all()


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("unit.tif", RAMP.astype(np.float32) / 255),
        ("byte.tif", RAMP.astype(np.float32)),
        ("int.tif", RAMP.astype(np.int32)),
        ("sign.tif", RAMP.astype(np.int32) * (1 << 20) - (1 << 27)),
        ("twelve.tif", RAMP.astype(np.uint16) * 16),
        ("twelve.png", RAMP.astype(np.uint16) * 16),
        ("ten.png", RAMP.astype(np.uint16) * 4),
        ("eight.png", RAMP.astype(np.uint16)),
        ("unit.pfm", RAMP.astype(np.float32) / 255),
    ],
)
def test_the_file_does_not_say(tmp_path: Path, name: str, pixels: np.ndarray) -> None:
    path = tmp_path / name.replace("pfm", "ppm")
    if name.endswith(".pfm"):
        path.write_bytes(b"Pf\n256 8\n-1.0\n" + pixels.astype("<f4").tobytes())
    else:
        saved(path, pixels)
    with pytest.raises(DataError, match=SAYS) as error:
        read_image(path, 3)
    assert str(path) in str(error.value)


def test_tags_that_do_not_fit(tmp_path: Path) -> None:
    wrong = saved(tmp_path / "wrong.tif", RAMP.astype(np.uint16) * 257, s_max=255)
    with pytest.raises(DataError, match="from 0 to 65535, and its tags say 0 to 255"):
        read_image(wrong, 3)
    holes = RAMP.astype(np.float32)
    holes[0, 0] = np.nan
    with pytest.raises(DataError, match="not all are numbers"):
        read_image(saved(tmp_path / "holes.tif", holes, s_max=255.0), 3)


def test_sixteen_bits_are_read_by_their_high_byte(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (9, 12), dtype=np.uint16)
    for name in ("deep.png", "deep.tif"):
        assert (grey(saved(tmp_path / name, pixels)) == pixels >> 8).all()
    black = saved(tmp_path / "black.png", np.zeros((9, 12), np.uint16))
    assert grey(black).max() == 0


def tiff(path: Path, pixels: bytes, *, bits: tuple[int, ...], photometric: int = 1) -> Path:
    """Write a little-endian TIFF of 16×8 pixels of one strip."""
    count, extra = len(bits), struct.pack(f"<{len(bits)}H", *bits)
    tags = [
        (256, 3, 1, 16),
        (257, 3, 1, 8),
        (258, 3, count, bits[0] if count == 1 else 8),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, 8 + len(extra)),
        (277, 3, 1, count),
        (278, 3, 1, 8),
        (279, 4, 1, len(pixels)),
    ]
    start = 8 + len(extra) + len(pixels)
    table = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = b"II*\0" + struct.pack("<I", start) + extra + pixels
    path.write_bytes(head + struct.pack("<H", len(tags)) + table + bytes(4))
    return path


def test_twelve_packed_bits(tmp_path: Path) -> None:
    values = np.linspace(0, 4095, 128).astype(int)
    pairs = [(a >> 4, (a & 15) << 4 | b >> 8, b & 255) for a, b in values.reshape(-1, 2).tolist()]
    packed = bytes(byte for pair in pairs for byte in pair)
    found = grey(tiff(tmp_path / "packed.tif", packed, bits=(12,)))
    assert (found.ravel() == values >> 4).all()


def test_white_may_be_the_lowest(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 128).astype("<u2")
    path = tiff(tmp_path / "negative.tif", values.tobytes(), bits=(16,), photometric=0)
    assert (grey(path).ravel() == 255 - (values >> 8)).all()


def test_colours_of_twelve_bits_in_sixteen(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 384).astype("<u2")
    path = tiff(tmp_path / "rgb.tif", values.tobytes(), bits=(16, 16, 16), photometric=2)
    assert (read_image(path, 3).ravel() == values >> 8).all()
    path = tiff(path, (values >> 4).tobytes(), bits=(16, 16, 16), photometric=2)
    with pytest.raises(DataError, match=r"rgb\.tif cannot be read: its colours have 16 bits"):
        read_image(path, 3)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"<svg xmlns=''>", "SVG"),
        (b"II*\0\x08\0\0\0\0\0", "a TIFF of other pixels"),
    ],
)
def test_photographs_of_other_kinds_are_called_by_their_kind(
    tmp_path: Path, head: bytes, kind: str
) -> None:
    (tmp_path / "moth.jpg").write_bytes(head + bytes(20))
    with pytest.raises(DataError, match=f"but {kind}: convert it to JPEG or PNG"):
        read_image(tmp_path / "moth.jpg", 3)
