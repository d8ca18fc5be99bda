"""Joins runs of several places to one board, strictly: what is not comparable is not joined.

Hashes are computed again from what runs hold, so that a table is of one protocol, split and
evaluation scheme whatever a file says of itself; and all that was left out, taken from one place
where another has it too, or is a table of its own is told in a sentence.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ltbench.errors import DataError, LtbenchError, UsageError
from ltbench.plugins.measure import find_base
from ltbench.plugins.names import format_value
from ltbench.report.metrics import measures_of
from ltbench.results.earlier import shot_rule
from ltbench.results.folders import read_folders
from ltbench.results.index import read_runs
from ltbench.results.method_name import is_named_so
from ltbench.results.run import RunRecord, RunSpec, canonical_hash
from ltbench.results.scheme import each_hash, one_unseen
from ltbench.results.submission import SUFFIX
from ltbench.results.tuned import protocol_before
from ltbench.results.unpack_submission import unpack_submission
from ltbench.results.untrusted import UnreadableRun, clean, read_json

_MOST = 4  # things that a sentence names
_LONGEST = 24  # characters of a value in it, as of a digest


@dataclass(frozen=True)
class Merged:
    """Runs of several places.

    Attributes:
        records: those that may stand on one board.
        said: what was joined from where, and what was not and why, in sentences.
        whole: whether tables of unseen domains may be joined: each domain is of the same places.
    """

    records: tuple[RunRecord, ...]
    said: tuple[str, ...]
    whole: bool = True


@dataclass(frozen=True)
class _Entry:
    """A run, where it is from and what its table shares."""

    source: str
    record: RunRecord
    setting: Mapping[str, str]
    facts: str

    @property
    def title(self) -> str:
        return f"{self.record.label} on {self.record.dataset} seed {self.record.seed}"


def merge(sources: Sequence[Path]) -> Merged:
    """Read runs of folders, files of rows and submissions, and keep what may be joined.

    Raises:
        UsageError: fewer than two places are named, one holds no runs, or none may be joined.
        DataError: a file of rows or a submission holds something else.
    """
    names = [str(source) for source in sources]
    if len(set(names)) < 2:
        raise UsageError("--merge joins runs of several places: name two or more")
    said: list[str] = []
    entries = [entry for source in sources for entry in _entries(source, said)]
    places: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        places[entry.record.protocol_hash].add(entry.source)
    entries = _one_of_each(entries, said)
    tables: dict[str, list[_Entry]] = defaultdict(list)
    for entry in entries:
        tables[entry.record.protocol_hash].append(entry)
    tables = {
        hash_: _of_one_meaning(_of_one_data(table, said), said) for hash_, table in tables.items()
    }
    said += [*_joined(tables), *_apart(tables, {h for h in tables if len(places[h]) == 1})]
    kept = tuple(entry.record for table in tables.values() for entry in table)
    if not kept:
        raise UsageError(" ".join(["there is no run to join.", *said[:1]]))
    return Merged(kept, tuple(said), _is_whole(tables))


def _entries(source: Path, said: list[str]) -> Iterator[_Entry]:
    """Yield the runs of one place that are what they say."""
    name = clean(str(source))
    for record in _read(source):
        if record.status == "unreadable":
            said.append(
                f"Left out: {clean(record.path)} of {name} cannot be read: {record.reason}."
            )
            continue
        try:
            yield _entry(name, record)
        except ValueError as problem:
            title = f"{record.label} on {record.dataset} seed {record.seed}"
            said.append(f"Left out: {title} of {name}: {problem}.")


def _read(source: Path) -> list[RunRecord]:
    if source.suffix != SUFFIX or source.is_dir():
        return read_folders(source)
    unpacked = unpack_submission(source)
    if unpacked.broken:
        member, cause = unpacked.broken[0]
        raise DataError(f"{source}: {member} {cause}; see `ltbench verify {source}`")
    records = read_runs(unpacked.root, keep=False)
    about = {"badge": "claimed", "origin": unpacked.by or source.name}
    for record in records:  # as rows would have it
        Path(record.path, "row.json").write_text(json.dumps(about), encoding="utf-8")
    return records


def _entry(source: str, record: RunRecord) -> _Entry:
    """Return a run with its setting.

    Raises:
        ValueError: its hashes, or its method's name, are not those of what it holds.
    """
    try:
        spec = read_json(Path(record.path, "spec.json")) or {}
        shared = RunSpec.from_dict(spec).shared_setting()
        hashes = canonical_hash(spec["identity"]), canonical_hash(shared)
        named_so = is_named_so(record.method, spec["identity"])
    except (UnreadableRun, LtbenchError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError("its spec.json is not that of a run") from error
    if hashes != (record.hash, record.protocol_hash):
        raise ValueError("its spec.json was edited, its hashes are not those of what it holds")
    if not named_so:
        raise ValueError("its spec.json holds another method than the one that it is called by")
    data = spec.get("data")
    facts = data if isinstance(data, dict) else {}
    told = {key: facts.get(key) for key in ("domains", "classes", "counts")}
    told["shots"] = _shots(record.dataset, facts.get("shots"))
    return _Entry(source, record, _settings(shared), json.dumps(told, sort_keys=True))


def _shots(dataset: str, shots: Any) -> Any:
    """Return the rule of the shots in the words of this version, or what else stands there."""
    try:
        return shot_rule(dataset, shots).words
    except (TypeError, ValueError, AttributeError, KeyError):
        return shots


def _settings(shared: Mapping[str, Any]) -> dict[str, str]:
    """Return everything that a table shares, as words by name."""
    found: dict[str, str] = {}
    for part, inside in shared.items():
        for key, value in (inside if isinstance(inside, dict) else {part: inside}).items():
            if isinstance(value, dict) and part == "dataset":
                found |= {f"option {k} of the data": format_value(v) for k, v in value.items()}
            else:
                found[key.replace("_", " ")] = format_value(value)
    return {clean(key): text.strip('"') for key, text in found.items()}


def _one_of_each(entries: Sequence[_Entry], said: list[str]) -> list[_Entry]:
    """Return each run once; where places differ about it the first one that has it done counts."""
    kept: dict[tuple[str, int], _Entry] = {}
    twice: dict[tuple[str, str], int] = defaultdict(int)
    for entry in entries:
        key = entry.record.hash, entry.record.seed
        before = kept.setdefault(key, entry)
        if before is entry:
            continue
        if _outcome(before.record) == _outcome(entry.record):
            twice[before.source, entry.source] += 1
            continue
        better = entry if before.record.status != "done" == entry.record.status else before
        kept[key] = better
        said.append(
            f"{entry.title} has other results in {before.source} ({_words(before.record)}) than in "
            f"{entry.source} ({_words(entry.record)}): that of {better.source} counts."
        )
    for (one, other), number in twice.items():
        runs = "1 run lies" if number == 1 else f"{number} runs lie"
        said.append(f"{runs} in {one} and in {other}, with the same results: counted once.")
    return list(kept.values())


def _outcome(record: RunRecord) -> tuple[str, dict[str, float]]:
    return record.status, record.test


def _words(record: RunRecord) -> str:
    value = record.test.get("macro_f1_average")
    return record.status if value is None else f"macro-F1 {100 * value:.2f}"


def _of_one_data(table: Sequence[_Entry], said: list[str]) -> list[_Entry]:
    """Return the runs whose specification says the same of the data as the first one's."""
    facts = table[0].facts
    for entry in table:
        if entry.facts != facts:
            said.append(
                f"Left out: {entry.title} of {entry.source}: of the same data set it says other "
                f"domains, classes, counts or shots than {table[0].source}."
            )
    return [entry for entry in table if entry.facts == facts]


