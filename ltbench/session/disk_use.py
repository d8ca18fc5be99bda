"""How much a sweep will write, where that is worth knowing before."""

from __future__ import annotations

import shlex

from ltbench.results.folder import RunFolder
from ltbench.results.logits import expected_bytes
from ltbench.results.run import RunSpec
from ltbench.session.plan import Plan

WORTH_SAYING = 10e6
"""Bytes of all logits of a sweep, from which on they are mentioned."""


def logits_bytes(plan: Plan) -> float:
    """Return about how many bytes the logits of the runs of a plan take that are not done yet.

    Of a sweep of more runs than the plan has methods, as tuning is, each method counts as often.
    """
    each = [_of_run(spec) for spec in plan.specs if not RunFolder(spec.folder(plan.out)).done]
    return sum(each) * (plan.sweep_size or 1)


def disk_use(plan: Plan) -> list[str]:
    """Return a sentence on the logits that a plan's runs will keep, if they are not small."""
    total = logits_bytes(plan)
    if total < WORTH_SAYING:
        return []
    folder = shlex.quote(str(plan.out))
    return [
        f"logits: the runs will keep about {_amount(total)} of them (logits.npz), for metrics and "
        f"corrections asked for later; `ltbench clean {folder} --logits` frees that"
    ]


def _of_run(spec: RunSpec) -> float:
    counts = spec.data["counts"]
    images = sum(sum(map(sum, counts[part])) for part in ("test", "val"))
    return expected_bytes(images, len(spec.data["classes"]))


def _amount(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
