"""Choosing runs, and grouping them into tables that compare like with like."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ltbench.command_start import command_words
from ltbench.errors import DataError, UsageError
from ltbench.plugins.measure import Measure
from ltbench.report.command import seed_words, setting_words
from ltbench.report.filters import (
    dataset_names,
    each_hashes,
    each_names,
    matching,
    other_names,
    shared_protocol,
    trained,
)
from ltbench.report.headings import headed_apart, heading_words
from ltbench.report.metrics import Metric, measures_of, metric, unseen_metric
from ltbench.results.documents import read_data_facts
from ltbench.results.frame import Runs
from ltbench.results.labels import method_label
from ltbench.results.run import canonical_hash
from ltbench.results.scheme import EvaluationScheme, scheme_of, untrained_domains
from ltbench.results.untrusted import clean

if TYPE_CHECKING:
    from ltbench.report.unseen import Joined


@dataclass(frozen=True)
class Table:
    """The runs that share a protocol hash: same data, protocol, backbone and precision.

    Runs whose protocol was tuned share that from which the search started.

    Attributes:
        runs: these runs, done or not.
        dataset: the data set's name with its options where they are not the default.
        setting: backbone, steps, precision and model selection, as running text.
        split: where the split is from, "official split" or "split by rule", where that is known.
        scheme: on which domains the runs are tested, and on which images models were chosen.
        joined: the tables that this one joins, where it is of every unseen domain in turn.
        differs: what else tells it from tables of the same heading; empty where nothing need.
    """

    runs: Runs
    protocol_hash: str
    dataset: str
    title: str
    protocol: str
    setting: str
    differs: str = ""
    split: str = ""
    scheme: EvaluationScheme = field(default_factory=EvaluationScheme)
    joined: Joined | None = None

    @property
    def heading(self) -> str:
        """Return what tells this table from all others."""
        title = f" ({self.title})" if self.title and self.title != self.dataset else ""
        words = (self.scheme.evaluation, self.setting, self.split, self.differs)
        return f"{self.dataset}{title}: {', '.join(filter(None, words))}"

    @property
    def selection(self) -> str:
        """Return on which images models were chosen, and by which score."""
        protocol = shared_protocol(self.runs.table.iloc[0])
        return self.scheme.selection(clean(str(protocol.get("select", ""))))

    @property
    def parts(self) -> tuple[Table, ...]:
        """Return the tables whose rows are runs: this one, or those that it joins."""
        return self.joined.members if self.joined else (self,)

    @property
    def every_run(self) -> pd.DataFrame:
        """Return each run, with the label of its row."""
        return self.joined.runs if self.joined else self.runs.table

    @property
    def options(self) -> dict[str, Any]:
        """Return every option of the data set, the defaults too."""
        return dict(self.runs.table["options"].iloc[0])

    @property
    def folder(self) -> Path:
        """Return the folder of one of the runs, for facts that all of them share."""
        return Path(self.runs.table["path"].iloc[0])

    def labels(self) -> list[str]:
        """Return the methods, highest domain-average macro-F1 first, those without one last."""
        column = self.runs.scores.get("macro_f1_average")
        if column is None:
            return list(dict.fromkeys(self.runs.table["label"]))
        means = column.groupby(self.runs.table["label"], sort=False).mean()
        return list(means.sort_values(ascending=False, kind="stable").index)

    def facts(self) -> dict[str, Any]:
        """Return ``domains``, ``classes``, ``counts`` and ``shots`` of the data set.

        ``counts`` are images by part, each (domains, classes); ``shots`` the thresholds.

        Raises:
            DataError: the first run's ``spec.json`` lacks them.
        """
        return read_data_facts(self.folder)

    def long_scores(self, metrics: Sequence[str]) -> pd.DataFrame:
        """Return the scores of done runs as rows of ``label``, ``seed``, ``metric``, ``value``."""
        finished = self.runs
        if self.joined is None:  # else a seed without one domain has scores on the others
            finished = self.runs.where((self.runs.table["status"] == "done").to_numpy())
        wide = finished.scores.reindex(columns=list(metrics)).astype(float)
        wide = wide.assign(label=finished.table["label"], seed=finished.table["seed"])
        long = wide.melt(["label", "seed"], var_name="metric", value_name="value")
        return long.sort_values(["label", "seed"], kind="stable", ignore_index=True)

    def done(self, purpose: str) -> Table:
        """Return the table of the runs that have a result.

        Raises:
            UsageError: there is none.
        """
        return replace(self, runs=done(self.runs, purpose))

    def one_of_each(self, purpose: str, seed: int | None = None) -> pd.DataFrame:
        """Return one run that has a result of each method, in the order of :meth:`labels`.

        Args:
            purpose: what shows them, for the message.
            seed: which run; by default a method's first.

        Raises:
            UsageError: no run has a result, or none of them this seed.
        """
        finished = self.done(purpose).runs.table.sort_values("seed", kind="stable")
        if seed is not None:
            finished = finished[finished["seed"] == seed]
            if finished.empty:
                raise UsageError(f"No run of {self.dataset} with seed {seed} is done.")
        order = {label: i for i, label in enumerate(self.labels())}
        chosen = finished.drop_duplicates("label")
        return chosen.sort_values("label", key=lambda names: names.map(order))

    def without_tuned(self) -> Table:
        """Return the table without its tuned runs, unless it has no others.

        Where hyper-parameters are compared one by one, a tuned run repeats a value that was run as
        such and would count twice.
        """
        chosen = ~self.runs.table["tuned"].astype(bool).to_numpy()
        return replace(self, runs=self.runs.where(chosen)) if chosen.any() else self

    def trained(self) -> Table:
        """Return the table without what was made of other runs, which tests pass over."""
        kept = replace(self, runs=trained(self.runs))
        if self.joined is None:
            return kept
        members = (member.trained() for member in self.joined.members)
        rows = self.joined.runs[~self.joined.runs["combined"].astype(bool)]
        found = tuple(member for member in members if len(member.runs.table))
        return replace(kept, joined=replace(self.joined, members=found, runs=rows))

    @cached_property
    def measures(self) -> tuple[dict[str, Measure], list[str]]:
        """What the runs declare of their metrics, and about which of them they disagree."""
        return measures_of(self.runs.table["metrics"])

    def metric(self, name: str) -> Metric:
        """Return how these runs' metric of this name is shown."""
        if self.joined and (domain := self.joined.domain_of(name)):
            return unseen_metric(name, self.measures[0], domain)
        return metric(name, self.measures[0])

    def only_algorithm(self, purpose: str) -> str:
        """Return the one algorithm, with its stages, of these runs.

        Raises:
            UsageError: there are several, or runs of the same hyper-parameters differ.
        """
        names = sorted(set(self.runs.table["algo"]))
        if len(names) > 1:
            raise UsageError(
                f"The runs are of {len(names)} algorithms and {purpose} shows one: choose with "
                f"--algo among {', '.join(names[:8])}."
            )
        settings = self.runs.table["hparams"].map(canonical_hash)
        mixed = self.runs.table.groupby(settings)["hash"].transform("nunique") > 1
        if mixed.any():
            found = list(dict.fromkeys(self.runs.table.loc[mixed, "label"]))
            raise UsageError(
                f"The runs of {names[0]} differ in more than its hyper-parameters (its code, or "
                f"stages: {', '.join(found[:4])}) and {purpose} shows one: name the folders of one."
            )
        return names[0]

    def command(self, method: str) -> str:
        """Return what runs a method, as it is typed, with the seeds and setting of these runs."""
        runs = self.runs.table
        setting = setting_words(runs.iloc[0], seed_words(sorted(set(runs["seed"]))))
        return shlex.join([*command_words(), "run", "--algo", method, *setting])

    @property
    def short(self) -> str:
        """Return a name that is unique among the tables of a report."""
        return f"{self.dataset}, {self.protocol_hash[:8]}"


