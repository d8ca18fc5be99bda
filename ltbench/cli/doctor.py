"""``ltbench doctor``: what this machine is to ltbench, and how fast it was measured to be."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import click

from ltbench import __version__, hookimpl
from ltbench.printable import json_text, styled


@click.command()
@click.option("--forget", is_flag=True, help="Forget what was measured; it is measured anew.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(forget: bool, as_json: bool) -> None:
    """Show this machine, and how fast networks were measured to train on it.

    `ltbench run --precision auto` measures each network once for a batch, a number of threads and a
    version of PyTorch, and goes by that from then on. Runs that are there decide before it, so that
    a command goes on with what it began.

    \b
    Examples:
      ltbench doctor
      ltbench doctor --json
      ltbench doctor --forget
    """
    from ltbench.cli.speeds import as_dict, as_text
    from ltbench.executors.measured import folder, known
    from ltbench.executors.measured import forget as forget_all
    from ltbench.executors.processor import processor

    if forget:
        removed = forget_all()
        if not as_json:
            click.echo(f"Forgot {removed} measurement{'' if removed == 1 else 's'}.")
    machine, answers = _machine(), known(processor().key)
    if as_json:
        click.echo(json_text({**machine, "measured": [as_dict(a) for a in answers]}, indent=1))
        return
    width = max(map(len, machine))
    for name, value in machine.items():
        text = " ".join(value) if isinstance(value, list) else value
        click.echo(f"{styled(f'{name:{width}}', bold=True)}  {text}")
    click.echo("")
    click.echo(as_text(answers) if answers else "No network was measured here yet.")
    click.echo(styled(f"in {folder()}", dim=True))


def _machine() -> dict[str, Any]:
    import psutil

    from ltbench.executors.processor import cores, processor

    own = processor()
    return {
        "ltbench": __version__,
        "python": platform.python_version(),
        "torch": version("torch"),
        "processor": own.name,
        "flags": own.notable,
        "cores": cores(),
        "memory": f"{psutil.virtual_memory().total / 1e9:.1f} GB",
    }


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add the command."""
    cli.add_command(doctor)
