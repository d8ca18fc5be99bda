"""Example images of a data set, where it is embedded or its files are on this machine.

What rows say of a data set may be anybody's words, so that no path among them is followed: only
data sets of ltbench itself are opened, and none that is told where its images lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ltbench.data.catalogue import create_dataset
from ltbench.plugins.manager import OWN, get_plugins
from ltbench.plugins.names import Name
from ltbench.plugins.split import Split
from ltbench.report.section import Gallery, Picture
from ltbench.report.thumbnails import address

_MOST_CLASSES, _MOST_DOMAINS = 10, 12


def example_galleries(name: str, options: Mapping[str, Any], data_dir: Path) -> tuple[Gallery, ...]:
    """Return a training image of each class, a gallery for each domain; none where there are none.

    Args:
        name: of the data set.
        options: its parameters.
        data_dir: the folder of the data sets' files.
    """
    try:
        entry = get_plugins()["datasets"].get(name)
        if entry.distribution != OWN or entry.load().HParams().places():
            return ()
        dataset = create_dataset(Name(name, dict(options)), data_dir)
        if dataset.missing():
            return ()
        split = dataset.split()
        decode = dataset.decoder(split)
        domains, classes = dataset.facts.domains, dataset.facts.classes
        return tuple(
            Gallery(
                str(domain),
                tuple(
                    Picture(str(classes[c]), image=address(decode(row)))
                    for c, row in _first_of_each_class(split, d).items()
                ),
            )
            for d, domain in enumerate(domains[:_MOST_DOMAINS])
        )
    except Exception:  # options of strangers: a data set raises what it pleases
        return ()


def _first_of_each_class(split: Split, domain: int) -> dict[int, int]:
    """Return the first image of each class in a domain, of training where there is one."""
    found: dict[int, int] = {}
    for part in ("train", "test"):
        rows = split.rows(part)
        rows = rows[split.d[rows] == domain]
        labels, first = np.unique(split.y[rows], return_index=True)
        for label, place in zip(labels.tolist(), first.tolist(), strict=True):
            found.setdefault(label, int(rows[place]))
    return dict(sorted(found.items())[:_MOST_CLASSES])
