"""The conformance kit for plugin authors, and small data to test plugins with.

In a plugin's own tests::

    from ltbench.testing import check_conformance

    def test_conformance(tmp_path):
        check_conformance("my-algorithm", tmp_path)

or, one test for each point, ``pytest --ltbench my-algorithm``; the same from the command line is
``ltbench plugins check my-algorithm``. Names are imported when first used, and need no pytest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ltbench.testing.conformance import (
        check_conformance,
        check_entry,
        find_points,
        find_subjects,
    )
    from ltbench.testing.point import NotApplicable, Point, Result, Subject
    from ltbench.testing.points.metric import random_predictions
    from ltbench.testing.small_data import SmallDataset, register_small_data
    from ltbench.testing.small_model import (
        SmallBackbone,
        SmallTraining,
        build_algorithm,
        build_stage,
        random_batch,
        take_steps,
        train_info,
    )
    from ltbench.testing.small_run import Outcome, check_same, plan_small, run_small

_HOMES = {
    "conformance": ("check_conformance", "check_entry", "find_points", "find_subjects"),
    "point": ("NotApplicable", "Point", "Result", "Subject"),
    "points.metric": ("random_predictions",),
    "small_data": ("SmallDataset", "register_small_data"),
    "small_model": (
        "SmallBackbone", "SmallTraining", "build_algorithm", "build_stage", "random_batch",
        "take_steps", "train_info",
    ),
    "small_run": ("Outcome", "check_same", "plan_small", "run_small"),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022
    "check_conformance", "check_entry", "find_points", "find_subjects", "NotApplicable", "Point",
    "Result", "Subject", "random_predictions", "SmallDataset", "register_small_data",
    "SmallBackbone", "SmallTraining", "build_algorithm", "build_stage", "random_batch",
    "take_steps", "train_info", "Outcome", "check_same", "plan_small", "run_small",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'ltbench.testing' has no attribute '{name}'")
    return getattr(importlib.import_module(f"ltbench.testing.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOME_OF)
