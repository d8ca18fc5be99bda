"""A race: methods get one seed after another while they can still be the best.

What decides are validation scores, as test images that choose a method no longer test it. A race
keeps nothing of its own: its runs are ordinary runs, and how it stands is played from them anew, so
that the same command goes on, also with runs that others made.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ltbench.data.catalogue import Known, dataset_names, open_dataset
from ltbench.errors import UsageError, suggestion
from ltbench.plugins.measure import Measure
from ltbench.report.plain import duration
from ltbench.results.damage import advice
from ltbench.results.folder import RunFolder
from ltbench.results.run import RunSpec, canonical_hash
from ltbench.results.untrusted import UnreadableRun, numbers, read_result
from ltbench.session.deadline import ends_in_time
from ltbench.session.estimate import read_estimator, wall_seconds
from ltbench.session.plan import Plan
from ltbench.session.session import Session, SweepRun
from ltbench.session.tuning import check_judged
from ltbench.session.validation_metrics import check_given, validation_measure
from ltbench.stats.race import Standing, race

ONE_DOMAIN = ("erm", "sqrt-reweight", "focal", "ldam", "bsoftmax", "erm+crt")
"""What races where nothing else is said: one method of each idea, none that is slow."""

SEVERAL_DOMAINS = ("erm", "bsoftmax", "groupdro", "coral", "boda", "erm+crt")
"""The same for images of several domains."""


def usual_methods(datasets: Sequence[str], data_dir: Path) -> tuple[str, ...]:
    """Return the methods that race where none is named.

    Args:
        datasets: names of data sets, as typed.
        data_dir: the folder of the data sets' files.

    Raises:
        DataError: a data set is missing or broken.
    """
    known: Known = {}
    names = [name for text in datasets for name in dataset_names(text, data_dir, known)]
    trained = []
    for name in names:
        _, split = open_dataset(name, data_dir, known)
        trained.append(len(set(split.d[split.rows("train")].tolist())))
    return SEVERAL_DOMAINS if min(trained, default=1) > 1 else ONE_DOMAIN


@dataclass(frozen=True)
class Lost:
    """A method that left the race as a run of it has no score, with the reason."""

    method: int
    seed: int
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What came of a race.

    Attributes:
        methods: the labels, in the order of the list.
        hashes: of each method's runs.
        scores: validation scores of each by seed, from seed 0 without a gap, higher is better:
            those of metrics of which less is better are negative.
        tests: test scores of the same runs, as they are; NaN where there is none.
        raced: which methods take part in ``standing``, by place in the list.
        standing: how the race stands, in places of ``raced``; ``None`` where fewer than two
            methods could be raced.
        lost: methods that failed or diverged.
        most: seeds that a method may get.
        trained: runs that this command did.
        unfinished: why the race ended before it was decided or all seeds were used; empty if not.
    """

    methods: tuple[str, ...]
    hashes: tuple[str, ...]
    scores: tuple[np.ndarray, ...]
    tests: tuple[np.ndarray, ...]
    raced: tuple[int, ...]
    standing: Standing | None
    lost: tuple[Lost, ...]
    most: int
    trained: int = 0
    unfinished: str = ""

    @property
    def raced_scores(self) -> list[np.ndarray]:
        """The scores of the methods that take part."""
        return [self.scores[i] for i in self.raced]


