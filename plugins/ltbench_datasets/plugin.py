"""Registers the data sets of this package."""

from __future__ import annotations

from ltbench import hookimpl
from ltbench.plugins.hookspecs import Register


@hookimpl
def ltbench_datasets(register: Register) -> None:
    """Register the first-party data sets."""
    register(
        "digits-mini-mlt",
        "ltbench_datasets.digits_mini:DigitsMini",
        summary="Three digit domains, 10 classes, embedded: nothing to download",
    )
    register(
        "image-folder",
        "ltbench_datasets.image_folder:ImageFolder",
        summary="Your own images: root/class/*, root/domain/class/*, or a CSV",
    )
