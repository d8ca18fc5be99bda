"""Checks the name of a run's method, which tables print and no hash holds."""

from __future__ import annotations

from collections.abc import Sequence

from ltbench.errors import LtbenchError
from ltbench.plugins.names import Name
from ltbench.plugins.resolve import MODIFIERS, resolve_written
from ltbench.results.component import Component
from ltbench.results.method_name import is_named_so, typed_parts
from ltbench.results.method_settings import MethodSettings
from ltbench.results.run import RunSpec
from ltbench.results.untrusted import clean
from ltbench.session.methods import methods_of
from ltbench.session.parts import title_of
from ltbench.session.protocols import SUFFIX
from ltbench.session.verification.finding import Findings, Subject
from ltbench.session.verification.registry import Here


def check_method(run: Subject, here: Here | str, findings: Findings) -> None:
    """Check that a run is called by the method that it is.

    Which hyper-parameters go without saying depends on the protocol, and so on the data set: where
    that is not here, only what the name says is checked.
    """
    if run.asked is None:
        return
    try:
        right = is_named_so(run.record.method, run.spec["identity"])
    except (KeyError, TypeError, ValueError, AttributeError):
        right = False
    planned: list[Name] = []
    if not run.combined and not isinstance(here, str):
        try:
            planned = _planned(run.asked, here)
            typed = typed_parts(run.record.method)
            right = right and typed in (planned, _as_before(planned, run.asked.parts))
        except LtbenchError:  # a plugin that is not here, which is said where plugins are checked
            pass
    if not right:
        words = clean("+".join(map(str, planned)))
        is_here = f": as it would be planned here it is {words}" if words else ""
        findings.add(
            "wrong",
            f"its method is called {clean(run.record.method)}, and its identity is of another"
            f"{is_here}",
            run,
        )


def _planned(asked: RunSpec, here: Here) -> list[Name]:
    """Return the names that the parts of a run would get if it were planned here.

    Raises:
        LtbenchError: a plugin or the protocol is not here.
    """
    methods = _set_by_protocol(asked, here)
    kinds = ["algorithms", *("stages" for _ in asked.stages)]
    return [_title(methods, kind, part) for kind, part in zip(kinds, asked.parts, strict=True)]


def _title(methods: MethodSettings, kind: str, part: Component) -> Name:
    _, own = resolve_written(kind, part.name, part.hparams)
    inner = [resolve_written(MODIFIERS, one.name, one.hparams)[1] for one in part.modifiers]
    name = Name(part.name, {}, tuple(Name(one.name) for one in part.modifiers))
    return title_of(methods, kind, name, own, inner)


def _as_before(names: Sequence[Name], parts: Sequence[Component]) -> list[Name]:
    """Return names without hyper-parameters that identities do not hold.

    So runs were called that were planned before there were these.
    """
    return [
        Name(
            name.name,
            {key: value for key, value in name.options.items() if key in part.hparams},
            tuple(_as_before(name.modifiers, part.modifiers)),
        )
        for name, part in zip(names, parts, strict=True)
    ]


def _set_by_protocol(asked: RunSpec, here: Here) -> MethodSettings:
    """Return what a run's protocol sets of methods, without that a name need say it."""
    protocol = asked.protocol_before()
    if protocol.name.endswith(SUFFIX):  # beside a file of one's own the name says everything
        return MethodSettings()
    name = Name(protocol.name) if protocol.name else None
    return methods_of(here.dataset.facts, here.split, name, protocol)
