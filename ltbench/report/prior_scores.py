"""Accuracy of a table's runs under other distributions of the classes, corrected or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ltbench.errors import DataError
from ltbench.report.selection import Table
from ltbench.results.documents import read_confusion
from ltbench.results.logits import Logits, read_logits
from ltbench.stats.label_shift import (
    FloatArray,
    Source,
    bbse,
    corrected_answers,
    fitted_source,
    image_weights,
    mlls,
    pair_hits,
    prior_accuracy,
    total_variation,
)
from ltbench.stats.priors import Prior, parse_priors

CORRECTIONS = {"known": "prior known", "mlls": "prior by MLLS", "bbse": "prior by BBSE"}
"""How an answer may be corrected, and how a row says so."""
MODEL_PRIORS = ("train", "uniform", "validation")
"""The distributions that a model's logits may be taken to stand for."""

_Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class PriorScores:
    """Accuracies of runs under distributions of the classes.

    Attributes:
        frame: a row for each run, correction and distribution: ``label``, ``seed``, ``correction``
            (empty, or of :data:`CORRECTIONS`), ``prior``, ``accuracy`` (0…1), ``image_error`` (its
            standard error over test images) and ``distance`` (total variation between the estimated
            distribution and the true one).
        priors: probabilities of the classes (C,), by name.
        problems: what is missing, in sentences without a full stop.
    """

    frame: pd.DataFrame
    priors: dict[str, FloatArray]
    problems: tuple[str, ...] = ()


def prior_accuracies(table: Table, priors: Sequence[str]) -> pd.DataFrame:
    """Return the accuracy of every run of a table under distributions of the classes.

    Args:
        table: the runs.
        priors: as ``ltbench leaderboard --test-prior`` takes them: ``forward-50``, ``uniform``.

    Returns:
        Columns ``label``, ``seed``, ``prior``, ``accuracy`` (0…1, NaN where a class has no test
        image) and ``image_error``, its standard error over test images.

    Raises:
        UsageError: there is no such distribution.
        DataError: a run's files lack what it takes.
    """
    found = prior_scores(table, parse_priors(priors))
    if found.frame.empty and found.problems:
        raise DataError(found.problems[0])
    return found.frame[["label", "seed", "prior", "accuracy", "image_error"]]


def prior_scores(
    table: Table,
    priors: Sequence[Prior],
    corrections: Sequence[str] = (),
    model_prior: str = "train",
) -> PriorScores:
    """Return the accuracy of a table's runs under distributions, and after corrections for them.

    Args:
        table: the runs; those that are done count. Of every unseen domain in turn it is the mean
            over them, of the seeds that have all; ``train`` is then what trained for each.
        priors: the distributions.
        corrections: of :data:`CORRECTIONS`.
        model_prior: the distribution that a model's logits stand for, one of
            :data:`MODEL_PRIORS`; ``validation`` fits a temperature and biases on its images.

    Raises:
        UsageError: a file's classes are not those of the data set.
        DataError: the table's data set has no facts.
    """
    if table.joined:
        found = [prior_scores(t, priors, corrections, model_prior) for t in table.parts]
        return _over_domains(table, found)
    facts = table.facts()
    training = facts["counts"]["train"].sum(axis=0)
    asked = {prior.name: prior.over(facts["classes"], training, table.dataset) for prior in priors}
    runs, problems = table.runs.table, []
    lines: list[dict[str, Any]] = []
    if corrections and model_prior == "train":
        problems += _without_training(facts, training)
    correct = () if problems else tuple(corrections)
    work = _Work(facts, asked, training, correct, model_prior)
    for run in runs[runs["status"] == "done"].itertuples():
        try:
            for line in work.of_run(Path(str(run.path)), problems):
                lines.append({"label": run.label, "seed": run.seed, **line})
        except DataError as error:
            problems.append(str(error))
    columns = ["label", "seed", "correction", "prior", "accuracy", "image_error", "distance"]
    return PriorScores(pd.DataFrame(lines, columns=columns), asked, tuple(dict.fromkeys(problems)))


def _over_domains(table: Table, found: Sequence[PriorScores]) -> PriorScores:
    """Return means over unseen domains, for which other images are tested."""
    domains = [part.scheme.unseen[0] for part in table.parts]
    frames = [one.frame.assign(domain=d) for one, d in zip(found, domains, strict=True)]
    keys = ["label", "seed", "correction", "prior"]
    # The settings of one domain (leave-one-domain-out) have the same test images.
    by_domain = pd.concat(frames).groupby([*keys, "domain"], sort=False)
    cells = by_domain.agg(lambda column: column.mean(skipna=False)).reset_index()
    whole = by_domain.size().to_numpy() == cells["domain"].map(domains.count).to_numpy()
    cells = cells[whole].assign(image_error=cells["image_error"] ** 2)
    means = cells.groupby(keys, sort=False)[["accuracy", "image_error", "distance"]].agg(
        lambda column: column.mean(skipna=False)
    )
    complete = cells.groupby(keys, sort=False).size() == len(table.joined.domains)  # type: ignore[union-attr]
    means = means.assign(image_error=np.sqrt(means["image_error"] / len(set(domains))))[complete]
    priors = {
        name: np.mean([one.priors[name] for one in found], axis=0) for name in found[0].priors
    }
    problems = dict.fromkeys(problem for one in found for problem in one.problems)
    return PriorScores(means.reset_index(), priors, tuple(problems))


