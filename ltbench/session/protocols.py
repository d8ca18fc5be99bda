"""Which protocols are asked for: by name, with settings in brackets, or as files of one's own.

::

    mdlt                                    one of the data set's, or one that suits any data set
    mdlt[weight_decay=1e-4,image_size=160]  with other settings
    mdlt[weight_decay=[1e-4,5e-4]]          a list is a sweep: two protocols
    [lr=1e-3]                               the data set's first, with other settings
    mine.toml                               a file: like = "mdlt", weight_decay = 1e-4, …, and
                                            tables of what methods have, [methods.crt] epochs = 10

Augmentations may also be a list of names, the chain ``a>b``; where lists sweep, ``[[a,b]]`` is one.

Nothing here imports torch.
"""

from __future__ import annotations

import itertools
import math
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ltbench.errors import UsageError, suggestion
from ltbench.plugins.augmentation_names import KINDS, joined, parse_augmentations, spelled_out
from ltbench.plugins.backbone_options import parse_backbones
from ltbench.plugins.facts import Facts
from ltbench.plugins.hparams import HParams, check_value, hparam
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import (
    QUOTES,
    Name,
    check_count,
    format_value,
    parse_name,
    parse_value,
    split_list,
)
from ltbench.plugins.resolve import METHOD_KINDS
from ltbench.plugins.spelling import spelled
from ltbench.plugins.text import visible
from ltbench.plugins.toml import load_toml
from ltbench.regular_files import read_file
from ltbench.results.method_settings import METHODS, joined_methods
from ltbench.results.protocol import EPOCHS, protocol_settings

SUFFIX = ".toml"
LIKE = "like"
BACKBONE = "backbone"
EVALUATIONS = "evaluations"
_STANDS_FOR = {**EPOCHS, EVALUATIONS: "eval_every"}
_LARGEST = 2**20  # bytes of a file


class _Beside(HParams):
    """What a protocol says beside the settings of :class:`ltbench.results.protocol.Protocol`."""

    name: str = hparam("", help="what the protocol is called")
    backbone: str = hparam("", help="the network")
    pretrained: bool = hparam(False, help="whether it starts from the weights that timm names")
    epochs: int = hparam(1, low=1, help="instead of steps: passes over the training images")
    eval_epochs: int = hparam(1, low=1, help="instead of eval_every, in epochs")


def asked_protocols(text: str | None) -> list[Name | None]:
    """Return the protocols that a text stands for, sweeps written out.

    Args:
        text: names parted by commas, or one file; ``None`` stands for a data set's first protocol.

    Returns:
        Names with the settings given beside them; ``None`` and the name ``""`` are the data set's
        first. Of a file the name is what it is ``like``, and ``name`` is among the settings; where
        it is like none, ``like`` is ``False`` among them.

    Raises:
        UsageError: the text does not follow the grammar, or the file cannot be read.
    """
    return [name for name, _ in typed_protocols(text)]


def typed_protocols(text: str | None) -> list[tuple[Name | None, frozenset[str]]]:
    """Return the same, each with the settings that stand in its brackets.

    What a file of one's own sets is not among those: it is what that protocol is.

    Raises:
        UsageError: as :func:`asked_protocols`.
    """
    if text is None:
        return [(None, frozenset())]
    return [
        (name, typed)
        for part in split_list(text)
        for asked, typed in [_asked(part)]
        for name in _expanded(asked)
    ]


def _asked(text: str) -> tuple[Name, frozenset[str]]:
    """Return one protocol and what its brackets set; lists are still to be written out."""
    head, bracket, rest = text.partition("[")
    if text[0] in QUOTES:  # a path with commas or brackets
        path, end, rest = text[1:].rpartition(text[0])
        head, (_, bracket, rest) = str(parse_value(text[0] + path + end)), rest.partition("[")
    if not (head.endswith(SUFFIX) or not head):
        found = parse_name(text)
        options = checked_settings(found.options, text)
        return Name(found.name, options), frozenset(options)
    options = checked_settings(parse_name(f"protocol[{rest}").options, text) if bracket else {}
    name = _of_file(Path(head), options) if head else Name("", options)
    return name, frozenset(options)


def table_text(table: Mapping[str, Any], where: str) -> str:
    """Return a table of TOML as :func:`asked_protocols` reads it.

    Raises:
        UsageError: it has an unknown key.
    """
    options = checked_settings({k: v for k, v in table.items() if k != LIKE}, where)
    if METHODS in options:
        raise UsageError(f"{where}: what methods have belongs under [hparams] of a sweep file")
    like = table.get(LIKE, "")
    if not isinstance(like, str):
        raise UsageError(f"{where}: '{LIKE}' is the name of a protocol, not {like!r}")
    text = str(Name("own", options)).removeprefix("own")
    return f"{like}{text}"


