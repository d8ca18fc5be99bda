"""The contract of a data set plugin. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ltbench.plugins.facts import Facts, registry_facts
from ltbench.plugins.hparams import HParams
from ltbench.plugins.split import PARTS, Split, SplitOrigin

Decode = Callable[[int], NDArray[np.uint8]]
"""Returns image ``i`` of a split as (H, W, channels) uint8 in its own size."""


class Dataset:
    """A data set: facts, a split, and images that can be decoded one at a time.

    Subclasses implement :meth:`split` and :meth:`decoder`; what is not embedded also implements
    :meth:`missing` and :meth:`prepare`. Which images are in a split may depend on the data set's
    parameters, never on a run's seed.

    Args:
        name: the name it is registered under.
        hparams: its parameters, as typed in ``name[key=value]``.
        data_dir: the folder that holds the data sets' files.
    """

    HParams: ClassVar[type[HParams]] = HParams

    def __init__(self, name: str, hparams: Any, data_dir: Path) -> None:
        self.name = name
        self.hparams: Any = hparams
        self.data_dir = data_dir

    @property
    def facts(self) -> Facts:
        """The facts of this data set; by default those of ``datasets_registry/<name>.toml``.

        Raises:
            DataError: they cannot be had (a folder of images that is not there, say).
        """
        return registry_facts(self.name)

    def missing(self) -> str | None:
        """Return one sentence on what is not there and how to get it, or ``None`` when ready."""
        return None

    def prepare(self, report: Callable[[str], None]) -> None:
        """Fetch and arrange the files.

        Args:
            report: takes a line about what is being done; a line that begins with two blanks is
                progress, and may replace the one before it.

        Raises:
            DataError: it cannot be done.
        """

    def split(self) -> Split:
        """Return the table of images, classes, domains and parts.

        Raises:
            DataError: files are missing or do not fit the facts.
        """
        raise NotImplementedError

    def decoder(self, split: Split) -> Decode:
        """Return a function that decodes image ``i`` of ``split``; safe to call from threads.

        Raises:
            DataError: (from the function) the image cannot be decoded; the message names it.
        """
        raise NotImplementedError

    def image_files(self, split: Split) -> Sequence[str]:
        """Return the paths of the files that hold the pixels of ``split``, in a fixed order.

        Their content is part of what makes a run the run it is: other images under the same names
        are other runs, the same images in another folder are the same. By default none, as of a
        data set that comes with its code.
        """
        return ()

    def fingerprint(self, split: Split) -> str:
        """Return text that changes whenever the pixels behind ``split`` do (file times, say).

        It is asked often: it tells when :meth:`image_files` have to be read again. By default the
        data set's parameters: what one of them draws is decoded anew with another.
        """
        return repr(sorted(self.hparams.as_dict().items()))

    def test_sets(self, split: Split) -> dict[str, NDArray[np.int64]]:
        """Return further test sets: rows of ``split``, all of its test part, by name.

        Every metric is computed on each of them beside the whole test part.
        """
        return {}

    def remarks(self, split: Split) -> list[str]:
        """Return one sentence on each thing that whoever trains on ``split`` should know of it.

        They are said before training: files that are left out, a folder whose name may be meant
        otherwise. What is wrong belongs in :meth:`verify`, or is an error.
        """
        return []

    def split_origin(self, split: Split) -> SplitOrigin | None:
        """Return where ``split`` is from, where it can be from several places.

        Runs, tables and ``ltbench data`` say it. By default ``None``: there is one way to split.
        """
        return None

    def verify(self, split: Split) -> list[str]:
        """Return one sentence per difference between what is there and what is known of it.

        By default the images per domain and part are compared with the facts' ``counts`` where
        the data set has its default parameters.
        """
        return [] if self.hparams.changed() else count_differences(self.facts, split)


def count_differences(facts: Facts, split: Split) -> list[str]:
    """Return one sentence per domain whose number of images is not the expected one."""
    found = {part: split.counts(part).sum(axis=1) for part in PARTS}
    lines = []
    for domain, expected in facts.counts.items():
        d = facts.domains.index(domain)
        there = tuple(int(found[part][d]) for part in PARTS)
        if there != tuple(expected):
            lines.append(
                f"domain '{domain}' has {_listed(there)} training, validation and test images "
                f"where {_listed(expected)} are expected"
            )
    return lines


def _listed(numbers: tuple[int, ...]) -> str:
    return "/".join(map(str, numbers))
