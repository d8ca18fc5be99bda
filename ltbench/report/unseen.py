"""Tables of runs that differ in the unseen domain alone, joined to one with a column for each.

A row of the joined table is what a method and a seed score in the mean over all unseen domains, so
that every test of such a table has the domains as its blocks: what makes one domain harder than
another is in every method's mean alike. A mean is there where every domain is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cmp_to_key
from pathlib import Path

import pandas as pd

from ltbench.errors import DataError
from ltbench.plugins.measure import find_base
from ltbench.plugins.unseen_options import LEAVE_ONE_OUT, ORACLE, SEEN
from ltbench.report.dataset_labels import dataset_label
from ltbench.report.filters import shared_protocol
from ltbench.report.headings import headed_apart, heading_words
from ltbench.report.metrics import measures_of, unseen_name
from ltbench.report.selection import (
    Table,
    in_order,
    run_label,
)
from ltbench.report.tuned_labels import without_found
from ltbench.report.unseen_gaps import gaps
from ltbench.results.frame import Runs
from ltbench.results.run import canonical_hash
from ltbench.results.scheme import each_hash, each_options
from ltbench.results.untrusted import UnreadableRun, clean, read_json

Settings = Mapping[str, tuple[str, ...]]
"""The settings of each unseen domain: by what their models are chosen, ``seen`` or a domain."""


@dataclass(frozen=True)
class Joined:
    """What a table of every unseen domain in turn is made of.

    Attributes:
        domains: all domains of the data set, each unseen in turn.
        members: the tables of one unseen domain each; of ``leave-one-domain-out`` several.
        runs: every run, with the ``label`` of its row, its unseen ``domain`` and by what its model
            was ``chosen``.
        missing: which means are not there, for want of which domain, in sentences.
    """

    domains: tuple[str, ...]
    members: tuple[Table, ...]
    runs: pd.DataFrame
    missing: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether there are runs of every setting."""
        settings = {(*m.scheme.unseen, m.scheme.validation) for m in self.members}
        each = len(self.domains) - 1 if _apart(self.members[0]) else 1
        return len(settings) == len(self.domains) * each

    def domain_of(self, name: str) -> str:
        """Return the unseen domain that a metric is of; nothing for a mean over all of them."""
        found = [d for d in self.domains if name.endswith(unseen_name("", d))]
        return max(found, key=len, default="")

    def columns(self, metric: str) -> tuple[str, ...]:
        """Return the names of a metric on each unseen domain."""
        return tuple(unseen_name(metric, domain) for domain in self.domains)


def join_tables(tables: Sequence[Table], fewest: int = 2) -> list[Table]:
    """Return the tables, with those that differ in the one unseen domain alone joined.

    Runs whose models were chosen in another way, or that are tested on other parts of the domains,
    are never joined; nor are those of which one domain has two splits.

    Args:
        tables: of :func:`~ltbench.report.selection.split_tables`.
        fewest: unseen domains that there must be runs of.
    """
    groups: dict[str, list[Table]] = {}
    for table in tables:
        first = table.runs.table.iloc[0]
        one = len(table.scheme.unseen) == 1
        key = each_hash(first, shared_protocol(first)) if one else table.protocol_hash
        groups.setdefault(key, []).append(table)
    found: list[Table] = []
    for key, group in groups.items():
        domains = _common_domains(group) if len(group[0].scheme.unseen) == 1 else ()
        if domains and _fit(group, fewest):
            found.append(_joined(key, group, domains))
        else:
            found += group
    return in_order(headed_apart([replace(table, differs="") for table in found]))


def _common_domains(group: Sequence[Table]) -> tuple[str, ...]:
    """Return the domains in the order of the data set; none where tables have others."""
    try:
        facts = [table.facts() for table in group]
    except DataError:
        return ()
    orders = [[clean(name) for name in one["domains"]] for one in facts]
    same = all(
        sorted(order) == sorted(orders[0]) and one["classes"] == facts[0]["classes"]
        for order, one in zip(orders, facts, strict=True)
    )
    if not same or len(set(orders[0])) < len(orders[0]):
        return ()
    # A run has its unseen domain last, so that only the other runs tell where it belongs.
    trained = [
        order[: -2 if _apart(table) else -1] for order, table in zip(orders, group, strict=True)
    ]

    def compare(one: str, other: str) -> int:
        for order in trained:
            if one in order and other in order:
                return order.index(one) - order.index(other)
        return (one > other) - (one < other)

    return tuple(sorted(orders[0], key=cmp_to_key(compare)))


def _apart(table: Table) -> bool:
    """Return whether models were chosen on a training domain that is left out for it."""
    return table.scheme.validation not in (SEEN, ORACLE)


def _fit(group: Sequence[Table], fewest: int) -> bool:
    """Return whether tables are of so many unseen domains, each in settings of its own.

    A training domain on which models were chosen must have others beside it: alone it is a choice
    of that domain, and not each of them in turn.
    """
    pairs = [(*table.scheme.unseen, table.scheme.validation) for table in group]
    unseen = {domain for domain, _ in pairs}
    if len(unseen) < fewest or len(set(pairs)) < len(pairs):
        return False
    return not _apart(group[0]) or len(pairs) > len(unseen)


