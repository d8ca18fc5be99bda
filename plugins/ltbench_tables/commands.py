"""What each table says of itself; pandas waits in the module that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ltbench.api import ExperimentTable, HParams, hparam

if TYPE_CHECKING:
    from ltbench.api import FigureData, Section


class AblationHParams(HParams):
    """Which components there are."""

    components: str = hparam(
        "",
        help="Hyper-parameters that switch a component, separated by commas; a number is off at 0."
        "  [default: all that are true or false]",
    )


class Ablation(ExperimentTable):
    """All combinations of an algorithm's switchable components.

    RUNS are folders of runs, by default ./runs. Combinations that were not run are shown as such.

    \b
    Examples:
      ltbench tables ablation --algo brl
      ltbench tables ablation --algo boda --components weight,macro -o boda.tex
    """

    HParams = AblationHParams
    hparams: AblationHParams

    def sections(self, data: FigureData) -> Sequence[Section]:
        """Return one table."""
        from ltbench_tables.ablation import ablation

        components = [name.strip() for name in self.hparams.components.split(",") if name.strip()]
        return [ablation(data.table("an ablation"), components)]


class Backbones(ExperimentTable):
    """Model × loss on balanced, long-tailed, head, middle and tail test images.

    RUNS are folders of runs, by default ./runs. Runs with other backbones and other degrees of
    imbalance of one data set stand in one table, as rows.

    \b
    Examples:
      ltbench tables backbones --dataset cifar100-lt
      ltbench tables backbones --dataset cifar100-lt --algo erm --algo bsoftmax \\
          -o table.csv
    """

    def sections(self, data: FigureData) -> Sequence[Section]:
        """Return one table for each of top-1 accuracy, F1 and loss."""
        from ltbench_tables.backbones import backbones

        return backbones(data)


class LossesHParams(HParams):
    """Which of the runs, and what is shown of them."""

    backbone: str = hparam("", help="Only runs of this network.")
    trained_on: str = hparam("", help="Only runs whose training set has this profile.")
    measures: str = hparam(
        "accuracy", help="Columns of each test set, separated by commas: loss, accuracy, f1."
    )


class Losses(ExperimentTable):
    """Loss × balanced, long-tailed, head, middle and tail test images, for each model.

    RUNS are folders of runs, by default ./runs. There is a table for each model and training set;
    the test subsets are those of the most imbalanced training set among all runs.

    \b
    Examples:
      ltbench tables losses --dataset cifar100-lt --trained-on balanced
      ltbench tables losses --backbone convnext_base --measures loss,accuracy,f1
    """

    HParams = LossesHParams
    hparams: LossesHParams

    def sections(self, data: FigureData) -> Sequence[Section]:
        """Return one table for each model and training set."""
        from ltbench_tables.losses import losses

        given = self.hparams
        measures = [name.strip() for name in given.measures.split(",") if name.strip()]
        return losses(data, given.backbone, given.trained_on, measures)
