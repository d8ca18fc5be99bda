"""The files of studies: opened where they were left, and found again for their best settings.

``<out>/.tuning`` is a folder of runs of its own, which no report of ``<out>`` reads: a trial is an
ordinary run, but it was made to be chosen from, and may not stand beside those that are compared.
The study of a method is the file ``.tuning/.studies/<task>/<sampler>-<trials>-seed-<seed>.json``,
with ``-<axis>+<axis>`` before the suffix where settings of the protocol were searched. It is
written whole or not at all; the task's twelve digits stand for the method, what is fixed of it, and
its setting.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import get_args

from ltbench.errors import UsageError
from ltbench.plugins.text import visible
from ltbench.results.sweeps import TUNING
from ltbench.results.trials import STUDIES
from ltbench.results.tuned import HPARAMS
from ltbench.results.untrusted import UnreadableRun, read_json
from ltbench.session.axes import ordered
from ltbench.session.plan import PlannedMethod
from ltbench.session.search import PROTOCOL
from ltbench.session.studies import FORMAT, Budget, Status, Study, Trial

_NAME = re.compile(r"(random|bayes)-(\d{1,9})-seed-(\d{1,20})(?:-([a-z_+]+))?\.json", re.ASCII)


def open_study(out: Path, method: PlannedMethod, budget: Budget, batch: int) -> Study:
    """Return the study of a method as it was left, or a new one.

    Raises:
        UsageError: there is nothing to search, nothing to judge by, or the study's file is broken.
    """
    if method.spec.protocol.select == "last":
        raise UsageError(
            "tuning chooses by a validation score, and this protocol of "
            f"{method.spec.dataset.name} takes the last model: use --select f1 or accuracy"
        )
    study = Study(method, budget, out / TUNING, batch)
    return _read(study) if study.path.exists() else study


def begun_studies(out: Path, method: PlannedMethod, axes: Collection[str] = ()) -> list[Study]:
    """Return the studies of a method, complete or not.

    Args:
        out: the folder of the runs.
        method: what was tuned. Studies that searched what is typed now are not among them.
        axes: what was searched; empty for anything.

    Raises:
        UsageError: a study's file is broken.
    """
    folder = out / TUNING / STUDIES / method.hash
    named = (study for path in sorted(folder.glob("*.json")) for study in _named(path, method, out))
    return [
        _read(study)
        for study in named
        if (not axes or set(axes) == set(study.budget.axes))
        and not method.fixed_settings & set(study.budget.axes)
    ]


def find_study(out: Path, method: PlannedMethod, command: str, axes: Collection[str] = ()) -> Study:
    """Return the complete study of a method that had the largest budget.

    Args:
        out: the folder of the runs.
        method: what was tuned.
        command: what to type to tune it, without the budget.
        axes: what was searched; empty for anything.

    Raises:
        UsageError: there is none, none is complete, several are as large, or no trial succeeded.
    """
    studies = begun_studies(out, method, axes)
    what = method.title
    complete = [study for study in studies if study.complete]
    if not complete:
        raise UsageError(_advice(studies, method, command))
    most = max(study.budget.trials for study in complete)
    largest = [study for study in complete if study.budget.trials == most]
    if len(largest) > 1:
        names = ", ".join(str(study.path) for study in largest)
        raise UsageError(
            f"{len(largest)} studies of {what} have {most} trials: {_choice(largest)}remove all "
            f"but one of {names}"
        )
    if largest[0].best is None:
        raise UsageError(f"every trial of {what} failed or diverged: see {largest[0].path}")
    return largest[0]


def _advice(studies: Sequence[Study], method: PlannedMethod, command: str) -> str:
    if studies:
        done = len(studies[0].trials) - len(studies[0].open)
        budget = studies[0].budget
        axes = "" if " --search " in command else f"--search {','.join(budget.axes)} "
        return (
            f"the study of {method.title} has {done} of {budget.trials} trials: `{command} {axes}"
            f"--trials {budget.trials} --sampler {budget.search} --seed {budget.seed}` goes on"
        )
    text = f"no study tuned {method.title} in this setting: `{command} --trials 16` does"
    if method.fixed:
        text += "; hyper-parameters in brackets are fixed while others are tuned"
    return text


def _choice(studies: Sequence[Study]) -> str:
    """Return how to choose among studies that searched different things, ready to go on."""
    axes = list(dict.fromkeys(",".join(study.budget.axes) for study in studies))
    return f"choose with --search {' or '.join(axes)}, or " if len(axes) == len(studies) else ""


def _named(path: Path, method: PlannedMethod, out: Path) -> Iterator[Study]:
    """Yield the study that a file's name stands for, if it does for any."""
    if found := _NAME.fullmatch(path.name):
        search, trials, seed, named = found.groups()
        axes = tuple(named.split("+")) if named else (HPARAMS,)
        if axes == ordered(axes):
            yield Study(method, Budget(search, int(trials), int(seed), axes), out / TUNING)


def _read(study: Study) -> Study:
    """Return the study with what its file holds."""
    try:
        document = read_json(study.path) or {}
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}")
        study.batch = int(document["batch"])
        study.trials = [_checked(study, Trial(**result)) for result in document["results"]]
        if not study.complete:
            study.trials = [_at_its_seed(study, trial) for trial in study.trials]
    except (UnreadableRun, UsageError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"the study {study.path} cannot be read ({error}): remove it to tune anew; trials that "
            "are done are not repeated"
        ) from error
    return study


def _checked(study: Study, trial: Trial) -> Trial:
    if trial.status not in get_args(Status) or (trial.status == "done") != (
        trial.value is not None
    ):
        raise ValueError(f"trial {trial.number} has status {trial.status!r}")
    if trial.value is not None and not math.isfinite(trial.value):
        raise ValueError(f"trial {trial.number} scored {trial.value!r}")
    searched = study.space().axes
    if unknown := [key for key in trial.point if key.startswith(PROTOCOL) and key not in searched]:
        raise ValueError(f"trial {trial.number} varies '{visible(unknown[0])}'")
    planned = study.spec(trial).folder(Path())
    # Those of older versions were run at the seed of the search.
    older = planned.with_name(f"seed-{study.budget.seed}")
    if trial.folder not in (str(planned), str(older)):
        raise ValueError(f"trial {trial.number} lies elsewhere")
    return trial


def _at_its_seed(study: Study, trial: Trial) -> Trial:
    """Return a trial to be run anew where it was run at a seed that the others will not have."""
    planned = str(study.spec(trial).folder(Path()))
    return (
        trial if trial.folder == planned else Trial(trial.number, trial.point, trial.label, planned)
    )
