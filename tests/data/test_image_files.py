from __future__ import annotations

import ast
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

import ltbench
from ltbench.data.image_files import (
    files_fingerprint,
    folder_images,
    is_image,
    read_image,
    stamps_fingerprint,
)
from ltbench.errors import DataError

RED = (200, 30, 40)


def saved(path: Path, mode: str, colour: object, **options: object) -> Path:
    Image.new(mode, (12, 9), colour).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "mode", "colour", "expected"),
    [
        ("rgb.png", "RGB", RED, RED),
        ("grey.png", "L", 77, (77, 77, 77)),
        ("bilevel.png", "1", 1, (255, 255, 255)),
        ("alpha.png", "RGBA", (*RED, 0), (255, 255, 255)),
        ("half.png", "LA", (0, 128), (127, 127, 127)),
        ("sixteen.png", "I;16", 77 * 256 + 5, (77, 77, 77)),
        ("sixteen.tif", "I;16", 77 * 256 + 200, (77, 77, 77)),
        ("white.jpg", "CMYK", (0, 0, 0, 0), (255, 255, 255)),
        ("black.jpg", "CMYK", (0, 0, 0, 255), (0, 0, 0)),
        ("cmyk.tif", "CMYK", (0, 0, 0, 0), (255, 255, 255)),
        ("rgb.bmp", "RGB", RED, RED),
        ("rgb.ppm", "RGB", RED, RED),
        ("rgb.webp", "RGB", (0, 0, 0), (0, 0, 0)),
    ],
)
def test_modes(tmp_path: Path, name: str, mode: str, colour: object, expected: tuple) -> None:
    pixels = read_image(saved(tmp_path / name, mode, colour), 3)
    assert pixels.shape == (9, 12, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - np.array(expected)).max() <= 1


def test_palettes_with_and_without_transparency(tmp_path: Path) -> None:
    image = Image.new("RGB", (12, 9), RED).quantize(4)
    image.save(tmp_path / "palette.png")
    assert tuple(read_image(tmp_path / "palette.png", 3)[0, 0]) == RED
    image.save(tmp_path / "clear.png", transparency=image.getpixel((0, 0)))
    assert tuple(read_image(tmp_path / "clear.png", 3)[0, 0]) == (255, 255, 255)


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (12, 9), colour) for colour in (RED, (0, 0, 0), (9, 9, 9))]
    for name in ("film.gif", "film.png", "film.webp"):
        options = {"lossless": True} if name.endswith("webp") else {}
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
        assert tuple(read_image(tmp_path / name, 3)[0, 0]) == RED


def test_one_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), RED).save(tmp_path / "dot.png")
    assert read_image(tmp_path / "dot.png", 3).tolist() == [[list(RED)]]
    assert read_image(tmp_path / "dot.png", 1).shape == (1, 1, 1)


def test_the_cameras_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (12, 9), RED).save(tmp_path / "turned.jpg", exif=exif)
    assert read_image(tmp_path / "turned.jpg", 3).shape == (12, 9, 3)


@pytest.mark.parametrize("orientation", range(10))
def test_every_orientation_is_as_pillow_has_it(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    for name in ("turned.png", "turned.jpg", "turned.tif", "turned.webp"):
        Image.fromarray(pixels).save(tmp_path / name, exif=exif)
        with Image.open(tmp_path / name) as image:
            wanted = np.asarray(ImageOps.exif_transpose(image))
        assert (read_image(tmp_path / name, 3) == wanted).all(), name
    turned = [read_image(tmp_path / "turned.png", 3).shape[:2] == (12, 9)]
    assert turned == [5 <= orientation <= 8]


def exif_block(*tags: tuple[int, int, int, bytes]) -> bytes:
    """Return a block of ``(tag, kind, count, value)``, values of more than four bytes behind it."""
    entries, behind = b"", b""
    for tag, kind, count, value in tags:
        place = struct.pack("<I", 14 + 12 * len(tags) + len(behind))
        short = len(value) <= 4
        entries += struct.pack("<HHI", tag, kind, count) + (
            value.ljust(4, b"\0") if short else place
        )
        behind += b"" if short else value
    head = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(tags))
    return head + entries + struct.pack("<I", 0) + behind


TURNED = (0x0112, 3, 1, struct.pack("<H", 6))


@pytest.mark.parametrize(
    ("block", "shape"),
    [
        (exif_block(TURNED, (0x011A, 2, 6, b"72dpi\0")), (12, 9, 3)),  # a resolution in words
        (exif_block((0x0100, 2, 6, b"wide!\0"), TURNED), (12, 9, 3)),
        (exif_block((0x0100, 5, 1, struct.pack("<II", 1, 0)), TURNED), (12, 9, 3)),
        (exif_block((0x0112, 2, 4, b"six\0")), (9, 12, 3)),  # an orientation in words
        (b"no such block", (9, 12, 3)),
        (exif_block(TURNED)[:12], (9, 12, 3)),
    ],
    ids=["resolution", "width", "ratio", "orientation", "no-block", "cut"],
)
@pytest.mark.parametrize("name", ["odd.jpg", "odd.png", "odd.webp"])
def test_other_tags_may_be_odd(tmp_path: Path, name: str, block: bytes, shape: tuple) -> None:
    Image.new("RGB", (12, 9), RED).save(tmp_path / name, exif=block)
    assert read_image(tmp_path / name, 3).shape == shape


