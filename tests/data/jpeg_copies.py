"""How many copies are found that JPEG compressed: ``python tests/data/jpeg_copies.py``.

Squares of two real photographs, each with a copy that is shrunk and compressed.
"""

from __future__ import annotations

import numpy as np
from photographs import compressed, scaled
from test_near_duplicates import thumbnails, tiles

from ltbench.data.near_duplicates import near_duplicates

SIDE, SIZES, QUALITIES = 96, (96, 64, 32), (80, 40, 20, 10, 5)


def found(size: int, quality: int) -> tuple[int, int]:
    """Return how many copies are found, and how many there are.

    Args:
        size: pixels of a copy's side, of the 96 of its original.
        quality: of its JPEG.
    """
    own = tiles(SIDE)
    planted = np.arange(len(own))
    copies = [compressed(scaled(own[i], size / SIDE), quality) for i in planted]
    pixels = thumbnails([*own, *copies])
    test, train = np.arange(len(own), len(pixels)), np.arange(len(own))
    pairs = near_duplicates(pixels, test, train, kinds=np.tile(np.arange(len(own)) % 5, 2))
    return sum(planted[p.first - len(own)] == p.second for p in pairs), len(planted)


def main() -> None:
    """Print the shares."""
    print("| side of the copy | " + " | ".join(f"quality {q}" for q in QUALITIES) + " |")
    print("|---|" + "---|" * len(QUALITIES))
    for size in SIZES:
        shares = (found(size, quality) for quality in QUALITIES)
        print(f"| {size} | " + " | ".join(f"{100 * a / b:.0f} %" for a, b in shares) + " |")


if __name__ == "__main__":
    main()
