"""Write run folders with drawn results, to measure what reads them.

To measure the index:
``python benchmarks/synthetic_runs.py /tmp/runs --methods 20 --datasets 20 --seeds 25``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ltbench.testing import write_run


def main() -> None:
    """Write methods × data sets × seeds runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--methods", type=int, default=5)
    parser.add_argument("--datasets", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--arrays", action="store_true", help="predictions and features as well")
    chosen = parser.parse_args()
    for d in range(chosen.datasets):
        for m in range(chosen.methods):
            for seed in range(chosen.seeds):
                write_run(
                    chosen.root,
                    algo="erm" if m == 0 else f"method-{m}",
                    seed=seed,
                    skill=0.6 + 0.2 * m / max(chosen.methods - 1, 1),
                    dataset="digits-mini-mlt" if d == 0 else f"data-{d}",
                    classes=chosen.classes,
                    arrays=chosen.arrays,
                )


if __name__ == "__main__":
    main()
