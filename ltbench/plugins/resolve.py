"""From a name with options to the plugin and its hyper-parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ltbench.errors import LtbenchError, UsageError
from ltbench.plugins.augmentation_names import KINDS as AUGMENTATIONS
from ltbench.plugins.augmentation_names import NONE, THEN, augmentation_chain, spelled_out
from ltbench.plugins.hparams import HParams
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import AT, Name, parse_name, split_list
from ltbench.plugins.unseen_options import with_unseen
from ltbench.plugins.views import PROTOCOL

MODIFIERS = "modifiers"
"""The registry of modifiers."""
METHOD_KINDS = ("algorithms", "stages", MODIFIERS)
"""The registries of what a method is made of."""


def resolve(kinds: str, name: str, options: Mapping[str, Any]) -> tuple[Any, Any]:
    """Import a plugin and check the options that are given for it.

    Args:
        kinds: its registry, ``algorithms`` for example.
        name: as registered.
        options: of its hyper-parameters, those that are not the defaults or all of them.

    Returns:
        The plugin, and an instance of its ``HParams``; of a data set with the options that all
        data sets have (:mod:`ltbench.plugins.unseen_options`).

    Raises:
        UsageError: it does not exist, or an option is not possible.
        PluginError: it cannot be imported.
    """
    entry = get_plugins()[kinds].get(name)
    plugin = entry.load()
    hparams = with_unseen(plugin.HParams) if kinds == "datasets" else plugin.HParams
    return plugin, _named_as_registered(hparams.from_options(options, entry.name))


def resolve_written(kinds: str, name: str, hparams: Mapping[str, Any]) -> tuple[Any, Any]:
    """Do the same for the hyper-parameters that a run's specification holds.

    What it does not hold because it came later is what it was when the run was planned.

    Args:
        kinds: the registry.
        name: as registered.
        hparams: as written.

    Raises:
        UsageError, PluginError: as :func:`resolve`.
    """
    return resolve(kinds, name, earlier(kinds, name) | dict(hparams))


def earlier(kinds: str, name: str) -> dict[str, Any]:
    """Return what runs had before it was a hyper-parameter, where its default is another."""
    known = get_plugins()[kinds].get(name).load().HParams.bounds()
    return {key: one.before for key, one in known.items() if one.before is not None}


def registered(name: Name, *kinds: str) -> Name:
    """Return a name as the first of some registries that has it spells it.

    A run is known by this spelling, whatever was typed. A name that none has stays as it is. So it
    is with the modifiers behind it.

    Args:
        name: as typed.
        kinds: the registries, ``algorithms`` for example.
    """
    plugins = get_plugins()
    if name.modifiers:
        spelled = tuple(registered(modifier, MODIFIERS) for modifier in name.modifiers)
        name = dataclasses.replace(name, modifiers=spelled)
    for kind in kinds:
        if name.name in plugins[kind]:
            return dataclasses.replace(name, name=plugins[kind].spelled(name.name))
    return name


def check_modifiers_of(name: Name) -> None:
    """Check that the modifiers of an algorithm or stage exist, and that none stands there twice.

    Raises:
        UsageError: one does not, or stands there twice; the message says how to go on.
        PluginError: two plugins registered one of them.
    """
    plugins, seen = get_plugins(), set[str]()
    for modifier in name.modifiers:
        word = modifier.name
        if word not in plugins[MODIFIERS] and word in plugins["stages"]:
            raise UsageError(
                f"'{word}' is a stage, not a modifier: write {name.name}+{word} in the place of "
                f"{name.name}{AT}{word}"
            )
        known = plugins[MODIFIERS].get(word).name
        if known in seen:
            raise UsageError(f"'{name}' names the modifier '{known}' twice: leave one of them out")
        seen.add(known)


def _named_as_registered(hparams: HParams) -> HParams:
    """Return hyper-parameters whose values that name plugins are spelled as these are."""
    changed = {}
    for key, bounds in type(hparams).bounds().items():
        text = getattr(hparams, key)
        if bounds.names is None or not isinstance(text, str):
            continue
        if bounds.names == AUGMENTATIONS:
            if (chain := _chain_as_registered(text)) != text:
                changed[key] = chain
            continue
        try:
            typed = parse_name(text)
        except UsageError:  # an empty one, say; the plugin knows what it means
            continue
        name = registered(typed, bounds.names).name
        if name != typed.name:
            changed[key] = name + text.strip().removeprefix(typed.name)
    return dataclasses.replace(hparams, **changed) if changed else hparams  # type: ignore[type-var]


def _chain_as_registered(text: str) -> str:
    """Return a view's augmentations in their one spelling, without options at their defaults.

    What is not possible stays as it is; who uses it says so.
    """
    try:
        first, *rest = split_list(text, THEN)
        view = [first.strip()] if first.strip() == PROTOCOL else []
        own = augmentation_chain(THEN.join(rest if view else [first, *rest]) or NONE)
        names = [registered(name, AUGMENTATIONS) for name in own]
        changed = [resolve(AUGMENTATIONS, n.name, n.options)[1].changed() for n in names]
    except LtbenchError:
        return text
    spelled = [Name(n.name, o) for n, o in zip(names, changed, strict=True) if n.name != NONE]
    return THEN.join([*view, *([spelled_out(spelled)] if spelled else [])]) or NONE
