"""What was measured of this machine's speed, kept in the user's cache folder: a file a workload.

A file is believed if it says of itself what its name says and its numbers are possible; of others
nothing is known. The choice is not kept, it follows from the numbers.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ltbench.data.locations import cache_folder
from ltbench.regular_files import read_file
from ltbench.results.arithmetic import EVERY, MEMORY_FORMATS, PLAIN, PRECISIONS, Arithmetic
from ltbench.results.untrusted import clean, numbers

CLEARLY = 0.95
"""A way is taken if its steps take at most this share of the time of the plainer one."""
FORMAT = 1
_LARGEST = 2**16  # bytes of a file
_MOST_FILES = 10_000
_WAYS = {str(way): way for way in (Arithmetic(p, f) for p in PRECISIONS for f in MEMORY_FORMATS)}


@dataclass(frozen=True)
class Question:
    """What was to be measured, all that an answer depends on.

    Attributes:
        processor: its name, with digits for its flags.
        device: ``cpu``, or the name of a GPU.
        torch: its version.
        threads: of the processor, that a run computes with.
        backbone: the network, with the version of a plugin's.
        image_shape: channels, height and width.
        images: in a step.
        optimizer: that takes the step.
        drop_path: as in the protocol.
        ways: that were compared, ``fp32 contiguous`` first.
    """

    processor: str
    device: str
    torch: str
    threads: int
    backbone: str
    image_shape: tuple[int, int, int]
    images: int
    optimizer: str
    drop_path: float
    ways: tuple[str, ...]

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def file(self) -> Path:
        """Where the answer lies."""
        return folder() / f"{hashlib.sha256(self.text().encode()).hexdigest()[:32]}.json"


@dataclass(frozen=True)
class Answer:
    """What was measured.

    Attributes:
        question: what it answers.
        images: in a step that was measured, at most those of the question.
        threads: that were measured, one where others kept the cores busy.
        seconds: of a step, by the way to compute.
        ratios: of the times of a step to the plain one's, compared turn by turn.
    """

    question: Question
    images: int
    threads: int
    seconds: Mapping[Arithmetic, float]
    ratios: Mapping[Arithmetic, float]

    def choice(self, among: Sequence[Arithmetic] = EVERY) -> Arithmetic:
        """Return the way to compute: the plainest, unless another is clearly faster.

        Args:
            among: the ways that may be taken, the plainest first; one at least was measured.
        """
        chosen, *others = [way for way in among if way in self.ratios]
        for way in others:
            if self.ratios[way] <= CLEARLY * self.ratios[chosen]:
                chosen = way
        return chosen


def find(question: Question) -> Answer | None:
    """Return what is known, ``None`` if it is to be measured."""
    found = _read(question.file)
    return found if found is not None and found.question == question else None


def keep(answer: Answer) -> None:
    """Write an answer down in one step; where that is not possible it is measured again one day."""
    document = {
        "format": FORMAT,
        "question": asdict(answer.question),
        "images": answer.images,
        "threads": answer.threads,
        "seconds": {str(way): value for way, value in answer.seconds.items()},
        "ratios": {str(way): value for way, value in answer.ratios.items()},
    }
    document["check"] = _check(document)
    file, temporary = answer.question.file, ""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        number, temporary = tempfile.mkstemp(dir=file.parent, suffix=".part")
        with os.fdopen(number, "w", encoding="utf-8") as part:
            json.dump(document, part, indent=1)
        os.replace(temporary, file)
        temporary = ""
    if temporary:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def known(processor: str) -> list[Answer]:
    """Return all that was measured on a processor, by backbone, images and threads."""
    try:
        files = sorted(folder().glob("*.json"))[:_MOST_FILES]
    except OSError:
        return []
    answers = [answer for answer in map(_read, files) if answer is not None]
    own = [answer for answer in answers if answer.question.processor == processor]
    return sorted(own, key=lambda a: (a.question.backbone, a.question.images, a.question.text()))


def forget() -> int:
    """Remove all that was measured and return how many files there were."""
    removed = 0
    for file in folder().glob("*.json"):
        with contextlib.suppress(OSError):
            file.unlink()
            removed += 1
    return removed


def folder() -> Path:
    """Return where the files lie."""
    return cache_folder() / "speeds"


def _read(file: Path) -> Answer | None:
    """Return the answer in a file, ``None`` where it holds none that can be believed."""
    try:
        document = json.loads(read_file(file, _LARGEST).decode())
        if document.pop("check") != _check(document) or document["format"] != FORMAT:
            return None
        question = _question(document["question"])
        seconds, ratios = _numbers(document["seconds"]), _numbers(document["ratios"])
        images, threads = _whole(document["images"]), _whole(document["threads"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    ways = {_WAYS[way] for way in question.ways}
    if question.file.name != file.name or not (ways == seconds.keys() == ratios.keys()):
        return None
    if PLAIN not in ways or images > question.images or threads > question.threads:
        return None
    return Answer(question, images, threads, seconds, ratios)


def _check(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True)
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _question(found: Mapping[str, Any]) -> Question:
    """Return a question that may be anything.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    texts = {
        name: found[name] for name in ("processor", "device", "torch", "backbone", "optimizer")
    }
    if not all(isinstance(text, str) and text == clean(text) for text in texts.values()):
        raise ValueError("a name is no printable text")
    channels, height, width = map(_whole, found["image_shape"])
    ways = tuple(found["ways"])
    if not set(ways) <= _WAYS.keys():
        raise ValueError("there is no such way to compute")
    drop_path = found["drop_path"]
    if not isinstance(drop_path, float) or not 0 <= drop_path <= 1:
        raise ValueError("drop_path is a share")
    return Question(
        **texts,
        threads=_whole(found["threads"]),
        image_shape=(channels, height, width),
        images=_whole(found["images"]),
        drop_path=drop_path,
        ways=ways,
    )


def _numbers(found: Mapping[str, Any]) -> dict[Arithmetic, float]:
    known = numbers(found)
    if len(known) < len(found) or not all(value > 0 for value in known.values()):
        raise ValueError("a time is a number above zero")
    return {_WAYS[way]: value for way, value in known.items()}


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**40:
        raise ValueError("this is no number of anything")
    return value
