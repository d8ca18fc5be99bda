"""What a training step of each method costs, beside plain cross-entropy's.

    python benchmarks/method_cost.py                        # every algorithm, modifier and stage
    python benchmarks/method_cost.py --methods erm bcl erm@sam

On digits-mini-mlt under its default protocol, float32, one thread. A method is trained for a few
steps and for more, with one evaluation each; the difference is what the steps took. Time is that of
the processor, so that other work on the machine changes little.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

FEW, MORE = 10, 40


def methods() -> list[str]:
    """Return the project's algorithms, and its modifiers and stages on the first one."""
    from ltbench.plugins.manager import get_plugins

    plugins = get_plugins()
    kinds = (("algorithms", ""), ("modifiers", "erm@"), ("stages", "erm+"))
    own = [
        (first, e) for kind, first in kinds for e in plugins[kind] if e.distribution == "ltbench"
    ]
    trained = [(f, e) for f, e in own if f or e.load().steps(1, e.load().HParams())]
    return [f"{first}{entry.name}" for first, entry in trained]


def seconds(method: str, steps: int) -> float:
    """Return the processor's seconds of a whole run of so many steps."""
    from ltbench.data.locations import data_folder
    from ltbench.session.plan import Request, plan_runs
    from ltbench.testing.small_run import carry_out

    settings = {"steps": steps, "eval_every": steps}
    request = Request([method], ["digits-mini-mlt"], [0], "fp32", data_folder(None), settings)
    (spec,) = plan_runs(request).specs
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        carry_out(spec, Path(folder, "run"), Path(folder))
        return time.process_time() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+")
    chosen = parser.parse_args().methods or methods()
    import torch

    torch.set_num_threads(1)
    reference = 0.0
    print("| method | CPU s of 100 steps | × erm |\n|---|---:|---:|")
    for method in dict.fromkeys(["erm", *chosen]):
        seconds(method, FEW)  # what is done once in a process
        each = (seconds(method, MORE) - seconds(method, FEW)) / (MORE - FEW)
        reference = reference or each
        print(f"| `{method}` | {100 * each:.1f} | {each / reference:.1f} |", flush=True)


if __name__ == "__main__":
    main()
