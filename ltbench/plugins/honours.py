"""Which wishes of a protocol or modifier an algorithm honours: those whose methods it inherits.

A setting that has no effect on an algorithm is refused, so that no row of a table carries the name
of a protocol that its runs did not follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ltbench.errors import UsageError
from ltbench.plugins.algorithm import Algorithm

DONE_IN: Mapping[str, tuple[str, ...]] = {
    "label_smoothing": ("risks", "loss", "step"),
    "mixed_labels": ("loss", "step", "augment_by_class"),
    "accumulate": ("step", "minimize"),
    "fp16": ("step", "minimize"),
    "gradients": ("step", "minimize"),
    "image_losses": ("loss", "step", "minimize"),
}
"""What a protocol or modifier may ask, and the methods that do it, of
:class:`~ltbench.plugins.algorithm.Algorithm`; one that overrides them says in ``honours`` that it
does it too. ``gradients`` is that a step goes down the gradient of ``loss`` and does nothing else,
``image_losses`` that besides ``loss`` is the mean of ``mixed_risks(predict(batch.x), batch)``."""


def obstacle(cls: type[Algorithm], wish: str) -> str:
    """Return the method that keeps an algorithm from honouring a wish, or nothing.

    What a class says in ``honours`` holds for its own methods and those that it inherits. A class
    derived from it that overrides one of them, or says something else, speaks for itself.
    """
    for method in DONE_IN[wish]:
        owner = next(c for c in cls.__mro__ if method in vars(c))
        until_there = cls.__mro__[: cls.__mro__.index(owner) + 1]
        said = (vars(c)["honours"] for c in until_there if "honours" in vars(c))
        if owner is not Algorithm and wish not in next(said, ()):
            return method
    return ""


def check_honoured(wish: str, asked: str, parts: Iterable[tuple[str, Any]]) -> None:
    """Check that all parts of a method honour a wish.

    Args:
        wish: of :data:`DONE_IN`.
        asked: what the user typed, ``label_smoothing=0.1``, ``--precision fp16`` or ``@sam``.
        parts: name and class of the algorithm, its stages and the algorithms that these name.

    Raises:
        UsageError: one does not.
    """
    for name, cls in parts:
        if method := obstacle(cls, wish):
            raise UsageError(
                f"'{name}' does not honour {asked}, for its '{method}' is its own: leave one of "
                "them out"
            )
