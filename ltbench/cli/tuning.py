"""Studies as the command line sees them: which, carried out by one executor, and as a table."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

from ltbench.cli.launch import Launch
from ltbench.cli.observers import Watcher
from ltbench.cli.sweep import Sweep
from ltbench.errors import UsageError
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.manager import get_plugins
from ltbench.plugins.names import Name
from ltbench.results.run import RunSpec, describe_tuning
from ltbench.sweeps.estimate import TUNING, read_estimator
from ltbench.sweeps.search import Space
from ltbench.sweeps.studies import Budget, Question, Study, Trial, tuned_spec
from ltbench.sweeps.study_files import find_study, open_study
from ltbench.training.plan import Plan, Settle, plan_runs


class Tuning:
    """The studies that one ``ltbench tune`` was asked for.

    Args:
        launch: the executor, and the protocol that was asked for.
        options: of the command.
        watchers: who is told what happens.
        quiet: show no progress.

    Attributes:
        studies: one for each algorithm and data set, as they were left.

    Raises:
        UsageError: a name or option is not possible, or there is nothing to tune.
    """

    def __init__(
        self, launch: Launch, options: dict[str, Any], watchers: Sequence[Watcher], *, quiet: bool
    ) -> None:
        self.launch, self.watchers, self.quiet = launch, watchers, quiet
        self.out: Path = options["out"]
        self.request = launch.request(options["algos"], options["datasets"], [options["seed"]])
        questions: dict[str, Question] = {}

        def ask(spec: RunSpec, chain: Sequence[Name]) -> RunSpec:
            question = Question(spec, tuple(chain))
            questions.setdefault(question.hash, question)
            return spec

        self.plan = plan_runs(self.request, ask)
        budget = Budget(options["search"], options["trials"], options["seed"])
        self.slots = launch.slots(budget.trials)
        self.studies = [
            open_study(self.out, question, budget, len(self.slots.devices))
            for question in _tunable(list(questions.values()))
        ]
        self.estimator = read_estimator(self.out, launch.device)

    def describe(self, study: Study, *, as_json: bool) -> None:
        """Print the runs of the trials that come next."""
        study.collect(failures=False)
        plan = self._plan(study, study.propose())
        self._sweep(plan).describe(slots=len(self.slots.devices), as_json=as_json)
        later = study.budget.trials - len(study.trials)
        if later and not as_json:
            click.echo(f"{later} more trials depend on what these score")

    def carry_out(self, study: Study) -> None:
        """Carry out the trials that are left.

        Raises:
            SweepStopped: the user pressed Ctrl-C.
        """

        def run(trials: Sequence[Trial]) -> None:
            plan = self._plan(study, trials)
            costs = self.estimator.costs(plan.specs)
            root = self.out / TUNING
            jobs = self.launch.jobs(self.request, plan, self.slots, root, costs)
            self._sweep(plan).run(self.launch.executor(self.slots), jobs)

        self._sweep(self.plan).prepare(self.request)
        study.carry_out(run)

    def _plan(self, study: Study, trials: Sequence[Trial]) -> Plan:
        # Two trials with the same hyper-parameters are one run.
        specs = {trial.folder: study.spec(trial) for trial in trials}
        return Plan(tuple(specs.values()), self.plan.datasets)

    def _sweep(self, plan: Plan) -> Sweep:
        return Sweep(
            plan,
            self.out / TUNING,
            quiet=self.quiet,
            watchers=self.watchers,
            estimator=self.estimator,
        )


def best_settings(out: Path, words: str, *, quiet: bool) -> Settle:
    """Return what makes of each run the one with the best hyper-parameters of its study.

    An algorithm that has nothing to tune stays as it is.

    Args:
        out: the folder of the runs.
        words: the options of the setting as typed, for the command that tunes.
        quiet: do not say which study it was.
    """

    def settle(spec: RunSpec, chain: Sequence[Name]) -> RunSpec:
        question = Question(spec, tuple(chain))
        if not Space(chain).axes:
            if question.fixed:
                raise UsageError(
                    f"--hparams best and '{question.algo}' contradict each other, for nothing is "
                    "left to tune: leave out one of them"
                )
            return spec
        command = f"ltbench tune {what_words(question)}{words}"
        study = find_study(out, question, command)
        best = tuned_spec(study)
        if not quiet:
            click.echo(f"{question.algo} on {spec.dataset.name}: {best.label}", err=True)
        return best

    return settle


def what_words(question: Question) -> str:
    """Return the algorithm and the data set of a question as options."""
    dataset = question.spec.dataset
    cls: type[Dataset] = get_plugins()["datasets"].get(dataset.name).load()
    options = cls.HParams.from_options(dataset.hparams, dataset.name).changed()
    return shlex.join(["--algo", question.algo, "--dataset", str(Name(dataset.name, options))])


def show(study: Study) -> str:
    """Return the trials of a study as a table, the best first."""
    scored = sorted(study.trials, key=lambda t: (t.value is None, -(t.value or 0.0), t.number))
    best = study.best
    body = [
        (
            trial.number,
            trial.status if trial.value is None else f"{100 * trial.value:.1f}",
            trial.label + (" (defaults)" if not trial.point else ""),
            "<- best" if trial is best else "",
        )
        for trial in scored
    ]
    head = ("trial", f"val {study.metric}", "hyper-parameters", "")
    table = tabulate(body, head, tablefmt="simple", disable_numparse=True,
                     colalign=("right", "right", "left", "left"))  # fmt: skip
    what = f"{study.question.algo} on {study.question.spec.dataset.name}"
    return (
        f"{what}, {describe_tuning(study.tuned())}; scores are the validation's, in %\n\n{table}\n"
    )


def _tunable(questions: Sequence[Question]) -> list[Question]:
    """Return the questions that have something to tune, and say which have not.

    Raises:
        UsageError: none has.
    """
    found = [question for question in questions if Space(question.chain).axes]
    idle = [question.algo for question in questions if not Space(question.chain).axes]
    if not found:
        raise UsageError(
            f"'{idle[0]}' has no hyper-parameter left to tune: see `ltbench plugins info "
            f"{questions[0].chain[0].name}`"
        )
    for algo in dict.fromkeys(idle):
        click.echo(f"{algo} has no hyper-parameter to tune and is left out", err=True)
    return found
