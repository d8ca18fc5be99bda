"""Whether the method that a run is called by is the one that its identity tells.

Hashes are of the identity, and the name that stands in tables is no part of it. Judged here without
plugins, for what reads rows has none: names of algorithm, stages and modifiers, and the
hyper-parameters in brackets. What a name leaves unsaid are defaults, which only plugins know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ltbench.errors import UsageError
from ltbench.plugins.names import AT, Name, parse_name, split_list
from ltbench.results.combined import ENSEMBLE, SEVERAL, SOUP, names_of
from ltbench.results.component import Component

_MADE = re.compile(
    rf"(?P<named>.+) \((?:(?P<kind>{ENSEMBLE})|(?P<rule>\w+) {SOUP}) of "
    r"(?:\d+ of )?(?P<number>\d+)\)"
)
_AND = "&"


def typed_parts(method: str) -> list[Name]:
    """Return the algorithm and stages of a method as its name has them.

    Raises:
        UsageError: it does not follow the grammar of names.
    """
    found = []
    for part in split_list(method, "+"):
        name, *modifiers = (parse_name(one) for one in split_list(part, AT))
        found.append(Name(name.name, name.options, tuple(modifiers)))
    return found


def is_named_so(method: str, identity: Mapping[str, Any]) -> bool:
    """Return whether a run may be called by a method's name.

    Args:
        method: the name.
        identity: of the run, as ``spec.json`` holds it.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: the identity is that of no run.
    """
    combined = identity.get("combined")
    if isinstance(combined, dict):
        return _is_made_so(method, identity, combined)
    parts = [Component.from_dict(one) for one in (identity["algorithm"], *identity["stages"])]
    try:
        typed = typed_parts(method)
    except UsageError:
        return False
    return len(typed) == len(parts) and all(map(_fits, typed, parts))


def _fits(typed: Name, part: Component) -> bool:
    # A value that a run had before it was a hyper-parameter is not written.
    own = all(part.hparams.get(key, value) == value for key, value in typed.options.items())
    same = typed.name == part.name and len(typed.modifiers) == len(part.modifiers)
    return own and same and all(map(_fits, typed.modifiers, part.modifiers))


def _is_made_so(method: str, identity: Mapping[str, Any], combined: Mapping[str, Any]) -> bool:
    """Return whether the name of an ensemble or soup tells what it is, of how many runs of what."""
    found = _MADE.fullmatch(method)
    if not found or int(found["number"]) != len(combined["members"]):
        return False
    kind = ENSEMBLE if found["kind"] else SOUP
    if combined["kind"] != kind or (kind == SOUP and combined["rule"] != found["rule"]):
        return False
    algo = "+".join(names_of(identity))
    if algo == SEVERAL:  # of different methods, which the members tell
        return True
    try:
        named = [typed_parts(one) for one in split_list(found["named"], _AND)]
    except UsageError:
        return False
    return all("+".join(map(_title, parts)) == algo for parts in named)


def _title(part: Name) -> str:
    return AT.join([part.name, *(modifier.name for modifier in part.modifiers)])
