"""What is public changes only together with the changelog."""

from __future__ import annotations

import importlib.util
from pathlib import Path

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("surface", HERE / "surface.py")
surface = importlib.util.module_from_spec(spec)
spec.loader.exec_module(surface)

ADVICE = "name it in CHANGELOG.md under Unreleased, then: python tests/plugin_api/surface.py"


def test_what_is_public_is_what_was_written_down():
    now, before = set(surface.surface()), set(surface.snapshot())
    assert now - before == set(), f"added to the public surface: {ADVICE}"
    assert before - now == set(), f"taken from the public surface: {ADVICE}"


def test_the_changelog_was_written_with_it():
    text = surface.CHANGELOG.read_text(encoding="utf-8")
    found = surface.DIGEST.search(text)
    assert found is not None, ADVICE
    assert found[1] == surface.digest(surface.snapshot()), ADVICE


def test_the_surface_holds_every_kind_of_thing():
    lines = surface.snapshot()
    for line in (
        "ltbench.api.Algorithm.loss(self, batch)",
        "ltbench.testing.check_conformance(name, folder)",
        "hook ltbench_run_finished(run, folder, result)",
        "ltbench plugins check <name>",
        "ltbench --plugin",
        "ltbench run --algo",
    ):
        assert line in lines


def test_a_change_that_the_changelog_does_not_name_is_found():
    before = ["hook ltbench_old(run)", "ltbench run --steps", "ltbench.api.Batch.y"]
    now = [*before[:2], "ltbench run --step", "ltbench.api.Batch.z(self)"]
    assert surface.unsaid(now, before, "") == [
        "ltbench run --step",
        "ltbench.api.Batch.y",
        "ltbench.api.Batch.z(self)",
    ]
    assert surface.unsaid(now, before, "`--step`, and Batch has z instead of y") == []
    assert surface.unsaid(now, before, "`--steps`, z, y") == ["ltbench run --step"]


def test_what_a_new_class_has_is_said_with_the_class():
    new = ["ltbench.api.Job", "ltbench.api.Job.cost"]
    assert surface.unsaid(new, [], "`Job`") == []
    assert surface.unsaid(new, [], "`cost`") == ["ltbench.api.Job"]
    assert surface.unsaid(new, new[:1], "`Job`") == ["ltbench.api.Job.cost"]
    assert surface.unsaid([], new, "`Job`") == []


def test_another_parameter_is_a_change():
    assert surface.unsaid(["hook f(a, b)"], ["hook f(a)"], "") == ["hook f(a)", "hook f(a, b)"]
