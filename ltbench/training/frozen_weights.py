"""Finds the file of the weights that a run does not keep, as it trained a part around them."""

from __future__ import annotations

from pathlib import Path

from ltbench.errors import UsageError
from ltbench.models.adaptation.adapted import FULL
from ltbench.models.weights import file_sha256
from ltbench.plugins.text import visible
from ltbench.results.run import RunSpec


def frozen_weights(spec: RunSpec) -> Path | None:
    """Return the file with the frozen part of a network of which a part was trained, if any.

    Args:
        spec: of the run that is done.

    Raises:
        UsageError: it is not there, or is another.
    """
    backbone = spec.backbone
    if backbone.weights is None or backbone.chosen.adapt == FULL:
        return None
    if not _holds(spec.weights_file, backbone.weights):
        raise UsageError(
            f"{visible(spec.weights_file) or 'no file'} does not hold the weights that "
            f"{backbone.title} was adapted from (SHA-256 {backbone.weights[:12]}…), which its runs "
            "do not keep: put them back there"
        )
    return Path(spec.weights_file)


def _holds(file: str, digest: str) -> bool:
    try:
        return bool(file) and file_sha256(Path(file)) == digest
    except UsageError:
        return False
