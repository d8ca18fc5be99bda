"""The contract of a data set plugin. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ltbench.plugins.facts import Facts, registry_facts
from ltbench.plugins.hparams import HParams
from ltbench.plugins.split import Split

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
        """Fetch and arrange the files; ``report`` takes a line about what is being done.

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

    def fingerprint(self, split: Split) -> str:
        """Return text that changes whenever the pixels behind ``split`` do (file times, say)."""
        return ""