def _joined(key: str, group: Sequence[Table], domains: tuple[str, ...]) -> Table:
    first = group[0]
    apart = _apart(first)
    settings = {
        domain: tuple(d for d in domains if d != domain) if apart else (first.scheme.validation,)
        for domain in domains
    }
    members = tuple(
        sorted(
            (replace(table, runs=relabelled) for table, relabelled in _with_labels(group)),
            key=lambda table: (domains.index(table.scheme.unseen[0]), table.scheme.validation),
        )
    )
    rows = pd.concat(
        [
            m.runs.table.assign(domain=m.scheme.unseen[0], chosen=m.scheme.validation)
            for m in members
        ],
        ignore_index=True,
    )
    scores = pd.concat([m.runs.scores for m in members], ignore_index=True)
    scheme = replace(
        first.scheme,
        unseen=(),
        each=True,
        validation=LEAVE_ONE_OUT if apart else first.scheme.validation,
    )
    run = rows.iloc[0]
    name = dataset_label(run["dataset"], each_options(run["options"]))
    splits = {member.split for member in members if member.split}
    return replace(
        first,
        runs=means_over_domains(rows, scores, domains, settings),
        protocol_hash=key,
        dataset=name,
        setting=heading_words(run, scheme),
        scheme=scheme,
        split=splits.pop() if len(splits) == 1 else "",
        joined=Joined(domains, members, rows, tuple(gaps(rows, settings))),
    )


def _with_labels(group: Sequence[Table]) -> list[tuple[Table, Runs]]:
    """Return the runs of each table with labels that mean the same method in all of them.

    What tuning found is no part of a label here, as it may find something else for each domain.
    Methods of one label that are not the same code get digits of what they are.
    """
    tables = [without_found(table.runs.table) for table in group]
    codes = [_codes(table) for table in tables]
    several: dict[str, set[str]] = {}
    for runs, found in zip(tables, codes, strict=True):
        for label, method in zip(runs["label"], runs["hash"], strict=True):
            several.setdefault(label, set()).add(found[method])
    relabelled = []
    for table, runs, found in zip(group, tables, codes, strict=True):
        unclear = runs["label"].map(lambda label: len(several[label]) > 1)
        runs["variant"] = runs["hash"].map(found).where(unclear, "")
        fields = runs[["method", "tuned", "variant"]].itertuples(index=False)
        runs["label"] = [run_label(*line) for line in fields]
        twice = runs.duplicated(["label", "seed"], keep=False)
        for name in ("method", "tuned", "variant", "label"):
            runs[name] = runs[name].where(~twice, table.runs.table[name])
        relabelled.append((table, Runs(runs, table.runs.scores)))
    return relabelled


def _codes(runs: pd.DataFrame) -> dict[str, str]:
    """Return digits of what each method is apart from data and setting, by its hash."""
    found = {}
    for _, run in runs.drop_duplicates("hash").iterrows():
        try:
            identity = (read_json(Path(run["path"]) / "spec.json") or {}).get("identity")
        except UnreadableRun:
            identity = None
        known = identity if isinstance(identity, dict) else {}
        names = ["plugins", "memory_format", *([] if run["tuned"] else ["algorithm", "stages"])]
        found[str(run["hash"])] = canonical_hash(repr([known.get(name) for name in names]))[:6]
    return found


def means_over_domains(
    rows: pd.DataFrame, scores: pd.DataFrame, domains: Sequence[str], settings: Settings
) -> Runs:
    """Return a row for each method and seed: its scores on each unseen domain and their means."""
    keys = ["label", "seed"]
    done = rows["status"] == "done"
    by_cell = scores[done].groupby([rows[key][done] for key in (*keys, "domain")], sort=False)
    count = by_cell.count()
    wanted = count.index.get_level_values("domain").map(lambda d: len(settings[d]))
    cells = by_cell.mean().where(count.eq(pd.Series(wanted, index=count.index), axis=0))
    table = rows.drop_duplicates(keys).set_index(keys, drop=False)
    complete = rows[done].groupby(keys, sort=False).size().reindex(table.index, fill_value=0)
    table = table.assign(
        status=_statuses(rows, complete == sum(map(len, settings.values()))),
        seconds=rows.groupby(keys, sort=False)["seconds"].sum().reindex(table.index),
        options=[each_options(options) for options in table["options"]],
    )
    measures = measures_of(rows["metrics"])[0]
    means: dict[str, pd.Series] = {}
    # The domain's average, its worst and its pooled score are one: the test has this domain alone.
    for name in sorted(scores.columns, key=lambda name: not str(name).endswith("_average")):
        wide = cells[name].unstack("domain").reindex(index=table.index, columns=list(domains))
        means[name] = _over_domains(str(name), wide, measures)
        for domain in domains:
            means.setdefault(unseen_name(str(name), domain), wide[domain])
    frame = pd.DataFrame(means, index=table.index)
    table.index = frame.index = pd.RangeIndex(len(table))
    return Runs(table, frame)


def _over_domains(name: str, wide: pd.DataFrame, measures: Mapping[str, object]) -> pd.Series:
    """Return the mean over domains, or the worst of them; nothing where a domain is missing."""
    if not name.endswith("_worst"):
        return wide.mean(axis=1, skipna=False)
    measure = measures.get(find_base(name, measures) or "")
    if getattr(measure, "better", "higher") == "lower":
        return wide.max(axis=1, skipna=False)
    return wide.min(axis=1, skipna=False)


def _statuses(rows: pd.DataFrame, complete: pd.Series) -> pd.Series:
    """Return how each method's seed stands: done where it is on every domain, else the worst."""
    by_seed = rows.groupby(["label", "seed"], sort=False)["status"].agg(set).reindex(complete.index)
    worst = [
        next((s for s in ("diverged", "failed") if s in found), "unfinished") for found in by_seed
    ]
    return pd.Series(worst, index=complete.index).where(~complete, "done")
