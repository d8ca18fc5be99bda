"""How a command that is printed to be typed next begins."""

from __future__ import annotations

import shlex
from pathlib import Path


def command_words() -> list[str]:
    """Return ``ltbench``, and the files that were given to this command by ``--plugin``.

    Without them the next one would not know what is registered there. What the environment names
    needs not be typed.
    """
    import click

    context = click.get_current_context(silent=True)
    found = context.find_root().params.get("plugins") if context else None
    files = [str(file) for file in found or () if isinstance(file, Path)]
    return ["ltbench", *(word for file in files for word in ("--plugin", file))]


def command_start() -> str:
    """Return :func:`command_words` as they are typed."""
    return shlex.join(command_words())
