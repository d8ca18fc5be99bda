"""How many seeds a test by betting needs where a race of normal scores needs few.

``python tests/stats/betting_seeds.py`` prints the numbers of docs/race.md. A difference of two
shares lies in -1…1; halved and shifted it lies in 0…1, and is 1/2 on average where the methods are
equal. A bet on its being more pays 1 + λ (x - 1/2) a seed. Where the product of these is 1/α, the
methods differ: by chance that happens with probability α at most, whatever the scores' shape
(Ville; Waudby-Smith and Ramdas, JRSS B 86 (2024), section 4).
"""

from __future__ import annotations

import numpy as np
from simulated_races import many_races

GAP, DEVIATION = 5.0, 2.0  # in points
LARGEST_BET = {"at most half of what could be bet": 1.0, "all of it": 2.0}
"""λ: the authors suggest the first; more than the second could pay less than nothing."""
RIVALS = (1, 7)
ALPHA = 0.05


def betting_seeds(largest: float, rivals: int, races: int = 500, most: int = 2000) -> float:
    """Return the median of the seeds after which a method is known to be better than another.

    Args:
        largest: λ at most.
        rivals: among which the error of 5 % is shared out.
        races: pairs that are drawn.
        most: seeds of each.
    """
    rng = np.random.default_rng(rivals)
    points = rng.normal(GAP, DEVIATION * np.sqrt(2), (races, most))
    x = (1 + points / 100) / 2
    count = np.arange(1, most + 1)
    mean = (0.5 + x.cumsum(1)) / (count + 1)
    variance = (0.25 + ((x - mean) ** 2).cumsum(1)) / (count + 1)
    gain = mean - 0.5
    bet = np.clip(gain / (variance + gain**2), 0, largest)  # aGRAPA, the fastest of their bets
    bet = np.c_[np.zeros(races), bet[:, :-1]]  # of the seeds before
    wealth = np.log1p(bet * (x - 0.5)).cumsum(1)
    won = wealth >= np.log(rivals / ALPHA)
    return float(np.median(np.where(won.any(1), won.argmax(1) + 1, np.inf)))


def racing_seeds(rivals: int, races: int = 2000, most: int = 40) -> float:
    """Return the median of the seeds after which a race of such scores has one method left."""
    rng = np.random.default_rng(rivals)
    scores = rng.normal(0, DEVIATION, (races, rivals + 1, most))
    scores[:, 1:] -= GAP
    left, used = many_races(scores)
    alone = left.sum(axis=1) == 1
    return float(np.median(np.where(alone, used.max(axis=1), np.inf)))


def main() -> None:
    """Print the medians."""
    print(f"Seeds (median) to tell {GAP:g} points, where scores deviate by {DEVIATION:g}:\n")
    print("| | " + " | ".join(f"{rivals + 1} methods" for rivals in RIVALS) + " |")
    print("|---|" + "---|" * len(RIVALS))
    print("| race | " + " | ".join(f"{racing_seeds(n):.0f}" for n in RIVALS) + " |")
    for name, largest in LARGEST_BET.items():
        seeds = " | ".join(f"{betting_seeds(largest, n):.0f}" for n in RIVALS)
        print(f"| betting, {name} | {seeds} |")


if __name__ == "__main__":
    main()
