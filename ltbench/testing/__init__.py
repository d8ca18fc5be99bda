"""The conformance kit for plugin authors, and small data to test plugins with.

In a plugin's own tests::

    from ltbench.testing import check_conformance

    def test_conformance(tmp_path):
        check_conformance("my-algorithm", tmp_path)

or, one test for each point, ``pytest --ltbench my-algorithm``; the same from the command line is
``ltbench plugins check my-algorithm``. Names are imported when first used, and need no pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ltbench.lazy import lazy_module

if TYPE_CHECKING:
    from ltbench.testing.conformance import check_conformance as check_conformance
    from ltbench.testing.conformance import check_entry as check_entry
    from ltbench.testing.conformance import find_points as find_points
    from ltbench.testing.conformance import find_subjects as find_subjects
    from ltbench.testing.point import NotApplicable as NotApplicable
    from ltbench.testing.point import Point as Point
    from ltbench.testing.point import Result as Result
    from ltbench.testing.point import Subject as Subject
    from ltbench.testing.points.metric import random_predictions as random_predictions
    from ltbench.testing.small_data import SmallDataset as SmallDataset
    from ltbench.testing.small_data import register_small_data as register_small_data
    from ltbench.testing.small_model import SmallBackbone as SmallBackbone
    from ltbench.testing.small_model import SmallTraining as SmallTraining
    from ltbench.testing.small_model import build_algorithm as build_algorithm
    from ltbench.testing.small_model import build_modifier as build_modifier
    from ltbench.testing.small_model import build_stage as build_stage
    from ltbench.testing.small_model import random_batch as random_batch
    from ltbench.testing.small_model import random_batch_for as random_batch_for
    from ltbench.testing.small_model import take_steps as take_steps
    from ltbench.testing.small_model import train_info as train_info
    from ltbench.testing.small_run import Outcome as Outcome
    from ltbench.testing.small_run import check_same as check_same
    from ltbench.testing.small_run import plan_small as plan_small
    from ltbench.testing.small_run import run_small as run_small
    from ltbench.testing.synthetic_runs import write_run as write_run
    from ltbench.testing.synthetic_runs import write_study as write_study
else:
    __getattr__, __dir__, __all__ = lazy_module(__name__)
