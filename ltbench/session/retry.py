"""From runs that ended badly to a plan that carries out the same runs again."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from ltbench.data.catalogue import open_dataset
from ltbench.data.content import content_sha256
from ltbench.errors import LtbenchError, UsageError
from ltbench.models.weights import file_sha256
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.names import Name
from ltbench.plugins.split import Split
from ltbench.results.run import RunSpec, canonical_hash
from ltbench.results.untrusted import UnreadableRun, clean, read_json
from ltbench.session.plan import Plan
from ltbench.training.plugin_versions import check_plugin_versions


def plan_retry(folders: Sequence[Path], data_dir: Path, weights: Path | None = None) -> Plan:
    """Return the plan of runs that were begun before, from their ``spec.json``.

    Args:
        folders: of the runs, one at least.
        data_dir: the folder of the data sets' files.
        weights: the local checkpoint that all the runs started from, if they did from any; by
            default the file that they name, where it still holds the same.

    Raises:
        UsageError: a specification cannot be read, its plugins are others today, the checkpoint is
            another, or the runs lie in several folders of runs.
        DataError: a data set is missing or broken.
    """
    opened: dict[str, tuple[Dataset, Split]] = {}
    specs = []
    for folder in folders:
        spec = _read(folder)
        key = canonical_hash([spec.dataset.name, spec.dataset_options])
        if key not in opened:
            name = Name(spec.dataset.name, spec.dataset_options)
            opened[key] = open_dataset(name, data_dir)
        dataset, split = opened[key]
        # Runs of before there was a digest of the images were planned without one.
        images = content_sha256(dataset, split) if spec.images else ""
        if (split.sha256, images) != (spec.split, spec.images):
            raise UsageError(
                f"{folder}: the images of {spec.dataset.name} are no longer those that the run was "
                "planned with; run it anew with `ltbench run`, which gives it another folder"
            )
        try:
            check_plugin_versions(spec)
        except LtbenchError as problem:
            raise UsageError(f"{folder}: {problem}") from problem
        specs.append(spec)
    weights = weights or _weights_file(specs)
    _check_weights(specs, weights)
    roots = sorted({_runs_root(folder) for folder in folders})
    if len(roots) > 1:
        listed = ", ".join(f"'{root}'" for root in roots)
        raise UsageError(f"the runs lie in {listed}: name one of these folders at a time")
    return Plan(tuple(specs), tuple(opened.values()), data_dir, weights, out=roots[0])


def _runs_root(folder: Path) -> Path:
    """Return the folder of all runs that a run's folder lies in."""
    return folder.parents[3]


def _read(folder: Path) -> RunSpec:
    path = folder / "spec.json"
    try:
        document = read_json(path)
        spec = RunSpec.from_dict(document or {})
        hash_, place = spec.hash, spec.folder(_runs_root(folder))
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


def _weights_file(specs: Sequence[RunSpec]) -> Path | None:
    """Return the checkpoint that runs name, where it is the one that they started from."""
    named = {(spec.weights_file, spec.backbone.weights) for spec in specs}
    with contextlib.suppress(UsageError, ValueError):
        ((file, digest),) = named
        if file and digest and file_sha256(Path(file)) == digest:
            return Path(file)
    return None


def _check_weights(specs: Sequence[RunSpec], weights: Path | None) -> None:
    given = file_sha256(weights) if weights else None
    names = ", ".join(sorted({spec.label for spec in specs if spec.backbone.weights != given}))
    if names and weights is None:
        raise UsageError(f"{names}: the run started from a local checkpoint; give it by --weights")
    if names:
        raise UsageError(
            f"{names}: --weights {weights} is not what the run started from; choose others by "
            "--algo or --dataset"
        )
