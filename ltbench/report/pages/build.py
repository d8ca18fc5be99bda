"""Makes every file of the site, in memory: nothing is written before all of it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from ltbench.data.locations import data_folder
from ltbench.errors import UsageError
from ltbench.plugins.manager import get_plugins
from ltbench.regular_files import read_file
from ltbench.report.document import runs_csv
from ltbench.report.page import page
from ltbench.report.page_figures import Wish, draw_figures
from ltbench.report.pages.addresses import (
    INDEX,
    board_address,
    compare_address,
    dataset_address,
    method_address,
    rows_address,
)
from ltbench.report.pages.board_page import board_page
from ltbench.report.pages.boards import Board, algos_of, read_boards
from ltbench.report.pages.compare_page import compare_page
from ltbench.report.pages.dataset_page import dataset_page, distribution_wishes, variants_of
from ltbench.report.pages.index_page import index_page
from ltbench.report.pages.method_page import method_page
from ltbench.report.section import Figure, Report
from ltbench.results.rows import SUFFIX, write_rows

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
        files[rows_address(board.name, SUFFIX)] = _rows(board)
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
    yield INDEX, partial(index_page, boards, datasets, title)
    for board in boards:
        yield board_address(board.name), partial(_board, board, command)
        yield compare_address(board.name), partial(compare_page, board)
    for algo in algos:
        yield method_address(algo), partial(method_page, algo, boards, algos)
    for name in datasets:
        yield dataset_address(name), partial(_dataset, name, boards, data_dir)


def _board(board: Board, command: str) -> Report:
    """Return the page of a board, with the scores of every seed drawn."""
    there = "violin" in get_plugins()["figures"]
    wishes = [
        Wish(
            table.table.protocol_hash, "violin", "Average and worst macro-F1 of every seed",
            table.table.trained().runs, open=True, drawn=there,
        )
        for table in board.content.boards
        if not table.table.joined
    ]  # fmt: skip
    return board_page(board, _drawn(wishes), command)


def _dataset(name: str, boards: Sequence[Board], data_dir: Path) -> Report:
    drawn = _drawn(distribution_wishes(variants_of(name, boards)))
    return dataset_page(name, boards, drawn, data_dir)


def _drawn(wishes: Sequence[Wish]) -> dict[str, list[Figure]]:
    return draw_figures(wishes, lambda done, figures: None, _ROOM)


def _rows(board: Board) -> bytes:
    """Return the rows of a board as they lie in its file, or as its runs make them.

    Raises:
        UsageError: none of its runs is done.
    """
    if board.path.suffix == SUFFIX:
        return read_file(board.path)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"rows{SUFFIX}"
        try:
            write_rows(board.records, path)
        except UsageError as error:
            raise UsageError(f"board '{board.name}' ({board.path}): {error}") from error
        return path.read_bytes()
