"""Studies: what tuning tried, what it scored on validation, and the best of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ltbench.plugins.names import format_value
from ltbench.results.damage import check_result
from ltbench.results.folder import RunFolder, write_json
from ltbench.results.run import RunSpec
from ltbench.results.sweeps import TRIAL_SEEDS
from ltbench.results.trials import STUDIES
from ltbench.results.tuned import HPARAMS, best_text
from ltbench.results.untrusted import UnreadableRun, read_json
from ltbench.session.plan import PlannedMethod, with_algorithm
from ltbench.session.search import PROTOCOL, Point, Space

FORMAT = 1
Status = Literal["waiting", "done", "failed", "diverged"]


@dataclass(frozen=True)
class Trial:
    """One setting of what is searched.

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
    """What is searched, and how.

    Attributes:
        search: the sampler, ``random`` or ``bayes``.
        trials: settings that are tried.
        seed: of the search.
        axes: ``hparams`` for the methods' own, and names of protocol settings.
    """

    search: str = "random"
    trials: int = 16
    seed: int = 0
    axes: tuple[str, ...] = (HPARAMS,)

    @property
    def run_seed(self) -> int:
        """The seed of the trials' runs."""
        return TRIAL_SEEDS + self.seed

    def named(self) -> dict[str, Any]:
        """Return what ``--hparams best[…]`` can name of it."""
        return {"trials": self.trials, "sampler": self.search, "seed": self.seed}

    def spelled(self) -> str:
        """Return the value of ``--hparams`` that takes a study of this budget."""
        return best_text(**self.named())


@dataclass
class Study:
    """What is tuned, with which budget, and the trials so far.

    Attributes:
        method: what is tuned; what was typed of it stays fixed.
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
        budget = self.budget
        name = f"{budget.search}-{budget.trials}-seed-{budget.seed}"
        # Studies of the methods' own hyper-parameters are called as they were without others.
        axes = "" if budget.axes == (HPARAMS,) else f"-{'+'.join(budget.axes)}"
        return self.root / STUDIES / self.method.hash / f"{name}{axes}.json"

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
        space = self.space()
        protocol = space.protocol_at(trial.point)
        planned = replace(self.method.spec, protocol=protocol, seed=self.budget.run_seed)
        return with_algorithm(
            replace(planned, apart=planned.apart + self._apart(trial)), space.at(trial.point)
        )

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
            space, first = self.space(), len(self.trials)
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

        A trial that failed or diverged has its score once `ltbench retry` has run it again.

        Args:
            failures: count runs that failed; otherwise they are tried once more.

        Raises:
            UsageError: a result that is there cannot be read.
        """
        self.trials = [self._after_its_run(trial, failures) for trial in self.trials]

    @property
    def metric(self) -> str:
        """The validation metric that is maximised."""
        return self.method.spec.protocol.selection_metric

    def tuned(self) -> dict[str, Any]:
        """Return the part of a run's identity that tells how it was tuned."""
        tuned = {**asdict(self.budget), "metric": self.method.spec.protocol.select}
        axes = list(tuned.pop("axes"))
        if axes != [HPARAMS]:
            own = self.method.spec.protocol
            before = {axis: getattr(own, axis) for axis in axes if axis != HPARAMS}
            tuned |= {"axes": axes, "from": before}
        return {**tuned, "fixed": self.method.fixed} if self.method.fixed else tuned

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

    def space(self) -> Space:
        """Return what is varied, and how."""
        spec = self.method.spec
        return Space(self.method.chain, spec.protocol, self.budget.axes, spec.methods)

    def _trial(self, number: int, point: Point) -> Trial:
        trial = Trial(number, point, "", "")
        spec = self.spec(trial)
        label = f"{spec.label}{self._apart(trial)}"
        return replace(trial, label=label, folder=str(spec.folder(Path())))

    def _apart(self, trial: Trial) -> str:
        """Return the settings of the protocol that a trial tries, ", lr 0.002"."""
        return "".join(
            f", {name.removeprefix(PROTOCOL)} {format_value(value)}"
            for name, value in trial.point.items()
            if name.startswith(PROTOCOL)
        )

    def _after_its_run(self, trial: Trial, failures: bool) -> Trial:
        """Return a trial with what its run's folder says came of it, if anything."""
        if trial.status == "done":
            return trial
        folder = RunFolder(self.root / trial.folder)
        check_result(folder.path)
        lost = replace(trial, status="failed")
        try:
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
    """Return the run with the best setting of a study, marked as tuned."""
    assert study.best is not None
    best = study.spec(study.best)
    return replace(best, tuned=study.tuned(), apart=study.method.spec.apart)
