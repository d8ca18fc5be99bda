"""Distributions of classes that a test set might have: as they are typed, and over the classes.

``forward-R`` and ``backward-R`` are the shifted test sets of Hong et al., "Disentangling label
distribution for long-tailed visual recognition" (LADE), CVPR 2021, arXiv 2012.00321, section 4.3,
also used by Zhang et al., "Self-supervised aggregation of diverse experts for test-agnostic
long-tailed recognition" (SADE), NeurIPS 2022, arXiv 2107.09249: with classes in the order of their
training images, the most frequent first, the probability falls exponentially (forward) or rises
(backward), and the largest is R times the smallest.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltbench.errors import UsageError, nearest, suggestion
from ltbench.plugins.text import visible
from ltbench.regular_files import read_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PLAIN = ("uniform", "train")
SLOPES = ("forward", "backward")
_MOST_RATIO = 1e6
_ROUNDING = 1e-3
_LARGEST_FILE = 16 * 2**20
_FORMS = "uniform, train, forward-50, backward-10 or another ratio, or a file of class,probability"


@dataclass(frozen=True)
class Prior:
    """A distribution over classes, before it is known which classes there are.

    Attributes:
        name: as it was typed; of a file its name alone.
        kind: ``uniform``, ``train``, ``forward``, ``backward`` or ``file``.
        ratio: largest over smallest probability, of ``forward`` and ``backward``.
        shares: probabilities by class, of a file.
    """

    name: str
    kind: str
    ratio: float = 1.0
    shares: Mapping[str, float] | None = None

    def over(
        self, classes: Sequence[str], training: NDArray[Any], dataset: str = "the data set"
    ) -> NDArray[np.float64]:
        """Return the probability of every class, (C,), which sum to 1.

        Args:
            classes: their names.
            training: training images of each class over all domains, (C,). Of equal numbers the
                class that comes first counts as the more frequent.
            dataset: its name, for messages.

        Raises:
            UsageError: a file's classes are not these, or ``train`` has no training images.
        """
        import numpy as np

        if self.shares is not None:
            return self._of_file(classes, dataset)
        if self.kind == "train":
            if not training.sum():
                raise UsageError(f"{dataset} has no training images to take --test-prior train of.")
            return np.asarray(training / training.sum(), dtype=float)
        number = len(classes)
        rank = np.empty(number)
        rank[np.argsort(-training, kind="stable")] = np.arange(number)
        fall = rank if self.kind == "forward" else number - 1 - rank
        found = self.ratio ** -(fall / max(number - 1, 1))
        return np.asarray(found / found.sum(), dtype=float)

    def _of_file(self, classes: Sequence[str], dataset: str) -> NDArray[np.float64]:
        import numpy as np

        shares = self.shares or {}
        known = set(classes)
        for name in shares:
            if name not in known:
                raise UsageError(
                    f"{self.name}: '{visible(name)}' is no class of {dataset}"
                    f"{suggestion(name, known)}"
                )
        for name in classes:
            if name not in shares:
                raise UsageError(f"{self.name}: there is no probability of '{name}', of {dataset}.")
        found = np.array([shares[name] for name in classes])
        return np.asarray(found / found.sum(), dtype=float)


def parse_priors(texts: Iterable[str]) -> tuple[Prior, ...]:
    """Return the distributions that are named, separated by commas, each once.

    Raises:
        UsageError: a word is none, or a file cannot be read or holds no distribution.
    """
    words = [word.strip() for text in texts for word in text.split(",") if word.strip()]
    found: dict[str, Prior] = {}
    for word in dict.fromkeys(words):
        prior = _parse(word)
        if prior.name in found:
            raise UsageError(f"--test-prior names two files '{prior.name}': rename one of them.")
        found[prior.name] = prior
    return tuple(found.values())


def _parse(word: str) -> Prior:
    if word in PLAIN:
        return Prior(word, word)
    slope, dash, ratio = word.partition("-")
    if dash and slope in SLOPES:
        return Prior(word, slope, _ratio(word, ratio))
    path = Path(word)
    if path.suffix not in (".csv", ".json") and not path.exists():
        near = nearest(word, [*PLAIN, *(f"{slope}-50" for slope in SLOPES)])
        hint = f" Did you mean '{near}'?" if near else ""
        raise UsageError(f"There is no test prior '{visible(word)}': there is {_FORMS}.{hint}")
    shares = read_shares(path)
    return Prior(path.name, "file", shares=shares)


def _ratio(word: str, text: str) -> float:
    try:
        ratio = float(text)
    except ValueError:
        ratio = math.nan
    if not 1 <= ratio <= _MOST_RATIO:
        raise UsageError(
            f"--test-prior {visible(word)}: the number is the largest probability over the "
            f"smallest, from 1 to {_MOST_RATIO:,.0f}."
        )
    return ratio


def read_shares(path: Path) -> dict[str, float]:
    """Return the probabilities by class of a CSV (``class,probability``) or JSON file.

    A first line of a CSV whose second word is no number is its heading. JSON is one object.

    Raises:
        UsageError: the file cannot be read, or does not hold a distribution.
    """
    try:
        text = read_file(path, _LARGEST_FILE).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text.") from error
    pairs = _json_pairs(path, text) if path.suffix == ".json" else _csv_pairs(path, text)
    found: dict[str, float] = {}
    for name, value in pairs:
        if name in found:
            raise UsageError(f"{path}: class '{visible(name)}' stands there twice.")
        if not (math.isfinite(value) and value >= 0):
            raise UsageError(
                f"{path}: the probability of '{visible(name)}' is {value:g}, and must be 0 or more."
            )
        found[name] = value
    total = math.fsum(found.values())
    if abs(total - 1) > _ROUNDING:
        raise UsageError(f"{path}: the probabilities sum to {total:.6g} and must sum to 1.")
    return found


def _csv_pairs(path: Path, text: str) -> list[tuple[str, float]]:
    try:
        lines = [line for line in csv.reader(io.StringIO(text), strict=True) if any(line)]
    except csv.Error as error:
        raise UsageError(f"{path} is not a CSV of class,probability: {error}.") from error
    pairs = []
    for number, line in enumerate(lines):
        value = _number(line[1]) if len(line) == 2 else None
        if value is None and number == 0 and len(line) == 2:
            continue
        if value is None:
            raise UsageError(
                f"{path}: '{visible(','.join(line))[:60]}' is not a class and its probability."
            )
        pairs.append((line[0].strip(), value))
    return pairs


def _json_pairs(path: Path, text: str) -> list[tuple[str, float]]:
    try:
        found = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}.") from error
    if not isinstance(found, _Pairs):
        raise UsageError(f"{path} does not hold an object of class: probability.")
    for name, value in found:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(f"{path}: the probability of '{visible(name)}' is not a number.")
    return [(name, _number(str(value)) or 0.0) for name, value in found]


class _Pairs(list[tuple[str, object]]):
    """The members of an object of JSON, those that stand there twice too."""


def _number(text: str) -> float | None:
    try:
        return float(text)
    except (ValueError, OverflowError):
        return None
