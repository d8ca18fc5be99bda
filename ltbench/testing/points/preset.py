"""What every preset does. Nothing here imports torch before a run is planned."""

from __future__ import annotations

import json
import shlex

from ltbench.testing.point import Points, Subject

POINTS = Points()
KIND = "preset"


@POINTS.add("text", "It can be written to a file and read back", KIND)
def check_text(subject: Subject) -> None:
    """Check that it holds text, numbers, truths, lists and tables alone."""
    given = dict(subject.entry.load())
    again = json.loads(json.dumps(given, allow_nan=False))
    assert again == given, f"preset '{subject.entry.name}' becomes {again} when read back"


@POINTS.add("method", "It says which method it is", KIND)
def check_method(subject: Subject) -> None:
    """Check that it names an algorithm, and a protocol or settings of one."""
    options = dict(subject.entry.load())
    where = f"preset '{subject.entry.name}'"
    assert options.get("algo"), f"{where} names no method: give it an algo"
    others = options.keys() - {"algo", "then"}
    assert others, f"{where} is a method's name alone: give it a protocol, or settings"


@POINTS.add("plan", "It plans runs of any data set, those of the command it stands for", KIND)
def check_plan(subject: Subject) -> None:
    """Plan runs on random images of three domains, on a small network, in both ways."""
    from click.testing import CliRunner

    from ltbench.cli.run import run
    from ltbench.session.presets import command_of, find_preset
    from ltbench.testing.small_data import BACKBONE, NAME

    name = subject.entry.name
    rest = ["--dataset", f"{NAME}[domains=3]", "--backbone", BACKBONE, "--precision", "fp32"]
    rest += ["--json", "--dry-run", "--out", str(subject.folder / "runs")]
    whole = shlex.split(command_of(find_preset(name), NAME))[2:]
    found = []
    for words in (["--preset", name], whole):
        planned = CliRunner().invoke(run, [*words, *rest])
        assert planned.exit_code == 0, (
            f"preset '{name}' cannot be planned: {planned.exception or planned.output}"
        )
        found.append([(one["hash"], one["seed"]) for one in json.loads(planned.stdout)])
    assert found[0] == found[1], f"preset '{name}' and {shlex.join(whole)} plan different runs"
