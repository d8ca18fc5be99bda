"""What plugins build on; everything here is public, and the first-party plugins use nothing else.

Names are imported when first used: a data set plugin never waits for torch. A plugin's registration
module should import only ``hookimpl`` and ``Register`` and register lazily by string. What tests of
a plugin need is in :mod:`ltbench.testing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ltbench.lazy import lazy_module

if TYPE_CHECKING:
    from ltbench import hookimpl as hookimpl
    from ltbench.data.archives import TarFile as TarFile
    from ltbench.data.archives import tar_files as tar_files
    from ltbench.data.image_files import IMAGE_SUFFIXES as IMAGE_SUFFIXES
    from ltbench.data.image_files import FolderImages as FolderImages
    from ltbench.data.image_files import absent_files as absent_files
    from ltbench.data.image_files import check_names as check_names
    from ltbench.data.image_files import decode_image as decode_image
    from ltbench.data.image_files import files_fingerprint as files_fingerprint
    from ltbench.data.image_files import folder_images as folder_images
    from ltbench.data.image_files import is_image as is_image
    from ltbench.data.image_files import read_image as read_image
    from ltbench.data.image_files import stamps_fingerprint as stamps_fingerprint
    from ltbench.data.sources import fetch_sources as fetch_sources
    from ltbench.data.sources import where_to_put as where_to_put
    from ltbench.data.sources import wrong_files as wrong_files
    from ltbench.data.splits import PROFILES as PROFILES
    from ltbench.data.splits import class_sizes as class_sizes
    from ltbench.data.splits import hold_out as hold_out
    from ltbench.data.splits import pair_generator as pair_generator
    from ltbench.data.splits import quota_parts as quota_parts
    from ltbench.errors import DataError as DataError
    from ltbench.errors import DivergedError as DivergedError
    from ltbench.errors import LtbenchError as LtbenchError
    from ltbench.errors import PluginError as PluginError
    from ltbench.errors import Stopped as Stopped
    from ltbench.errors import UsageError as UsageError
    from ltbench.errors import suggestion as suggestion
    from ltbench.evaluation.classification import accuracy as accuracy
    from ltbench.evaluation.classification import confusion_matrix as confusion_matrix
    from ltbench.evaluation.classification import f1 as f1
    from ltbench.evaluation.classification import recall as recall
    from ltbench.evaluation.classification import weighted_f1 as weighted_f1
    from ltbench.executors.base import Executor as Executor
    from ltbench.executors.signals import stop_on_signals as stop_on_signals
    from ltbench.executors.slots import Slots as Slots
    from ltbench.executors.waiting import execute_when_free as execute_when_free
    from ltbench.models.adaptation.frozen import has_weights as has_weights
    from ltbench.plugins.algorithm import Algorithm as Algorithm
    from ltbench.plugins.algorithm import Losses as Losses
    from ltbench.plugins.algorithm import MakeOptimizer as MakeOptimizer
    from ltbench.plugins.augmentation import Augmentation as Augmentation
    from ltbench.plugins.backbone import Backbone as Backbone
    from ltbench.plugins.backbone_options import PROMPT as PROMPT
    from ltbench.plugins.batch import Batch as Batch
    from ltbench.plugins.batch import MixedLabels as MixedLabels
    from ltbench.plugins.batch import TrainInfo as TrainInfo
    from ltbench.plugins.class_texts import ClassTexts as ClassTexts
    from ltbench.plugins.class_texts import check_prompt as check_prompt
    from ltbench.plugins.dataset import Dataset as Dataset
    from ltbench.plugins.dataset import Decode as Decode
    from ltbench.plugins.experiment_table import ExperimentTable as ExperimentTable
    from ltbench.plugins.facts import Facts as Facts
    from ltbench.plugins.hookspecs import Register as Register
    from ltbench.plugins.hookspecs import RegisterMetric as RegisterMetric
    from ltbench.plugins.hparams import HParams as HParams
    from ltbench.plugins.hparams import hparam as hparam
    from ltbench.plugins.lookup import load_plugin as load_plugin
    from ltbench.plugins.lookup import plugin_names as plugin_names
    from ltbench.plugins.modifier import Modifier as Modifier
    from ltbench.plugins.modifier import TakeStep as TakeStep
    from ltbench.plugins.names import Name as Name
    from ltbench.plugins.names import parse_name as parse_name
    from ltbench.plugins.observer import Observer as Observer
    from ltbench.plugins.predictions import Predictions as Predictions
    from ltbench.plugins.preprocessing import Preprocessing as Preprocessing
    from ltbench.plugins.shots import ShotRule as ShotRule
    from ltbench.plugins.split import PARTS as PARTS
    from ltbench.plugins.split import Split as Split
    from ltbench.plugins.split import SplitOrigin as SplitOrigin
    from ltbench.plugins.stage import Stage as Stage
    from ltbench.plugins.stage import StageHParams as StageHParams
    from ltbench.plugins.training import FeaturePass as FeaturePass
    from ltbench.plugins.training import LogitPass as LogitPass
    from ltbench.plugins.training import Training as Training
    from ltbench.plugins.unlabelled import Unlabelled as Unlabelled
    from ltbench.plugins.views import STRONG_VIEW as STRONG_VIEW
    from ltbench.regular_files import open_file as open_file
    from ltbench.regular_files import read_file as read_file
    from ltbench.report.figure_data import Choices as Choices
    from ltbench.report.figure_data import FigureData as FigureData
    from ltbench.report.filters import dataset_names as dataset_names
    from ltbench.report.look import PAGE_WIDTH as PAGE_WIDTH
    from ltbench.report.look import PALETTE as PALETTE
    from ltbench.report.metrics import metric as metric
    from ltbench.report.prior_scores import prior_accuracies as prior_accuracies
    from ltbench.report.recorded_hparams import complete_hparams as complete_hparams
    from ltbench.report.section import Column as Column
    from ltbench.report.section import Section as Section
    from ltbench.report.section import name_column as name_column
    from ltbench.report.section import section as section
    from ltbench.report.selection import Table as Table
    from ltbench.report.selection import most_frequent as most_frequent
    from ltbench.report.short_names import short_names as short_names
    from ltbench.report.short_names import text_width as text_width
    from ltbench.results.claim import Claim as Claim
    from ltbench.results.claim import ClaimLost as ClaimLost
    from ltbench.results.claim import Owner as Owner
    from ltbench.results.claim import acquire as acquire
    from ltbench.results.documents import read_confusion as read_confusion
    from ltbench.results.documents import read_data_facts as read_data_facts
    from ltbench.results.documents import read_features as read_features
    from ltbench.results.documents import read_predictions as read_predictions
    from ltbench.results.folder import RunFolder as RunFolder
    from ltbench.results.folder import write_bytes as write_bytes
    from ltbench.results.folder import write_json as write_json
    from ltbench.results.index import read_runs as read_runs
    from ltbench.results.logits import Logits as Logits
    from ltbench.results.logits import kept_logits as kept_logits
    from ltbench.results.logits import read_logits as read_logits
    from ltbench.results.run import RunRecord as RunRecord
    from ltbench.results.run import RunSpec as RunSpec
    from ltbench.results.untrusted import UnreadableRun as UnreadableRun
    from ltbench.results.untrusted import numbers as numbers
    from ltbench.results.untrusted import read_json as read_json
    from ltbench.results.untrusted import read_log as read_log
    from ltbench.stats.intervals import half_width as half_width
    from ltbench.stats.label_shift import Estimate as Estimate
    from ltbench.stats.label_shift import Source as Source
    from ltbench.stats.label_shift import fitted_source as fitted_source
    from ltbench.stats.label_shift import mlls as mlls
    from ltbench.training.job import Job as Job
    from ltbench.training.run import claimed as claimed
    from ltbench.training.run import execute as execute
else:
    __getattr__, __dir__, __all__ = lazy_module(__name__)
