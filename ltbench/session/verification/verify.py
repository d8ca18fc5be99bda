"""Checks a submission, folders of runs or rows: reads them, asks every check, gives badges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ltbench.errors import LtbenchError
from ltbench.results.folder import LOGITS
from ltbench.results.folders import read_folders
from ltbench.results.index import read_runs
from ltbench.results.run import RunRecord
from ltbench.results.submission import PER_MACHINE, SUFFIX
from ltbench.results.unpack_submission import Unpacked, unpack_submission
from ltbench.results.untrusted import UnreadableRun, clean, read_json, read_result
from ltbench.session.verification.answers import check_answers
from ltbench.session.verification.code import check_code
from ltbench.session.verification.copies import check_copies
from ltbench.session.verification.ensembles import check_combined, check_members
from ltbench.session.verification.finding import Badge, Finding, Findings, Subject
from ltbench.session.verification.learnt_on import check_learnt_on
from ltbench.session.verification.method import check_method
from ltbench.session.verification.metrics import check_metrics
from ltbench.session.verification.registry import Registry, check_registry
from ltbench.session.verification.rerun import Again, check_again, choose_again
from ltbench.session.verification.specification import (
    check_log,
    check_selection,
    check_specification,
    read_asked,
)

_MOST_NOT_DONE = 20  # runs without a result that are named


@dataclass(frozen=True)
class Verified:
    """A run and what is known of it.

    Attributes:
        record: the run.
        title: method, data set and seed.
        badge: ``re-run`` where it was trained again with the same outcome, ``recomputed`` where its
            metrics follow from its logits, else ``claimed``.
        wrong: whether something does not hold.
    """

    record: RunRecord
    title: str
    badge: Badge
    wrong: bool


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes:
        origin: who handed it in, or what the file is called.
        runs: the runs that could be read.
        findings: what is to be said, first what is wrong.
    """

    origin: str
    runs: tuple[Verified, ...]
    findings: tuple[Finding, ...]

    @property
    def wrong(self) -> bool:
        """Whether anything does not hold."""
        return any(finding.kind == "wrong" for finding in self.findings)


def verify(source: Path, data_dir: Path, again: Again | None = None) -> Verification:
    """Check runs that somebody handed in.

    Args:
        source: a submission, a folder of runs, or a file of rows.
        data_dir: the folder of the data sets' files.
        again: which runs are trained once more; ``None`` for none.

    Raises:
        UsageError: there is no such file or folder, it holds no runs, or there are none to train.
        DataError: it is no submission, or not safe to unpack.
    """
    findings = Findings()
    unpacked = unpack_submission(source) if source.suffix == SUFFIX else None
    records = read_runs(unpacked.root, keep=False) if unpacked else read_folders(source)
    subjects = _subjects(records, findings, own=source.is_dir())
    chosen = choose_again(subjects, again) if again else []  # before anything takes long
    if unpacked:
        _check_archive(unpacked, records, subjects, findings)
    whole = _check_each(subjects, Registry(data_dir), findings)
    check_combined(subjects, findings)
    check_copies(subjects, findings)
    trained = _train_again(chosen, subjects, again, findings) if again else set()
    whole.update(dict.fromkeys(check_members(subjects, findings), False))
    runs = tuple(_verified(run, findings, whole, trained) for run in subjects)
    return Verification((unpacked.by if unpacked else "") or source.name, runs, findings.listed())


