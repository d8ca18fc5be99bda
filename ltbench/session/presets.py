"""Presets: names that stand for options of ``ltbench run``, and what these are written out.

A preset holds what a sweep file holds of options: the method, and the protocol under which it is
known. What runs come of it is the options' business; no run knows that a preset was named.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ltbench.errors import UsageError
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name, format_value, split_list
from ltbench.plugins.text import visible
from ltbench.results.method_settings import METHODS
from ltbench.session.protocols import (
    SUFFIX,
    checked_settings,
    meanings,
    merged,
    table_text,
    with_chains,
)

THEN = "then"
BESIDE = ("backbone", "pretrained")
"""What a protocol sets that is typed as an option, for it is no setting."""


@dataclass(frozen=True)
class Preset:
    """What a name stands for.

    Attributes:
        name: as it is registered.
        options: values of options of ``ltbench run``, by name without dashes before it.
        then: commands to be typed afterwards, without ``ltbench``; ``{out}`` in them is the folder
            of the runs.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    then: tuple[str, ...] = ()


def find_preset(name: str) -> Preset:
    """Return the preset of a name.

    Raises:
        UsageError: there is none, the nearest is suggested; or it holds what no preset can.
        PluginError: it cannot be imported.
    """
    entry = get_plugins()["presets"].get(name)
    where, given = f"preset '{visible(entry.name)}'", entry.load()
    if not isinstance(given, Mapping):
        raise UsageError(f"{where} is no mapping of options: tell who wrote {entry.distribution}")
    options = {str(key).replace("_", "-"): value for key, value in given.items()}
    then = options.pop(THEN, [])
    if not isinstance(then, list | tuple) or not all(isinstance(line, str) for line in then):
        raise UsageError(f"{where}: '{THEN}' is a list of commands")
    return Preset(entry.name, options, tuple(then))


def written_out(protocol: str, typed: Collection[str] = ()) -> tuple[str, dict[str, Any]]:
    """Return protocols with all their settings in brackets, and what stands beside.

    Args:
        protocol: as it is typed.
        typed: settings that are given by options of their own, which take the place of the
            protocol's.

    Returns:
        The text that means the same, and backbone and pretrained of a single protocol, by name. A
        file, and a protocol that is a data set's own, stay as they are typed.
    """
    parts = split_list(protocol)
    found = [_written_out(part, typed, apart=len(parts) == 1) for part in parts]
    return ",".join(text for text, _ in found), found[0][1] if len(found) == 1 else {}


def _written_out(text: str, typed: Collection[str], *, apart: bool) -> tuple[str, dict[str, Any]]:
    from ltbench.plugins.names import parse_name

    head = text.partition("[")[0]
    registry = get_plugins()["protocols"]
    if head.endswith(SUFFIX) or head not in registry:
        return text, {}
    asked = parse_name(text)
    own = with_chains(registry.get(head).load())
    settings = merged(own, checked_settings(asked.options, text))
    settings.pop(METHODS, None)
    beside = {key: settings.pop(key) for key in BESIDE if apart and key in settings}
    said = meanings(dict.fromkeys(typed, 1))
    kept = {key: value for key, value in settings.items() if not meanings({key: value}) & said}
    return str(Name(asked.name, kept)), {k: v for k, v in beside.items() if k not in typed}


def command_of(preset: Preset, dataset: str = "DATASET") -> str:
    """Return the whole command that a preset stands for.

    Args:
        preset: which.
        dataset: on what.
    """
    given = dict(preset.options)
    if isinstance(given.get("protocol"), Mapping):
        given["protocol"] = table_text(given["protocol"], f"preset '{preset.name}'")
    if "protocol" in given:
        typed = {key.replace("-", "_") for key in given} - {"protocol"}
        given["protocol"], beside = written_out(given["protocol"], typed)
        given = {**beside, **given}
    words = ["ltbench", "run", *option_words("--algo", given.pop("algo", ""))]
    words += ["--dataset", dataset]
    for key, value in given.items():
        if value is not False:
            words += [f"--{key}"] if value is True else option_words(f"--{key}", value)
        else:
            words.append(f"--no-{key}")
    return shlex.join(words)


def option_words(option: str, value: Any) -> list[str]:
    """Return what is typed to give an option of one value, or of several, parted by commas."""
    if isinstance(value, list | tuple):
        return [option, ",".join(map(str, value))]
    return [option, value if isinstance(value, str) else format_value(value)]