def select_runs(
    runs: Runs,
    algos: Sequence[str] = (),
    datasets: Sequence[str] = (),
    protocols: Sequence[str] = (),
) -> Runs:
    """Return the readable runs that match; an empty filter lets everything through.

    Args:
        runs: what was read.
        algos: labels, methods (``boda[weight=0.5]``), or algorithms with their stages
            (``boda+crt``).
        datasets: names of data sets, with or without options.
        protocols: names of protocols, or the first digits of protocol hashes.

    Raises:
        UsageError: a filter matches nothing; the message suggests what it may have meant.
    """
    table = runs.table
    chosen = table["status"] != "unreadable"
    if not chosen.any():
        raise UsageError(
            f"None of the {len(table)} run folders found can be read; the first, "
            f"{table['path'].iloc[0]}, says: {table['reason'].iloc[0]}."
        )
    methods = (table["label"], table["method"], algorithms(table))
    names = table["protocol"].map(lambda protocol: str(protocol.get("name", "")))
    chosen &= matching("--algo", algos, methods, chosen)
    known = (table["dataset"], dataset_names(table), *other_names(table), *each_names(table))
    chosen &= matching("--dataset", datasets, known, chosen)
    hashes = (table["protocol_hash"], each_hashes(table)) if protocols else ()
    chosen &= matching("--protocol", protocols, (names, *hashes), chosen)
    return runs.where(chosen.to_numpy())


