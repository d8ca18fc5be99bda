"""From runs that ended badly to a plan that carries out the same runs again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ltbench.data.catalogue import open_dataset
from ltbench.errors import LtbenchError, UsageError
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.names import Name
from ltbench.plugins.split import Split
from ltbench.results.run import RunSpec, canonical_hash
from ltbench.results.untrusted import UnreadableRun, clean, read_json
from ltbench.training.plan import Plan
from ltbench.training.used import check_used


def plan_again(folders: Sequence[Path], data_dir: Path) -> Plan:
    """Return the plan of runs that were begun before, from their ``spec.json``.

    Args:
        folders: of the runs.
        data_dir: the folder of the data sets' files.

    Raises:
        UsageError: a specification cannot be read, or its plugins are others today.
        DataError: a data set is missing or broken.
    """
    opened: dict[str, tuple[Dataset, Split]] = {}
    specs = []
    for folder in folders:
        spec = _read(folder)
        key = canonical_hash(vars(spec.dataset))
        if key not in opened:
            name = Name(spec.dataset.name, spec.dataset.hparams)
            opened[key] = open_dataset(name, data_dir)
        _, split = opened[key]
        if split.sha256 != spec.split:
            raise UsageError(
                f"{folder}: the images of {spec.dataset.name} are no longer those that the run was "
                "planned with; run it anew with `ltbench run`, which gives it another folder"
            )
        try:
            check_used(spec)
        except LtbenchError as problem:
            raise UsageError(f"{folder}: {problem}") from problem
        specs.append(spec)
    return Plan(tuple(specs), tuple(opened.values()))


def runs_root(folder: Path) -> Path:
    """Return the folder of all runs that a run's folder lies in."""
    return folder.parents[3]


def _read(folder: Path) -> RunSpec:
    path = folder / "spec.json"
    try:
        document = read_json(path)
        spec = RunSpec.from_dict(document or {})
        hash_, place = spec.hash, spec.folder(runs_root(folder))
    except UnreadableRun as problem:
        raise UsageError(f"{folder}: {clean(str(problem))}") from problem
    except LtbenchError as problem:
        raise UsageError(f"{path}: {problem}") from problem
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as problem:
        raise UsageError(
            f"{path} does not hold the specification of a run; `ltbench clean` removes the run"
        ) from problem
    if document is None or document.get("hash") != hash_ or place != folder:
        raise UsageError(
            f"{folder} is not where this version of ltbench would put the run that its spec.json "
            "describes: run it anew with `ltbench run`, and remove this one with `ltbench clean`"
        )
    return spec
