"""How the speeds that were measured on this machine are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ltbench.executors.measured import Answer
from ltbench.printable import styled

_HEAD = ("backbone", "images", "threads", "computes in", "ms", "of fp32", "")
_RIGHT = (1, 2, 4, 5)  # columns of numbers


def as_dict(answer: Answer) -> dict[str, Any]:
    """Return what ``--json`` prints of a measurement."""
    question = answer.question
    return {
        "backbone": question.backbone,
        "image_shape": list(question.image_shape),
        "images": question.images,
        "images_measured": answer.images,
        "threads": question.threads,
        "threads_measured": answer.threads,
        "optimizer": question.optimizer,
        "device": question.device,
        "torch": question.torch,
        "seconds": {str(way): value for way, value in answer.seconds.items()},
        "ratios": {str(way): value for way, value in answer.ratios.items()},
        "choice": str(answer.choice()),
    }


def as_text(answers: Sequence[Answer]) -> str:
    """Return a table for each device and version of torch."""
    places = dict.fromkeys((a.question.device, a.question.torch) for a in answers)
    parts = []
    for device, torch in places:
        own = [a for a in answers if (a.question.device, a.question.torch) == (device, torch)]
        rows = [_HEAD, *(row for answer in own for row in _rows(answer))]
        parts.append("\n".join([styled(f"{device}, torch {torch}", bold=True), *_aligned(rows)]))
    return "\n\n".join(parts)


def _rows(answer: Answer) -> Iterable[tuple[str, ...]]:
    question, chosen = answer.question, answer.choice()
    images, threads = (
        str(all_) if all_ == some else f"{some} of {all_}"
        for some, all_ in ((answer.images, question.images), (answer.threads, question.threads))
    )
    start: tuple[str, ...] = (question.backbone, images, threads)
    for way, seconds in answer.seconds.items():
        mark = "chosen" if way == chosen else ""
        yield (*start, str(way), f"{seconds * 1e3:.1f}", f"{answer.ratios[way]:.2f}", mark)
        start = ("", "", "")


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            f"{cell:>{width}}" if number in _RIGHT else f"{cell:{width}}"
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
