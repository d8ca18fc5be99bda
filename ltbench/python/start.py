"""Trains from Python what ``ltbench run`` trains from the command line."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ltbench.errors import Stopped, UsageError, suggestion
from ltbench.python.runs import Names, Place, Runs, _several, _shown, _whole, _wholes


def run(
    algo: Names,
    dataset: Names,
    seeds: int | Sequence[int] = 5,
    *,
    out: Place = "runs",
    data_dir: Place | None = None,
    executor: str = "local",
    device: str = "auto",
    jobs: int | None = None,
    precision: str = "auto",
    observers: Names = (),
    quiet: bool = False,
    **settings: Any,
) -> Runs:
    """Train algorithms on data sets with several seeds, as ``ltbench run`` does.

    Runs that are done are not trained again. Interrupted, the runs write their checkpoints, and
    the same call goes on. Each run has a process of its own; what is typed in a notebook is not
    known there, so a plugin stands in a file or a package.

    Args:
        algo: one or several methods, ``"boda@ema+crt"``; comma lists and brackets as typed.
        dataset: one or several data sets.
        seeds: how many (5 is 0…4), or which.
        out: the folder of the runs.
        data_dir: the folder of the data sets' files.
        executor: who carries the runs out.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        jobs: runs at a time; by default one a core or GPU.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        observers: who is told, ``"csv"``.
        quiet: show no progress.
        settings: ``protocol``, ``backbone``, ``pretrained``, ``weights``, ``preprocessing``, and
            every setting of a protocol by its name: ``steps=300, lr=1e-3``.

    Returns:
        The runs that were asked for, those that failed among them.

    Raises:
        UsageError: something that was asked for does not exist or is not possible.
        KeyboardInterrupt: it was interrupted.
    """
    from ltbench.results.folders import read_folders
    from ltbench.session.session import Session

    settings, numbers = _checked(settings), _seeds(seeds)
    algos, datasets = _several(algo, "algo"), _several(dataset, "dataset")
    for what, names in (("algo", algos), ("dataset", datasets)):
        if not names:
            raise UsageError(f"{what} is an empty list: give it a name, or several")
    folder = Path(_text("out", out))
    session = Session(
        folder,
        data_dir=None if data_dir is None else Path(_text("data_dir", data_dir)),
        executor=_text("executor", executor),
        device=_text("device", device),
        jobs=_jobs(jobs),
        observers=_several(observers, "observers"),
        quiet=quiet,
        command=("ltbench.run",),
    )
    plan = session.plan(algos, datasets, numbers, precision, **settings)
    session.prepare(plan)
    try:
        with _script_kept_out():
            ended = session.run(plan)
    except Stopped as stopped:
        said = str(stopped).partition(";")[0]
        raise KeyboardInterrupt(f"{said}; the same call goes on") from None
    folders = {os.path.abspath(one.folder): number for number, one in enumerate(ended)}
    found = {os.path.abspath(r.path): r for r in read_folders(folder)}
    return Runs(found[path] for path in folders if path in found)


_TEXTS = ("protocol", "backbone", "preprocessing")
_OTHERS = ("protocol", "backbone", "pretrained", "weights", "preprocessing", "memory_format")


def _seeds(seeds: object) -> Sequence[int]:
    """Return the seeds that are asked for by their number or one by one.

    Raises:
        UsageError: they are not, or are not different numbers from 0.
    """
    from ltbench.plugins.names import check_count

    number = _whole(seeds)
    if number is not None:
        check_count(number, f"seeds={number}")
    found = _wholes(seeds) if number is None else range(number)
    if found is None or min(found, default=0) < 0 or len(set(found)) < len(found):
        raise UsageError(
            "seeds is how many there are, or a list of different numbers from 0, like [0, 3, 7], "
            f"and not {_shown(seeds)}"
        )
    if not found:
        raise UsageError("there is no seed: give their number, or a list of them")
    return found


def _jobs(jobs: object) -> int | None:
    number = _whole(jobs)
    if jobs is not None and (number is None or number < 1):
        raise UsageError(f"jobs is a number from 1, or None, and not {_shown(jobs)}")
    return number


def _text(name: str, value: object) -> str:
    """Return what is a text or a path.

    Raises:
        UsageError: it is neither.
    """
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str):
        raise UsageError(f"{name} is a text, and not {_shown(value)}")
    return text


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings under the names and in the types that a session takes.

    Raises:
        UsageError: one does not exist, or has a value that is not possible.
    """
    from ltbench.plugins.names import format_value
    from ltbench.results.protocol import protocol_settings

    known = protocol_settings()
    typed = {one.option.removeprefix("--").replace("-", "_"): name for name, one in known.items()}
    found: dict[str, Any] = {}
    for name, value in settings.items():
        meant = typed.get(name, name)
        if meant in known:
            try:
                found[meant] = value if value is None else known[meant].check(value)
            except UsageError as error:
                raise UsageError(f"{name}: {error}") from error
        elif name == "weights" and value is not None:
            found[name] = Path(_text(name, value))
        elif name == "protocol" and isinstance(value, os.PathLike):
            found[name] = format_value(_text(name, value))  # in quotes where it has a comma
        elif name in _TEXTS and value is not None:
            found[name] = _text(name, value)
        elif name in _OTHERS:
            found[name] = value
        else:
            names = [*typed, *_OTHERS]
            raise UsageError(f"there is no setting '{name}'{suggestion(name, names)}")
    return found


@contextlib.contextmanager
def _script_kept_out() -> Iterator[None]:
    """Have worker processes that are started in this block not import the script that runs.

    Python has them do so, and a script without ``if __name__ == "__main__"`` would then train once
    more in each of them; no run needs it.
    """
    main = sys.modules["__main__"]
    before: dict[str, Any] = {
        name: vars(main)[name] for name in ("__spec__", "__file__") if name in vars(main)
    }
    main.__spec__ = None
    vars(main).pop("__file__", None)
    try:
        yield
    finally:
        vars(main).update(before)
