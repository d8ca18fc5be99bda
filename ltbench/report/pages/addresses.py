"""Where pages of the site lie, and how one of them links to another.

Names come from rows that anybody may have written, so that the name of a file is made of signs that
every file system and every address takes. Names that differ have files that differ.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from urllib.parse import quote

INDEX = "index.html"
_OTHER = re.compile(r"[^a-z0-9@+_.-]|\.(?=\.)")
_DIGITS = re.compile(r"-[0-9a-f]{8}$")
_LONGEST = 80


def file_name(name: str) -> str:
    """Return a name as that of a file, with digits of its SHA-256 where it is not one itself.

    A name that ends as if it had such digits gets its own, lest it be taken for another's.
    """
    plain = _OTHER.sub("-", name.lower())[:_LONGEST].strip(".-")
    if plain == name and not _DIGITS.search(name):
        return plain
    digits = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain}-{digits}".lstrip("-")


def board_address(board: str) -> str:
    """Return where the page of a board lies."""
    return f"boards/{file_name(board)}.html"


def compare_address(board: str) -> str:
    """Return where the page lies that compares two methods of a board."""
    return f"compare/{file_name(board)}.html"


def rows_address(board: str, suffix: str) -> str:
    """Return where the rows of a board lie, by the suffix of their format."""
    return f"rows/{file_name(board)}{suffix}"


def method_address(algo: str) -> str:
    """Return where the page of a method lies: of an algorithm with its modifiers and stages."""
    return f"methods/{file_name(algo)}.html"


def dataset_address(dataset: str) -> str:
    """Return where the page of a data set lies."""
    return f"datasets/{file_name(dataset)}.html"


def link(page: str, target: str) -> str:
    """Return the address by which one page names another, or a file, of the site."""
    return quote(posixpath.relpath(target, posixpath.dirname(page) or "."), safe="/@+._-")
