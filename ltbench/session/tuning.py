"""Tuning: which studies a plan asks for, their trials carried out, and the best of them run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace

from ltbench.errors import UsageError
from ltbench.plugins.names import Name
from ltbench.plugins.resolve import resolve
from ltbench.results.run import RunSpec
from ltbench.results.sweeps import TUNING
from ltbench.session.plan import Plan, PlannedMethod, at_seeds
from ltbench.session.search import Space
from ltbench.session.session import Session
from ltbench.session.studies import Budget, Study, Trial, tuned_spec
from ltbench.session.study_files import find_study, open_study


class Tuning:
    """The studies of the methods of a plan, of those that have something to tune.

    Args:
        session: carries the trials out, in ``.tuning`` within its folder.
        plan: of one seed, that of the search.
        budget: of each study.

    Attributes:
        studies: one for each method and data set, as they were left.

    Raises:
        UsageError: there is nothing to tune, nothing to judge by, or a study's file is broken.
    """

    def __init__(self, session: Session, plan: Plan, budget: Budget) -> None:
        self.session = session
        self.plan = replace(plan, out=plan.out / TUNING, sweep_size=budget.trials)
        batch = len(session.slots(self.plan).devices)
        self.studies = [
            open_study(plan.out, method, budget, batch) for method in self._tunable(plan.methods)
        ]

    def next_trials(self, study: Study) -> Plan:
        """Return the runs of the trials of a study that can be carried out next."""
        study.collect(failures=False)
        return self._runs_of(study, study.propose())

    def carry_out(self, study: Study) -> None:
        """Carry out the trials that are left.

        Raises:
            Stopped: the user pressed Ctrl-C.
        """
        self.session.prepare(self.plan)
        study.carry_out(lambda trials: self.session.run(self._runs_of(study, trials)))

    def _runs_of(self, study: Study, trials: Sequence[Trial]) -> Plan:
        # Two trials with the same hyper-parameters are one run.
        specs = {trial.folder: study.spec(trial) for trial in trials}
        return replace(self.plan, specs=tuple(specs.values()))

    def _tunable(self, methods: Sequence[PlannedMethod]) -> list[PlannedMethod]:
        """Return the methods that have something to tune, and say which have not."""
        found = [method for method in methods if Space(method.chain).axes]
        idle = [method for method in methods if method not in found]
        if not found:
            raise UsageError(
                f"'{idle[0].typed}' has no hyper-parameter left to tune: see `ltbench plugins info "
                f"{idle[0].chain[0].name}`"
            )
        for typed in dict.fromkeys(method.typed for method in idle):
            self.session.say(f"{typed} has no hyper-parameter to tune and is left out")
        return found


def with_best(
    plan: Plan, command: Callable[[PlannedMethod], str], say: Callable[[str], None]
) -> Plan:
    """Return the plan with the best hyper-parameters that tuning found for each method.

    A method that has nothing to tune stays as it is.

    Args:
        plan: what was asked for.
        command: returns what to type to tune a method, without the budget.
        say: is told which study it was.

    Raises:
        UsageError: a method was not tuned, not to the end, or all its hyper-parameters are fixed.
    """
    best = [_best(method, plan, command, say) for method in plan.methods]
    return replace(plan, specs=at_seeds(best, list(dict.fromkeys(s.seed for s in plan.specs))))


def _best(
    method: PlannedMethod,
    plan: Plan,
    command: Callable[[PlannedMethod], str],
    say: Callable[[str], None],
) -> RunSpec:
    if not Space(method.chain).axes:
        if method.fixed:
            raise UsageError(
                f"--hparams best and '{method.typed}' contradict each other, for nothing is "
                "left to tune: leave out one of them"
            )
        return method.spec
    best = tuned_spec(find_study(plan.out, method, command(method)))
    say(f"{method.title}: {best.label}")
    return best


def method_words(method: PlannedMethod) -> str:
    """Return the options that name a method and its data set."""
    spec = method.spec
    _, hparams = resolve("datasets", spec.dataset.name, spec.dataset_options)
    name = Name(spec.dataset.name, hparams.changed())
    return shlex.join(["--algo", method.typed, "--dataset", str(name)])
