"""What every observer does."""

from __future__ import annotations

import json

from ltbench.errors import PluginError, UsageError
from ltbench.plugins.manager import Plugins
from ltbench.plugins.observer import make_observer
from ltbench.testing.point import NotApplicable, Points, Subject
from ltbench.testing.small_run import run_small

POINTS = Points()
KIND = "observer"
FAILURE = {"status": "failed", "error": "RuntimeError: told to", "stage": "erm", "step": 3}


@POINTS.add("watches", "It implements a hook", KIND)
def check_watches(subject: Subject) -> None:
    """Check that there is something it looks at."""
    hooks = [
        name
        for name in dir(subject.entry.load())
        if hasattr(getattr(subject.entry.load(), name), "ltbench_impl")
    ]
    assert hooks, f"observer '{subject.entry.name}' implements no hook: mark one with @hookimpl"


@POINTS.add("sweep", "It sees a sweep through, with a run that ends and one that fails", KIND)
def check_sweep(subject: Subject) -> None:
    """Check that nothing raises from the first hook to the last."""
    first, second = subject.folder / "seed-0", subject.folder / "seed-1"
    done = run_small("erm", first)
    result = json.loads((first / "result.json").read_text(encoding="utf-8"))
    record = {**done.log[-1], "seconds": 1.0}
    plugins = Plugins()
    plugins.registries["observers"].add(subject.entry)
    try:
        _, observer = make_observer(plugins, subject.text)
    except PluginError:
        raise
    except UsageError as reason:  # it says that it cannot work here
        raise NotApplicable(str(reason)) from reason
    with plugins.observing("observer", observer):
        plugins.call(
            "ltbench_sweep_started", runs=[done.spec, done.spec], done=0, out=subject.folder
        )
        for folder, end in ((first, result), (second, FAILURE)):
            folder.mkdir(exist_ok=True)
            run = {"run": done.spec, "folder": folder}
            plugins.call("ltbench_run_started", **run)
            plugins.call("ltbench_run_progressed", **run, stage=record["stage"], step=2)
            plugins.call("ltbench_run_evaluated", **run, record=record)
            plugins.call("ltbench_run_finished", **run, result=end)
        plugins.call("ltbench_sweep_finished")
    causes = [broken.cause for broken in plugins.broken]
    assert not causes, f"observer '{subject.entry.name}': {causes[0]}"