def _without_training(facts: Mapping[str, Any], training: np.ndarray) -> list[str]:
    lacking = [name for name, count in zip(facts["classes"], training, strict=True) if not count]
    if not lacking:
        return []
    return [f"class '{lacking[0]}' has no training image, so --model-prior train corrects none"]


@dataclass(frozen=True)
class _Work:
    """What is asked of every run of a table."""

    facts: Mapping[str, Any]
    priors: dict[str, FloatArray]
    training: np.ndarray
    corrections: tuple[str, ...]
    model_prior: str

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.facts["domains"]), len(self.facts["classes"])

    def of_run(self, folder: Path, problems: list[str]) -> Iterator[dict[str, Any]]:
        """Yield the lines of one run, and note what it lacks.

        Raises:
            DataError: its confusion matrices do not fit.
        """
        plain = self._confusion(folder)
        for name, prior in self.priors.items():
            yield _line("", name, prior_accuracy(*plain, prior))
        if self.corrections:
            try:
                yield from self._corrected(folder, plain[1], problems)
            except DataError as error:
                problems.append(str(error))

    def _confusion(self, folder: Path) -> _Pair:
        """Return right answers and test images of each domain and class."""
        hits, counts = np.zeros((2, *self.shape), dtype=np.int64)
        tested = np.flatnonzero(self.facts["counts"]["test"].sum(axis=1))
        matrices = read_confusion(folder, self.facts["tested"], self.shape[1])
        hits[tested] = np.diagonal(matrices, axis1=1, axis2=2)
        counts[tested] = matrices.sum(axis=2)
        return hits, counts

    def _corrected(
        self, folder: Path, counts: np.ndarray, problems: list[str]
    ) -> Iterator[dict[str, Any]]:
        test = self._logits(folder, "test")
        if not np.array_equal(pair_hits(test.classes, test.domains, test.classes, self.shape)[1],
                              counts):  # fmt: skip
            raise DataError(f"{folder}: logits.npz does not hold the test images of result.json")
        source = self._source(folder)
        known = np.stack(list(self.priors.values()), axis=1)
        # Without test images of a class its accuracy is missing, whatever the weights.
        pairs = [image_weights(test.classes, test.domains, q, self.shape) for q in known.T]
        weights = np.stack([w / max(w.sum(), np.finfo(float).tiny) for w in pairs], axis=1)
        for correction in self.corrections:
            taken, problem = known, ""
            if correction == "mlls":
                estimate = mlls(test, source, weights)
                taken, problem = estimate.prior, estimate.problem
            elif correction == "bbse":
                estimate = bbse(self._logits(folder, "val"), test, weights, self.shape)
                taken, problem = estimate.prior, estimate.problem
            if problem:
                problems.append(f"{folder}: {CORRECTIONS[correction]}: {problem}")
            if np.isnan(taken).any():
                continue
            for (prior, true), used in zip(self.priors.items(), taken.T, strict=True):
                answers = corrected_answers(test, used, source)
                pair = pair_hits(test.classes, test.domains, answers, self.shape)
                away = float("nan") if correction == "known" else total_variation(used, true)
                yield _line(correction, prior, prior_accuracy(*pair, true), away)

    def _logits(self, folder: Path, part: str) -> Logits:
        """Return logits of the classes and domains of the data set."""
        found = read_logits(folder, part)
        domains = int(found.domains.max(initial=0)) + 1
        if found.width != self.shape[1] or domains > self.shape[0]:
            raise DataError(f"{folder}: logits.npz is of other classes or domains than spec.json")
        return found

    def _source(self, folder: Path) -> Source:
        """Return what a model's logits stand for.

        Raises:
            DataError: the validation images do not tell.
        """
        if self.model_prior == "train":
            return Source(self.training / self.training.sum())
        if self.model_prior == "uniform":
            return Source(np.full(self.shape[1], 1 / self.shape[1]))
        try:
            return fitted_source(self._logits(folder, "val"), self.shape)
        except ValueError as problem:
            raise DataError(f"{folder}: {problem}, which --model-prior validation takes") from None


def _line(
    correction: str,
    prior: str,
    score: tuple[float, float],
    distance: float = float("nan"),
) -> dict[str, Any]:
    return {
        "correction": correction,
        "prior": prior,
        "accuracy": score[0],
        "image_error": score[1],
        "distance": distance,
    }
