"""The temperature of a run's chosen model: fitted once, and kept in the run's folder."""

from __future__ import annotations

import contextlib
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

from ltbench.errors import DataError
from ltbench.regular_files import open_file
from ltbench.results.folder import LOGITS, write_json
from ltbench.results.logits import read_logits
from ltbench.results.untrusted import UnreadableRun, numbers, read_json, read_result
from ltbench.stats.temperature import fitted_temperature

FILE = "temperature.json"


@dataclass(frozen=True)
class Temperature:
    """What logits are divided by.

    Attributes:
        value: 1 where nothing was fitted.
        images: validation images that it was fitted on.
        why_not: why nothing was fitted, without a full stop.
    """

    value: float = 1.0
    images: int = 0
    why_not: str = ""


def run_temperature(folder: Path) -> Temperature:
    """Return the temperature of a run's chosen model.

    It is fitted on the logits of the validation images, unless a part of the run was trained on
    these, of which a model is surer, or the logits are of another model than the kept one. What was
    fitted before is taken where it is of the same logits.

    Args:
        folder: of the run.
    """
    if why_not := _why_not(folder):
        return Temperature(why_not=why_not)
    try:
        with open_file(folder / LOGITS) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if (kept := _kept(folder, digest)) is not None:
            return kept
        validation = read_logits(folder, "val")
    except OSError:
        return Temperature(why_not="the run keeps no logits")
    except DataError as error:
        return Temperature(why_not=str(error))
    if not len(validation):
        return Temperature(why_not="the run has no validation images")
    found = Temperature(fitted_temperature(validation), len(validation))
    # A folder that nobody may write to is as good: the next one fits it again.
    with contextlib.suppress(OSError):
        write_json(
            folder / FILE,
            {"temperature": found.value, "images": found.images, "logits": digest},
        )
    return found


def _why_not(folder: Path) -> str:
    """Return why the logits of a run's validation images are no measure, or nothing."""
    try:
        result = read_result(folder) or {}
    except UnreadableRun as error:
        return str(error)
    if result.get("trained_on_validation"):
        return "a part of the run was trained on the validation images"
    if result.get("before_test"):
        return (
            "the run learnt on the test images before its test, its logits are of the model after "
            "that, and the model that is kept is the one before"
        )
    return ""


def _kept(folder: Path, digest: str) -> Temperature | None:
    """Return what was fitted before on the logits of this digest."""
    try:
        found = read_json(folder / FILE) or {}
    except UnreadableRun:
        return None
    value, images = (numbers(found).get(key, math.nan) for key in ("temperature", "images"))
    sound = found.get("logits") == digest and 0 < value < math.inf and images >= 1
    return Temperature(value, int(images)) if sound else None
