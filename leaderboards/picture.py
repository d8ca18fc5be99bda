"""Takes the picture of a board in the README: ``python leaderboards/picture.py [BOARD]``.

It makes the site of the boards here, opens the page of one of them in Chromium, without a window,
and keeps its upper part as ``docs/board.png``, in so few colours that it is small.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from ltbench.report.pages.addresses import board_address
from ltbench.report.pages.build import site_files
from ltbench.report.pages.folder import write_site

HERE = Path(__file__).parent
PICTURE = HERE.parent / "docs" / "board.png"
WIDTH, HEIGHT = 1400, 1000
MOST_BYTES = 150_000
_COLORS = 64


def picture(board: str, output: Path, boards: Path = HERE) -> None:
    """Write the picture of a board.

    Args:
        board: its name.
        output: the file, a PNG.
        boards: the folder of the boards.

    Raises:
        SystemExit: there is no Chromium, or the picture is too large for a repository.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_site(site_files(boards, title="Boards"), Path(folder, "site"))
        page = Path(folder, "site", board_address(board))
        taken = Path(folder, "page.png")
        _photograph(page, taken, Path(folder, "profile"))
        with Image.open(taken) as image:
            image.convert("RGB").quantize(_COLORS).save(output, optimize=True)
    if output.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{output} has more than {MOST_BYTES:,} bytes")


def _photograph(page: Path, output: Path, profile: Path) -> None:
    words = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        "--disable-background-networking", f"--user-data-dir={profile}",
        f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={output}", page.as_uri(),
    ]  # fmt: skip
    try:
        subprocess.run(words, check=True, capture_output=True)
    except FileNotFoundError as error:
        raise SystemExit("there is no Chromium here: apt-get install chromium") from error


if __name__ == "__main__":
    picture(sys.argv[1] if len(sys.argv) > 1 else "digits-mini-mlt", PICTURE)
    print(f"wrote {PICTURE}")