def noisy_jpeg() -> bytes:
    import io

    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("empty.jpg", b"", "it is empty"),
        ("text.jpg", b"this is no image", "it is no image of a known kind"),
        ("page.png", b"<html>quota exceeded</html>", "it is no image of a known kind"),
        ("cut.jpg", noisy_jpeg()[:2000], "truncated"),
        ("cut.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", ""),
        ("garbage.gif", b"GIF89a" + bytes(range(256)), ""),
        ("garbage.tif", b"II*\0" + bytes(range(256)), ""),
        ("garbage.bmp", b"BM" + bytes(60), ""),
    ],
)
def test_broken_files_are_named(tmp_path: Path, name: str, content: bytes, cause: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        read_image(tmp_path / name, 3)
    assert str(tmp_path / name) in str(error.value)
    assert cause in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jpg cannot be read: No such file"):
        read_image(tmp_path / "gone.jpg", 3)


def test_a_huge_image_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "bomb.png", "RGB", RED)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    with pytest.raises(DataError, match=r"bomb\.png cannot be read"):
        read_image(tmp_path / "bomb.png", 3)


def test_which_files_are_images() -> None:
    names = ["a.jpg", "b.JPEG", "c.png", ".hidden.jpg", "notes.txt", "Thumbs.db", "._a.jpg"]
    assert [name for name in names if is_image(Path(name))] == ["a.jpg", "b.JPEG", "c.png"]
    assert [name for name in names if is_image(name)] == ["a.jpg", "b.JPEG", "c.png"]
    assert not is_image("jpg")


def test_the_images_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.PNG", ".hidden.jpg", "notes.txt"):
        saved(tmp_path / "new.png", "RGB", RED)
        (tmp_path / "new.png").rename(tmp_path / name)
    (tmp_path / "folder.jpg").mkdir()
    found = folder_images(tmp_path)
    assert found.names == ["a.PNG", "b.jpg"]
    stamped = [(n, *row) for n, row in zip(found.names, found.stamps.tolist(), strict=True)]
    assert stamps_fingerprint(stamped) == files_fingerprint(tmp_path, found.names)
    assert folder_images(tmp_path / "folder.jpg").stamps.shape == (0, 2)
    with pytest.raises(DataError, match="gone cannot be read: No such file"):
        folder_images(tmp_path / "gone")
    (tmp_path / "c.jpg").symlink_to("gone.jpg")
    with pytest.raises(DataError, match=r"c\.jpg cannot be read: No such file"):
        folder_images(tmp_path)


def test_the_fingerprint_follows_content_and_time(tmp_path: Path) -> None:
    saved(tmp_path / "a.png", "RGB", RED)
    before = files_fingerprint(tmp_path, ["a.png"])
    assert files_fingerprint(tmp_path, ["a.png"]) == before
    os.utime(tmp_path / "a.png", (1, 1))
    touched = files_fingerprint(tmp_path, ["a.png"])
    assert touched != before
    with pytest.raises(DataError, match=r"b\.png cannot be read"):
        files_fingerprint(tmp_path, ["a.png", "b.png"])


def test_no_program_is_started_for_what_calls_itself_a_photograph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow would hand PostScript to Ghostscript, which runs it."""
    program = tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    drawing = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "moth.jpg").write_bytes(drawing)
    with pytest.raises(DataError, match=r"moth\.jpg cannot be read: it is no image of a known"):
        read_image(tmp_path / "moth.jpg", 3)
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    "kind", ["JPEG", "MPO", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "AVIF"]
)
def test_the_kind_is_told_by_the_content(tmp_path: Path, kind: str) -> None:
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {kind}")
    Image.new("RGB", (16, 16), RED).save(tmp_path / "image.png", kind)
    assert np.abs(read_image(tmp_path / "image.png", 3).mean((0, 1)) - RED).max() < 12


def test_wherever_an_image_is_opened_its_formats_are_named() -> None:
    root = Path(ltbench.__file__).parents[1]
    found = []
    for folder in ("ltbench", "plugins", "benchmarks"):
        for path in sorted((root / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Image.open"):
                    found.append((path.name, {keyword.arg for keyword in node.keywords}))
    assert "image_files.py" in {name for name, _ in found}
    assert all("formats" in named for _, named in found), found


def test_what_has_no_end_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(DataError, match=r"pipe\.jpg cannot be read: it is not a regular file"):
        read_image(tmp_path / "pipe.jpg", 3)
