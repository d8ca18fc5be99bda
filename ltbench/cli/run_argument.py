"""The argument RUN of what asks one trained model, and the options that say which is meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ltbench.cli.completion import complete_run_protocols
from ltbench.errors import UsageError
from ltbench.plugins.text import visible

run_argument = click.argument("run")
_ROOT = click.option(
    "--runs",
    "root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Folder of runs that a row is looked for in.",
)
_PROTOCOL = click.option(
    "--protocol",
    multiple=True,
    shell_complete=complete_run_protocols,
    help="Of a row: the protocol, by name or hash. A folder's has to be the same.",
)


def row_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that tell in which folder a row is, and under which protocol it was made."""
    return _ROOT(_PROTOCOL(command))


def run_folders(
    run: str, options: dict[str, Any], *others: str, all_seeds: bool = False
) -> list[Path]:
    """Return the folders of the runs that are meant, each once.

    Args:
        run, others: folders of runs, or rows as METHOD@DATASET.
        options: of the command, with those of :func:`row_options`.
        all_seeds: every seed of a row, and not the one with the best validation score alone.

    Raises:
        UsageError: there is no such run, or an option is about rows and none is named.
    """
    from ltbench.session.chosen_run import chosen_folders, is_folder

    texts, root = (run, *others), options["root"]
    rows = [text for text in texts if not is_folder(text)]
    if all_seeds and not rows:
        raise UsageError(
            f"--all-seeds is about a row, METHOD@DATASET, and '{visible(run)}' is a folder: leave "
            "it out, or name the row"
        )
    found = (
        folder
        for text in texts
        for folder in chosen_folders(
            text,
            root,
            # Beside a row the option is about that, and a folder may have another protocol.
            options["protocol"] if text in rows or not rows else (),
            all_seeds=all_seeds,
        )
    )
    return list(dict.fromkeys(found))
