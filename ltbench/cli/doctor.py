"""``ltbench doctor``: can ltbench work on this machine? What a report of a bug needs."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ltbench import __version__, hookimpl
from ltbench.cli.data.options import data_dir_option
from ltbench.cli.options import runs_option
from ltbench.printable import json_text, styled

if TYPE_CHECKING:
    from ltbench.executors.measured import Answer
    from ltbench.session.checks import Check

NETWORK = ("erm", "digits-mini-mlt")
"""The algorithm and data set whose network ``--measure`` measures: those of the first example."""
_COLOURS = {"ok": "green", "warn": "yellow", "bad": "red"}


@click.command()
@click.option("--measure", is_flag=True, help="Measure now how fast the default network trains.")
@click.option("--forget", is_flag=True, help="Forget what was measured; it is measured anew.")
@runs_option
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(measure: bool, forget: bool, out: Path, data_dir: Path | None, as_json: bool) -> None:
    """Check the installation, this machine, its speed, the folders and every data set.

    What is printed belongs into a report of a bug. Each thing is ok, a warning (warn) or broken
    (bad), with what to do about it; where something is broken the exit code is 1.

    `ltbench run --precision auto` measures each network once for a batch, a number of threads and a
    version of PyTorch, and goes by that from then on. Runs that are there decide before it, so that
    a command goes on with what it began.

    \b
    Examples:
      ltbench doctor
      ltbench doctor --measure
      ltbench doctor --json
      ltbench doctor --forget
    """
    from ltbench.executors.measured import forget as forget_all
    from ltbench.executors.measured import known
    from ltbench.executors.processor import processor
    from ltbench.waiting import waiting

    if forget:
        removed = forget_all()
        if not as_json:
            click.echo(f"Forgot {removed} measurement{'' if removed == 1 else 's'}.")
    speed: list[Check] = []
    if measure:
        with waiting("Measuring the default network"):
            speed = [_measured_now(out, data_dir)]
    with waiting("Looking at this machine"):
        sections = _sections(out, data_dir, speed)
    answers = known(processor().key)
    checks = [check for section in sections.values() for check in section]
    if as_json:
        click.echo(json_text(_document(sections, answers), indent=1))
    else:
        _print(sections, answers)
    if any(check.state == "bad" for check in checks):
        raise SystemExit(1)


def _sections(out: Path, data_dir: Path | None, speed: Sequence[Check]) -> dict[str, list[Check]]:
    """Return what was found, by the part of the page that it stands in."""
    from ltbench.session.dataset_states import dataset_checks
    from ltbench.session.hardware import hardware_checks
    from ltbench.session.installation import installation_checks
    from ltbench.session.storage import storage_checks

    found: dict[str, Iterable[Check]] = {
        "Installation": installation_checks(),
        "Machine": hardware_checks(),
        "Speed": speed,
        "Storage": storage_checks(out, data_dir),
        "Data sets": dataset_checks(data_dir),
    }
    return {name: [check.without_home() for check in checks] for name, checks in found.items()}


def _measured_now(out: Path, data_dir: Path | None) -> Check:
    """Return in which numbers the default network trains faster, measured now."""
    from ltbench.errors import LtbenchError, described
    from ltbench.results.arithmetic import Arithmetic
    from ltbench.session.checks import BAD, OK, Check
    from ltbench.session.session import Session

    name = "fp32 or bf16"
    try:
        also = [Arithmetic("bf16", "contiguous")]
        speeds = Session(out, data_dir=data_dir, quiet=True).measure(*NETWORK, also)
    except LtbenchError as error:
        return Check(name, BAD, f"cannot be measured: {error}")
    except Exception as error:  # of PyTorch, or a driver
        return Check(name, BAD, f"fails: {described(error)}", "install PyTorch anew")
    best = {
        precision: min(ratio for way, ratio in speeds.ratios.items() if way.precision == precision)
        for precision in ("fp32", "bf16")
    }
    return Check(name, OK, f"{compared(best['fp32'], best['bf16'])} on the default network")


def compared(fp32: float, bf16: float) -> str:
    """Say which of two times is the shorter, and how clearly."""
    from ltbench.executors.measured import CLEARLY

    if bf16 <= CLEARLY * fp32:
        return f"bf16 is {fp32 / bf16:.2g} times as fast as float32"
    if fp32 <= CLEARLY * bf16:
        return f"float32 is {bf16 / fp32:.2g} times as fast as bf16"
    return "float32 and bf16 are about equally fast"


def _document(sections: dict[str, list[Check]], answers: Sequence[Answer]) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    from ltbench.cli.speeds import as_dict
    from ltbench.session.checks import worst

    every = [(name, check) for name, checks in sections.items() for check in checks]
    return {
        **_machine(),
        "state": worst(check for _, check in every),
        "checks": [{"section": name, **check.as_dict()} for name, check in every],
        "measured": [as_dict(answer) for answer in answers],
    }


def _machine() -> dict[str, Any]:
    import psutil

    from ltbench.executors.processor import cores, processor

    own = processor()
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = None
    return {
        "ltbench": __version__,
        "python": platform.python_version(),
        "torch": torch,
        "processor": own.name,
        "flags": own.notable,
        "cores": cores(),
        "memory": f"{psutil.virtual_memory().total / 1e9:.1f} GB",
    }


def _print(sections: dict[str, list[Check]], answers: Sequence[Answer]) -> None:
    from ltbench.cli.columns import beside
    from ltbench.cli.speeds import as_text
    from ltbench.executors.measured import folder
    from ltbench.session.checks import without_home

    width = max(len(check.name) for checks in sections.values() for check in checks)
    for name, checks in sections.items():
        click.echo(styled(name, bold=True))
        for check in checks:
            _print_check(check, width)
        if name == "Speed":
            click.echo(as_text(answers) if answers else "No network was measured here yet.")
            place = without_home(str(folder()))
            where = beside("", f"images and ms are those of a step; in {place}")
            click.echo(styled(where, dim=True))
        click.echo("")
    counted = [check.state for checks in sections.values() for check in checks]
    bad, warnings = counted.count("bad"), counted.count("warn")
    click.echo(f"{bad} broken, {warnings} warning{'' if warnings == 1 else 's'}")


def _print_check(check: Check, width: int) -> None:
    from ltbench.cli.columns import beside

    start = f"{check.state:4}  {check.name:{width}}  "
    whole = f"{check.found} → {check.to_do}" if check.to_do else check.found
    lines = [beside(start, whole)]
    if check.to_do and len(lines[0].splitlines()) > 1:
        lines = [
            beside(start, check.found),
            beside(" " * (len(start) - 2) + "→ ", check.to_do),
        ]
    click.echo(styled(lines[0][:4], fg=_COLOURS[check.state]) + "\n".join(lines)[4:])


@hookimpl
def ltbench_commands(cli: click.Group) -> None:
    """Add the command."""
    cli.add_command(doctor)
