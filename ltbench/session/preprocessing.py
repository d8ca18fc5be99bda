"""Which preprocessing is asked for: that of the weights, the data set's, a known one, or one's own.

::

    weights                                what the weights were trained with (the default)
    dataset                                the data set's mean and deviation, bilinear
    imagenet, inception, clip              a known mean and deviation, bilinear
    clip[interpolation=bicubic,crop=1]     with something else
    [mean=[.5,.5,.5],std=[.5,.5,.5]]       the data set's, with something else
    preprocessing.json                     a file with these fields, or timm's config.json

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ltbench.errors import UsageError, suggestion
from ltbench.models.configuration import read_config, weights_config
from ltbench.plugins.facts import Facts
from ltbench.plugins.names import parse_name
from ltbench.plugins.preprocessing import CROP, Preprocessing, judged
from ltbench.plugins.text import visible
from ltbench.results.backbone import DATASET

WEIGHTS = "weights"
SUFFIX = ".json"
KNOWN = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "inception": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}
"""Mean and deviation by the names that timm has for them."""
WORDS = (WEIGHTS, DATASET, *KNOWN)
_FIELDS = ("mean", "std", "interpolation", "crop")


@dataclass(frozen=True)
class AskedPreprocessing:
    """What ``--preprocessing`` says.

    Attributes:
        name: one of :data:`WORDS`.
        fields: what is said beside it.
    """

    name: str = WEIGHTS
    fields: Mapping[str, Any] = field(default_factory=dict)

    def of(self, declared: Preprocessing | None, facts: Facts) -> Preprocessing:
        """Return the preprocessing for a data set.

        Args:
            declared: of the weights, where there are any and theirs is known.
            facts: of the data set.

        Raises:
            UsageError: its channels are others than those of the mean that was typed.
        """
        base = Preprocessing(facts.mean, facts.std, crop=CROP)
        if self.name in KNOWN:
            base = Preprocessing(*KNOWN[self.name])
        elif self.name == WEIGHTS and declared is not None:
            base = declared
        for key in ("mean", "std"):
            typed = len(self.fields.get(key, (0,)))
            if typed not in (1, 3, facts.channels):
                raise UsageError(
                    f"--preprocessing has a {key} of {typed} numbers, and the images of "
                    f"'{facts.name}' have {facts.channels} channels: give one number a channel"
                )
        whole = Preprocessing.from_config(self.fields, "--preprocessing", base)
        return whole.for_channels(facts.channels)


def asked_preprocessing(text: str | None) -> AskedPreprocessing:
    """Read what was typed after ``--preprocessing``; see above.

    Raises:
        UsageError: it is none of these, a field is not possible, or the file cannot be read.
    """
    if text is None:
        return AskedPreprocessing()
    head, bracket, rest = text.strip().partition("[")
    if not bracket and head.endswith(SUFFIX):
        return AskedPreprocessing(DATASET, _of_file(Path(head).expanduser()))
    shown = f"--preprocessing {visible(text)}"
    if head.lower() not in WORDS and (head or not bracket):
        near = suggestion(head, WORDS)
        raise UsageError(
            f"{shown} is none of {', '.join(WORDS)}, [mean=…,std=…] or a FILE{SUFFIX}{near}"
        )
    options = parse_name(f"preprocessing[{rest}").options if bracket else {}
    for key in options:
        if key not in _FIELDS:
            raise UsageError(f"{shown} has no '{key}'{suggestion(key, _FIELDS)}")
    for key in ("mean", "std"):
        if isinstance(options.get(key), int | float):
            options[key] = [options[key]]
    return AskedPreprocessing(head.lower() or DATASET, judged(options, shown))


def _of_file(path: Path) -> dict[str, Any]:
    where = f"--preprocessing {path}"
    found = judged(weights_config(read_config(path, where), where), where)
    if not found:
        raise UsageError(f"{where} says nothing of mean, std, interpolation or crop")
    return found
