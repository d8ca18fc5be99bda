"""The output that docs/race.md shows: a race of six methods whose scores are drawn, not trained.

``python tests/docs/race_example.py`` prints it.
"""

from __future__ import annotations

import numpy as np

from ltbench.plugins.measure import Measure
from ltbench.report.terminal import table, wrapped
from ltbench.session.race import ONE_DOMAIN, Outcome
from ltbench.session.race_verdict import HEAD, paragraph, rows
from ltbench.stats.race import race

WIDTH = 100
MEANS = (0.71, 0.74, 0.70, 0.79, 0.835, 0.825)


def example() -> str:
    """Return what ``ltbench race`` prints of such scores."""
    rng = np.random.default_rng(0)
    scores = [rng.normal(mean, 0.012, 10) for mean in MEANS]
    standing = race(scores)
    until = {drop.method: drop.seeds for drop in standing.dropped}
    scores = [values[: until.get(i, 10)] for i, values in enumerate(scores)]
    tests = [values - 0.01 + rng.normal(0, 0.005, len(values)) for values in scores]
    hashes = tuple(f"{i:012x}" for i in range(len(scores)))
    everybody = tuple(range(len(scores)))
    outcome = Outcome(
        ONE_DOMAIN, hashes, tuple(scores), tuple(tests), everybody, standing, (), most=10
    )
    measure = Measure("higher", "%")
    said = paragraph(outcome, "macro_f1_average", measure, "image-folder")
    body = rows(outcome, measure)
    return f"{table(HEAD, body, align='lrrrl', priority=(0,) * 5)}\n\n{wrapped(said, WIDTH)}"


if __name__ == "__main__":
    print(example())
