"""Studies: what tuning tried, what it scored on validation, and the best of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ltbench.results.folder import RunFolder, write_json
from ltbench.results.run import RunSpec
from ltbench.results.sweeps import TRIAL_SEEDS
from ltbench.results.untrusted import UnreadableRun, read_json
from ltbench.session.plan import PlannedMethod, with_algorithm
from ltbench.session.search import Point, Space

STUDIES = ".studies"
FORMAT = 1
Status = Literal["waiting", "done", "failed", "diverged"]


@dataclass(frozen=True)
class Trial:
    """One setting of the hyper-parameters.

    Attributes:
        point: what differs from the defaults.
        label: as a row of a table would name it.
        folder: its run, below the folder of tuning.
        value: its validation score, once it is done.
    """

    number: int
    point: Point
    label: str
    folder: str
    status: Status = "waiting"
    value: float | None = None


@dataclass(frozen=True)
class Budget:
    """How hyper-parameters are searched for.

    Attributes:
        search: ``random`` or ``bayes``.
        trials: settings that are tried.
        seed: of the search.
    """

    search: str = "random"
    trials: int = 16
    seed: int = 0

    @property
    def run_seed(self) -> int:
        """The seed of the trials' runs."""
        return TRIAL_SEEDS + self.seed


@dataclass
class Study:
    """What is tuned, with which budget, and the trials so far.

    Attributes:
        method: what is tuned; the hyper-parameters that were typed stay fixed.
        batch: trials that a Bayesian search proposes at a time.
    """

    method: PlannedMethod
    budget: Budget
    root: Path
    batch: int = 1
    trials: list[Trial] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """The study's file."""
        name = f"{self.budget.search}-{self.budget.trials}-seed-{self.budget.seed}.json"
        return self.root / STUDIES / self.method.hash / name

    @property
    def open(self) -> list[Trial]:
        """The trials that have no outcome yet."""
        return [trial for trial in self.trials if trial.status == "waiting"]

    @property
    def best(self) -> Trial | None:
        """The trial with the highest validation score, the first of equals; ``None`` of none."""
        scored = [trial for trial in self.trials if trial.value is not None]
        return max(scored, key=lambda t: (t.value, -t.number), default=None)

    @property
    def complete(self) -> bool:
        """Whether every trial of the budget has its outcome."""
        return len(self.trials) == self.budget.trials and not self.open

    def spec(self, trial: Trial) -> RunSpec:
        """Return the run of a trial."""
        spec = with_algorithm(self.method.spec, self._space().at(trial.point))
        return replace(spec, seed=self.budget.run_seed)

    def carry_out(self, run: Callable[[Sequence[Trial]], object]) -> None:
        """Have all trials that are left run, and keep what came of them.

        Args:
            run: carries out some trials, each in its folder.
        """
        self.collect(failures=False)
        while trials := self.propose():
            self.save()
            run(trials)
            self.collect(failures=True)
        self.save()

    def propose(self) -> list[Trial]:
        """Return the trials to be carried out next, none when the study is complete.

        Raises:
            UsageError: the search needs a package that is not installed.
        """
        if not self.open and len(self.trials) < self.budget.trials:
            space, first = self._space(), len(self.trials)
            left = range(first, self.budget.trials)
            if self.budget.search == "random":
                points = [space.random_point(self.budget.seed, number) for number in left]
            else:
                seen = [(trial.point, trial.value) for trial in self.trials]
                startup = min(10, max(4, self.budget.trials // 3))
                numbers = left[: self.batch]
                points = space.bayes_points(self.budget.seed, numbers, seen, startup)
            self.trials += [self._trial(first + i, point) for i, point in enumerate(points)]
        return self.open

    def collect(self, *, failures: bool) -> None:
        """Take in what came of the trials' runs, by their score on validation alone.

        Args:
            failures: count runs that failed; otherwise they are tried once more.
        """
        self.trials = [self._after_its_run(trial, failures) for trial in self.trials]

    @property
    def metric(self) -> str:
        """The validation metric that is maximised."""
        return self.method.spec.protocol.selection_metric

    def tuned(self) -> dict[str, Any]:
        """Return the part of a run's identity that tells how it was tuned."""
        budget = {**asdict(self.budget), "metric": self.method.spec.protocol.select}
        return {**budget, "fixed": self.method.fixed} if self.method.fixed else budget

    def as_dict(self) -> dict[str, Any]:
        """Return the content of the study's file."""
        best = self.best
        return {
            "format": FORMAT,
            "question": self.method.hash,
            "algo": self.method.typed,
            "asked": self.method.tuning_task(),
            **asdict(self.budget),
            "metric": self.metric,
            "batch": self.batch,
            "results": [asdict(trial) for trial in self.trials],
            "best": None if best is None else best.number,
        }

    def save(self) -> None:
        """Write the study's file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, self.as_dict())

    def _space(self) -> Space:
        return Space(self.method.chain)

    def _trial(self, number: int, point: Point) -> Trial:
        trial = Trial(number, point, "", "")
        spec = self.spec(trial)
        return replace(trial, label=spec.label, folder=str(spec.folder(Path())))

    def _after_its_run(self, trial: Trial, failures: bool) -> Trial:
        """Return a trial with what its run's folder says came of it, if anything."""
        folder = RunFolder(self.root / trial.folder)
        lost = replace(trial, status="failed")
        try:
            if trial.status != "waiting":
                return trial
            if (result := read_json(folder.result)) is not None:
                value = float(result["selection"]["value"])
                usable = result["selection"]["metric"] == self.metric and math.isfinite(value)
                return replace(trial, status="done", value=value) if usable else lost
            error = read_json(folder.error) if failures else None
        except (UnreadableRun, KeyError, TypeError, ValueError):
            return lost
        if error is None:
            return trial
        return replace(trial, status="diverged") if error.get("status") == "diverged" else lost


def tuned_spec(study: Study) -> RunSpec:
    """Return the run with the best hyper-parameters of a study, marked as tuned."""
    assert study.best is not None
    return replace(study.spec(study.best), tuned=study.tuned())
