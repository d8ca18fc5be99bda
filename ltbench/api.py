"""What plugin authors build on; everything here is public.

Names are imported when first used: a data set plugin never waits for torch. A plugin's registration
module should import only ``ltbench.hookimpl`` and register lazily by string.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ltbench import hookimpl
    from ltbench.errors import DataError, DivergedError, LtbenchError, PluginError, UsageError
    from ltbench.executors.base import Executor, Stopped
    from ltbench.executors.signals import stop_on_signals
    from ltbench.plugins.algorithm import Algorithm, FeaturePass, Losses, MakeOptimizer, Training
    from ltbench.plugins.backbone import Backbone
    from ltbench.plugins.batch import Batch, TrainInfo
    from ltbench.plugins.dataset import Dataset, Decode
    from ltbench.plugins.facts import Facts
    from ltbench.plugins.hparams import HParams, hparam
    from ltbench.plugins.observer import Observer
    from ltbench.plugins.predictions import Predictions
    from ltbench.plugins.split import PARTS, Split
    from ltbench.plugins.stage import Stage
    from ltbench.training.job import Job
    from ltbench.training.run import execute

_HOMES = {
    "ltbench": ("hookimpl",),
    "ltbench.errors": (
        "DataError", "DivergedError", "LtbenchError", "PluginError", "UsageError",
    ),
    "ltbench.executors.base": ("Executor", "Stopped"),
    "ltbench.executors.signals": ("stop_on_signals",),
    "ltbench.plugins.algorithm": (
        "Algorithm", "FeaturePass", "Losses", "MakeOptimizer", "Training",
    ),
    "ltbench.plugins.backbone": ("Backbone",),
    "ltbench.plugins.batch": ("Batch", "TrainInfo"),
    "ltbench.plugins.dataset": ("Dataset", "Decode"),
    "ltbench.plugins.facts": ("Facts",),
    "ltbench.plugins.hparams": ("HParams", "hparam"),
    "ltbench.plugins.observer": ("Observer",),
    "ltbench.plugins.predictions": ("Predictions",),
    "ltbench.plugins.split": ("PARTS", "Split"),
    "ltbench.plugins.stage": ("Stage",),
    "ltbench.training.job": ("Job",),
    "ltbench.training.run": ("execute",),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022
    "DataError", "DivergedError", "LtbenchError", "PluginError", "UsageError", "Algorithm",
    "FeaturePass", "Losses", "MakeOptimizer", "Training", "Backbone", "Batch", "TrainInfo",
    "Dataset", "Decode", "Facts", "HParams", "hparam", "Observer", "Predictions", "PARTS", "Split",
    "Stage", "hookimpl", "Executor", "Stopped", "stop_on_signals", "Job", "execute",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'ltbench.api' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(_HOME_OF)
