"""What Pillow and libtiff say of an image is a line with the file's name."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ltbench.data.image_files import read_image
from ltbench.data.library_messages import SHOWN, about, lines_with_names
from ltbench.data.store import open_store
from ltbench.errors import DataError
from ltbench.plugins.dataset import Decode
from ltbench.plugins.split import Split


def bomb(path: Path) -> Path:
    Image.new("1", (12, 12)).save(path)
    return path


def test_warnings_name_the_file_in_every_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    paths = [bomb(tmp_path / f"{i}.png") for i in range(SHOWN + 5)]
    lines: list[str] = []
    with lines_with_names(lines.append), ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda path: read_image(path, 3), paths))
    assert len(lines) == SHOWN + 1
    named = {line.partition(": Image size (144 pixels) exceeds limit")[0] for line in lines[:-1]}
    assert named < set(map(str, paths))
    assert lines[-1] == "5 more images were read with messages of this kind"
    assert capfd.readouterr() == ("", "")


def test_what_is_said_of_no_file_goes_where_it_went(recwarn: pytest.WarningsRecorder) -> None:
    lines: list[str] = []
    with lines_with_names(lines.append):
        warnings.warn("elsewhere", UserWarning, stacklevel=1)
    assert [str(warning.message) for warning in recwarn] == ["elsewhere"]
    assert lines == []


def test_what_pillow_logs_is_kept(tmp_path: Path) -> None:
    lines: list[str] = []
    with lines_with_names(lines.append), about(tmp_path / "a.tif"):
        logging.getLogger("PIL.TiffImagePlugin").error("More samples than %s", 4)
    assert lines == [f"{tmp_path}/a.tif: More samples than 4"]


def test_libtiff_writes_nothing_itself(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("PIL.features").check("libtiff") or pytest.skip("no libtiff")
    path = tmp_path / "a.tif"
    noise = np.random.default_rng(0).integers(0, 256, (32, 99), dtype=np.uint8)
    Image.fromarray(noise).save(path, compression="tiff_lzw")
    content = bytearray(path.read_bytes())
    for place in range(8, 60):
        content[place] ^= 0x55
    path.write_bytes(content)
    lines: list[str] = []
    with lines_with_names(lines.append), pytest.raises(DataError, match="libtiff: Using code not"):
        read_image(path, 3)
    # The sentence of the error has it; nothing is said twice.
    assert lines == []
    assert capfd.readouterr() == ("", "")
    # Without the lines it goes where it went before.
    with pytest.raises(DataError):
        read_image(path, 3)
    assert "Using code not" in capfd.readouterr().err


def test_what_a_decoder_of_its_own_says_is_about_its_image(
    make_noise: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = make_noise()
    quiet = noise.decoder

    def decoder(split: Split) -> Decode:
        decode = quiet(split)

        def loud(i: int) -> np.ndarray:
            if i == 7:
                warnings.warn("odd colours", UserWarning, stacklevel=1)
                logging.getLogger("PIL").error("odd size")
            return decode(i)

        return loud

    noise.decoder = decoder
    open_store(noise, noise.split())
    assert capsys.readouterr().err == "7.png: odd colours; odd size\n"
