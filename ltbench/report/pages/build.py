"""Makes every file of the site, in memory: nothing is written before all of it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ltbench.data.locations import data_folder
from ltbench.plugins.manager import get_plugins
from ltbench.report.document import runs_csv
from ltbench.report.page import page
from ltbench.report.page_figures import Wish, draw_figures
from ltbench.report.section import Report
from ltbench.report.pages.addresses import (
    INDEX,
    board_address,
    compare_address,
    dataset_address,
    method_address,
    rows_address,
)
from ltbench.report.pages.board_page import board_page
from ltbench.report.pages.boards import ROWS, Board, algos_of, read_boards
from ltbench.report.pages.compare_page import compare_page
from ltbench.report.pages.dataset_page import dataset_page, distribution_wishes, variants_of
from ltbench.report.pages.index_page import index_page
from ltbench.report.pages.method_page import method_page
from ltbench.results.rows import write_rows

_ROOM = 1_000_000
"""Bytes of the figures of one page."""

Told = Callable[[int, int], None]


def site_files(
    folder: Path, *, title: str, command: str = "", told: Told = lambda done, pages: None
) -> dict[str, bytes]:
    """Return the files of the site by their addresses, the same for the same rows.

    Args:
        folder: the boards, as :func:`~ltbench.report.pages.boards.read_boards` takes them.
        title: heading of the first page.
        command: the command that makes the site.
        told: how many pages are made, and of how many.

    Raises:
        UsageError, DataError: there is no board, or one cannot be read.
    """
    boards = read_boards(folder)
    datasets = sorted({name for board in boards for name in _datasets(board)})
    makers = dict(_pages(boards, datasets, title, command))
    files = {}
    for done, (address, make) in enumerate(makers.items()):
        told(done, len(makers))
        files[address] = page(make()).encode()
    told(len(makers), len(makers))
    for board in boards:
        files[rows_address(board.name, ROWS)] = _rows(board)
        files[rows_address(board.name, ".csv")] = runs_csv(board.content).encode()
    return files


def _datasets(board: Board) -> set[str]:
    tables = (table.table.runs.table for table in board.content.boards)
    return {str(table["dataset"].iloc[0]) for table in tables}


def _pages(
    boards: Sequence[Board], datasets: Sequence[str], title: str, command: str
) -> Iterator[tuple[str, Callable[[], Report]]]:
    """Yield the address of each page, and what makes it."""
    data_dir = data_folder(None)
    algos = algos_of(boards)
    yield INDEX, lambda: index_page(boards, datasets, title)
    for board in boards:
        yield board_address(board.name), lambda b=board: board_page(b, _figures(b), command)
        yield compare_address(board.name), lambda b=board: compare_page(b)
    for algo in algos:
        yield method_address(algo), lambda a=algo: method_page(a, boards, algos)
    for name in datasets:
        yield dataset_address(name), lambda n=name: dataset_page(n, boards, _drawn(n, boards), data_dir)


def _figures(board: Board) -> dict[str, list]:
    """Return the figures of a board's page: the scores of every seed."""
    there = "violin" in get_plugins()["figures"]
    wishes = [
        Wish(
            table.table.protocol_hash, "violin", "Average and worst macro-F1 of every seed",
            table.table.trained().runs, open=True, drawn=there,
        )
        for table in board.content.boards
        if not table.table.joined
    ]  # fmt: skip
    return draw_figures(wishes, lambda done, figures: None, _ROOM)


def _drawn(name: str, boards: Sequence[Board]) -> dict[str, list]:
    wishes = distribution_wishes(variants_of(name, boards))
    return draw_figures(wishes, lambda done, figures: None, _ROOM)


def _rows(board: Board) -> bytes:
    """Return the rows of a board as they lie in its file, or as its runs make them."""
    if board.path.suffix == ROWS:
        return board.path.read_bytes()
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"rows{ROWS}"
        write_rows(board.records, path)
        return path.read_bytes()
