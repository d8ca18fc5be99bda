"""What a dishonest person may do with runs before they are handed in, and what is said of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from ltbench.session.verification.finding import Finding
from ltbench.session.verification.verify import Verification


class Members(dict[str, bytes]):
    """What is in a submission, by name; what changes is edited in place."""

    def find(self, words: str, name: str) -> str:
        """Return the one member of this file name whose place holds the words."""
        (found,) = (m for m in self if words in m and m.endswith(f"/{name}"))
        return found

    def edit(self, words: str, name: str, change: Callable[[dict[str, Any]], object]) -> None:
        """Edit a document."""
        member = self.find(words, name)
        document = json.loads(self[member])
        change(document)
        self[member] = json.dumps(document).encode()

    def edit_arrays(self, words: str, name: str, change: Callable[[dict], object]) -> None:
        """Edit an archive of arrays."""
        member = self.find(words, name)
        with np.load(io.BytesIO(self[member])) as archive:
            arrays = dict(archive)
        change(arrays)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        self[member] = buffer.getvalue()

    def move(self, old: str, new: str) -> None:
        """Give the members of a run another place."""
        for member in [m for m in self if old in m]:
            self[member.replace(old, new)] = self.pop(member)


def wrong(found: Verification) -> list[Finding]:
    return [finding for finding in found.findings if finding.kind == "wrong"]


def sentences(found: Verification, kind: str = "wrong") -> str:
    return "\n".join(f"{', '.join(f.runs)}: {f.text}" for f in found.findings if f.kind == kind)
