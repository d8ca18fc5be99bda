"""What a check says of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ltbench.results.run import RunRecord, RunSpec

Kind = Literal["wrong", "unchecked", "note"]
Badge = Literal["claimed", "recomputed", "re-run"]


@dataclass(frozen=True)
class Finding:
    """One sentence on one run or several.

    Attributes:
        kind: ``wrong`` where something does not hold, ``unchecked`` where it could not be looked
            at, ``note`` for what a reader should know.
        text: the sentence, without a full stop.
        runs: titles of the runs; none where it is about all of them.
    """

    kind: Kind
    text: str
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """A run that is checked.

    Attributes:
        record: what its documents say, judged field by field.
        spec: the content of ``spec.json``.
        result: that of ``result.json``, in the terms of this version.
        asked: what ``spec.json`` asks for, or ``None`` where that is not possible here.
        logits: whether it came with logits.
        log: whether it came with a log.
    """

    record: RunRecord
    spec: dict[str, Any]
    result: dict[str, Any]
    asked: RunSpec | None
    logits: bool
    log: bool

    @property
    def folder(self) -> Path:
        """Its folder."""
        return Path(self.record.path)

    @property
    def title(self) -> str:
        """What it is called in a sentence: method, data set and seed."""
        return f"{self.record.label} on {self.record.dataset} seed {self.record.seed}"

    @property
    def combined(self) -> bool:
        """Whether it was made of other runs."""
        return bool(self.record.combined)


@dataclass
class Findings:
    """Collects what checks say; of the same sentence about several runs there is one."""

    # Folders tell runs apart, and titles do not: two protocols may have the same.
    _found: dict[tuple[Kind, str], dict[Path, str]] = field(default_factory=dict)

    def add(self, kind: Kind, text: str, *runs: Subject) -> None:
        """Add a sentence about runs."""
        self._found.setdefault((kind, text), {}).update((run.folder, run.title) for run in runs)

    def wrong_with(self, run: Subject) -> bool:
        """Return whether anything is wrong with a run."""
        return any(kind == "wrong" and run.folder in at for (kind, _), at in self._found.items())

    def listed(self) -> tuple[Finding, ...]:
        """Return the sentences: first what is wrong, then what could not be checked, then notes."""
        order = ("wrong", "unchecked", "note")
        found = [
            Finding(kind, text, tuple(dict.fromkeys(at.values())))
            for (kind, text), at in self._found.items()
        ]
        return tuple(sorted(found, key=lambda finding: order.index(finding.kind)))
