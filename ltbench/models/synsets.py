"""The names of ImageNet's classes, which its folders and lists call by their numbers in WordNet."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from ltbench.errors import UsageError

_NUMBER = re.compile(r"n\d{8}")


def named(classes: Iterable[str]) -> list[str]:
    """Return classes with a word in the place of WordNet's number, ``tench`` for ``n01440764``.

    It is the first that timm has of them in ImageNet-22k. Other names stay as they are.

    Raises:
        UsageError: a number of WordNet is none of ImageNet's.
    """
    return [_word(name) if _NUMBER.fullmatch(name) else name for name in classes]


def _word(number: str) -> str:
    words = _words().get(number)
    if not words:
        raise UsageError(
            f"the class '{number}' is a number of WordNet that ImageNet does not have, so a text "
            "tower cannot read it: give classes names, or use init=class-mean"
        )
    return words.partition(",")[0].strip()


@cache
def _words() -> dict[str, str]:
    from timm.data import ImageNetInfo

    found: dict[str, str] = {}
    for part in ("imagenet-22k", "imagenet-1k"):
        info = ImageNetInfo(part)
        found |= {number: info.label_name_to_description(number) for number in info.label_names()}
    return found