@dataclass
class Race:
    """Methods on one data set under one protocol, and the seeds that they may get.

    Args:
        session: carries the runs out.
        plan: of all methods, with all seeds from 0 that they may get.
        metric: a validation metric, or ``None`` for the one that chooses models, or the accuracy
            where the last model is taken.

    Attributes:
        metric: what decides.
        measure: what its values mean.

    Raises:
        UsageError: there are fewer than two methods, several settings, no validation images, one
            of the methods is trained on these, or their validation will not have the metric.
    """

    session: Session
    plan: Plan
    metric: str | None = None
    measure: Measure = field(init=False)
    _lost: dict[int, Lost] = field(init=False, default_factory=dict)
    _trained: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        specs = [method.spec for method in self.plan.methods]
        settings = {canonical_hash(spec.setting()) for spec in specs}
        if len(settings) > 1:
            raise UsageError(
                f"a race is on one data set under one protocol, and these are {len(settings)}: "
                "start one for each"
            )
        if len(specs) < 2:
            raise UsageError(
                f"a race takes two methods or more, and '{specs[0].label}' is one: add others to "
                "--algo, or leave it out for the usual list"
            )
        if not np.any(specs[0].data["counts"]["val"]):
            raise UsageError(
                f"'{specs[0].dataset_name}' has no validation images, and a race is decided by "
                "those: use a protocol or parameter of the data set that sets some aside"
            )
        for method in self.plan.methods:
            check_judged(method, "methods", "race")
        selection = specs[0].protocol.selection_metric
        usual = "accuracy_average" if selection == "step" else selection
        self.metric = self.metric or usual
        self.measure = validation_measure(self.metric)
        check_given(self.metric, specs[0])
        self.specs = specs
        self.most = len({spec.seed for spec in self.plan.specs})

    def carry_out(self, budget: float) -> Outcome:
        """Train what the race needs, and return how it stands when it or the budget is over.

        The first round of a command is begun in any case, and stopped with checkpoints if it does
        not end in time; another only where it probably fits.

        Args:
            budget: seconds that this may take.

        Raises:
            Stopped: the user pressed Ctrl-C.
        """
        deadline, begun = time.monotonic() + budget, False
        while runs := self.next_round():
            left = deadline - time.monotonic()
            estimate = self.estimate(runs)
            words = self._round_words(runs)
            if begun and (left <= 0 or (estimate is not None and estimate > left)):
                takes = f", about {duration(estimate)}," if estimate else ""
                rest = f"the {duration(left)} that are" if left >= 1 else "what is"
                return self.outcome(f"{words}{takes} does not fit into {rest} left of the budget")
            if not begun and estimate is not None and estimate > left:
                self.session.say(
                    f"{words} takes about {duration(estimate)}, more than the budget: it is "
                    "stopped then, and the same command goes on"
                )
            begun = True
            if not self._train(runs, deadline):
                return self.outcome(f"the budget was used up during {words}")
        return self.outcome()

    def next_round(self) -> list[RunSpec]:
        """Return the runs that come next: a seed of each method that can still be best.

        Where the machine has room for more at a time, further seeds of them.
        """
        outcome = self.outcome()
        standing = outcome.standing
        if standing is None or standing.decided:
            return []
        left = [outcome.raced[i] for i in standing.left]
        slots = len(self.session.slots(self.plan).devices)
        until = min(self.most, standing.seeds + max(1, slots // len(left)))
        specs = [self.specs[i] for i in sorted(left)]
        wanted = [replace(s, seed=n) for n in range(standing.seeds, until) for s in specs]
        return [spec for spec in wanted if not RunFolder(spec.folder(self.plan.out)).done]

    def estimate(self, runs: Sequence[RunSpec]) -> float | None:
        """Return the seconds that a round will take, or ``None`` where that is not known."""
        found = self.session.describe(replace(self.plan, specs=tuple(runs)))
        known = [run.estimate for run in found if run.estimate is not None]
        if len(known) < len(runs):
            return None
        return wall_seconds(known, len(self.session.slots(self.plan).devices))

    def outcome(self, unfinished: str = "") -> Outcome:
        """Return how the race stands by the runs that are done.

        Args:
            unfinished: why it goes no further for now.
        """
        found = [self._scores(number) for number in range(len(self.specs))]
        raced = tuple(i for i in range(len(self.specs)) if i not in self._lost)
        scores = [values for values, _ in found]
        standing = race([scores[i] for i in raced]) if len(raced) > 1 else None
        return Outcome(
            tuple(spec.label for spec in self.specs),
            tuple(spec.hash for spec in self.specs),
            tuple(scores),
            tuple(tests for _, tests in found),
            raced,
            standing,
            tuple(self._lost.values()),
            self.most,
            self._trained,
            unfinished,
        )

    def _train(self, runs: Sequence[RunSpec], deadline: float) -> bool:
        """Carry runs out, and return whether they ended in time."""
        plan = replace(self.plan, specs=tuple(runs))
        ended = list[SweepRun]()
        in_time = ends_in_time(
            deadline - time.monotonic(), lambda: ended.extend(self.session.run(plan))
        )
        # What was stopped returns no runs, and some of them may have ended before.
        self._count(ended or self.session.describe(plan))
        # By what was just done the next round is judged.
        self.session.estimator = read_estimator(self.plan.out, self.session.device)
        return in_time

    def _count(self, runs: Sequence[SweepRun]) -> None:
        """Count the runs of a round that are done, and note the methods of those that failed."""
        numbers_of = {spec.hash: number for number, spec in enumerate(self.specs)}
        for run in runs:
            self._trained += run.state == "done"
            if run.state in ("failed", "diverged"):
                number = numbers_of[run.spec.hash]
                reason = f"{run.state}: {run.reason}" if run.reason else run.state
                self._lost[number] = Lost(number, run.spec.seed, reason)

    def _scores(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return validation and test scores of a method, up to the first seed that is not done.

        Raises:
            UsageError: a run does not have the metric.
        """
        values, tests = list[float](), list[float]()
        for seed in range(self.most):
            spec = replace(self.specs[number], seed=seed)
            folder = spec.folder(self.plan.out)
            try:
                result = read_result(folder)
            except UnreadableRun as error:
                raise UsageError(f"{folder}: {error}; {advice(folder)}") from None
            if result is None:
                break
            known = numbers(result.get("val"))
            if self.metric not in known:
                raise UsageError(
                    f"the validation of {spec.label} seed {seed} gave no '{self.metric}'"
                    f"{suggestion(str(self.metric), known)}"
                )
            value = known[self.metric]
            values.append(value if self.measure.better == "higher" else -value)
            tests.append(numbers(result.get("test")).get(str(self.metric), math.nan))
        return np.array(values), np.array(tests)

    def _round_words(self, runs: Sequence[RunSpec]) -> str:
        seeds = sorted({run.seed for run in runs})
        which = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
        count = len({run.hash for run in runs})
        return f"{which} of {count} method{'s' * (count != 1)}"
