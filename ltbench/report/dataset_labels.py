"""What a data set is called where people read it: its name, and the options that say something.

A run's folder holds every option of its data set. Those that have their default values would only
lengthen each heading and legend.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ltbench.errors import LtbenchError
from ltbench.plugins.manager import OWN, get_plugins
from ltbench.plugins.names import format_value
from ltbench.printable import printable

Options = Mapping[str, Any]
# Every data set has this option, also those that no plugin here declares.
_COMMON: dict[str, Any] = {"data_seed": 0}
_NONE = object()


def dataset_labels(datasets: Sequence[tuple[str, Options]]) -> list[str]:
    """Return a label for each name with all its options, different ones for different data sets.

    Options are left out that have the defaults of the plugin as it is here, unless they differ
    between data sets of one name.
    """
    defaults = {name: _defaults(name) for name, options in datasets if options != _COMMON}
    values: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for name, options in datasets:
        for key in options.keys() - _COMMON.keys():
            if options[key] not in values[name, key]:
                values[name, key].append(options[key])
    labels = []
    for name, options in datasets:
        shown = _changed(options, defaults.get(name, _COMMON))
        kept = [key for key in options if key in shown or len(values[name, key]) > 1]
        labels.append(_named(name, {key: options[key] for key in kept}))
    return labels


def dataset_label(name: str, options: Options) -> str:
    """Return the label of a data set that stands alone."""
    return dataset_labels([(name, options)])[0]


def full_name(name: str, options: Options) -> str:
    """Return the name with every option, which means the same whatever the defaults are later."""
    return _named(name, _changed(options, _COMMON))


def _defaults(name: str) -> Options:
    """Return the defaults of a data set's options, where they are at hand.

    A folder of runs may name any plugin, and none but ltbench's is loaded because it does.
    """
    try:
        entry = get_plugins()["datasets"].get(name)
        module = entry.target.partition(":")[0] if isinstance(entry.target, str) else None
        at_hand = entry.distribution == OWN or module is None or module in sys.modules
        hparams = getattr(entry.load(), "HParams", None) if at_hand else None
    except LtbenchError:
        return _COMMON
    return _COMMON if hparams is None else _COMMON | hparams().as_dict()


def _changed(options: Options, defaults: Options) -> Options:
    return {k: v for k, v in options.items() if not _same(v, defaults.get(k, _NONE))}


def _same(one: Any, other: Any) -> bool:
    """Compare an option as JSON holds it with one of Python."""
    listed = list(other) if isinstance(other, tuple) else other
    return bool(one == listed) and isinstance(one, bool) == isinstance(listed, bool)


def _named(name: str, options: Options) -> str:
    if not options:
        return name
    pairs = ",".join(f"{key}={format_value(value)}" for key, value in options.items())
    return f"{name}[{printable(pairs)}]"
