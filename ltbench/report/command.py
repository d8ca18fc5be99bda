"""The commands that make runs again, from what is known of them.

A command names all that the identity of a run holds, so that it means the same run whatever the
defaults of data sets, protocols and this machine are by then. What no command can give is the
content of files and the versions of plugins; where those are others, so is the run.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ltbench.command_start import command_words
from ltbench.plugins.names import AT
from ltbench.report.dataset_labels import full_name
from ltbench.results.backbone import preprocessing_words
from ltbench.results.protocol import protocol_words
from ltbench.results.tuned import axes_of, axes_text, before_tuning, best_text, protocol_before
from ltbench.results.untrusted import LONGEST_WORD, clean


def commands_for(runs: pd.DataFrame) -> list[str]:
    """Return the commands that plan exactly some runs, which share data, protocol and backbone.

    Methods with the same seeds stand in one command, and methods that were tuned each in two: the
    search, and the runs with what it found.

    Args:
        runs: rows of :attr:`ltbench.results.frame.Runs.table`.
    """
    tuned = runs["tuned"].astype(bool)
    plain = runs[~tuned]
    seeds_of = _seeds_of(plain)
    commands = []
    for seeds in dict.fromkeys(seeds_of.values()):
        algos = [word for m, own in seeds_of.items() if own == seeds for word in ("--algo", m)]
        words = [*algos, *setting_words(plain.iloc[0], seed_words(seeds))]
        commands.append(shlex.join([*command_words(), "run", *words]))
    for _, of_one in runs[tuned].groupby("label", sort=False):
        commands += _tuned_commands(of_one)
    return commands


def setting_words(run: Mapping[str, Any], seeds: Sequence[str] = ()) -> list[str]:
    """Return the options that give a run its data set, backbone and protocol.

    Of a run that was tuned it is the protocol before, without the settings that were searched:
    they are the search's to tell.

    Args:
        run: the fields of a :class:`~ltbench.results.run.RunRecord`, by name.
        seeds: the option of the seeds, which stands behind the data set.
    """
    before, searched = protocol_before(run["protocol"], run["tuned"]), before_tuning(run["tuned"])
    words = ["--dataset", full_name(run["dataset"], run["options"]), *seeds]
    words += ["--backbone", run["backbone"]]
    words += ["--pretrained"] if run["pretrained"] else ["--no-pretrained"]
    if run["weights"]:
        words += ["--weights", run["weights_file"] or f"CHECKPOINT-{run['weights'][:12]}"]
    started = bool(run["pretrained"] or run["weights"])
    words += preprocessing_words(run["preprocessing"], started=started)
    words += ["--precision", run["precision"]] if run["precision"] else []
    words += ["--memory-format", run["memory_format"]] if run["memory_format"] else []
    return words + [clean(word, LONGEST_WORD) for word in protocol_words(before, searched)]


def seed_words(seeds: Sequence[int]) -> list[str]:
    """Return the option that gives seeds: how many from 0, or which."""
    if list(seeds) == list(range(len(seeds))):
        return ["--seeds", str(len(seeds))]
    return ["--seeds", ",".join(map(str, seeds)) + ("," if len(seeds) == 1 else "")]


def _seeds_of(runs: pd.DataFrame) -> dict[str, tuple[int, ...]]:
    by_method = runs.groupby("method", sort=False)["seed"]
    return {str(method): tuple(sorted(set(seeds))) for method, seeds in by_method}


def _tuned_commands(runs: pd.DataFrame) -> list[str]:
    run = runs.iloc[0]
    tuned, algo = run["tuned"], ["--algo", typed_algorithm(run)]
    axes = ["--search", clean(axes_text(axes_of(tuned), before_tuning(tuned)), LONGEST_WORD)]
    search = [*command_words(), "tune", *algo, *setting_words(run), *axes]
    for option, name in (("--trials", "trials"), ("--sampler", "search"), ("--seed", "seed")):
        search += [option, _text(tuned.get(name))]
    seeds = seed_words(sorted(set(runs["seed"])))
    which = best_text(*(_text(tuned.get(name)) for name in ("trials", "search", "seed")))
    best = [*command_words(), "run", "--hparams", which, *algo, *axes, *setting_words(run), *seeds]
    return [shlex.join(search), shlex.join(best)]


def typed_algorithm(run: Mapping[str, Any]) -> str:
    """Return the algorithm of a tuned run with the hyper-parameters that were fixed meanwhile."""
    fixed = run["tuned"].get("fixed")
    pairs = fixed.items() if isinstance(fixed, dict) else ()
    parts = []
    own = [(key.rpartition("."), value) for key, value in pairs]
    for title in (run["algorithm"], *run["stages"]):
        head, *modifiers = title.split(AT)
        owners = {head: head} | {f"{head}{AT}{one}": one for one in modifiers}
        names = []
        for owner, name in owners.items():
            typed = ",".join(f"{key}={_text(v)}" for (of, _, key), v in own if of == owner)
            names.append(f"{name}[{typed}]" if typed else name)
        parts.append(AT.join(names))
    return "+".join(parts)


def _text(value: object) -> str:
    return clean(value if isinstance(value, str) else json.dumps(value), LONGEST_WORD)