def _subjects(records: Sequence[RunRecord], findings: Findings, *, own: bool) -> list[Subject]:
    """Return the runs that can be checked, and tell of the others.

    Where files lay is believed of one's own folders alone: who hands runs in leaves it out.
    """
    found: list[Subject] = []
    for record in records:
        folder, reason = Path(record.path), record.reason
        try:
            spec, result = read_json(folder / "spec.json"), read_result(folder)
        except UnreadableRun as problem:
            spec, result, reason = None, None, str(problem)
        if record.status == "unreadable" or spec is None:
            place = "/".join(folder.parts[-4:])
            findings.add("wrong", f"{clean(place)} cannot be read: {clean(reason)}")
        elif result is None:
            place = f"{record.label} on {record.dataset} seed {record.seed}"
            findings.add("note", f"{place} has no result ({record.status}) and was passed over")
        else:
            kept = ((folder / name).is_file() for name in (LOGITS, "log.jsonl"))
            told = {k: v for k, v in spec.items() if own or k not in PER_MACHINE}
            found.append(Subject(record, spec, result, read_asked(told), *kept))
    return found


def _check_archive(
    unpacked: Unpacked, records: Sequence[RunRecord], runs: Sequence[Subject], findings: Findings
) -> None:
    """Tell what is not as the manifest says, and which runs it says are not there."""
    of_place = {run.folder: run for run in runs}
    for member, cause in unpacked.broken:
        owner = of_place.get((unpacked.root / member).parent)
        name = member.rpartition("/")[2] if owner else member
        findings.add("wrong", f"{name} {cause}", *([owner] if owner else []))
    if not records:
        findings.add("wrong", "there is no run in it")
    for run in runs:
        place = (run.record.dataset, run.record.algo, run.record.hash, f"seed-{run.record.seed}")
        if run.folder.parts[-4:] != place:
            findings.add("wrong", "it lies where another run belongs: spec.json was edited", run)
        if missing := [n for n in _wanted(run) if not (run.folder / n).is_file()]:
            findings.add("wrong", f"{' and '.join(missing)} is not in the archive", run)
    told = unpacked.manifest.get("not_done")
    not_done = [one for one in told if isinstance(one, str)] if isinstance(told, list) else []
    for words in not_done[:_MOST_NOT_DONE]:
        findings.add("note", f"not handed in, as it has no result: {clean(words)}")
    if len(not_done) > _MOST_NOT_DONE:
        more = len(not_done) - _MOST_NOT_DONE
        findings.add("note", f"nor were {more:,} others handed in, as they have no result")


def _wanted(run: Subject) -> list[str]:
    return ["predictions.npz", LOGITS, *([] if run.combined else ["log.jsonl"])]


def _check_each(runs: Sequence[Subject], registry: Registry, findings: Findings) -> dict[str, bool]:
    """Ask every check of one run, and return by their folders which metrics were recomputed."""
    whole: dict[str, bool] = {}
    for run in runs:
        check_specification(run, findings)
        check_selection(run, findings)
        logged = check_log(run, findings)
        here = registry.find(run.asked) if run.asked else "its spec.json cannot be read"
        check_registry(run, here, findings)
        check_method(run, here, findings)
        sets = None if isinstance(here, str) else here.sets
        if run.logits:
            whole[run.record.path] = check_answers(run, findings)
        else:
            findings.add("unchecked", "its answers were not checked: no logits were handed in", run)
        recomputed = check_metrics(run, findings, sets)
        whole[run.record.path] = whole.get(run.record.path, False) and recomputed and logged
        check_learnt_on(run, findings)
        check_code(run, findings)
    return whole


def _train_again(
    chosen: Sequence[Subject], everything: Sequence[Subject], again: Again, findings: Findings
) -> set[str]:
    """Train runs once more, and return the folders of those that gave the same."""
    same = set()
    for run in chosen:
        try:
            if check_again(run, everything, again, findings):
                same.add(run.record.path)
        except LtbenchError as problem:
            findings.add("unchecked", f"it could not be trained again: {problem}", run)
    return same


def _verified(
    run: Subject, findings: Findings, whole: dict[str, bool], trained: set[str]
) -> Verified:
    wrong = findings.wrong_with(run)
    badge: Badge = "claimed"
    if not wrong and whole[run.record.path]:
        badge = "re-run" if run.record.path in trained else "recomputed"
    return Verified(run.record, run.title, badge, wrong)