def protocol_of(facts: Facts, asked: Name | None) -> dict[str, Any]:
    """Return all that a protocol sets on a data set: settings, backbone, and perhaps epochs.

    What it sets of methods is :func:`protocol_methods`'s to tell.

    Args:
        facts: of the data set.
        asked: which protocol, and what is set beside it.

    Raises:
        UsageError: there is none of that name, or a value is not possible.
    """
    base, options = _named(facts, asked), _options(asked)
    beside = {key: value for key, value in options.items() if key in _Beside.bounds()}
    _Beside.from_options(beside, options.get("name") or base.get("name") or "protocol")
    found = merged(base, options)
    if BACKBONE not in found:
        raise UsageError(f'{found["name"]} names no backbone: give it one, backbone = "resnet50"')
    return _without_methods(found)


def protocol_methods(
    facts: Facts, asked: Name | None
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Return what a protocol sets of methods, and the settings that say for which length.

    The command under a table names a file of one's own, ``[name=mine.toml,…]``, and has all that
    the file sets of methods beside their names: there they are none.

    Args:
        facts: of the data set.
        asked: which protocol, and what is set beside it.
    """
    base, options = _named(facts, asked), _options(asked)
    if asked is None or "name" not in options:
        return joined_methods(base.get(METHODS), None), _without_methods(base)
    of_file = asked.name or LIKE in asked.options
    whole = merged(base, options)
    return joined_methods(whole.get(METHODS) if of_file else None, None), _without_methods(whole)


def own_protocols(facts: Facts) -> dict[str, dict[str, Any]]:
    """Return what the protocols of a data set's own set, by name, without what methods have."""
    return {name: _without_methods(_base(facts, name)) for name in facts.protocols}


def own_methods(facts: Facts) -> dict[str, dict[str, dict[str, Any]]]:
    """Return what the protocols of a data set's own set of methods, by name."""
    found = {
        name: joined_methods(_base(facts, name).get(METHODS), None) for name in facts.protocols
    }
    return {name: methods for name, methods in found.items() if methods}


def merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of which the upper ones win, over others too that say the same thing."""
    said = meanings(upper)
    kept = {key: value for key, value in lower.items() if not meanings({key: value}) & said}
    methods = joined_methods(lower.get(METHODS), upper.get(METHODS))
    return kept | dict(upper) | ({METHODS: methods} if methods else {})


def meanings(settings: Mapping[str, Any]) -> set[str]:
    """Return which settings are said, by their own names or by others that stand for them.

    Epochs stand for steps, and a number of evaluations for the steps between them.
    """
    off = {key for key, value in settings.items() if key == EVALUATIONS and value in (0, [0])}
    return {_STANDS_FOR.get(key, key) for key in settings if key not in off}


def check_alternatives(settings: Mapping[str, Any], where: str) -> None:
    """Check that nothing is said twice under different names.

    Args:
        settings: by name, of one place.
        where: what the message of an error begins with.

    Raises:
        UsageError: it is.
    """
    said: dict[str, str] = {}
    for key, value in settings.items():
        for meaning in meanings({key: value}):
            if meaning in said:
                pair = " and ".join(f"'{name}'" for name in sorted((said[meaning], key)))
                raise UsageError(f"{where}: {pair} say one thing: leave one out")
            said[meaning] = key


def _options(asked: Name | None) -> dict[str, Any]:
    """Return what is set beside a protocol's name."""
    return {k: v for k, v in asked.options.items() if k != LIKE} if asked else {}


def _named(facts: Facts, asked: Name | None) -> dict[str, Any]:
    """Return what the protocol that is named sets, its name among it; nothing if none is.

    Raises:
        UsageError: there is none of that name.
    """
    if asked and asked.options.get(LIKE, True) is False:
        return {}
    known = [*facts.protocols, *get_plugins()["protocols"].names()]
    name = asked.name if asked else ""
    name = spelled(name, known) if name else next(iter(facts.protocols))
    if name not in known:
        raise UsageError(f"there is no protocol '{visible(name)}'{suggestion(name, known)}")
    return {"name": name} | _base(facts, name)


def _without_methods(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != METHODS}


def _base(facts: Facts, name: str) -> dict[str, Any]:
    """Return what a named protocol sets on a data set: its own, else the one for any data set."""
    registry = get_plugins()["protocols"]
    if name not in facts.protocols:
        return with_chains(registry.get(name).load())
    own = with_chains(facts.protocols[name])
    if METHODS in own:
        own[METHODS] = _checked_methods(own[METHODS], f"protocol '{visible(name)}'")
    like = own.pop(LIKE, None)
    return merged(with_chains(registry.get(str(like)).load()), own) if like else own


def with_chains(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in which a list of augmentations stands as the chain that it means.

    Raises:
        UsageError: such a list holds something other than text.
    """
    return {
        key: joined(value) if _is_chain(key) and isinstance(value, list | tuple) else value
        for key, value in settings.items()
    }


def _is_chain(key: str) -> bool:
    setting = protocol_settings().get(key)
    return setting is not None and setting.bounds.names == KINDS


def _of_file(path: Path, more: Mapping[str, Any]) -> Name:
    """Return the protocol of a file; it is called as the file is, whatever folder that lies in."""
    try:
        table = load_toml(read_file(path.expanduser(), _LARGEST).decode())
    except OSError as error:
        raise UsageError(f"--protocol {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"--protocol {path} is not TOML: {visible(str(error))}") from error
    like = table.pop(LIKE, "")
    if not isinstance(like, str):
        raise UsageError(f"{path}: '{LIKE}' is the name of a protocol, not {like!r}")
    listed = {key for key, one in protocol_settings().items() if one.kind == tuple[float, ...]}
    settings = checked_settings(with_chains(table), str(path))
    for key, value in _without_methods(settings).items():
        several = isinstance(value, list) and key not in listed
        several |= key == BACKBONE and len(parse_backbones(str(value))) > 1
        if several or (_is_chain(key) and len(parse_augmentations(joined(value))) > 1):
            raise UsageError(f"{path}: '{key}' takes one value; lists sweep where they are typed")
    options = {"name": path.name, **({} if like else {LIKE: False})}
    return Name(like, merged({**options, **settings}, more))


def checked_settings(options: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return settings by the names of their fields; they may be typed as the options are.

    Args:
        options: settings, ``backbone``, ``pretrained``, ``epochs`` and ``eval_epochs`` among them.
        where: what the message of an error begins with.

    Raises:
        UsageError: there is no such setting.
    """
    fields = {s.option.removeprefix("--").replace("-", "_"): s.name for s in _settings()}
    known = {**{name: name for name in (*_Beside.bounds(), *fields.values())}, **fields}
    found: dict[str, Any] = {}
    for key, value in options.items():
        plain = key.replace("-", "_")
        if plain == METHODS:
            found[METHODS] = _checked_methods(value, where)
            continue
        if plain not in known:
            raise UsageError(f"{where}: a protocol has no '{key}'{suggestion(plain, known)}")
        if known[plain] in found:
            raise UsageError(f"{where}: '{known[plain]}' stands twice")
        found[known[plain]] = value
        for one in value if isinstance(value, list) else [value]:
            _check_value(known[plain], one, f"{where}: {plain}={format_value(one)}")
    check_alternatives(found, where)
    if not str(found.get("name", SUFFIX)).endswith(SUFFIX):
        raise UsageError(f"{where}: a protocol's 'name' is that of its file, and ends in {SUFFIX}")
    return found


def _checked_methods(value: object, where: str) -> dict[str, dict[str, Any]]:
    """Return what a protocol sets of methods, under the names that these are registered by.

    Raises:
        UsageError: it is no table of tables, or there is no such algorithm or stage.
    """
    if not isinstance(value, Mapping) or not all(isinstance(t, Mapping) for t in value.values()):
        raise UsageError(f"{where}: '{METHODS}' are tables of a file, like [{METHODS}.crt]")
    plugins, found = get_plugins(), {}
    for name, table in value.items():
        kind = next((kind for kind in METHOD_KINDS if name in plugins[kind]), None)
        if kind is None:
            near = suggestion(name, [known for k in METHOD_KINDS for known in plugins[k].names()])
            raise UsageError(f"{where}: there is no method '{visible(name)}'{near}")
        for key, one in table.items():
            if not isinstance(one, bool | int | float | str):
                raise UsageError(f"{where}: {METHODS}.{name}.{visible(key)} takes one value")
        found[plugins[kind].spelled(name)] = dict(table)
    return found


def _check_value(key: str, value: Any, where: str) -> None:
    """Check a value, or each of a list of those that are tried."""
    setting = protocol_settings().get(key)
    if isinstance(value, dict):
        raise UsageError(f"{where}: a setting takes a value, or a list of those that are tried")
    if _is_chain(key):
        value = joined(value)
    if key == BACKBONE and isinstance(value, str):
        parse_backbones(value)
    if setting is None:
        kind = typing.get_type_hints(_Beside)[key]
        check_value(value, kind, _Beside.bounds()[key], where)
    elif setting.kind == tuple[float, ...] and not isinstance(value, list):
        check_value([value], setting.kind, setting.bounds, where)
    else:
        check_value(value, setting.kind, setting.bounds, where)


def _expanded(name: Name) -> Iterator[Name]:
    """Yield a name for each combination of what is listed; of shares a list is one value."""
    listed = {s.name for s in _settings() if s.kind == tuple[float, ...]}
    axes: list[list[Any]] = []
    for key, value in name.options.items():
        inner = isinstance(value, list) and any(isinstance(one, list) for one in value)
        if value == [] and key not in listed:
            raise UsageError(f"'{key}' has no value: a list holds those that are tried")
        axis = value if isinstance(value, list) and (inner or key not in listed) else [value]
        if _is_chain(key):
            chains = [chain for one in axis for chain in parse_augmentations(joined(one))]
            axis = [spelled_out(chain) for chain in chains]
        if key == BACKBONE:
            axis = [str(network) for one in axis for network in parse_backbones(str(one))]
        axes.append(axis)
    check_count(math.prod(map(len, axes)), str(name))
    for values in itertools.product(*axes):
        yield Name(name.name, dict(zip(name.options, values, strict=True)))


def _settings() -> Iterable[Any]:
    return protocol_settings().values()
