"""What the views of an algorithm are augmented by: chains that may begin with the protocol's.

Nothing here imports torch.
"""

from __future__ import annotations

from typing import Any

from ltbench.errors import PluginError, UsageError
from ltbench.plugins.augmentation_names import NONE, THEN
from ltbench.plugins.names import split_list
from ltbench.plugins.text import visible

PROTOCOL = "protocol"
"""Stands in a view's chain, at its beginning, for the augmentations of the run's protocol."""

STRONG_VIEW = "simclr"
"""The augmentations of contrastive methods' views, unless they say otherwise: those of SimCLR, on
images of one channel or three. They crop and mirror themselves, in place of the protocol's."""


def view_chains(cls: Any, hparams: Any, protocol: str) -> tuple[str, ...]:
    """Return the chain of augmentations of each view of an algorithm in a run.

    Args:
        cls: the class of an algorithm or stage.
        hparams: its hyper-parameters.
        protocol: the augmentations of the run's protocol.

    Raises:
        PluginError: the algorithm has no view at all.
        UsageError: the chain of one is not possible.
    """
    chains = tuple(cls.view_augmentations(hparams))
    if not chains or not all(isinstance(chain, str) for chain in chains):
        raise PluginError(
            f"{cls.__name__}.view_augmentations returns {chains!r}: it must return a tuple of one "
            f"chain of augmentations a view, ('{PROTOCOL}',) for a single one"
        )
    return tuple(in_protocol(chain, protocol) for chain in chains)


def chains_before_test(cls: Any, hparams: Any, protocol: str) -> tuple[str, ...]:
    """Return the augmentations in which an algorithm learns on the test images, if it does.

    Args:
        cls: the class of an algorithm or stage.
        hparams: its hyper-parameters.
        protocol: the augmentations of the run's protocol.

    Raises:
        PluginError: the algorithm returns something else.
        UsageError: the chain of one view is not possible.
    """
    chains = cls.test_augmentations(hparams)
    if not isinstance(chains, tuple) or not all(isinstance(chain, str) for chain in chains):
        raise PluginError(
            f"{cls.__name__}.test_augmentations returns {chains!r}: it must return a tuple of one "
            "chain of augmentations a view, () where it does not look at the test images"
        )
    return tuple(in_protocol(chain, protocol) for chain in chains)


def in_protocol(chain: str, protocol: str) -> str:
    """Return a view's chain with the protocol's in the place of the word that stands for it.

    Raises:
        UsageError: the chain is empty, or the word stands elsewhere than at its beginning.
    """
    first, *rest = _parts(chain)
    if PROTOCOL in rest:
        raise UsageError(
            f"'{PROTOCOL}' in {visible(chain)} stands for the augmentations of the protocol, and "
            f"only at the beginning: write {PROTOCOL}{THEN}…"
        )
    return THEN.join([protocol, *rest]) if first == PROTOCOL else chain


def own_part(chain: str) -> str:
    """Return what a view's chain has beside the protocol's augmentations."""
    first, *rest = _parts(chain)
    return (THEN.join(rest) or NONE) if first == PROTOCOL else chain


def _parts(chain: str) -> list[str]:
    if not chain.strip():
        raise UsageError(f"a view has no augmentation: write '{NONE}' where there shall be none")
    return [part.strip() for part in split_list(chain, THEN)]
