"""Tuning: which studies a plan asks for, their trials carried out, and the best of them run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ltbench.errors import UsageError
from ltbench.plugins.names import Name
from ltbench.plugins.resolve import resolve
from ltbench.results.sweeps import TUNING
from ltbench.results.tuned import HPARAMS
from ltbench.session.axes import DEFAULT
from ltbench.session.plan import Plan, PlannedMethod, at_seeds
from ltbench.session.search import Space
from ltbench.session.session import Session
from ltbench.session.studies import Budget, Study, Trial, tuned_spec
from ltbench.session.study_files import begun_studies, find_study, open_study
from ltbench.training.validation_labels import trained_on_validation


class Tuning:
    """The studies of the methods of a plan, of those that have something to tune.

    All have as many trials, and where they search the same setting of the protocol the same draws.

    Args:
        session: carries the trials out, in ``.tuning`` within its folder.
        plan: of one seed, that of the search.
        budget: of each study; its axes are not looked at.
        axes: what is searched. Empty stands for what a study of this budget searched that an
            older version began, where there is one, and else for
            :data:`~ltbench.session.axes.DEFAULT` without what was typed.

    Attributes:
        studies: one for each method and data set, as they were left.

    Raises:
        UsageError: there is nothing to tune, nothing to judge by, a study's file is broken, or a
            setting is to be searched and was typed.
    """

    def __init__(
        self, session: Session, plan: Plan, budget: Budget, axes: Sequence[str] = ()
    ) -> None:
        self.session = session
        self.plan = replace(plan, out=plan.out / TUNING, sweep_size=budget.trials)
        self._axes, self._said = tuple(axes), set[str]()
        batch = len(session.slots(self.plan).devices)
        budgets = [replace(budget, axes=self._axes_of(m, budget)) for m in plan.methods]
        self.studies = [
            open_study(plan.out, method, own, batch)
            for method, own in self._tunable(list(zip(plan.methods, budgets, strict=True)))
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

    def _axes_of(self, method: PlannedMethod, budget: Budget) -> tuple[str, ...]:
        """Return what is searched for a method, and say so where it is not what one may expect."""
        if self._axes:
            check_not_typed(method, self._axes)
            return self._axes
        axes = tuple(axis for axis in DEFAULT if axis not in method.fixed_settings)
        if left := [axis for axis in DEFAULT if axis in method.fixed_settings]:
            self._say_once(f"not searched, since it was typed: {' and '.join(left)}")
        alone = replace(budget, axes=(HPARAMS,))
        if self._begun(method, replace(budget, axes=axes)) or not self._begun(method, alone):
            return axes
        if axes != alone.axes:
            self._say_once(
                f"{method.title}: goes on with its study of hparams alone; --search "
                f"{','.join(axes)} begins another"
            )
        return alone.axes

    def _begun(self, method: PlannedMethod, budget: Budget) -> bool:
        return Study(method, budget, self.plan.out).path.exists()

    def _say_once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self.session.say(sentence)

    def _tunable(
        self, methods: Sequence[tuple[PlannedMethod, Budget]]
    ) -> list[tuple[PlannedMethod, Budget]]:
        """Return the methods that have something to tune, and say which have not."""
        for method, _ in methods:
            check_judged(method)
        found = [(m, b) for m, b in methods if varies(m, b.axes)]
        idle = [m for m, b in methods if not varies(m, b.axes)]
        if not found:
            raise UsageError(
                f"'{idle[0].typed}' has no hyper-parameter left to tune: see `ltbench plugins info "
                f"{idle[0].chain[0].name}`, or leave {' and '.join(DEFAULT[1:])} to the search"
            )
        for typed in dict.fromkeys(method.typed for method in idle):
            self.session.say(f"{typed} has no hyper-parameter to tune and is left out")
        return found


def varies(method: PlannedMethod, axes: Sequence[str]) -> bool:
    """Return whether a method has anything of what is to be searched."""
    return bool(Space(method.chain, method.spec.protocol, axes).axes)


def check_judged(method: PlannedMethod, judged: str = "trials", do: str = "tune") -> None:
    """Check that validation images are left to judge a method by.

    Args:
        method: the method.
        judged: what would be judged by them, for the message.
        do: what to do with that which stands before the part that is trained on them.

    Raises:
        UsageError: a part of it is trained on them.
    """
    for name in trained_on_validation(method.spec)[:1]:
        raise UsageError(
            f"'{name}' is trained on the validation images, by which {judged} would be judged: "
            f"{do} what stands before it, and run that with +{name}"
        )


def check_not_typed(method: PlannedMethod, axes: Collection[str]) -> None:
    """Check that no setting is both to be searched and typed.

    Raises:
        UsageError: one is.
    """
    for name in sorted(method.fixed_settings.intersection(axes)):
        value = getattr(method.spec.protocol, name)
        raise UsageError(
            f"'{name}' is typed and so is not searched, and --search names it: leave out one of "
            f"them, or search from that value with --search {name}={value}"
        )


def with_hparams(
    plan: Plan,
    asked: Sequence[Mapping[str, Any] | None],
    command: Callable[[PlannedMethod], str],
    say: Callable[[str], None],
    axes: Sequence[str] = (),
) -> Plan:
    """Return the plan with the runs of all that ``--hparams`` names, each run once.

    Args:
        plan: what was asked for, with the defaults.
        asked: for each, ``None`` for the defaults or what is said of a study; see
            :func:`ltbench.session.axes.parse_hparams`.
        command: returns what to type to tune a method, without the budget.
        say: is told which study it was.
        axes: of the studies; empty for any.

    Raises:
        UsageError: a method was not tuned, not to the end, or all its hyper-parameters are fixed.
    """
    plans = [plan if one is None else with_best(plan, command, say, axes, one) for one in asked]
    specs = {spec.folder(Path()): spec for one in plans for spec in one.specs}
    return replace(plan, specs=tuple(specs.values()))


def with_best(
    plan: Plan,
    command: Callable[[PlannedMethod], str],
    say: Callable[[str], None],
    axes: Sequence[str] = (),
    budget: Mapping[str, Any] = MappingProxyType({}),
) -> Plan:
    """Return the plan with the best that tuning found for each method.

    A method that has nothing to tune stays as it is, and so does one without hyper-parameters of
    its own that nobody tuned, unless settings of the protocol were searched for the others.

    Args:
        plan: what was asked for.
        command: returns what to type to tune a method, without the budget.
        say: is told which study it was.
        axes: of the studies; empty for any.
        budget: of the studies, as far as it is named; see :func:`ltbench.session.axes.parse_best`.

    Raises:
        UsageError: a method was not tuned, not to the end, or all its hyper-parameters are fixed.
    """
    found = [_study(method, plan, command, axes, budget) for method in plan.methods]
    searched = any(set(study.budget.axes) - {HPARAMS} for study in found if study)
    best = []
    for method, study in zip(plan.methods, found, strict=True):
        if study is None and searched and varies(method, axes or DEFAULT):
            find_study(plan.out, method, command(method), axes, budget)  # says that there is none
        spec = tuned_spec(study) if study else method.spec
        say(f"{method.title}: {spec.label if study else 'as it is, not tuned'}")
        best.append(spec)
    return replace(plan, specs=at_seeds(best, list(dict.fromkeys(s.seed for s in plan.specs))))


def _study(
    method: PlannedMethod,
    plan: Plan,
    command: Callable[[PlannedMethod], str],
    axes: Sequence[str],
    budget: Mapping[str, Any],
) -> Study | None:
    """Return the study whose best is asked for, or ``None`` where a method can do without."""
    check_not_typed(method, axes)
    if not varies(method, axes or DEFAULT):
        if method.fixed:
            raise UsageError(
                f"--hparams best and '{method.typed}' contradict each other, for nothing is "
                "left to tune: leave out one of them"
            )
        return None
    own = bool(axes) or bool(method.fixed) or varies(method, (HPARAMS,))
    if own or begun_studies(plan.out, method):
        return find_study(plan.out, method, command(method), axes, budget)
    return None


def method_words(method: PlannedMethod) -> str:
    """Return the options that name a method and its data set."""
    spec = method.spec
    _, hparams = resolve("datasets", spec.dataset.name, spec.dataset_options)
    name = Name(spec.dataset.name, hparams.changed())
    return shlex.join(["--algo", method.typed, "--dataset", str(name)])
