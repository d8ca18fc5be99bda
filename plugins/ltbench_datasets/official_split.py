"""The split files of the MDLT benchmark: a CSV ``env,label,path,split``."""

from __future__ import annotations

import csv
import io
import itertools
from pathlib import Path

from ltbench.api import PARTS, DataError, Facts, Split, read_file

COLUMNS = ["env", "label", "path", "split"]


def find_official(root: Path, name: str) -> Path | None:
    """Return the file ``name`` in the data set's folder, beside it, or in a ``split`` folder."""
    places = (root, root.parent, root / "split", root.parent / "split", root.parent / "splits")
    return next((place / name for place in places if (place / name).is_file()), None)


def read_official(path: Path, facts: Facts) -> Split:
    """Read an official split file, its rows sorted by image.

    Raises:
        DataError: it does not have the columns, a row names a domain, class or part that the
            facts do not have, its path and its label disagree, or an image stands twice.
    """
    domains = {name: d for d, name in enumerate(facts.domains)}
    rows = []
    try:
        with io.StringIO(read_file(path).decode(), newline="") as file:
            reader = csv.reader(file)
            if next(reader, None) != COLUMNS:
                raise DataError(f"{path} must begin with {','.join(COLUMNS)}")
            for env, label, image, part in reader:
                c, named = int(label), image.split("/")
                if env not in domains or part not in PARTS or named[:1] != [env]:
                    raise ValueError
                if len(named) != 3 or ".." in named or facts.classes[c] != named[1] or c < 0:
                    raise ValueError
                rows.append((image, c, domains[env], part))
    except (ValueError, IndexError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}, line {len(rows) + 2}: the row does not fit the domains and classes of "
            f"{facts.name}; fetch the official file anew, or remove it"
        ) from error
    rows.sort()
    for before, after in itertools.pairwise(rows):
        if before[0] == after[0]:
            raise DataError(f"{path} names the image '{after[0]}' twice")
    return Split.from_rows(rows, (len(facts.domains), len(facts.classes)))