def _of_one_meaning(table: Sequence[_Entry], said: list[str]) -> list[_Entry]:
    """Return the runs whose metrics are in the direction and unit of the first that has each.

    Runs say themselves what is better of a metric, and tables follow what most of them say.
    """
    meant: dict[str, tuple[tuple[str, str], str]] = {}
    kept = []
    for entry in table:
        own = _meanings(entry.record)
        off = [name for name, words in own.items() if meant.get(name, (words, ""))[0] != words]
        if off:
            said.append(
                f"Left out: {entry.title} of {entry.source}: it declares another direction or unit "
                f"of {clean(off[0])} than {meant[off[0]][1]}."
            )
            continue
        for name, words in own.items():
            meant.setdefault(name, (words, entry.source))
        kept.append(entry)
    return kept


def _meanings(record: RunRecord) -> dict[str, tuple[str, str]]:
    """Return direction and unit of each metric of a run."""
    measures, _ = measures_of([record.metrics])
    bases = {name: find_base(name, measures) for name in record.test}
    return {
        name: (measures[base].better, measures[base].unit) for name, base in bases.items() if base
    }


def _joined(tables: Mapping[str, Sequence[_Entry]]) -> Iterator[str]:
    """Yield of each table from where its runs are."""
    for hash_, table in tables.items():
        sources = _sources(table)
        if len(sources) > 1:
            done = [entry.source for entry in table if entry.record.status == "done"]
            counts = [f"{done.count(source)} runs of {source}" for source in sources]
            yield (
                f"Joined: {table[0].record.dataset}, protocol {hash_[:8]}: {_listed(counts)}; same "
                "split, protocol, backbone, precision and evaluation."
            )


