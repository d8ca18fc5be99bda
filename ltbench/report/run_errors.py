"""Which test images a run got wrong: pairs of classes, and the images that it was surest of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ltbench.data.tested_images import Wanted
from ltbench.errors import DataError, UsageError
from ltbench.plugins.names import Name
from ltbench.plugins.predictions import Predictions
from ltbench.plugins.text import visible
from ltbench.report.stored_metrics import read_answers
from ltbench.results.documents import read_data_facts
from ltbench.results.index import read_runs
from ltbench.results.logits import read_logits
from ltbench.results.run import RunRecord
from ltbench.results.untrusted import UnreadableRun, clean, read_json


@dataclass(frozen=True)
class RunErrors:
    """The answers of a run on its test images.

    Attributes:
        record: what is known of the run.
        answers: on the test images.
        classes, domains: their names.
        trained: training images of each class, (C,).
        names: of the images, (N,), or ``None`` where the run does not tell.
        split: SHA-256 of the split.
    """

    record: RunRecord
    answers: Predictions
    classes: tuple[str, ...]
    domains: tuple[str, ...]
    trained: NDArray[np.int64]
    names: NDArray[np.str_] | None
    split: str

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Path(self.record.path)

    @property
    def wanted(self) -> Wanted:
        """By what its test images are found."""
        dataset = Name(self.record.dataset, self.record.options)
        return Wanted(dataset, self.split, self.answers.y, self.answers.d, self.names)

    def parts(self) -> Iterator[Part]:
        """Yield all test images, and where there are several domains those of each."""
        y, guess = self.answers.y, self.answers.prediction
        yield Part("", -1, np.arange(len(y)), y, guess, self.answers.confidence)
        tested = np.unique(self.answers.d).tolist()
        for d in tested if len(tested) > 1 else ():
            images = np.flatnonzero(self.answers.d == d)
            sure = self.answers.confidence[images]
            yield Part(self.domains[d], d, images, y[images], guess[images], sure)


@dataclass(frozen=True)
class Part:
    """The test images of one domain, or of all.

    Attributes:
        domain: its name; empty for all.
        d: its number; -1 for all.
        images: their places among the test images, (n,).
        y, guess: classes and answers, (n,).
        sure: how sure the run was of its answer, (n,) in 0…1, NaN where that is not known.
    """

    domain: str
    d: int
    images: NDArray[np.int64]
    y: NDArray[np.int64]
    guess: NDArray[np.int64]
    sure: NDArray[np.float64]

    @property
    def wrong(self) -> int:
        """How many answers are wrong."""
        return int((self.y != self.guess).sum())

    def pairs(self, most: int) -> pd.DataFrame:
        """Return the pairs of a class and a wrong answer, those of most images first.

        Of pairs with as many the one with the larger share of its class comes first.

        Columns: ``y`` and ``guess``, ``images``, ``share`` of the class's test images (0…1), and
        ``back``, how many images of the answer's class are taken for this one.

        Args:
            most: pairs, at most.
        """
        wrong = self.y != self.guess
        found = pd.DataFrame({"y": self.y[wrong], "guess": self.guess[wrong]})
        counts = found.value_counts(sort=False).rename("images")
        frame = counts.reset_index()
        frame["share"] = frame["images"] / np.bincount(self.y)[frame["y"]]
        turned = pd.MultiIndex.from_frame(frame[["guess", "y"]])
        frame["back"] = counts.reindex(turned, fill_value=0).to_numpy()
        order = ["images", "share"]
        return frame.sort_values(order, ascending=False, kind="stable", ignore_index=True)[:most]

    def of_pair(self, y: int, guess: int, most: int) -> NDArray[np.int64]:
        """Return images of a class that were taken for another, the surest answers first."""
        return self._surest((self.y == y) & (self.guess == guess), most)

    def confident(self, most: int) -> NDArray[np.int64]:
        """Return the images of wrong answers, the surest first."""
        return self._surest(self.y != self.guess, most)

    def _surest(self, chosen: NDArray[np.bool_], most: int) -> NDArray[np.int64]:
        places = np.flatnonzero(chosen)
        order = np.argsort(-np.nan_to_num(self.sure[places], nan=-1.0), kind="stable")
        return self.images[places[order[:most]]]


def read_errors(folder: Path) -> RunErrors:
    """Return the answers of the run in a folder.

    Of an ensemble too, which has answers and no network.

    Raises:
        UsageError: there is no run, or it is not done.
        DataError: it kept no answers, or they do not fit it.
    """
    record = next((run for run in read_runs(folder) if Path(run.path) == folder.absolute()), None)
    record = record or next(iter(read_runs(folder)), None)
    if record is None:
        raise UsageError(f"{folder} is no run: it has no spec.json")
    if record.status != "done":
        why = f" ({visible(record.reason)})" if record.reason else ""
        raise UsageError(
            f"the run {folder} is {record.status}{why}, so there are no answers to look at: "
            "`ltbench retry` trains it"
        )
    return errors_of(record)


def errors_of(record: RunRecord) -> RunErrors:
    """Return the answers of a run that is done.

    Raises:
        DataError: it kept none, or they do not fit it.
    """
    folder = Path(record.path)
    facts = read_data_facts(folder)
    answers = read_answers(folder, probabilities=False).predictions
    trained = facts["counts"].get("train", answers.counts).sum(axis=0)
    return RunErrors(
        record,
        answers,
        tuple(clean(name) for name in facts["classes"]),
        tuple(clean(name) for name in facts["domains"]),
        trained,
        _names(folder, answers),
        _split(folder),
    )


def _names(folder: Path, answers: Predictions) -> NDArray[np.str_] | None:
    """Return the names of the test images, where the run keeps them with its logits."""
    try:
        kept = read_logits(folder, "test")
    except DataError:
        return None
    same = np.array_equal(kept.classes, answers.y) and np.array_equal(kept.domains, answers.d)
    return kept.images if same else None


def _split(folder: Path) -> str:
    try:
        document = read_json(folder / "spec.json") or {}
        return str(document["identity"]["dataset"]["split"])
    except (UnreadableRun, KeyError, TypeError):
        return ""
