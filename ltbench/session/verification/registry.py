"""Checks split, labels, facts and protocol against the data set that is registered here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltbench.data.catalogue import create_dataset
from ltbench.data.content import content_sha256
from ltbench.errors import DataError, LtbenchError, described
from ltbench.plugins.dataset import Dataset
from ltbench.plugins.facts import Facts
from ltbench.plugins.names import Name, format_value
from ltbench.plugins.resolve import resolve
from ltbench.plugins.split import Split
from ltbench.results.documents import read_data_facts, read_predictions
from ltbench.results.logits import PARTS, read_logits
from ltbench.results.protocol import Protocol, epochs_to_steps
from ltbench.results.run import RunSpec, canonical_hash
from ltbench.results.untrusted import clean
from ltbench.session.augmentations import planned_augmentation
from ltbench.session.protocols import protocol_of, with_chains
from ltbench.session.verification.finding import Findings, Subject


@dataclass(frozen=True)
class Here:
    """A data set as it is on this machine.

    Attributes:
        dataset: itself.
        split: its split.
        sets: which test images make each further test set.
        images: SHA-256 of its files, empty where they come with its code.
    """

    dataset: Dataset
    split: Split
    sets: Mapping[str, NDArray[np.bool_]]
    images: str


class Registry:
    """Opens each data set once.

    Args:
        data_dir: the folder of the data sets' files.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._known: dict[str, Here | str] = {}

    def find(self, asked: RunSpec) -> Here | str:
        """Return a run's data set, or why it is not here, in words without a full stop."""
        key = canonical_hash([asked.dataset.name, asked.dataset.hparams])
        if key not in self._known:
            self._known[key] = self._open(Name(asked.dataset.name, asked.dataset.hparams))
        return self._known[key]

    def _open(self, name: Name) -> Here | str:
        try:
            if names_a_place(name):
                return "spec.json names a place of its images, and no path of others is followed"
            dataset = create_dataset(name, self.data_dir)
            if cause := dataset.missing():
                return clean(cause.rstrip("."))
            split = dataset.split()
            rows = split.rows("test")
            sets = {key: np.isin(rows, part) for key, part in dataset.test_sets(split).items()}
            return Here(dataset, split, sets, content_sha256(dataset, split))
        except (LtbenchError, OSError) as problem:
            return clean(str(problem).rstrip("."))
        except Exception as problem:  # options of strangers: a data set raises what it pleases
            return clean(f"its options are not possible: {described(problem)}")


def names_a_place(name: Name) -> bool:
    """Return whether the options of a data set say where on a machine its images lie.

    Raises:
        UsageError: there is no such data set, or its options are not possible.
    """
    _, options = resolve("datasets", name.name, name.options)
    return any(options.places().values())


def check_registry(run: Subject, here: Here | str, findings: Findings) -> None:
    """Check what a run says of its data against what is here."""
    if run.asked is None:
        return
    if isinstance(here, str):
        findings.add("unchecked", f"split and labels were not checked, data not here: {here}", run)
        return
    if run.asked.split != here.split.sha256:
        findings.add(
            "wrong",
            f"it is of another split: {clean(run.asked.split)[:12]}… and not "
            f"{here.split.sha256[:12]}…, which {run.record.dataset} has here",
            run,
        )
    elif run.asked.images and run.asked.images != here.images:
        findings.add("wrong", f"the images of {run.record.dataset} are others here", run)
    for text in (*_of_facts(run, here), *_of_answers(run, here)):
        findings.add("wrong", text, run)
    _check_protocol(run, run.asked, here.dataset.facts, here, findings)


def _of_facts(run: Subject, here: Here) -> list[str]:
    """Return what ``spec.json`` says of the data and does not hold here."""
    facts = here.dataset.facts
    expected: dict[str, Any] = {
        "title": facts.title,
        "domains": list(facts.domains),
        "classes": list(facts.classes),
        "shots": facts.shots.as_dict(),
        "shot_counts": here.split.shot_counts().tolist(),
    }
    try:
        told = read_data_facts(run.folder)
        counts = {part: told["counts"][part].tolist() for part in ("train", "val", "test")}
    except (DataError, KeyError):
        return ["spec.json does not hold domains, classes and counts of the data"]
    off = [
        name
        for name, value in expected.items()
        if (told[name].tolist() if isinstance(told[name], np.ndarray) else told[name]) != value
    ]
    if told["held_out"] not in (None, here.split.held_out):  # earlier versions did not say it
        off.append("held_out")
    off += [
        f"{part} counts" for part, found in counts.items()
        if found != here.split.counts(part).tolist()
    ]  # fmt: skip
    named = ", ".join(off)
    return [f"spec.json says other {named} than {run.record.dataset} has here"] if off else []


def _of_answers(run: Subject, here: Here) -> list[str]:
    """Return in what the images of the answers are others than those of the split."""
    found = []
    try:
        for part in PARTS if run.logits else ():
            logits, rows = read_logits(run.folder, part), here.split.rows(part)
            told = (logits.classes, logits.domains, logits.images)
            own = (here.split.y[rows], here.split.d[rows], here.split.images[rows])
            names = ("classes", "domains", "names")
            off = [n for n, a, b in zip(names, told, own, strict=True) if not np.array_equal(a, b)]
            if off:
                found.append(
                    f"logits.npz is of other {part} images than the split here: "
                    f"{' and '.join(off)} differ"
                )
        answers, rows = read_predictions(run.folder), here.split.rows("test")
    except DataError:
        return found  # said where the answers are checked
    same = np.array_equal(answers["class"], here.split.y[rows])
    if not (same and np.array_equal(answers["domain"], here.split.d[rows])):
        found.append("predictions.npz is of other test images than the split here")
    return found


def _check_protocol(
    run: Subject, asked: RunSpec, facts: Facts, here: Here, findings: Findings
) -> None:
    """Tell in what a protocol differs from the one that is registered under its name.

    What a search found is told by the board, so of runs that were tuned it is the one before.
    """
    name = asked.protocol.name
    try:
        settings = protocol_of(facts, Name(name) if name else None)
        train = here.split.rows("train")
        domains = len(np.unique(here.split.d[train]))
        settings = epochs_to_steps(settings, len(train), domains)
        known = Protocol.bounds().keys()
        registered = Protocol.from_options(
            with_chains({k: v for k, v in settings.items() if k in known}), "protocol"
        )
        augmentation = planned_augmentation(registered.augmentation, facts)
        registered = replace(registered, augmentation=augmentation)
    except LtbenchError as problem:
        findings.add(
            "unchecked", f"its protocol '{clean(name)}' is none that is here: {problem}", run
        )
        return
    own, there = asked.protocol_before().as_dict(), registered.as_dict()
    if not (asked.backbone.pretrained or asked.backbone.weights):
        own["freeze_bn"] = there["freeze_bn"]  # without weights there is nothing to freeze
    off = [
        f"{key} {_shown(own, key)} for {_shown(there, key)}"
        for key in sorted(own.keys() | there.keys())
        if own.get(key) != there.get(key) and key != "name"
    ]
    if off:
        findings.add(
            "note",
            f"its protocol is '{clean(name)}' with other settings ({', '.join(off)}): it has a "
            "table of its own",
            run,
        )


def _shown(settings: Mapping[str, Any], key: str) -> str:
    return clean(format_value(settings[key])) if key in settings else "the default"