def _apart(tables: Mapping[str, Sequence[_Entry]], alone: set[str]) -> Iterator[str]:
    """Yield in what tables that are of one place alone differ from the others'."""
    for hash_, table in tables.items():
        sources, dataset = _sources(table), table[0].record.dataset
        if hash_ not in alone:
            continue
        others = [
            (other_hash, other)
            for other_hash, other in tables.items()
            if other_hash != hash_ and other[0].record.dataset == dataset
            and set(_sources(other)) - set(sources)
        ]  # fmt: skip
        if not others:
            yield f"Not joined: {dataset}, protocol {hash_[:8]}, is in {sources[0]} alone."
            continue
        near_hash, near = min(others, key=lambda one: len(_differing(table[0], one[1][0])))
        off = _differing(table[0], near[0])
        named = ", ".join(off[:_MOST]) + (
            f" and {len(off) - _MOST} more" if len(off) > _MOST else ""
        )
        yield (
            f"Not joined: {dataset} of {sources[0]} (protocol {hash_[:8]}) and of "
            f"{_listed(_sources(near))} ({near_hash[:8]}) differ in {named}: a table each."
        )


def _differing(one: _Entry, other: _Entry) -> list[str]:
    keys = dict.fromkeys([*one.setting, *other.setting])
    return [
        f"{key} ({_shown(one, key)} and {_shown(other, key)})"
        for key in keys
        if one.setting.get(key) != other.setting.get(key)
    ]


def _shown(entry: _Entry, key: str) -> str:
    return clean(entry.setting.get(key, "the default"), _LONGEST)


def _sources(table: Sequence[_Entry]) -> list[str]:
    return list(dict.fromkeys(entry.source for entry in table))


def _is_whole(tables: Mapping[str, Sequence[_Entry]]) -> bool:
    """Return whether the settings of each unseen domain are of the same places.

    Their splits differ, so that nothing else says that two places have the same images.
    """
    found: dict[str, set[frozenset[str]]] = defaultdict(set)
    for table in tables.values():
        record = table[0].record
        if one_unseen(record.options):
            shared = each_hash(asdict(record), protocol_before(record.protocol, record.tuned))
            found[shared].add(frozenset(_sources(table)))
    return all(len(sources) == 1 for sources in found.values())


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
