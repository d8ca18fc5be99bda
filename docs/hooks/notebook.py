"""Executes the notebook of the documents, and turns it into a page with its outputs."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

PAGE = "notebook.md"
SOURCE = Path(__file__).parents[1] / PAGE
IMAGES = "notebook"
_SECONDS = 1200  # for a cell, on a machine that is busy


def pages() -> dict[str, str | bytes]:
    """Return the page, and the images of its outputs, by path.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    return pages_of(execute())


def pages_of(executed: Any) -> dict[str, str | bytes]:
    """Return the page and the images of a notebook that has its outputs."""
    from nbconvert import MarkdownExporter

    text, resources = MarkdownExporter().from_notebook_node(
        executed, {"output_files_dir": IMAGES, "unique_key": "output"}
    )
    images = {name.replace(os.sep, "/"): data for name, data in resources["outputs"].items()}
    return {PAGE: re.sub(r"\n{3,}", "\n\n", _plain_tables(text)), **images}


def execute(edit: Callable[[str], str] = str) -> Any:
    """Return the notebook with its outputs, executed in a folder of its own.

    Args:
        edit: changes the text before it is read, for tests that are in a hurry.
    """
    import jupytext
    from nbclient import NotebookClient

    notebook = jupytext.reads(edit(SOURCE.read_text(encoding="utf-8")), fmt="md")
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=_SECONDS,
            kernel_name="python3",
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
            extra_arguments=["--log-level=ERROR"],
        )
        with mock.patch.dict(os.environ, IPYTHONDIR=f"{folder}/.ipython"):
            return client.execute()


def _plain_tables(text: str) -> str:
    """Return the page without the style that pandas gives its tables: the site has one."""
    text = re.sub(r"<style scoped>.*?</style>\n?", "", text, flags=re.S)
    return text.replace('<table border="1" class="dataframe">', "<table>")
