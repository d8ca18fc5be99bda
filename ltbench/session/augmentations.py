"""Whether augmentations, of a protocol and of an algorithm's views, can be applied.

And the one canonical spelling of a protocol's.
"""

from __future__ import annotations

from collections.abc import Iterable

from ltbench.errors import UsageError
from ltbench.plugins.algorithm import Algorithm
from ltbench.plugins.augmentation import Augmentation, crops, mixes
from ltbench.plugins.augmentation_names import KINDS, NONE, augmentation_chain, spelled_out
from ltbench.plugins.facts import Facts
from ltbench.plugins.honours import check_honoured
from ltbench.plugins.hparams import HParams
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name
from ltbench.plugins.resolve import registered, resolve
from ltbench.plugins.views import PROTOCOL, chains_before_test, view_chains
from ltbench.results.run import RunSpec


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
    return spelled_out(_checked(text, facts.channels, facts.name))


def check_views(spec: RunSpec, name: str, cls: type[Algorithm], hparams: HParams) -> None:
    """Check that the views of an algorithm or stage can be made of a run's images, and differ.

    Args:
        spec: the run, with the augmentations of its protocol.
        name: of the algorithm or stage.
        cls: its class.
        hparams: its hyper-parameters.

    Raises:
        UsageError: they cannot; the message says which view, and how to go on.
        PluginError: the class has no views, or one cannot be imported.
    """
    protocol = spec.protocol.augmentation
    chains = view_chains(cls, hparams, protocol)
    if chains == (protocol,):
        return
    channels = len(spec.data["preprocessing"]["mean"])
    plain = []
    for number, chain in enumerate(chains, 1):
        whose = f"view {number} of '{name}', {chain}"
        try:
            found = _checked(chain, channels, spec.dataset_name)
        except UsageError as error:
            raise UsageError(f"{whose}: {error}") from error
        mixing = _mixing((one, get_plugins()[KINDS].get(one.name).load()) for one in found)
        if mixing and number > 1:
            raise UsageError(
                f"{whose}: '{mixing}' mixes labels, and the labels of a batch are those of its "
                "first view: choose another augmentation or algorithm"
            )
        if mixing and chain != protocol:  # that of a protocol is looked at with all its wishes
            check_honoured("mixed_labels", f"the '{mixing}' of its first view", [(name, cls)])
        if not found:
            plain.append(number)
    if len(plain) > 1:
        first, second = plain[:2]
        asked = cls.view_augmentations(hparams)
        of_protocol = PROTOCOL in (asked[first - 1], asked[second - 1])
        advice = "--augmentation crop-flip, say" if of_protocol else "an augmentation for one"
        raise UsageError(
            f"views {first} and {second} of '{name}' would be the same, for nothing augments them: "
            f"choose {advice}"
        )


def check_test_views(spec: RunSpec, name: str, cls: type[Algorithm], hparams: HParams) -> None:
    """Check that the views in which an algorithm learns on the test images can be made, and differ.

    Args:
        spec: the run, with the augmentations of its protocol.
        name: of its algorithm or last stage.
        cls: its class.
        hparams: its hyper-parameters.

    Raises:
        UsageError: they cannot; the message says which view, and how to go on.
        PluginError: the class names no chains, or one cannot be imported.
    """
    plain = []
    chains = chains_before_test(cls, hparams, spec.protocol.augmentation)
    for number, chain in enumerate(chains, 1):
        whose = f"view {number} of the test images for '{name}', {chain}"
        try:
            found = _checked(chain, len(spec.data["preprocessing"]["mean"]), spec.dataset_name)
        except UsageError as error:
            raise UsageError(f"{whose}: {error}") from error
        if mixing := mixing_augmentation(chain):
            raise UsageError(
                f"{whose}: '{mixing}' makes an image of two, and each is looked at by itself: "
                "choose another augmentation"
            )
        if not found:
            plain.append(number)
    if len(plain) > 1:
        raise UsageError(
            f"views {plain[0]} and {plain[1]} of the test images for '{name}' would be the same, "
            "for neither is augmented: choose an augmentation"
        )


def _checked(text: str, channels: int, dataset: str) -> list[Name]:
    """Return the augmentations of a chain as registered, with what differs from their defaults.

    Args:
        text: the chain.
        channels: of the images.
        dataset: the name of their data set.

    Raises:
        UsageError, PluginError: as :func:`planned_augmentation`.
    """
    found: list[tuple[Name, type[Augmentation]]] = []
    for typed in augmentation_chain(text):
        own = registered(typed, KINDS).name
        cls, hparams = resolve(KINDS, own, typed.options)
        if own != NONE:
            found.append((Name(own, hparams.changed()), cls))
    for number, (name, cls) in enumerate(found):
        _check_channels(name, cls, channels, dataset)
        if crops(cls) and number:
            raise UsageError(
                f"'{name}' cuts from the stored images: put it first, before '{found[0][0]}'"
            )
    _mixing(found)
    return [name for name, _ in found]


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


def _check_channels(name: Name, cls: type[Augmentation], channels: int, dataset: str) -> None:
    if cls.channels and channels not in cls.channels:
        needed = "colour" if cls.channels == (3,) else " or ".join(map(str, cls.channels))
        needed = needed if needed == "colour" else f"{needed} channels"
        have = f"{channels} channel{'s' if channels > 1 else ''}"
        raise UsageError(
            f"augmentation '{name}' needs {needed} and the images of '{dataset}' have {have}: "
            "choose another augmentation or data set"
        )
