"""Checks the code that a run names against the code that is installed here."""

from __future__ import annotations

from ltbench.errors import LtbenchError
from ltbench.results.untrusted import clean
from ltbench.session.verification.finding import Findings, Subject
from ltbench.training.plugin_versions import own_code, versions_here


def check_code(run: Subject, findings: Findings) -> None:
    """Check versions and sources of plugins, and tell where ltbench's own code is another.

    Plugins are part of what a run is; ltbench's own code is not, and boards say where it differs.
    """
    if run.asked is None or run.combined:
        return
    try:
        here = versions_here(run.asked)
        code = own_code(run.asked)
    except LtbenchError as problem:
        findings.add("unchecked", f"its plugins were not checked: {str(problem).rstrip('.')}", run)
        return
    for name in sorted(run.asked.plugins.keys() | here.keys()):
        told, there = run.asked.plugins.get(name, "absent"), here.get(name, "absent")
        if told == there:
            continue
        words = f"plugin {clean(name)} was {clean(str(told))} and is {clean(there)} here"
        # One version has one source, unless somebody edited it; of another nothing is known.
        edited = str(told).partition(" ")[0] == there.partition(" ")[0]
        findings.add(
            "wrong" if edited else "unchecked",
            f"{words}: the source of one version was edited"
            if edited
            else f"{words}, so its code was not looked at",
            run,
        )
    environment = run.result.get("environment")
    made_by = environment.get("code") if isinstance(environment, dict) else None
    if made_by is None:
        findings.add("note", "it does not say by which code of ltbench it was made", run)
    elif made_by != code:
        findings.add("note", "it was made by other code of ltbench than is here", run)
