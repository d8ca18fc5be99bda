"""Names of augmentations, which ``>`` joins to a chain: ``crop-flip>randaugment[n=2,m=10]``.

A chain means the augmentations one after the other. Nothing here imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ltbench.errors import UsageError
from ltbench.plugins.names import Name, check_count, expand, format_value, parse_name, split_list
from ltbench.plugins.text import visible

KINDS = "augmentations"
NONE = "none"
"""The chain without augmentations."""
THEN = ">"


def parse_augmentations(text: str) -> list[list[Name]]:
    """Return the chains that a text stands for, sweeps within options written out.

    Raises:
        UsageError: the text does not follow the grammar, or stands for too many chains.
    """
    if not text.strip():
        raise UsageError(f"an augmentation has no name: write '{NONE}' where there shall be none")
    if len(split_list(text)) > 1:
        raise UsageError(
            f"'{visible(text)}' is not a chain of augmentations: join them with '{THEN}'"
        )
    parts = [expand(parse_name(part)) for part in split_list(text, THEN)]
    check_count(math.prod(map(len, parts)), text)
    chains: list[list[Name]] = [[]]
    for part in parts:
        chains = [[*chain, name] for chain in chains for name in part]
    return chains


def augmentation_chain(text: str) -> list[Name]:
    """Return the augmentations that a protocol names, in their order; none for ``none``.

    Raises:
        UsageError: the text does not follow the grammar, or stands for several chains.
    """
    chains = parse_augmentations(text)
    if len(chains) > 1:
        raise UsageError(
            f"'{visible(text)}' stands for {len(chains)} chains: lists sweep in brackets, "
            "--protocol '[augmentation=…]'"
        )
    return [name for name in chains[0] if name != Name(NONE)]


def joined(value: Any) -> str:
    """Return a chain as text, which may be given as a list of its names.

    Raises:
        UsageError: a list holds something other than text.
    """
    if not isinstance(value, list | tuple):
        return value if isinstance(value, str) else format_value(value)
    for one in value:
        if not isinstance(one, str):
            shown = visible(format_value(one) if not isinstance(one, Mapping) else str(one))
            raise UsageError(f"a chain of augmentations is a list of their names, not of {shown}")
    return THEN.join(value) or NONE


def spelled_out(chain: Sequence[Name]) -> str:
    """Return a chain as it is typed; a list among options is written so that it does not sweep."""
    return THEN.join(str(Name(name.name, _unswept(name.options))) for name in chain) or NONE


def _unswept(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: [v] if isinstance(v, list | tuple) else v for key, v in options.items()}
