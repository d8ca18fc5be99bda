"""Whether the augmentations of a protocol can be applied, and their one canonical spelling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ltbench.errors import UsageError
from ltbench.plugins.augmentation import Augmentation, crops, mixes
from ltbench.plugins.augmentation_names import KINDS, NONE, augmentation_chain, spelled_out
from ltbench.plugins.facts import Facts
from ltbench.plugins.honours import check_honoured
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name, parse_name
from ltbench.plugins.resolve import registered, resolve


def planned_augmentation(text: str, facts: Facts) -> str:
    """Return the augmentations of a run on a data set, checked, as its identity spells them.

    That is as they are registered, with the hyper-parameters that differ from their defaults.

    Args:
        text: as typed.
        facts: of the data set.

    Raises:
        UsageError: one does not exist, an option is not possible, or they do not fit one another
            or the data set.
        PluginError: one cannot be imported.
    """
    found: list[tuple[Name, type[Augmentation]]] = []
    for typed in augmentation_chain(text):
        own = registered(typed, KINDS).name
        cls, hparams = resolve(KINDS, own, typed.options)
        if own != NONE:
            found.append((Name(own, hparams.changed()), cls))
    for number, (name, cls) in enumerate(found):
        _check_channels(name, cls, facts)
        if crops(cls) and number:
            raise UsageError(
                f"'{name}' cuts from the stored images: put it first, before '{found[0][0]}'"
            )
    _mixing(found)
    return spelled_out([name for name, _ in found])


def check_mixing(text: str, method: Sequence[Name]) -> None:
    """Check that a method takes mixed labels, where an augmentation mixes them.

    Args:
        text: the augmentations.
        method: the algorithm and its stages.

    Raises:
        UsageError: one of them does not.
    """
    chain = augmentation_chain(text)
    name = _mixing([(name, get_plugins()[KINDS].get(name.name).load()) for name in chain])
    if name:
        kinds = ["algorithms", *("stages" for _ in method[1:])]
        parts = (_parts(k, n.name, n.options) for k, n in zip(kinds, method, strict=True))
        check_honoured(
            "mixed_labels", f"augmentation={name}", (one for part in parts for one in part)
        )


def _mixing(chain: Iterable[tuple[Name, type[Augmentation]]]) -> Name | None:
    """Return the one of a chain that mixes images.

    Raises:
        UsageError: several do.
    """
    mixing = [name for name, cls in chain if mixes(cls)]
    if len(mixing) > 1:
        raise UsageError(
            f"'{mixing[0]}' and '{mixing[1]}' both make an image of two: leave one of them out"
        )
    return mixing[0] if mixing else None


def _check_channels(name: Name, cls: type[Augmentation], facts: Facts) -> None:
    if cls.channels and facts.channels not in cls.channels:
        needed = "colour" if cls.channels == (3,) else " or ".join(map(str, cls.channels))
        needed = needed if needed == "colour" else f"{needed} channels"
        have = f"{facts.channels} channel{'s' if facts.channels > 1 else ''}"
        raise UsageError(
            f"augmentation '{name}' needs {needed} and the images of '{facts.name}' have {have}: "
            "choose another augmentation or data set"
        )


def _parts(kinds: str, name: str, options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield name and class of a part of a method, and of those that its options name."""
    cls = get_plugins()[kinds].get(name).load()
    yield name, cls
    hparams = resolve(kinds, name, options)[1]
    for key, bounds in cls.HParams.bounds().items():
        inner = getattr(hparams, key)
        if bounds.names == "algorithms" and inner:
            found = parse_name(inner)
            yield from _parts(bounds.names, found.name, found.options)
