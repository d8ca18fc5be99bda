"""What a run's identity says of its tuning, and the setting from which its protocol was tuned.

::

    {"search": "random", "trials": 16, "seed": 0, "metric": "f1",
     "axes": ["hparams", "lr"], "from": {"lr": 0.001}, "fixed": {"boda.nu": 1.0}}

``search`` is the sampler. ``axes`` and ``from`` are not there where the methods' own
hyper-parameters alone were searched; ``from`` has the values that searched settings of the protocol
had before. Runs that were tuned from one protocol stand in one table, whatever was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ltbench.plugins.names import format_value
from ltbench.results.protocol import protocol_settings
from ltbench.results.untrusted import clean, numbers

HPARAMS = "hparams"
"""The axis that stands for all hyper-parameters of the algorithm and its stages."""


def read_tuned(tuned: object, protocol: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an identity from anywhere says of tuning, empty if nothing.

    Args:
        tuned: its part of the identity, whatever a file says it is.
        protocol: the protocol's settings of the identity.

    Returns:
        All of it in its types, with ``found``: the searched settings that ended elsewhere than
        they began, with their values.
    """
    if not isinstance(tuned, dict) or not tuned:
        return {}
    words = {name: clean(str(tuned.get(name, ""))) for name in ("search", "metric")}
    fixed, axes = tuned.get("fixed"), tuned.get("axes")
    counts = {name: int(value) for name, value in numbers(tuned).items()}
    read = {**words, **counts, "fixed": dict(fixed) if isinstance(fixed, dict) else {}}
    if not isinstance(axes, list) or not axes:
        return read
    names = [clean(str(axis)) for axis in axes[: len(protocol_settings()) + 1]]
    return with_found({**read, "axes": names, "from": before_tuning(tuned)}, protocol)


def before_tuning(tuned: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that searched settings of the protocol had before.

    Of settings that were not searched, or that no search varies, as the steps, nothing is believed:
    by these values a run stands in a table.
    """
    settings, told = protocol_settings(), numbers(tuned.get("from"))
    axes = tuned.get("axes")
    listed = axes if isinstance(axes, list) else []
    return {
        name: int(value) if settings[name].kind is int else value
        for name, value in told.items()
        if name in settings and name in listed and is_axis(name)
    }


def is_axis(name: object) -> bool:
    """Return whether a search may vary what has this name."""
    setting = protocol_settings().get(name) if isinstance(name, str) else None
    return name == HPARAMS or (setting is not None and setting.search is not None)


def not_searched(tuned: Mapping[str, Any]) -> list[str]:
    """Return the names that an identity gives for searched, and that no search of its axes has."""
    axes, before = tuned.get("axes"), tuned.get("from")
    listed = axes if isinstance(axes, list) else []
    named = before if isinstance(before, dict) else {}
    strange = [name for name in listed if not is_axis(name)]
    strange += [name for name in named if name not in listed or name == HPARAMS]
    return [clean(str(name)) for name in dict.fromkeys(map(str, strange))]


def with_found(tuned: Mapping[str, Any], protocol: Mapping[str, Any]) -> dict[str, Any]:
    """Return an identity's part with ``found``, the searched settings that changed."""
    settings, before = protocol_settings(), before_tuning(tuned)
    now = {name: protocol.get(name, settings[name].default) for name in before}
    found = {name: value for name, value in now.items() if value != before[name]}
    return {**tuned, "found": found} if before else dict(tuned)


def protocol_before(protocol: Mapping[str, Any], tuned: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a protocol as they were before tuning, for what is written of them."""
    settings, before = protocol_settings(), before_tuning(tuned)
    # What came later than the first runs is not written at its default.
    unwritten = {n for n, v in before.items() if settings[n].later and v == settings[n].default}
    return {name: v for name, v in {**protocol, **before}.items() if name not in unwritten}


def axes_of(tuned: Mapping[str, Any]) -> list[str]:
    """Return what was searched."""
    return list(tuned.get("axes") or [HPARAMS])


def axes_text(axes: Sequence[str], starts: Mapping[str, Any]) -> str:
    """Return axes as ``--search`` takes them, with the values that it starts from."""
    return ",".join(
        f"{axis}={format_value(starts[axis])}" if axis in starts else axis for axis in axes
    )


def best_text(trials: object, sampler: object, seed: object) -> str:
    """Return the value of ``--hparams`` that takes the best of one study and no other."""
    return f"best[trials={trials},sampler={sampler},seed={seed}]"


def found_words(tuned: Mapping[str, Any]) -> list[str]:
    """Return "lr=0.002" for each setting of the protocol that tuning changed."""
    found = tuned.get("found")
    pairs = found.items() if isinstance(found, dict) else ()
    return [f"{clean(str(name))}={clean(format_value(value))}" for name, value in pairs]