def split_tables(runs: Runs) -> list[Table]:
    """Return one table for each protocol hash, ordered by data set."""
    names = dataset_names(runs.table)
    tables = []
    for protocol_hash, rows in runs.table.groupby("protocol_hash", sort=False):
        first = rows.iloc[0]
        shared = runs.where((runs.table["protocol_hash"] == protocol_hash).to_numpy())
        scheme = scheme_of(first["options"], *_domains(Path(first["path"])))
        tables.append(
            Table(
                told_apart(shared),
                str(protocol_hash),
                names.loc[rows.index[0]],
                first["title"],
                clean(str(first["protocol"].get("name", ""))),
                heading_words(first, scheme),
                # The same split to all of them, which those of older versions do not name.
                split=next(filter(None, rows["split"]), ""),
                scheme=scheme,
            )
        )
    return in_order(headed_apart(tables))


def in_order(tables: Sequence[Table]) -> list[Table]:
    """Return tables ordered by data set."""
    return sorted(tables, key=lambda table: (table.dataset, table.setting, table.protocol_hash))


def _domains(folder: Path) -> tuple[list[str], list[str]]:
    """Return the domains of the data set of a run, and those that test without training.

    There are none where its file does not say.
    """
    try:
        facts = read_data_facts(folder)
        return list(facts["domains"]), untrained_domains(facts["domains"], facts["counts"])
    except DataError:
        return [], []


def told_apart(runs: Runs) -> Runs:
    """Return the runs of one table with ``algo``, and ``variant`` where a label is not enough.

    Two methods of one label are another version of a plugin, an edited plugin file, or a default
    that changed. They are never one row: digits of the hash become their ``variant``, and part of
    the label.
    """
    table = runs.table.assign(algo=algorithms(runs.table))
    ambiguous = table.groupby("label")["hash"].transform("nunique") > 1
    table["variant"] = table["hash"].str[:6].where(ambiguous, "")
    fields = table.loc[ambiguous, ["method", "tuned", "variant"]].itertuples(index=False)
    table.loc[ambiguous, "label"] = [run_label(*line) for line in fields]
    return Runs(table, runs.scores)


def run_label(method: str, tuned: Mapping[str, Any], variant: str) -> str:
    """Return how tables name a method."""
    return clean(method_label(method, tuned, variant))


def algorithms(table: pd.DataFrame) -> pd.Series:
    """Return each run's algorithm with its stages, ``boda+crt``."""
    pairs = zip(table["algorithm"], table["stages"], strict=True)
    return pd.Series(["+".join((a, *s)) for a, s in pairs], index=table.index, dtype=object)


def most_frequent(values: Sequence[Any]) -> Any:
    """Return the commonest of some values, which need not be hashable; ``None`` of none."""
    if not values:
        return None
    common = Counter(map(repr, values)).most_common(1)[0][0]
    return next(value for value in values if repr(value) == common)


def only_table(runs: Runs, purpose: str) -> Table:
    """Return the one table of these runs.

    Raises:
        UsageError: the runs belong to several, and the message says how to choose, or to none.
    """
    tables = split_tables(runs)
    if not tables:
        raise UsageError(f"There is no run here, and {purpose} needs one.")
    if len(tables) > 1:
        choices = "; ".join(f"{t.dataset} --protocol {t.protocol_hash[:8]}" for t in tables[:6])
        more = f" and {len(tables) - 6} more" if len(tables) > 6 else ""
        raise UsageError(
            f"The runs belong to {len(tables)} tables and {purpose} shows one: choose with "
            f"--dataset and --protocol among {choices}{more}."
        )
    return tables[0]


def done(runs: Runs, purpose: str) -> Runs:
    """Return the runs that have a result.

    Raises:
        UsageError: there is none.
    """
    finished = runs.where((runs.table["status"] == "done").to_numpy())
    if finished.table.empty:
        raise UsageError(
            f"No run here is done, and {purpose} needs one; see `ltbench leaderboard`."
        )
    return finished
