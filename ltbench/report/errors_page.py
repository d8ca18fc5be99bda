"""What a run got wrong, as sections of a page: confusion, pairs, the surest wrong answers, classes.

Everything is there for all test images and, where there are several domains, for each of them; the
page shows one at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ltbench.report.dataset_labels import dataset_label
from ltbench.report.figure_data import Choices
from ltbench.report.page_figures import Wish, draw_figures
from ltbench.report.per_class import class_section
from ltbench.report.run_errors import Part, RunErrors
from ltbench.report.section import (
    Column,
    Figure,
    Gallery,
    Picture,
    Report,
    Section,
    name_column,
    section,
    whole,
)
from ltbench.report.thumbnails import Thumbnails
from ltbench.results.frame import as_frames
from ltbench.results.untrusted import clean

FIGURES_ROOM = 3_000_000
PICTURES_ROOM = 3_000_000
"""Bytes of all drawings, and of all pictures with their maps: a page stays under 10 MB."""
_MOST_ROWS = 4000  # of all tables of classes together
_LONGEST_NAME = 160


@dataclass(frozen=True)
class Amount:
    """How much of a part is shown.

    Attributes:
        pairs: pairs of classes in the table.
        shown: those of them whose images are shown.
        each: images of a pair.
        confident: images of the surest wrong answers.
    """

    pairs: int = 20
    shown: int = 10
    each: int = 4
    confident: int = 24


PAGE, IN_REPORT = Amount(), Amount(pairs=8, shown=4, each=3, confident=8)


def shown_images(found: RunErrors, amount: Amount = PAGE) -> list[int]:
    """Return the test images that the page shows, each once."""
    chosen: dict[int, None] = {}
    for part in found.parts():
        chosen |= dict.fromkeys(part.confident(amount.confident).tolist())
        for y, guess in part.pairs(amount.shown)[["y", "guess"]].itertuples(index=False):
            chosen |= dict.fromkeys(part.of_pair(y, guess, amount.each).tolist())
    return list(chosen)


def errors_report(
    found: RunErrors,
    thumbnails: Thumbnails,
    *,
    command: str,
    notes: Sequence[str] = (),
    done: Callable[[int, int], None] = lambda drawn, figures: None,
) -> Report:
    """Return the page.

    Args:
        found: the answers of the run.
        thumbnails: pictures of its test images.
        command: the command line that asked for it.
        notes: further sentences.
        done: told how many figures are drawn, and of how many.
    """
    parts = list(found.parts())
    figures = _figures(found, parts, done)
    rows = max(10, _MOST_ROWS // len(parts))
    sections = [
        section
        for part in parts
        for section in (
            _overview(found, part, figures.get(part.domain, ())),
            *error_sections(found, part, thumbnails),
            worst_classes(found, part, rows),
        )
    ]
    run = found.record
    lead = (
        f"{run.label} on {dataset_label(run.dataset, run.options)}, seed {run.seed}: "
        f"{parts[0].wrong:,} of {len(parts[0].y):,} test images wrong."
    )
    return Report(
        tuple(sections),
        title=f"Errors of {run.label}",
        lead=lead,
        origin=lambda: Section(
            "How this was made",
            notes=(*picture_notes(thumbnails), *notes),
            commands=(command,),
        ),
    )


def error_sections(
    found: RunErrors,
    part: Part,
    thumbnails: Thumbnails,
    amount: Amount = PAGE,
) -> list[Section]:
    """Return the most confused pairs of classes, and the surest wrong answers.

    Args:
        found: the answers of the run.
        part: of which images.
        thumbnails: pictures of them.
        amount: how much is shown.
    """
    if not part.wrong:
        title = f"Most confused classes{_of(part)}"
        none = ("No answer is wrong.",)
        return [Section(title, notes=none, domain=part.domain, name=_short(part, 1))]
    pairs, confident = _pairs(found, part, thumbnails, amount), part.confident(amount.confident)
    title = f"Most confident wrong answers{_of(part)}"
    shown = _Shown(found, thumbnails)
    first = Gallery(
        f"The {len(confident):,} wrong answers with the highest confidence",
        tuple(shown.picture(image, own=True) for image in confident.tolist()),
    )
    sure = np.isfinite(part.sure).any()
    unknown = () if sure else ("The run did not keep how sure it was: these are any of them.",)
    return [
        pairs,
        Section(title, notes=unknown, galleries=(first,), domain=part.domain, name=_short(part, 2)),
    ]


def _pairs(found: RunErrors, part: Part, thumbnails: Thumbnails, amount: Amount) -> Section:
    frame = part.pairs(amount.pairs)
    shown = _Shown(found, thumbnails)
    galleries = [
        Gallery(
            f"{found.classes[row.y]} taken for {found.classes[row.guess]}: {row.images:,} "
            f"image{'s' * (row.images != 1)}, {_percent(row.share)} of the class",
            tuple(
                shown.picture(image, own=False)
                for image in part.of_pair(row.y, row.guess, amount.each).tolist()
            ),
        )
        for row in frame[: amount.shown].itertuples()
    ]
    columns = {
        "class": name_column("class"),
        "prediction": name_column("taken for"),
        "images": Column("images", whole),
        "share": Column("of the class, %", lambda share: f"{100 * share:.1f}"),
        "back": Column("the other way round", whole),
    }
    names = np.asarray(found.classes, dtype=object)
    named = frame.assign(**{"class": names[frame["y"]], "prediction": names[frame["guess"]]})
    why = picture_notes(thumbnails) if thumbnails.images.why_not else ()
    made = section(f"Most confused classes{_of(part)}", named, columns, tuple(why))
    return replace(made, galleries=tuple(galleries), domain=part.domain, name=_short(part, 1))


class _Shown:
    """Makes pictures of test images with what is said of them."""

    def __init__(self, found: RunErrors, thumbnails: Thumbnails) -> None:
        self._found = found
        self._thumbnails = thumbnails

    def picture(self, image: int, *, own: bool) -> Picture:
        """Return an image; with ``own`` its class and answer are said too."""
        answers, classes = self._found.answers, self._found.classes
        name = str(self._thumbnails.images.names[image])
        sure = float(answers.confidence[image])
        percent = "" if math.isnan(sure) else f"{_percent(sure)} sure"
        words = percent
        if own:
            true, taken = classes[answers.y[image]], classes[answers.prediction[image]]
            words = f"{true} taken for {taken}{', ' if percent else ''}{percent}"
        return Picture(
            clean(name, _LONGEST_NAME) if name else f"test image {image}",
            words,
            self._thumbnails.picture(image),
            self._thumbnails.map(image),
        )


def _overview(found: RunErrors, part: Part, figures: Sequence[Figure]) -> Section:
    right = len(part.y) - part.wrong
    recalls = _recalls(part, len(found.classes))
    worst = int(np.nanargmin(recalls))
    sentence = (
        f"{part.wrong:,} of {len(part.y):,} answers are wrong: accuracy "
        f"{_percent(right / len(part.y))}, balanced accuracy {_percent(float(np.nanmean(recalls)))}"
        f". The class with the lowest recall is {_in_sentence(found.classes[worst])}, "
        f"{_percent(float(recalls[worst]))}."
    )
    title = f"Confusion matrix{_of(part)}"
    return Section(
        title, verdict=(sentence,), figures=tuple(figures), domain=part.domain,
        name=_short(part, 0),
    )  # fmt: skip


def _recalls(part: Part, classes: int) -> NDArray[np.float64]:
    hits = np.bincount(part.y[part.y == part.guess], minlength=classes)
    whole = np.bincount(part.y, minlength=classes)
    return np.divide(hits, whole, out=np.full(classes, np.nan), where=whole > 0)


def worst_classes(found: RunErrors, part: Part, most: int) -> Section:
    """Return the table of classes of a part, the lowest recalls first, ``most`` rows of it."""
    answers = found.answers
    trained = found.trained
    if part.d >= 0:
        answers = answers.by_domain()[part.d]
        trained = answers.counts[part.d]
    made = class_section(f"Classes{_of(part)}", answers, found.classes, trained, sort="recall")
    made = replace(made, domain=part.domain, name=_short(part, 3))
    rows = made.grid.body
    if len(rows) <= most:
        return made
    note = (
        f"The {most:,} classes with the lowest recall of {len(rows):,}; `ltbench show` with "
        "--per-class writes all of them."
    )
    grids = (replace(made.grid, body=rows[:most]),)
    return replace(made, grids=grids, notes=(note, *made.notes))


def _figures(
    found: RunErrors, parts: Sequence[Part], done: Callable[[int, int], None]
) -> Mapping[str, Sequence[Figure]]:
    runs, protocol = as_frames([found.record]), found.record.protocol_hash
    wishes = [
        Wish(
            part.domain, "confusion", f"Confusion matrix{_of(part)}", runs,
            Choices(domain=part.domain or None), open=True, protocol=protocol,
        )
        for part in parts
    ]  # fmt: skip
    return draw_figures(wishes, done, FIGURES_ROOM)


def picture_notes(thumbnails: Thumbnails) -> list[str]:
    """Return why there are no pictures, or not all, in sentences."""
    notes = []
    if why := thumbnails.images.why_not.rstrip("."):
        notes.append(f"There are no pictures, and the names of the images stand alone: {why}.")
    if thumbnails.spent:
        notes.append("Some images stand without a picture, so that the page stays small.")
    return notes


_PARTS = ("Confusion matrix", "Most confused classes", "Most confident wrong answers", "Classes")


def _short(part: Part, which: int) -> str:
    return f"{_PARTS[which]}{_of(part)}"


def _of(part: Part) -> str:
    return f", {part.domain}" if part.domain else ""


def _in_sentence(name: str) -> str:
    """Return a name without the signs that stand for code in sentences."""
    return name.replace("`", "'")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
