"""Has a notebook show the figures that a cell ends with."""

from __future__ import annotations

import sys

from matplotlib.figure import Figure


def show_figures() -> None:
    """Tell IPython how figures are shown, where it runs and does not know yet.

    It learns that from pyplot, which nothing here imports: pyplot keeps every figure in memory.
    What the user chose, ``%matplotlib inline`` for instance, stays.
    """
    if "IPython" not in sys.modules:
        return
    from IPython.core.getipython import get_ipython
    from IPython.core.pylabtools import print_figure

    if (shell := get_ipython()) is not None:
        formatters = shell.display_formatter.formatters
        known = [formatters[kind].for_type(Figure) for kind in ("image/png", "image/svg+xml")]
        if not any(known):
            formatters["image/png"].for_type(Figure, print_figure)
