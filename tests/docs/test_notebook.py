"""The notebook of the documents does in a kernel what its text says."""

from __future__ import annotations

import notebook
import pytest


def in_a_hurry(text: str) -> str:
    few = text.replace("seeds=3, steps=60, eval_every=20", "seeds=1, steps=4, eval_every=2")
    assert few != text
    return few


@pytest.fixture(scope="module")
def outputs() -> list[dict[str, str]]:
    """What the cells show, by kind of output."""
    executed = notebook.execute(in_a_hurry)
    return [
        output["data"]
        for cell in executed.cells
        for output in cell.get("outputs", ())
        if output["output_type"] == "execute_result"
    ]


def test_each_cell_shows_what_its_text_announces(outputs):
    runs, board, violin, frame, confusion, log, answers = outputs
    assert runs["text/plain"] == "<2 runs of erm, bsoftmax on digits-mini-mlt>"
    assert "<td style" in board["text/html"]
    assert "bsoftmax" in board["text/html"]
    assert len(violin["image/png"]) > 2000
    assert "accuracy_worst" in frame["text/html"]
    assert confusion["text/html"].count("<tr") == 2 + 10
    assert "val.accuracy_average" in log["text/html"]
    assert "photos/a 0.png" in answers["text/html"]


def test_the_page_has_the_outputs_and_the_images_that_it_names():
    from jupytext import reads
    from nbformat.v4 import new_output

    made = reads(notebook.SOURCE.read_text(encoding="utf-8"), fmt="md")
    cell = next(cell for cell in made.cells if cell.cell_type == "code")
    cell.outputs = [
        new_output("display_data", {"image/png": "iVBORw0KGgo="}),
        new_output("display_data", {"text/html": PANDAS}),
    ]
    pages = notebook.pages_of(made)
    page, images = pages.pop(notebook.PAGE), pages
    assert "<table>\n" in page
    assert "scoped" not in page
    assert len(images) == 1
    assert all(f"]({path})" in page for path in images)


PANDAS = """<div>
<style scoped>
    .dataframe tbody tr th { vertical-align: top; }
</style>
<table border="1" class="dataframe">
</table>
</div>"""
