"""The names of classes as a text tower sees them, beside the images of its vision tower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ltbench.errors import UsageError
from ltbench.plugins.names import format_value

if TYPE_CHECKING:
    from torch import Tensor

BETWEEN = "|"
"""What stands between several templates of a prompt."""
SETS = ("imagenet", "simple")
"""Sets of templates by name: the 80 and the 7 that the authors of CLIP chose for ImageNet."""


@dataclass(frozen=True)
class ClassTexts:
    """What a text tower says of the classes, and how images come to the same space.

    Attributes:
        features: of the classes' names in their prompts, (C, E), of unit length.
        projection: (E, F); a feature f (F,) of the vision tower is ``projection @ f`` there.
        scale: what the towers multiply cosines by, so that their softmax is a probability.
    """

    features: Tensor
    projection: Tensor
    scale: float


def templates(prompt: str) -> tuple[str, ...]:
    """Return the templates of a prompt: ``a photo of a {}.``, or several with ``|`` between them.

    The name of a set (:data:`SETS`) stands for all of it, and needs the text tower's package.

    Raises:
        UsageError: one has no place for the name of a class.
    """
    if prompt in SETS:
        import open_clip

        chosen = {
            "imagenet": open_clip.OPENAI_IMAGENET_TEMPLATES,
            "simple": open_clip.SIMPLE_IMAGENET_TEMPLATES,
        }[prompt]
        return tuple(template("{}") for template in chosen)
    check_prompt(prompt)
    return tuple(part.strip() for part in prompt.split(BETWEEN))


def check_prompt(prompt: str) -> None:
    """Check that a prompt can be read.

    Raises:
        UsageError: a template has no place for the name of a class.
    """
    if prompt not in SETS and not all("{}" in part for part in prompt.split(BETWEEN)):
        raise UsageError(
            f"prompt={format_value(prompt)} has no place for the name of a class: write {{}} "
            f"there, 'a photo of a {{}}.', or one of {', '.join(SETS)}"
        )


def sentences(names: Sequence[str], template: str) -> list[str]:
    """Return a template with the name of each class in it; underscores in names become spaces."""
    return [template.replace("{}", name.replace("_", " ")) for name in names]


def check_names(names: Sequence[str], asked: str, dataset: str) -> None:
    """Check that classes have names that a text tower can read.

    Args:
        names: of the classes.
        asked: what needs them, as typed.
        dataset: for the message.

    Raises:
        UsageError: they are numbers.
    """
    if all(name.strip().isdecimal() for name in names):
        raise UsageError(
            f"{asked} needs names of classes, and those of '{dataset}' are numbers: choose a data "
            "set with names, or init=class-mean"
        )
