"""What every protocol does. Nothing here imports torch."""

from __future__ import annotations

import json
from typing import Any

from ltbench.errors import UsageError
from ltbench.plugins.names import Name, parse_name
from ltbench.testing.point import Points, Subject

POINTS = Points()
KIND = "protocol"


@POINTS.add("settings", "It sets what a protocol has, to what is possible", KIND)
def check_settings(subject: Subject) -> None:
    """Check every setting's name and value."""
    from ltbench.results.method_settings import METHODS
    from ltbench.results.protocol import Protocol, epochs_to_steps
    from ltbench.session.protocols import checked_settings, with_chains

    where = f"protocol '{subject.entry.name}'"
    settings = checked_settings(with_chains(_settings(subject)), where)
    settings.pop(METHODS, None)
    assert {"steps", "epochs"} & settings.keys(), f"{where} says neither steps nor epochs"
    assert not {"steps", "epochs"} <= settings.keys(), f"{where} says both steps and epochs"
    plain = epochs_to_steps(settings, 100, 2)
    Protocol.from_options(
        {k: v for k, v in plain.items() if k not in ("backbone", "pretrained")}, where
    )


@POINTS.add("text", "It can be written to a file and read back", KIND)
def check_text(subject: Subject) -> None:
    """Check that it holds text, numbers, truths and lists alone."""
    settings = _settings(subject)
    again = json.loads(json.dumps(settings, allow_nan=False))
    assert again == settings, f"protocol '{subject.entry.name}' becomes {again} when read back"


@POINTS.add("backbone", "It names a backbone that there is", KIND)
def check_backbone(subject: Subject) -> None:
    """Check the backbone's name; it is not built."""
    from ltbench.models.catalogue import known_backbone

    name = _settings(subject).get("backbone")
    assert isinstance(name, str), f"protocol '{subject.entry.name}' names no backbone"
    known_backbone(name)


@POINTS.add("plan", "Runs of any data set can be planned under it", KIND)
def check_plan(subject: Subject) -> None:
    """Plan a run on random images of three domains and of one."""
    from ltbench.session.plan import Request, plan_runs
    from ltbench.testing.small_data import BACKBONE, NAME

    name = parse_name(subject.text)
    text = str(Name(name.name, {"backbone": BACKBONE, "pretrained": False, **name.options}))
    for domains in (1, 3):
        dataset = f"{NAME}[domains={domains}]"
        request = Request(["erm"], [dataset], [0], "fp32", subject.folder, protocol=text)
        try:
            (spec,) = plan_runs(request).specs
        except UsageError as error:
            raise AssertionError(f"{text} cannot be planned on {dataset}: {error}") from error
        assert spec.protocol.name == name.name


def _settings(subject: Subject) -> dict[str, Any]:
    return dict(subject.entry.load())
