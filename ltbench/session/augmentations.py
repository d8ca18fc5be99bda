"""Whether the augmentations of a protocol can be applied, and their one canonical spelling."""

from __future__ import annotations

from collections.abc import Iterable

from ltbench.errors import UsageError
from ltbench.plugins.augmentation import Augmentation, crops, mixes
from ltbench.plugins.augmentation_names import KINDS, NONE, augmentation_chain, spelled_out
from ltbench.plugins.facts import Facts
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name
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


def mixing_augmentation(text: str) -> Name | None:
    """Return the one of a protocol's augmentations that mixes images and labels, if one does.

    Args:
        text: the augmentations, as an identity spells them.
    """
    chain = augmentation_chain(text)
    return _mixing([(name, get_plugins()[KINDS].get(name.name).load()) for name in chain])


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
